#pragma once
// SseChannel: one stream of events of a legacy session, which outlives the connection that carries it: what a client has
// missed is kept, within bounds, until it comes back with Last-Event-ID. Thread-safe. Private to the room.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "request.h"
#include "weir/http/server.h"

namespace weir::mcp {

class SseChannel final : public Outlet {
 public:
  struct Limits {
    uint32_t events_max = 256;
    uint64_t bytes_max = uint64_t{1} << 20;
    uint64_t total_bytes_max = uint64_t{64} << 20;  // of all channels that share a count
    // What they keep together.
    std::shared_ptr<std::atomic<uint64_t>> total = std::make_shared<std::atomic<uint64_t>>(0);
  };

  // `primes`: each connection begins with an event that has an id and no data (2025-11-25).
  SseChannel(uint64_t id, Limits limits, bool primes, uint32_t retry_ms)
      : id_(id), limits_(std::move(limits)), primes_(primes), retry_ms_(retry_ms) {}
  ~SseChannel() override { limits_.total->fetch_sub(bytes_, std::memory_order_relaxed); }

  // Carries on over this connection, after the event of that number; nullopt: after the last that was sent to anybody. What
  // finds no room in the stream's buffer ends the connection, and the client may come back for it.
  void Attach(std::shared_ptr<HttpStream> stream, std::optional<uint64_t> after);
  bool Send(const Json& message, Weight weight) override;
  void LetGo(Duration retry) override;
  // Nothing more will come: a connection is ended once it has everything.
  void End();

  bool is_connected() const;
  bool has_ended() const;
  // Numbers of one channel's events: "CHANNEL-NUMBER".
  static std::optional<std::pair<uint64_t, uint64_t>> ParseEventId(std::string_view text);

 private:
  struct Event {
    uint64_t number = 0;
    std::string data;
  };
  std::string Written(const Event& event) const;
  bool Pass(const Event& event, Weight weight);  // REQUIRES mutex_
  void Keep(std::string data);                   // REQUIRES mutex_
  // Forgets the oldest while there is too much; the last only when all channels together hold too much. REQUIRES mutex_
  void Trim();

  const uint64_t id_;
  const Limits limits_;
  const bool primes_;
  const uint32_t retry_ms_;
  mutable std::mutex mutex_;
  std::shared_ptr<HttpStream> stream_;  // under mutex_, as all below; null: nobody listens
  std::deque<Event> events_;
  uint64_t bytes_ = 0;
  uint64_t next_ = 1;
  uint64_t sent_ = 0;  // the highest number that went out
  bool ended_ = false;
};

}  // namespace weir::mcp
