#pragma once
// Clock: the one source of time. Steady in the product, set by hand in tests.

#include <atomic>
#include <chrono>
#include <memory>

namespace weir {

using Duration = std::chrono::nanoseconds;
// Nanoseconds since an arbitrary start; never goes back.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Thread-safe. Borrowed by whoever uses it; main() or the test owns it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
};

// Moves only when told to.
class ManualClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(Duration(now_ns_.load(std::memory_order_relaxed))); }
  void Advance(Duration by) { now_ns_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  std::atomic<Duration::rep> now_ns_{0};
};

}  // namespace weir
