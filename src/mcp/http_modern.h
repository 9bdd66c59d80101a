#pragma once
// ModernExchange: the answer to one modern POST: JSON, or a stream of events once there is something to say before the
// result. Thread-safe. Private to the room.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "http_fields.h"
#include "request.h"
#include "weir/http/server.h"
#include "weir/mcp/http_endpoint.h"

namespace weir::mcp {

class ModernExchange final : public Outlet, public std::enable_shared_from_this<ModernExchange> {
 public:
  ModernExchange(HttpReply reply, Accepts accepts, Duration keep_alive)
      : reply_(std::move(reply)), accepts_(accepts), keep_alive_(keep_alive) {}

  // The request whose answer this is: it is cancelled when the client leaves.
  void Watch(const HttpRequest& http, const std::shared_ptr<Request>& request);
  // Opens the stream if it is not open. False: this client takes none.
  bool Open();
  // Calls back when the server drains. REQUIRES Open().
  void OnDrain(std::function<void()> callback);
  bool Send(const Json& message, Weight weight) override;
  // The answer. Called once.
  void Finish(const Json& id, Outcome outcome);

 private:
  bool OpenLocked();  // REQUIRES mutex_

  std::mutex mutex_;
  std::optional<HttpReply> reply_;      // under mutex_, as the two below; empty once there is a stream or an answer
  std::shared_ptr<HttpStream> stream_;  // null: none yet
  std::weak_ptr<Cancellation> cancellation_;
  const Accepts accepts_;
  const Duration keep_alive_;
};

}  // namespace weir::mcp
