#include "retry.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string>

namespace weir::trace {
namespace {

constexpr int64_t kSecondsMax = 366LL * 24 * 3600;

}  // namespace

bool IsRetryable(int status) { return status == 429 || status == 502 || status == 503 || status == 504; }

std::optional<Duration> ParseRetryAfter(std::string_view value, int64_t now_unix_s) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!value.empty() && std::ranges::all_of(value, is_digit)) {
    int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    return std::chrono::seconds(error == std::errc() ? std::min(seconds, kSecondsMax) : kSecondsMax);
  }
  std::tm parts{};
  const std::string text(value);
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::chrono::seconds(std::clamp<int64_t>(::timegm(&parts) - now_unix_s, 0, kSecondsMax));
}

}  // namespace weir::trace
