#pragma once
// Cancellation: tells a call that nobody waits for it. Thread-safe. Private to the room.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace weir::mcp {

class Cancellation {
 public:
  bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }

  // Calls back once when it is cancelled; at once, on this thread, if it is already; never once it is settled.
  void OnCancelled(std::function<void()> callback) {
    {
      const std::lock_guard lock(mutex_);
      if (settled_) return;
      if (!cancelled()) return callbacks_.push_back(std::move(callback));
    }
    callback();
  }

  // Runs the callbacks on this thread; nothing when it was cancelled or settled before.
  void Cancel() {
    std::vector<std::function<void()>> callbacks;
    {
      const std::lock_guard lock(mutex_);
      if (cancelled() || settled_) return;
      cancelled_.store(true, std::memory_order_release);  // pairs with cancelled()
      callbacks.swap(callbacks_);
      runner_ = std::this_thread::get_id();
    }
    for (const auto& callback : callbacks) callback();
    const std::lock_guard lock(mutex_);
    runner_ = std::thread::id();
    ran_.notify_all();
  }

  // The call is over: no callback runs any more when this returns, save one that calls this itself.
  void Settle() {
    std::vector<std::function<void()>> dropped;
    std::unique_lock lock(mutex_);
    settled_ = true;
    dropped.swap(callbacks_);
    ran_.wait(lock, [this] { return runner_ == std::thread::id() || runner_ == std::this_thread::get_id(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable ran_;
  std::vector<std::function<void()>> callbacks_;  // under mutex_, as the two below
  std::thread::id runner_;                        // of the callbacks, while they run
  bool settled_ = false;
  std::atomic<bool> cancelled_{false};
};

}  // namespace weir::mcp
