#pragma once
// Vectors of texts of any length.
//
// A text that fits the model has the vector that EmbedCache::Embed gives. A longer one is cut into windows, from its start
// to its end without gaps or overlaps; each window is as long as the model allows, prefix and special tokens included, and
// ends where a token of the model's own tokenizer begins: within its last quarter at the last empty line, or else the last
// end of a line, or else the last white space, or else at the last token. Each window is embedded through the cache as a
// text of its own, so that a text that grows at its end has only its last windows embedded again. The vector of the whole is
// the mean of the windows' vectors, each weighted by its tokens, brought to length 1. Windows of white space alone do not
// count.
//
// What such a mean is good for: what a text is about. A detail that stands in one window of many is in it with that weight.
//
// Plain functions; from any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/embed/embed_cache.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// Of one text; 500,000 tokens at 128 a window.
inline constexpr uint32_t kWindowsMax = 4096;

// 32 hexadecimal digits over all that decides what such vectors are: model, tokenizer, dimensions, what stands in front of
// passages, the length of windows, the method. Vectors under two of these are not compared.
std::string LongTextFingerprint(const EmbedModel& model);

struct TextWindow {
  uint32_t begin = 0;  // bytes of the text
  uint32_t end = 0;
  uint32_t tokens = 0;  // without prefix and special tokens
  friend bool operator==(const TextWindow&, const TextWindow&) = default;
};

struct WindowRules {
  uint32_t tokens_max = 0;    // of a window with prefix and special tokens; 0: no limit, so one window
  std::string_view prefix{};  // that stands in front of each
};

// The windows of a text; one for a text that fits, whatever is in it. invalid_argument: not UTF-8, more than kWindowsMax, or
// a limit that leaves no room beside prefix and special tokens.
Result<std::vector<TextWindow>> CutIntoWindows(Encoder& encoder, std::string_view text, const WindowRules& rules);

struct LongTextItem {
  Status status{};
  EmbedSource source = EmbedSource::kNone;  // of several windows: computed if any was, else coalesced, stored, hit
  uint32_t windows = 0;
  uint32_t tokens = 0;  // of all windows
};

struct LongTextAnswer {
  uint32_t dimensions = 0;
  std::vector<float> vectors;  // items.size() x dimensions; a failed item's row is 0
  std::vector<LongTextItem> items;
  std::span<const float> vector(size_t item) const { return {vectors.data() + item * dimensions, dimensions}; }
};

// One item a text, in order; errors as of EmbedCache::Embed, but no text is too long for the model. A text of which a window
// fails has that window's error. `call.truncate` changes nothing here.
Result<LongTextAnswer> EmbedLongTexts(EmbedCache& cache, std::string_view model, std::span<const std::string_view> texts,
                                      const EmbedCall& call = {});

}  // namespace weir
