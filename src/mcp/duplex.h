#pragma once
// Duplex: what an McpConnection is made of; one client over one channel, both eras. Thread-safe. Private to the room.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core.h"
#include "in_flight.h"
#include "request.h"

namespace weir::mcp {

class Duplex final : public Outlet, public std::enable_shared_from_this<Duplex> {
 public:
  Duplex(Core& core, McpCaller caller, std::function<bool(std::string)> send)
      : core_(core), caller_(std::move(caller)), send_(std::move(send)) {}

  void Receive(std::string_view text);
  void Close(Duration grace);
  bool Send(const Json& message, Weight weight) override;

 private:
  // Answers of a batch go out together.
  class Batch;
  using Reply = std::function<void(Json message)>;

  void ReceiveBatch(Json::Array messages);
  void ReceiveOne(Json value, const Reply& reply);
  void Take(RpcMessage message, const Reply& reply);
  void TakeRequest(RpcMessage message, const Reply& reply);
  void Begin(const RpcMessage& message, const Reply& reply);
  void ServeModern(RpcMessage message, const Reply& reply);
  void ServeLegacy(RpcMessage message, std::shared_ptr<Session> session, const Reply& reply);
  void Serve(std::shared_ptr<Request> request, RpcMessage message, const Reply& reply);
  std::shared_ptr<Session> session() const;

  Core& core_;
  const McpCaller caller_;
  InFlight in_flight_;

  std::mutex send_mutex_;
  std::function<bool(std::string)> send_;  // under send_mutex_; null: closed

  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::shared_ptr<Session> session_;  // under mutex_
  size_t serving_ = 0;                // under mutex_
};

}  // namespace weir::mcp
