#pragma once
// ContextFeed: says which contexts have changed, in all registries that write to it, to whoever listens.
//
// A registry notes a change when it has become visible. A note blocks for a moment at most, never fails and calls nobody
// back. Each listener has a queue of its own, in which several changes of one context are one; a queue that is full is
// emptied, and its listener told that it has missed some.
//
// Threads: every method from any thread. The feed must outlive its listeners and the registries.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/clock.h"

namespace weir {

struct ContextNews {
  struct Change {
    std::string source;  // RegistryOptions::feed_source
    std::string agent;
    bool came_or_went = false;  // the list of contexts is another one; false: only this context is
  };
  std::vector<Change> changes{};  // by source and agent
  bool missed = false;            // there were more: anything may have changed

  bool empty() const { return changes.empty() && !missed; }
};

class ContextFeed {
 public:
  class Listener {
   public:
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // What has changed since the last call. Waits up to `most` until there is something; after that it is empty. Null: it
    // was stopped.
    std::optional<ContextNews> Take(Duration most);
    // Nobody waits any more, now and later.
    void Stop();

   private:
    friend class ContextFeed;
    Listener(ContextFeed& feed, size_t contexts_max) : feed_(feed), contexts_max_(contexts_max) {}

    ContextFeed& feed_;
    const size_t contexts_max_;
    std::condition_variable came_;
    // Under the feed's mutex, as all below: source and agent, and whether it came or went.
    std::map<std::pair<std::string, std::string>, bool> changed_;
    bool missed_ = false;
    bool stopped_ = false;
  };

  ContextFeed() = default;
  // REQUIRES: no listener is left.
  ~ContextFeed();
  ContextFeed(const ContextFeed&) = delete;
  ContextFeed& operator=(const ContextFeed&) = delete;

  // `contexts_max`: how many contexts its queue holds.
  std::unique_ptr<Listener> Listen(size_t contexts_max = 65'536);

  void Note(std::string_view source, std::string_view agent, bool came_or_went) noexcept;

 private:
  std::mutex mutex_;
  std::vector<Listener*> listeners_;  // under mutex_
  std::atomic<size_t> listening_{0};  // as many; notes to nobody cost this look
};

}  // namespace weir
