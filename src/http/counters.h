#pragma once
// What the server counts, and the counting itself. Relaxed: each number stands alone.

#include <atomic>
#include <cstdint>

#include "weir/http/server.h"

namespace weir::http {

class Counter {
 public:
  // The value before.
  uint64_t Add(uint64_t by = 1) { return value_.fetch_add(by, std::memory_order_relaxed); }
  uint64_t Sub(uint64_t by = 1) { return value_.fetch_sub(by, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Thread-safe. Shared with answers that may outlive the server.
struct Counters {
  Counter connections_open, connections_total, connections_refused, accept_failures;
  Counter requests_total, requests_in_flight, requests_overloaded, requests_malformed, requests_cancelled;
  Counter responses[6];  // by first digit of the status
  Counter timeouts_header, timeouts_body, timeouts_idle, timeouts_write, tls_failures;
  Counter bytes_in, bytes_out, body_bytes_held, streams_open, streams_total;

  HttpServerStats Read() const;
};

}  // namespace weir::http
