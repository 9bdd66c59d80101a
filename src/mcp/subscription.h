#pragma once
// Subscription: one open subscriptions/listen of a modern client. Thread-safe. Private to the room.

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "hub.h"
#include "request.h"

namespace weir::mcp {

class Subscription final : public Listener {
 public:
  struct Filter {
    bool tools = false;
    bool prompts = false;
    bool resources = false;
    std::set<std::string, std::less<>> uris{};

    Json ToJson() const;
  };

  Subscription(std::shared_ptr<Request> request, Filter filter) : request_(std::move(request)), filter_(std::move(filter)) {}

  // Sends what was agreed upon, as the first message; nothing is told before. False: the client is gone.
  bool Acknowledge();
  bool Tell(const Change& change) override;
  std::vector<std::string> Subscribed() override { return {filter_.uris.begin(), filter_.uris.end()}; }
  // Answers the request: the end in good order, or that of a client that is gone. The first call counts.
  void End(bool in_good_order);

 private:
  bool Wants(const Change& change) const;
  Json Meta() const;

  const std::shared_ptr<Request> request_;
  const Filter filter_;
  std::mutex mutex_;
  bool acknowledged_ = false;  // under mutex_
  bool ended_ = false;         // under mutex_
};

}  // namespace weir::mcp
