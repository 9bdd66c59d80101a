#include "flight.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <mutex>

namespace weir::pool {
namespace {

constexpr uint32_t kLandedBit = 1;
constexpr uint32_t kNudge = 2;

void Wake(std::atomic<uint32_t>& word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }

// Taken twice a load, and by waits inside of loads.
std::mutex loading_threads_mutex;
constinit thread_local LoadingThread this_thread;

void Sleep(std::atomic<uint32_t>& word, uint32_t seen, Duration most) {
  constexpr Duration kLongest = std::chrono::hours(1);
  const auto bounded = std::clamp(most, Duration(0), kLongest).count();
  const timespec timeout{bounded / 1'000'000'000, bounded % 1'000'000'000};
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &timeout, nullptr, 0);
}

}  // namespace

void Flight::BeginLead() {
  std::lock_guard lock(loading_threads_mutex);
  ++this_thread.leads;
  led_by = &this_thread;
}

void Flight::EndLead() {
  std::lock_guard lock(loading_threads_mutex);
  --this_thread.leads;
  led_by = nullptr;
}

bool Flight::BeginWait() {
  if (this_thread.leads == 0) return true;
  std::lock_guard lock(loading_threads_mutex);
  // A flight that somebody waits for is held by him, and its leader's thread lives while it leads.
  for (const Flight* flight = this; flight != nullptr && flight->led_by != nullptr; flight = flight->led_by->waits_for) {
    if (flight->led_by == &this_thread) return false;
  }
  this_thread.waits_for = this;
  return true;
}

void Flight::EndWait() {
  if (this_thread.leads == 0) return;
  std::lock_guard lock(loading_threads_mutex);
  this_thread.waits_for = nullptr;
}

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
