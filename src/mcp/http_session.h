#pragma once
// HttpSession: a legacy session over HTTP with its streams, and SessionTable, all of them. Thread-safe. Private to the room.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core.h"
#include "in_flight.h"
#include "session.h"
#include "sse_channel.h"
#include "weir/mcp/http_endpoint.h"

namespace weir::mcp {

struct SessionLimits {
  SseChannel::Limits channel{};
  uint32_t streams_max = 16;
  uint32_t retry_ms = 1000;
};

class HttpSession {
 public:
  HttpSession(std::string id, std::shared_ptr<Session> session, SessionLimits limits, TimePoint now);

  const std::string& id() const { return id_; }
  const std::shared_ptr<Session>& session() const { return session_; }
  InFlight& in_flight() { return in_flight_; }

  // The stream of what belongs to no request.
  const std::shared_ptr<SseChannel>& push() const { return push_; }
  // A new stream for a POST. The oldest that has ended makes room when there are too many.
  std::shared_ptr<SseChannel> OpenChannel();
  // Null when it is not kept any more.
  std::shared_ptr<SseChannel> FindChannel(uint64_t id) const;

  void Touch(TimePoint now) { used_ns_.store(now.time_since_epoch().count(), std::memory_order_relaxed); }
  Duration IdleAt(TimePoint now) const {
    return now.time_since_epoch() - Duration(used_ns_.load(std::memory_order_relaxed));
  }
  // Something runs, or the client listens.
  bool IsBusy() const { return in_flight_.size() > 0 || push_->is_connected(); }
  void End();

 private:
  std::shared_ptr<SseChannel> NewChannel(uint64_t id) const;

  const std::string id_;
  const std::shared_ptr<Session> session_;
  const SessionLimits limits_;
  InFlight in_flight_;
  const std::shared_ptr<SseChannel> push_;
  std::atomic<Duration::rep> used_ns_;
  mutable std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<SseChannel>> channels_;  // under mutex_
  uint64_t next_channel_ = 1;                                 // under mutex_
};

class SessionTable {
 public:
  SessionTable(Core& core, const McpHttpOptions& options);

  // Null: there are too many that are in use.
  std::shared_ptr<HttpSession> Add(std::shared_ptr<Session> session);
  // The caller's own, or null; counts as use.
  std::shared_ptr<HttpSession> Find(std::string_view id, const McpCaller& caller);
  // False: there was none.
  bool Remove(std::string_view id, const McpCaller& caller);
  void EndAll();

 private:
  using Sessions = std::unordered_map<std::string, std::shared_ptr<HttpSession>>;
  // Takes out what has been idle for too long, or, where that frees nothing, the one that is idle longest. REQUIRES mutex_.
  void MakeRoom(std::vector<std::shared_ptr<HttpSession>>& ended);
  void CountOpen();  // REQUIRES mutex_
  bool IsExpired(const HttpSession& session) const;

  Core& core_;
  const SessionLimits limits_;
  std::mutex mutex_;
  Sessions sessions_;  // under mutex_
};

}  // namespace weir::mcp
