#include "token_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "weir/report/text.h"

namespace weir {

Result<std::vector<TokenId>> ParseTokenIds(std::string_view text) {
  constexpr std::string_view kBetween = " \t\r\n,[]";
  constexpr size_t kShownBytes = 20;
  std::vector<TokenId> ids;
  for (size_t at = text.find_first_not_of(kBetween); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBetween, at), text.size());
    TokenId id = 0;
    const auto parsed = std::from_chars(text.data() + at, text.data() + end, id);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + end) {
      const std::string_view word = WholeCharacters(text, at, std::min(end - at, kShownBytes));
      return InvalidArgument(fmt::format("byte {}: '{}' is no token id", at, Visible(word)));
    }
    ids.push_back(id);
    at = text.find_first_not_of(kBetween, end);
  }
  return ids;
}

}  // namespace weir
