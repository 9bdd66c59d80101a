#pragma once
// When a failed request goes out again. Internal to `trace`. Pure functions.

#include <cstdint>
#include <optional>
#include <string_view>

#include "weir/base/clock.h"

namespace weir::trace {

// 429, 502, 503, 504: the collector may take the same batch later.
bool IsRetryable(int status);

// What a Retry-After field says: seconds, or a date (the distance from `now_unix_s`, at least 0). Nothing if it cannot be
// read. Source: RFC 9110, section 10.2.3.
std::optional<Duration> ParseRetryAfter(std::string_view value, int64_t now_unix_s);

}  // namespace weir::trace
