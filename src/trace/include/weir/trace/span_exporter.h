#pragma once
// SpanExporter: sends finished spans to a collector by OTLP/HTTP in its JSON form, in batches, from one thread of its own.
//
// Thread-safe; Add never waits for the network. The queue is bounded: what does not fit is dropped and counted. A batch is
// tried again with growing pauses on 429, 502, 503, 504 and when the collector cannot be reached; Retry-After is obeyed, by
// the batches that follow as well. A change between taking and not taking is logged once; no header, no body is.
// Source: OTLP specification 1, sections "OTLP/HTTP" and "JSON Protobuf Encoding".

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/http/client.h"
#include "weir/http/message.h"
#include "weir/trace/span.h"

namespace weir {

struct SpanExporterOptions {
  HttpUrl endpoint{};     // whole, "/v1/traces" included
  HttpHeaders headers{};  // beside Content-Type
  // PEM; whom to believe over TLS. Empty: the system's.
  std::filesystem::path certificate_authorities{};
  std::vector<SpanAttribute> resource{};  // who sends: service.name and the like
  std::string version{};                  // of the program; empty: not said

  uint32_t queue_max = 2048;                             // spans
  uint32_t batch_max = 512;                              // spans in one request
  Duration schedule_delay = std::chrono::seconds(5);     // a span waits no longer than this for company
  Duration attempt_timeout = std::chrono::seconds(10);   // for each step of one request
  Duration export_timeout = std::chrono::seconds(30);    // for a batch with all its attempts
  Duration first_pause = std::chrono::seconds(1);        // between attempts; doubles, and varies by half
  Duration longest_pause = std::chrono::seconds(16);     // what doubling leads to
  Duration longest_retry_after = std::chrono::hours(1);  // a collector that asks for more gets this

  // invalid_argument, with the field's name.
  Status Validate() const;
};

enum class SpanOutcome : uint8_t { kQueued, kFull, kInvalid, kClosed };

// Spans and requests since the start, or what is so now. added = queued + in_flight + sent + refused + lost.
struct SpanExporterStats {
  uint64_t spans_added = 0;      // taken into the queue
  uint64_t spans_full = 0;       // not taken: no room
  uint64_t spans_invalid = 0;    // not taken: against the rules of Span
  uint64_t spans_closed = 0;     // not taken: after Shutdown
  uint64_t spans_sent = 0;       // the collector has them
  uint64_t spans_refused = 0;    // the collector took the batch, but not these
  uint64_t spans_lost = 0;       // given up: no answer in time, or an answer that forbids another try
  uint64_t spans_queued = 0;     // now
  uint64_t spans_in_flight = 0;  // now
  uint64_t requests = 0;         // attempts
  uint64_t requests_failed = 0;  // of them
};

class SpanExporter {
 public:
  // Errors: invalid_argument (options), those of HttpClient::Create, and unavailable (no thread). Nothing is sent before the
  // first span.
  static Result<std::unique_ptr<SpanExporter>> Create(SpanExporterOptions options);
  // Shutdown(0).
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  SpanOutcome Add(Span span);
  // Sends at once what was added before. True: all of it is settled, sent or given up; false: not in time.
  bool Flush(Duration timeout);
  // Takes nothing more and sends what is left until `timeout`; then cuts off. True: nothing was left. Idempotent.
  bool Shutdown(Duration timeout);

  SpanExporterStats stats() const;

 private:
  class Core;
  explicit SpanExporter(std::unique_ptr<Core> core);
  const std::unique_ptr<Core> core_;
};

}  // namespace weir
