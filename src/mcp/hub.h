#pragma once
// Hub: spreads news of changes to whoever listens: legacy sessions and modern subscriptions. Thread-safe. Private to the
// room.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::mcp {

struct Change {
  enum class Kind { kTools, kPrompts, kResources, kUpdated };

  Kind kind = Kind::kTools;
  std::string uri{};                       // of kUpdated
  std::optional<std::string> workspace{};  // only for callers of this one

  std::string_view method() const;
};

class Listener {
 public:
  virtual ~Listener() = default;
  // Sends it on if this client asked for it; true if so. Does not block on the client.
  virtual bool Tell(const Change& change) = 0;
  // The resources that it is told of.
  virtual std::vector<std::string> Subscribed() = 0;
};

class Hub {
 public:
  void Add(const std::shared_ptr<Listener>& listener);
  // Returns to how many it was sent. Listeners that are gone are forgotten.
  uint64_t Tell(const Change& change);
  // Each is told of every resource that it is subscribed to.
  uint64_t TellAll(const std::optional<std::string>& workspace);

 private:
  std::vector<std::shared_ptr<Listener>> Living();

  std::mutex mutex_;
  std::vector<std::weak_ptr<Listener>> listeners_;  // under mutex_
};

}  // namespace weir::mcp
