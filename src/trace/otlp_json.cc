#include "otlp_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "weir/codec/json.h"
#include "weir/codec/utf8.h"

namespace weir::trace {
namespace {

// Bits of Span.flags in the protocol.
constexpr uint32_t kSampled = 0x01;
constexpr uint32_t kKnowsRemote = 0x100;
constexpr uint32_t kIsRemote = 0x200;

std::string Quoted(std::string_view text) {
  return JsonQuote(IsValidUtf8(text) ? std::string(text) : ReplaceInvalidUtf8(text));
}

std::string Lowered(std::string_view digits) {
  std::string text(digits);
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

void AppendValue(std::string& out, const std::variant<std::string, int64_t, double, bool>& value) {
  const auto to = std::back_inserter(out);
  if (const auto* text = std::get_if<std::string>(&value)) {
    fmt::format_to(to, R"({{"stringValue":{}}})", Quoted(*text));
  } else if (const auto* integer = std::get_if<int64_t>(&value)) {
    fmt::format_to(to, R"({{"intValue":"{}"}})", *integer);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    fmt::format_to(to, R"({{"boolValue":{}}})", *flag);
  } else if (const double number = std::get<double>(value); std::isfinite(number)) {
    fmt::format_to(to, R"({{"doubleValue":{}}})", number);
  } else {
    fmt::format_to(to, R"({{"doubleValue":"{}"}})", std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
  }
}

void AppendAttributes(std::string& out, std::span<const SpanAttribute> attributes) {
  out += "\"attributes\":[";
  for (size_t i = 0; i < attributes.size(); ++i) {
    if (i > 0) out += ',';
    fmt::format_to(std::back_inserter(out), R"({{"key":{},"value":)", Quoted(attributes[i].key));
    AppendValue(out, attributes[i].value);
    out += '}';
  }
  out += ']';
}

void AppendSpan(std::string& out, const Span& span) {
  const auto to = std::back_inserter(out);
  fmt::format_to(to, R"({{"traceId":"{}","spanId":"{}",)", Lowered(span.trace_id), Lowered(span.span_id));
  if (!span.parent_span_id.empty()) fmt::format_to(to, R"("parentSpanId":"{}",)", Lowered(span.parent_span_id));
  fmt::format_to(to, R"("flags":{},"name":{},"kind":{},"startTimeUnixNano":"{}","endTimeUnixNano":"{}",)",
                 kSampled | kKnowsRemote | (span.is_parent_remote ? kIsRemote : 0), Quoted(span.name),
                 static_cast<int>(span.kind), span.start_unix_ns, span.end_unix_ns);
  AppendAttributes(out, span.attributes);
  if (span.status == SpanStatus::kUnset) {
    out += ",\"status\":{}}";
  } else {
    fmt::format_to(to, R"(,"status":{{"code":{}}}}})", static_cast<int>(span.status));
  }
}

}  // namespace

std::string OtlpTraceRequest(std::span<const SpanAttribute> resource, std::string_view version,
                             std::span<const Span> spans) {
  std::string out = "{\"resourceSpans\":[{\"resource\":{";
  AppendAttributes(out, resource);
  out += "},\"scopeSpans\":[{\"scope\":{\"name\":\"weir\"";
  if (!version.empty()) out += ",\"version\":" + Quoted(version);
  out += "},\"spans\":[";
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0) out += ',';
    AppendSpan(out, spans[i]);
  }
  out += "]}]}]}";
  return out;
}

uint64_t RefusedSpans(std::string_view answer) {
  const auto parsed = Json::Parse(answer);
  if (!parsed) return 0;
  const Json* partial = parsed->Find("partialSuccess");
  const Json* refused = partial != nullptr ? partial->Find("rejectedSpans") : nullptr;
  if (refused == nullptr) return 0;
  // A 64-bit integer comes as text or as a number.
  if (const int64_t* number = refused->get_if_int()) return *number > 0 ? static_cast<uint64_t>(*number) : 0;
  uint64_t count = 0;
  if (!refused->is_string()) return 0;
  const std::string& text = refused->as_string();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  return error == std::errc() && end == text.data() + text.size() ? count : 0;
}

}  // namespace weir::trace
