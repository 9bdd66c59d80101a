#pragma once
// WriterGate: many readers, one writer at a time, in phases: the readers that wait while a writer is inside all enter when
// it leaves, before any next writer, so neither side can starve the other. A reader waits for at most one writer's turn
// (and the readers that this writer waits for).
//
// The idea of phase-fair locks is from Brandenburg and Anderson, "Spin-Based Reader-Writer Synchronization for
// Multiprocessor Real-Time Systems", 2010; here a waiting thread spins a moment and then sleeps. Has the names of
// std::shared_mutex, for std::shared_lock and std::unique_lock.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace weir::internal {

class WriterGate {
 public:
  void lock_shared() {
    uint32_t state = state_.load(std::memory_order_relaxed);
    while ((state & kWriter) == 0) {
      // Pairs with the release in unlock().
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire, std::memory_order_relaxed)) return;
    }
    std::unique_lock turn(mutex_);
    if ((state_.load(std::memory_order_relaxed) & kWriter) == 0) {  // set and cleared under the mutex only
      state_.fetch_add(1, std::memory_order_acquire);
      return;
    }
    ++waiting_readers_;
    const uint64_t phase = phase_.load(std::memory_order_relaxed);
    turn.unlock();
    // The writer that leaves counts the waiting readers in. Pairs with the release in unlock().
    const auto phase_is_over = [&] { return phase_.load(std::memory_order_acquire) != phase; };
    if (SpinsUntil(phase_is_over)) return;
    turn.lock();
    phase_over_.wait(turn, phase_is_over);
  }
  void unlock_shared() {
    // Pairs with the acquire in lock().
    if (state_.fetch_sub(1, std::memory_order_release) != (kWriter | 1)) return;
    const std::lock_guard turn(mutex_);
    readers_gone_.notify_one();
  }
  void lock() {
    std::unique_lock turn(mutex_);
    writer_free_.wait(turn, [&] { return (state_.load(std::memory_order_relaxed) & kWriter) == 0; });
    state_.fetch_or(kWriter, std::memory_order_relaxed);
    turn.unlock();
    const auto readers_are_gone = [&] { return state_.load(std::memory_order_acquire) == kWriter; };
    if (SpinsUntil(readers_are_gone)) return;
    turn.lock();
    readers_gone_.wait(turn, readers_are_gone);
  }
  void unlock() {
    {
      const std::lock_guard turn(mutex_);
      state_.store(waiting_readers_, std::memory_order_release);
      waiting_readers_ = 0;
      phase_.fetch_add(1, std::memory_order_release);
    }
    phase_over_.notify_all();
    writer_free_.notify_one();
  }
  // A writer waits or is inside: a reader with much left to do leaves and comes again.
  bool IsWanted() const { return (state_.load(std::memory_order_relaxed) & kWriter) != 0; }

 private:
  static constexpr uint32_t kWriter = 1u << 31;
  static constexpr int kSpins = 1000;  // some ten microseconds: about one turn, far less than going to sleep costs

  template <typename Condition>
  static bool SpinsUntil(const Condition& condition) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (condition()) return true;
#ifdef __x86_64__
      __builtin_ia32_pause();
#endif
    }
    return false;
  }

  std::atomic<uint32_t> state_{0};  // readers inside, and kWriter
  std::atomic<uint64_t> phase_{0};  // writers that have left; changed under the mutex
  std::mutex mutex_;                // guards the rest
  std::condition_variable phase_over_;
  std::condition_variable readers_gone_;
  std::condition_variable writer_free_;
  uint32_t waiting_readers_ = 0;
};

}  // namespace weir::internal
