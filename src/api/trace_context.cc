#include "trace_context.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace weir::api {
namespace {

bool IsHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool IsZero(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '0'; });
}

// Unique ids, not secrets: a random start for each thread, then a mixed counter (Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", 2014).
uint64_t NextId() {
  thread_local uint64_t state = [] {
    uint64_t seed = 0;
    if (::getrandom(&seed, sizeof(seed), 0) != static_cast<ssize_t>(sizeof(seed))) {
      seed = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    return seed;
  }();
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  return z == 0 ? 1 : z;
}

}  // namespace

TraceContext ContinueTrace(std::string_view traceparent) {
  TraceContext context;
  context.span_id = fmt::format("{:016x}", NextId());
  constexpr size_t kLength = 55;
  const bool has_form = traceparent.size() >= kLength && traceparent[2] == '-' && traceparent[35] == '-' &&
                        traceparent[52] == '-' && (traceparent.size() == kLength || traceparent[kLength] == '-');
  if (has_form) {
    const std::string_view version = traceparent.substr(0, 2);
    const std::string_view trace = traceparent.substr(3, 32);
    const std::string_view span = traceparent.substr(36, 16);
    const std::string_view flags = traceparent.substr(53, 2);
    const bool is_valid = IsHex(version) && version != "ff" && (version != "00" || traceparent.size() == kLength) &&
                          IsHex(trace) && !IsZero(trace) && IsHex(span) && !IsZero(span) && IsHex(flags);
    if (is_valid) {
      context.trace_id = trace;
      context.parent_span_id = span;
      // The lowest bit of the last digit: b, d and f have it among the letters.
      const char digit = flags[1];
      context.is_sampled = ((digit >= 'a' ? digit - 'a' + 10 : digit - '0') & 1) != 0;
      return context;
    }
  }
  context.trace_id = fmt::format("{:016x}{:016x}", NextId(), NextId());
  return context;
}

}  // namespace weir::api
