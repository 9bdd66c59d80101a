#pragma once
// LegacyExchange: the answer to one legacy POST, which carries a request or, before 2025-06-18, a batch. Thread-safe.
// Private to the room.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "http_fields.h"
#include "http_session.h"
#include "request.h"
#include "weir/http/server.h"

namespace weir::mcp {

class LegacyExchange final : public Outlet {
 public:
  // Answers when `requests` outcomes have come; a batch as an array.
  LegacyExchange(HttpReply reply, Accepts accepts, Duration keep_alive, std::shared_ptr<HttpSession> session,
                 size_t requests, bool is_batch)
      : reply_(std::move(reply)),
        accepts_(accepts),
        keep_alive_(keep_alive),
        session_(std::move(session)),
        open_(requests),
        is_batch_(is_batch) {}

  bool Send(const Json& message, Weight weight) override;
  void LetGo(Duration retry) override;
  void Finish(const Json& id, Outcome outcome);

 private:
  bool OpenLocked();    // REQUIRES mutex_
  void AnswerLocked();  // REQUIRES mutex_

  std::mutex mutex_;
  std::optional<HttpReply> reply_;       // under mutex_, as all below; empty once there is a stream or an answer
  std::shared_ptr<SseChannel> channel_;  // null: no stream yet
  const Accepts accepts_;
  const Duration keep_alive_;
  const std::shared_ptr<HttpSession> session_;
  size_t open_;
  const bool is_batch_;
  std::vector<Json> answers_;    // while there is no stream
  std::optional<Outcome> only_;  // of a request that is alone, when it failed: for its status
};

}  // namespace weir::mcp
