#pragma once
// W3C Trace Context: what a caller's traceparent says, and ids of our own. Internal to `api`. Pure but for randomness.

#include <string>
#include <string_view>

namespace weir::api {

struct TraceContext {
  std::string trace_id;
  std::string span_id;         // new
  std::string parent_span_id;  // empty: the trace begins here
  bool is_sampled = true;
};

// From a traceparent header ("00-TRACE-SPAN-FLAGS"; empty: none). What is not valid counts as none, as the standard says.
TraceContext ContinueTrace(std::string_view traceparent);

}  // namespace weir::api
