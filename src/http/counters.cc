#include "counters.h"

namespace weir::http {

HttpServerStats Counters::Read() const {
  HttpServerStats stats;
  stats.connections_open = connections_open.get();
  stats.connections_total = connections_total.get();
  stats.connections_refused = connections_refused.get();
  stats.accept_failures = accept_failures.get();
  stats.requests_total = requests_total.get();
  stats.responses_1xx = responses[1].get();
  stats.responses_2xx = responses[2].get();
  stats.responses_3xx = responses[3].get();
  stats.responses_4xx = responses[4].get();
  stats.responses_5xx = responses[5].get();
  stats.requests_in_flight = requests_in_flight.get();
  stats.requests_overloaded = requests_overloaded.get();
  stats.requests_malformed = requests_malformed.get();
  stats.requests_cancelled = requests_cancelled.get();
  stats.timeouts_header = timeouts_header.get();
  stats.timeouts_body = timeouts_body.get();
  stats.timeouts_idle = timeouts_idle.get();
  stats.timeouts_write = timeouts_write.get();
  stats.tls_failures = tls_failures.get();
  stats.bytes_in = bytes_in.get();
  stats.bytes_out = bytes_out.get();
  stats.body_bytes_held = body_bytes_held.get();
  stats.streams_open = streams_open.get();
  stats.streams_total = streams_total.get();
  return stats;
}

}  // namespace weir::http
