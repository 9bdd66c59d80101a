#pragma once
// The body of an OTLP trace export request in JSON, and what an answer says. Internal to `trace`. Pure functions.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "weir/trace/span.h"

namespace weir::trace {

// An ExportTraceServiceRequest: ids in hexadecimal, 64-bit integers as text, enums as numbers. Broken UTF-8 becomes U+FFFD.
std::string OtlpTraceRequest(std::span<const SpanAttribute> resource, std::string_view version, std::span<const Span> spans);

// How many spans the collector says it refused of a batch that it took; 0 if it says nothing that can be read.
uint64_t RefusedSpans(std::string_view answer);

}  // namespace weir::trace
