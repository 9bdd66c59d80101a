#include "weir/registry/context_feed.h"

#include <new>

#include "weir/base/check.h"

namespace weir {

ContextFeed::~ContextFeed() { WEIR_CHECK(listeners_.empty(), "a listener outlives its feed"); }

std::unique_ptr<ContextFeed::Listener> ContextFeed::Listen(size_t contexts_max) {
  std::unique_ptr<Listener> listener(new Listener(*this, contexts_max));
  const std::lock_guard lock(mutex_);
  listeners_.push_back(listener.get());
  listening_.store(listeners_.size(), std::memory_order_relaxed);
  return listener;
}

void ContextFeed::Note(std::string_view source, std::string_view agent, bool came_or_went) noexcept {
  if (listening_.load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(mutex_);
  for (Listener* const listener : listeners_) {
    bool is_kept = false;
    try {
      const auto [place, is_new] = listener->changed_.try_emplace({std::string(source), std::string(agent)}, came_or_went);
      if (!is_new) place->second = place->second || came_or_went;
      is_kept = listener->changed_.size() <= listener->contexts_max_;
    } catch (const std::bad_alloc&) {
    }
    if (!is_kept) {
      listener->changed_.clear();
      listener->missed_ = true;
    }
    listener->came_.notify_all();
  }
}

ContextFeed::Listener::~Listener() {
  const std::lock_guard lock(feed_.mutex_);
  std::erase(feed_.listeners_, this);
  feed_.listening_.store(feed_.listeners_.size(), std::memory_order_relaxed);
}

std::optional<ContextNews> ContextFeed::Listener::Take(Duration most) {
  ContextNews news;
  std::unique_lock lock(feed_.mutex_);
  came_.wait_for(lock, most, [&] { return stopped_ || missed_ || !changed_.empty(); });
  if (stopped_) return std::nullopt;
  news.missed = std::exchange(missed_, false);
  const auto changed = std::exchange(changed_, {});
  lock.unlock();
  news.changes.reserve(changed.size());
  for (const auto& [context, came_or_went] : changed) {
    news.changes.push_back({context.first, context.second, came_or_went});
  }
  return news;
}

void ContextFeed::Listener::Stop() {
  const std::lock_guard lock(feed_.mutex_);
  stopped_ = true;
  came_.notify_all();
}

}  // namespace weir
