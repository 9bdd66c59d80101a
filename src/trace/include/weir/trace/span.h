#pragma once
// Span: one finished piece of work in a trace, as OpenTelemetry knows it. What HTTP servers say about a request follows the
// HTTP semantic conventions.
//
// Plain values. Names and attributes hold what the program knows of itself (a route, a status, sizes), never text of a
// request: no path, no query, no header, no body, no address of a client.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir {

// Numbers as OTLP has them.
enum class SpanKind : uint8_t { kInternal = 1, kServer = 2, kClient = 3, kProducer = 4, kConsumer = 5 };
enum class SpanStatus : uint8_t { kUnset = 0, kOk = 1, kError = 2 };

struct SpanAttribute {
  std::string key;
  std::variant<std::string, int64_t, double, bool> value;

  friend bool operator==(const SpanAttribute&, const SpanAttribute&) = default;
};

struct Span {
  static constexpr size_t kAttributesMax = 128;

  std::string name{};
  SpanKind kind = SpanKind::kInternal;
  std::string trace_id{};         // 32 hexadecimal digits, not all zero
  std::string span_id{};          // 16, not all zero
  std::string parent_span_id{};   // 16; empty: the trace begins here
  bool is_parent_remote = false;  // the parent is of another process
  uint64_t start_unix_ns = 0;
  uint64_t end_unix_ns = 0;  // not before the start
  std::vector<SpanAttribute> attributes{};
  SpanStatus status = SpanStatus::kUnset;

  // Ids, times and the number of attributes are as said above.
  bool IsValid() const;
};

// What is known of a request that a server has answered.
struct ServedRequest {
  std::string_view method{};
  std::string_view route{};  // a template, "/v1/contexts/{agent}"; empty: none matched
  int status = 0;
  uint64_t request_bytes = 0;  // of the bodies
  uint64_t response_bytes = 0;
  std::string_view scheme = "http";
  std::string_view server_address{};  // of ours: a name, a numeric address or the path of a unix socket; empty: not said
  uint16_t server_port = 0;           // 0: not said
  std::string_view trace_id{};
  std::string_view span_id{};
  std::string_view parent_span_id{};  // of the caller; empty: none
  uint64_t start_unix_ns = 0;
  uint64_t end_unix_ns = 0;
};

// A server span: "GET /v1/contexts/{agent}"; 5xx is an error, 4xx is the caller's affair. A method that HTTP does not know
// is "_OTHER" ("HTTP" in the name). url.path, which the conventions want, is left out: it holds names that callers chose.
// Source: OpenTelemetry semantic conventions, "HTTP spans", server.
Span MakeServerSpan(const ServedRequest& request);

// Nanoseconds since 1970, from the system's clock.
uint64_t UnixNanoseconds();

}  // namespace weir
