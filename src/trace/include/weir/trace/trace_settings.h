#pragma once
// TraceSettings: what OpenTelemetry's standard environment variables ask for. Without an endpoint nothing is ever sent.
//
// Pure. Names and rules: OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter". Read are
// OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER[_ARG], OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_BSP_{SCHEDULE_DELAY,EXPORT_TIMEOUT,MAX_QUEUE_SIZE,MAX_EXPORT_BATCH_SIZE}, and of OTEL_EXPORTER_OTLP_* (or
// OTEL_EXPORTER_OTLP_TRACES_*, which comes first): ENDPOINT, PROTOCOL, HEADERS, TIMEOUT, CERTIFICATE, COMPRESSION.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/trace/sampler.h"
#include "weir/trace/span_exporter.h"

namespace weir {

// The value of an environment variable, if it is set. Empty counts as unset.
using VariableLookUp = std::function<std::optional<std::string>(std::string_view name)>;

struct TraceSettings {
  bool is_on = false;
  std::string why_off{};  // for people: "OTEL_EXPORTER_OTLP_ENDPOINT is not set"
  SpanSampler sampler{};
  SpanExporterOptions exporter{};
  // What was asked for and is not done, each with the variable's name. Values of headers are never in it.
  std::vector<std::string> warnings{};
};

// Never fails: a value that cannot be used is a warning and counts as unset; an endpoint that cannot be used, or gRPC,
// leaves tracing off; certificate files are read by SpanExporter::Create. `version` is that of the program.
TraceSettings ReadTraceSettings(const VariableLookUp& look_up, std::string_view version);

}  // namespace weir
