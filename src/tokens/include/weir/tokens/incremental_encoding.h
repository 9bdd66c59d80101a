#pragma once
// IncrementalEncoding: the encoding of a text that grows at its end, kept up to date without starting over.
//
// After every Append() the encoding equals that of the whole text so far. Only what later text could still change is
// encoded again: from the encoder's last stable cut on (Encoder::FindStableCut), a few words before the end. One thread
// at a time; a plain value, light enough for one per context, while encoders are shared between contexts.

#include <cstddef>
#include <string>
#include <string_view>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

class IncrementalEncoding {
 public:
  // Appends bytes, which may end inside a character: the cut character waits for its rest. Returns the index of the
  // first token that is new or changed. invalid_argument, with the byte offset in the whole text, when the text is not
  // UTF-8; nothing is appended then. REQUIRES: every call passes an encoder of one and the same tokenizer.
  Result<size_t> Append(Encoder& encoder, std::string_view bytes);

  // Of all complete characters so far, without a post-processor's tokens.
  const Encoding& encoding() const { return encoding_; }
  size_t text_bytes() const { return tail_begin_ + tail_.size(); }  // that encoding() covers
  size_t waiting_bytes() const { return waiting_.size(); }          // of a character that is not complete

 private:
  Encoding encoding_;
  size_t stable_tokens_ = 0;  // of encoding_: no later text changes them
  size_t tail_begin_ = 0;     // bytes; where the text after them begins
  std::string tail_;          // that text
  std::string waiting_;
  Encoding scratch_;
};

// The same for a text of which an encoding is at hand: `encoding`, without a post-processor's tokens, is that of the first
// `old_bytes` of `text` and becomes that of the whole. Returns how many tokens were encoded; the others were kept. On an
// error `encoding` is what it was. REQUIRES: valid UTF-8 up to old_bytes, encoded by an encoder of the same tokenizer.
Result<size_t> ExtendEncoding(Encoder& encoder, std::string_view text, size_t old_bytes, Encoding& encoding);

}  // namespace weir
