#pragma once
// SpanSampler: which traces are kept. Same trace, same answer, in every process that counts this way.
//
// A plain value. Source: OpenTelemetry trace SDK, built-in samplers; the share of traces is decided by the last eight bytes
// of the trace id, as common SDKs do.

#include <optional>
#include <string_view>

namespace weir {

class SpanSampler {
 public:
  // Keeps everything, unless the caller said otherwise (parentbased_always_on).
  SpanSampler() = default;
  // `share` of the traces (0 to 1, cut to it). is_parent_based: a caller that decided is followed, the share holds for
  // traces that begin here.
  SpanSampler(double share, bool is_parent_based);

  // `trace_id`: 32 hexadecimal digits. `parent_sampled`: what the caller decided, if there was one.
  bool Keeps(std::string_view trace_id, std::optional<bool> parent_sampled) const;

  double share() const { return share_; }
  bool is_parent_based() const { return is_parent_based_; }

 private:
  double share_ = 1;
  bool is_parent_based_ = true;
};

}  // namespace weir
