#pragma once
// Session: what a legacy client has agreed upon with initialize, its subscriptions, and the questions that it has not
// answered yet. Thread-safe. Private to the room.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hub.h"
#include "json_rpc.h"
#include "request.h"
#include "weir/base/result.h"

namespace weir::mcp {

class Session final : public Listener {
 public:
  Session(std::string version, McpCaller caller, Json client, Json capabilities)
      : version_(std::move(version)),
        caller_(std::move(caller)),
        client_(std::move(client)),
        capabilities_(std::move(capabilities)) {}

  const std::string& version() const { return version_; }
  const McpCaller& caller() const { return caller_; }
  const Json& client() const { return client_; }
  const Json& capabilities() const { return capabilities_; }

  McpLogLevel log_level() const { return log_level_.load(std::memory_order_relaxed); }
  void set_log_level(McpLogLevel level) { log_level_.store(level, std::memory_order_relaxed); }

  // The way for messages that belong to no request; set once, before anybody can tell of changes.
  void set_push(std::shared_ptr<Outlet> push) { push_ = std::move(push); }

  // False: `uris_max` are subscribed already.
  bool Subscribe(const std::string& uri, size_t uris_max);
  void Unsubscribe(const std::string& uri);
  bool Tell(const Change& change) override;
  std::vector<std::string> Subscribed() override;

  // Sends the questions over `outlet` and waits for all answers; see McpCall::Ask.
  Result<std::vector<Json>> Ask(const std::vector<McpQuestion>& questions, Outlet& outlet, Cancellation& cancellation,
                                Duration timeout);
  // A response of the client; nothing when nobody waits for it.
  void Answer(RpcMessage response);
  // Whoever waits for an answer is told that the client is gone; later questions fail at once.
  void End();

 private:
  struct Waiting {
    std::optional<RpcMessage> response;
  };
  std::optional<Error> Send(const std::vector<McpQuestion>& questions, const std::vector<int64_t>& ids, Outlet& outlet);

  const std::string version_;
  const McpCaller caller_;
  const Json client_;
  const Json capabilities_;
  std::atomic<McpLogLevel> log_level_{McpLogLevel::kInfo};
  std::shared_ptr<Outlet> push_;

  std::mutex mutex_;
  std::condition_variable answered_;
  std::set<std::string, std::less<>> uris_;  // under mutex_, as all below
  std::map<int64_t, Waiting> waiting_;
  int64_t next_id_ = 1;
  bool ended_ = false;
};

}  // namespace weir::mcp
