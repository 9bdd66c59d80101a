#pragma once
// InFlight: the requests of one client that have no answer yet, by id, so that it can cancel them. Thread-safe. Private.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cancellation.h"
#include "weir/codec/json.h"

namespace weir::mcp {

class InFlight {
 public:
  // False: this id is in use, or everything has ended.
  bool Enter(const Json& id, const std::shared_ptr<Cancellation>& cancellation) {
    const std::lock_guard lock(mutex_);
    return !ended_ && requests_.try_emplace(id.Dump(), cancellation).second;
  }
  void Leave(const Json& id) {
    const std::lock_guard lock(mutex_);
    requests_.erase(id.Dump());
  }
  // Nothing for an unknown id.
  void Cancel(const Json& id) {
    std::shared_ptr<Cancellation> found;
    {
      const std::lock_guard lock(mutex_);
      const auto place = requests_.find(id.Dump());
      if (place == requests_.end()) return;
      found = place->second;
    }
    found->Cancel();
  }
  // Cancels all and takes no more.
  void End() {
    std::vector<std::shared_ptr<Cancellation>> all;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      for (const auto& [id, cancellation] : requests_) all.push_back(cancellation);
    }
    for (const auto& cancellation : all) cancellation->Cancel();
  }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Cancellation>> requests_;  // under mutex_
  bool ended_ = false;                                             // under mutex_
};

}  // namespace weir::mcp
