#include "weir/trace/span.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "weir/http/message.h"

namespace weir {
namespace {

bool IsId(std::string_view text, size_t digits) {
  const bool is_hexadecimal = std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
  return text.size() == digits && is_hexadecimal && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

bool Span::IsValid() const {
  return IsId(trace_id, 32) && IsId(span_id, 16) && (parent_span_id.empty() || IsId(parent_span_id, 16)) &&
         start_unix_ns <= end_unix_ns && attributes.size() <= kAttributesMax;
}

Span MakeServerSpan(const ServedRequest& request) {
  const bool is_known = KnownHttpMethod(request.method).has_value();
  Span span;
  span.name = is_known ? request.method : "HTTP";
  if (!request.route.empty()) span.name.append(" ").append(request.route);
  span.kind = SpanKind::kServer;
  span.trace_id = request.trace_id;
  span.span_id = request.span_id;
  span.parent_span_id = request.parent_span_id;
  span.is_parent_remote = !request.parent_span_id.empty();
  span.start_unix_ns = request.start_unix_ns;
  span.end_unix_ns = request.end_unix_ns;
  span.status = request.status >= 500 ? SpanStatus::kError : SpanStatus::kUnset;

  const auto say = [&span](std::string key, auto value) { span.attributes.push_back({std::move(key), std::move(value)}); };
  say("http.request.method", is_known ? std::string(request.method) : std::string("_OTHER"));
  if (!request.route.empty()) say("http.route", std::string(request.route));
  if (request.status > 0) say("http.response.status_code", int64_t{request.status});
  if (request.status >= 500) say("error.type", std::to_string(request.status));
  say("url.scheme", std::string(request.scheme));
  if (!request.server_address.empty()) say("server.address", std::string(request.server_address));
  if (request.server_port > 0) say("server.port", int64_t{request.server_port});
  say("http.request.body.size", static_cast<int64_t>(request.request_bytes));
  say("http.response.body.size", static_cast<int64_t>(request.response_bytes));
  return span;
}

uint64_t UnixNanoseconds() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

}  // namespace weir
