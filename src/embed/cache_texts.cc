// What EmbedCache does with texts before a model sees them.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "cache_core.h"
#include "weir/codec/utf8.h"

namespace weir {

using embed::ModelDesk;

Result<std::vector<TokenId>> EmbedCache::Core::Tokenize(ModelDesk& desk, std::string_view text, EmbedInput input) const {
  if (text.size() > options_.text_bytes_max) {
    return InvalidArgument(fmt::format("a text of {} bytes, more than {}", text.size(), options_.text_bytes_max),
                           "divide it");
  }
  if (const auto fault = FindInvalidUtf8(text)) {
    return InvalidArgument(fmt::format("text is not UTF-8 at byte {}", *fault), "convert it to UTF-8");
  }
  // NUL as well: tokenizers drop it.
  if (IsBlankUtf8(text)) return InvalidArgument("an empty text", "leave it out, or give it words");
  std::unique_ptr<Encoder> encoder = desk.TakeEncoder();
  Encoding encoding;
  const std::string_view prefix = desk.PrefixFor(input);
  if (prefix.empty()) {
    WEIR_TRY(encoder->Encode(text, {.add_special_tokens = true}, encoding));
  } else {
    WEIR_TRY(encoder->Encode(std::string(prefix).append(text), {.add_special_tokens = true}, encoding));
  }
  desk.GiveBack(std::move(encoder));
  return std::move(encoding.ids);
}

Result<std::vector<TokenId>> EmbedCache::Core::IdsOf(const ModelDesk& desk, std::string_view bytes) {
  std::vector<TokenId> ids(bytes.size() / sizeof(TokenId));
  if (ids.empty()) return InvalidArgument("a text without tokens", "leave it out, or give it some");
  std::memcpy(ids.data(), bytes.data(), ids.size() * sizeof(TokenId));
  const uint32_t size = desk.model().tokenizer->vocab_size();
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= size) {
      return InvalidArgument(fmt::format("token {} is outside the vocabulary of {}", i, size),
                             "use the model's own tokenizer");
    }
  }
  return ids;
}

Result<uint64_t> EmbedCache::Core::CountTokens(ModelDesk& desk, std::span<const std::string_view> texts,
                                               const EmbedCall& call) const {
  uint64_t tokens = 0;
  for (const std::string_view text : texts) {
    const Result<std::vector<TokenId>> ids = Tokenize(desk, text, call.input);
    if (!ids && ids.error().code != ErrorCode::kInvalidArgument) return ids.error();
    if (!ids) continue;
    const uint32_t most = call.truncate && desk.model().tokens_max > 0 ? desk.model().tokens_max : UINT32_MAX;
    tokens += std::min<uint64_t>(ids->size(), most);
  }
  return tokens;
}

}  // namespace weir
