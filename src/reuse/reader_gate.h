#pragma once
// ReaderGate: readers pass without ever waiting; a writer learns when all that were inside have left.
//
// A reader counts itself in and out of one of two halves of a stripe. The writer takes something out of the readers'
// reach, then waits until the half that new readers do not enter is empty, turns them to that half, and waits for the
// other (McKenney, "Sleepable RCU", 2006). Each wait ends as soon as the readers of before have left, however many come.
// Passes nest, and may be as long as they like: what waits for them is memory, and Limbo says how much of it.

#include <atomic>
#include <cstdint>

namespace weir::internal {

class ReaderGate {
 public:
  ReaderGate() = default;
  ReaderGate(const ReaderGate&) = delete;
  ReaderGate& operator=(const ReaderGate&) = delete;

  class Pass {
   public:
    explicit Pass(const ReaderGate& gate)
        : count_(gate.stripes_[ThreadNumber() % kStripes].count),
          one_(uint64_t{1} << (gate.phase_.load(std::memory_order_acquire) % 2 * 32)) {
      // Pairs with the exchange in SeenEmpty: either the writer counts this reader, or the reader sees what it unlinked.
      count_.fetch_add(one_, std::memory_order_acq_rel);
    }
    ~Pass() { count_.fetch_sub(one_, std::memory_order_release); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    std::atomic<uint64_t>& count_;
    uint64_t one_;
  };

  // The writer's side; one thread at a time. True: whoever was inside at the call has left.
  bool IsEmpty() { return SeenEmpty(UINT64_MAX); }
  // Begins to watch those inside now.
  void Watch() { stage_ = Stage::kFirstHalf; }
  // True once all that were inside at Watch have left. Never waits.
  bool AllHaveLeft();

 private:
  static constexpr uint32_t kStripes = 4;
  enum class Stage { kFirstHalf, kSecondHalf };
  struct alignas(64) Stripe {
    mutable std::atomic<uint64_t> count{0};  // 32 bits for each half
  };

  static uint32_t ThreadNumber();
  bool SeenEmpty(uint64_t mask);
  uint64_t IdleHalf() const { return uint64_t{UINT32_MAX} << ((phase_.load(std::memory_order_relaxed) + 1) % 2 * 32); }

  Stripe stripes_[kStripes];
  std::atomic<uint32_t> phase_{0};
  Stage stage_ = Stage::kFirstHalf;
};

inline uint32_t ReaderGate::ThreadNumber() {
  static constinit std::atomic<uint32_t> threads{0};
  static constinit thread_local uint32_t number = 0;
  if (number == 0) number = threads.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

inline bool ReaderGate::SeenEmpty(uint64_t mask) {
  for (const Stripe& stripe : stripes_) {
    if ((stripe.count.load(std::memory_order_relaxed) & mask) != 0) return false;
  }
  for (const Stripe& stripe : stripes_) {
    if ((stripe.count.fetch_add(0, std::memory_order_acq_rel) & mask) != 0) return false;
  }
  return true;
}

inline bool ReaderGate::AllHaveLeft() {
  if (stage_ == Stage::kFirstHalf) {
    if (!SeenEmpty(IdleHalf())) return false;
    phase_.store(phase_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    stage_ = Stage::kSecondHalf;
  }
  return SeenEmpty(IdleHalf());
}

}  // namespace weir::internal
