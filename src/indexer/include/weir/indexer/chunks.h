#pragma once
// CutChunks: a text in pieces that a model can take whole, cut where its structure allows and stable under edits.
//
// The rule. A cut may stand before any line that is not blank; inside a line of more than an eighth of the limit also before
// a word, and inside a word of that size before any token. Each place has a strength: after a blank line more than
// elsewhere; then the less the line is indented the more, headings first; little before a line that closes a bracket; less
// inside a line, where an end of a sentence counts more than any other word. From the start of a chunk, the next one starts
// at the strongest place at which the chunk has between a quarter of the limit and all of it; of equally strong ones at that
// before which the text that follows is the least in byte order, and of those the first. What is left of a text that fits is
// the last chunk. Where a chunk ends thus depends on the text within one limit of it and not on its place in the file: two
// cuttings that began apart come together again, mostly within a few chunks, and an edit changes the chunks around it alone.
//
// Pure function; the encoder belongs to the caller.

#include <cstdint>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// Part of a text; no blank line at either end.
struct Chunk {
  uint32_t begin = 0;  // bytes
  uint32_t end = 0;
  uint32_t first_line = 1;  // counted from 1
  uint32_t last_line = 1;   // that holds its last byte
  friend bool operator==(const Chunk&, const Chunk&) = default;
};

// A new number whenever the rule, and so the chunks of the same text, changes.
inline constexpr uint32_t kChunkRule = 1;

inline constexpr uint32_t kChunkTokensLeast = 16;

// Of at most tokens_max tokens each, special tokens included. All that is not white space is in exactly one chunk; a text of
// nothing else has none. REQUIRES: tokens_max >= kChunkTokensLeast. invalid_argument: not UTF-8, with the byte; a character
// of more tokens than fit.
Result<std::vector<Chunk>> CutChunks(std::string_view text, Encoder& encoder, uint32_t tokens_max);

}  // namespace weir
