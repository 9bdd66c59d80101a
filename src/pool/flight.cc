#include "flight.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

namespace weir::pool {
namespace {

constexpr uint32_t kLandedBit = 1;
constexpr uint32_t kNudge = 2;

void Wake(std::atomic<uint32_t>& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }

void Sleep(std::atomic<uint32_t>& word, uint32_t seen, Duration most) {
  constexpr Duration kLongest = std::chrono::hours(1);
  const auto bounded = std::clamp(most, Duration(0), kLongest).count();
  const timespec timeout{bounded / 1'000'000'000, bounded % 1'000'000'000};
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &timeout, nullptr, 0);
}

}  // namespace

void Flight::Land() {
  // Pairs with the acquire load in Wait.
  progress.fetch_or(kLandedBit, std::memory_order_release);
  Wake(progress);
}

Waited Flight::Wait(const Clock& clock, TimePoint deadline, const std::stop_token& stop) {
  const std::stop_callback nudge(stop, [this] {
    progress.fetch_add(kNudge, std::memory_order_relaxed);
    Wake(progress);
  });
  for (;;) {
    const uint32_t seen = progress.load(std::memory_order_acquire);
    if ((seen & kLandedBit) != 0) return Waited::kLanded;
    if (stop.stop_requested()) return Waited::kStopped;
    Duration left = Duration::max();
    if (deadline != TimePoint::max()) {
      left = deadline - clock.Now();
      if (left <= Duration(0)) return Waited::kDeadline;
    }
    Sleep(progress, seen, left);
  }
}

}  // namespace weir::pool
