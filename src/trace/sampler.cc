#include "weir/trace/sampler.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace weir {

SpanSampler::SpanSampler(double share, bool is_parent_based)
    : share_(share > 0 ? std::min(share, 1.0) : 0), is_parent_based_(is_parent_based) {}

bool SpanSampler::Keeps(std::string_view trace_id, std::optional<bool> parent_sampled) const {
  if (is_parent_based_ && parent_sampled) return *parent_sampled;
  if (share_ >= 1) return true;
  if (share_ <= 0 || trace_id.size() < 16) return false;
  const std::string_view tail = trace_id.substr(trace_id.size() - 16);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), number, 16);
  if (error != std::errc() || end != tail.data() + tail.size()) return false;
  // In integers: as a double, a number just below the border would be rounded onto it.
  return (number >> 1) < static_cast<uint64_t>(share_ * 0x1.0p63);
}

}  // namespace weir
