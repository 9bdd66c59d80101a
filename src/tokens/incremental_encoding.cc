#include "weir/tokens/incremental_encoding.h"

#include <fmt/format.h>

#include <algorithm>

#include "weir/codec/utf8.h"

namespace weir {
namespace {

// The size of an incomplete character at the end of `text` that more bytes could complete; 0 when there is none.
size_t IncompleteSize(std::string_view text) {
  for (size_t size = 1; size <= 3 && size <= text.size(); ++size) {
    const std::string_view end = text.substr(text.size() - size);
    const auto lead = static_cast<uint8_t>(end[0]);
    if (lead < 0x80) return 0;
    if (lead < 0xc0) continue;
    // Completed in the way that suits every lead byte's narrowest range, it is valid or can never be.
    const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size >= length) return 0;
    std::string whole(end);
    if (size == 1) whole += lead == 0xe0 ? '\xa0' : lead == 0xf0 ? '\x90' : '\x80';
    whole.resize(length, '\x80');
    return IsValidUtf8(whole) ? size : 0;
  }
  return 0;
}

// How many tokens of `encoding`, which is that of `text`, lie before the cut. One that stands for no byte of its own may
// begin at the cut and yet belong before it; only encoding the rest can tell.
Result<size_t> TokensBefore(Encoder& encoder, std::string_view text, size_t cut, const Encoding& encoding,
                            Encoding& scratch) {
  if (cut == text.size()) return encoding.ids.size();
  const auto [first, last] = std::equal_range(encoding.begins.begin(), encoding.begins.end(), static_cast<uint32_t>(cut));
  if (last - first <= 1) return static_cast<size_t>(first - encoding.begins.begin());
  WEIR_TRY(encoder.Encode(text.substr(cut), {}, scratch));
  return encoding.ids.size() - scratch.ids.size();
}

}  // namespace

Result<size_t> ExtendEncoding(Encoder& encoder, std::string_view text, size_t old_bytes, Encoding& encoding) {
  const std::string_view old_text = text.substr(0, old_bytes);
  const size_t cut = encoder.FindStableCut(old_text);
  Encoding rest;
  WEIR_ASSIGN(const size_t kept, TokensBefore(encoder, old_text, cut, encoding, rest));
  WEIR_TRY(encoder.Encode(text.substr(cut), {}, rest));
  encoding.ids.reserve(kept + rest.ids.size());
  encoding.begins.reserve(kept + rest.ids.size());
  encoding.ids.resize(kept);
  encoding.begins.resize(kept);
  encoding.ids.insert(encoding.ids.end(), rest.ids.begin(), rest.ids.end());
  for (const uint32_t begin : rest.begins) encoding.begins.push_back(static_cast<uint32_t>(cut) + begin);
  return rest.ids.size();
}

Result<size_t> IncrementalEncoding::Append(Encoder& encoder, std::string_view bytes) {
  const size_t before = tail_.size();
  tail_.append(waiting_).append(bytes);
  const size_t incomplete = IncompleteSize(tail_);
  std::string waiting = tail_.substr(tail_.size() - incomplete);
  tail_.resize(tail_.size() - incomplete);
  if (const auto fault = FindInvalidUtf8(std::string_view(tail_).substr(before))) {
    tail_.resize(before);
    return InvalidArgument(fmt::format("text is not UTF-8 at byte {}", tail_begin_ + before + *fault));
  }
  if (const Status status = tail_begin_ + tail_.size() < UINT32_MAX
                                ? encoder.Encode(tail_, {}, scratch_)
                                : Status(InvalidArgument("text of more than 4 GiB - 2 bytes"));
      !status) {
    tail_.resize(before);
    return status.error();
  }
  waiting_ = std::move(waiting);

  const size_t old_count = encoding_.ids.size() - stable_tokens_;
  const size_t shared_most = std::min(old_count, scratch_.ids.size());
  size_t shared = 0;
  while (shared < shared_most && encoding_.ids[stable_tokens_ + shared] == scratch_.ids[shared] &&
         encoding_.begins[stable_tokens_ + shared] == tail_begin_ + scratch_.begins[shared]) {
    ++shared;
  }
  const size_t first_changed = stable_tokens_ + shared;
  encoding_.ids.resize(first_changed);
  encoding_.ids.insert(encoding_.ids.end(), scratch_.ids.begin() + static_cast<ptrdiff_t>(shared), scratch_.ids.end());
  encoding_.begins.resize(first_changed);
  for (size_t i = shared; i < scratch_.begins.size(); ++i) {
    encoding_.begins.push_back(static_cast<uint32_t>(tail_begin_) + scratch_.begins[i]);
  }

  const size_t cut = encoder.FindStableCut(tail_);
  if (cut == 0) return first_changed;
  Encoding whole;
  std::swap(whole, scratch_);
  WEIR_ASSIGN(const size_t settled, TokensBefore(encoder, tail_, cut, whole, scratch_));
  stable_tokens_ += settled;
  tail_.erase(0, cut);
  tail_begin_ += cut;
  return first_changed;
}

}  // namespace weir
