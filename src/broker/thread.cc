#include <fmt/format.h>

#include <system_error>

#include "core.h"

namespace weir::broker {

Core::Turn::Turn(Core& core) : core_(core) {
  bool ask = false;
  {
    const std::lock_guard lock(core_.mutex_);
    ask = core_.thread_id_ != std::thread::id() && core_.thread_id_ != std::this_thread::get_id();
    ++core_.visitors_;
  }
  if (ask) core_.sensor_.Interrupt();  // ends the thread's wait, also one that is just about to begin
  core_.tick_mutex_.lock();
}

Core::Turn::~Turn() {
  core_.tick_mutex_.unlock();
  const std::lock_guard lock(core_.mutex_);
  --core_.visitors_;
  core_.wake_.notify_all();
}

Status Core::Start() {
  const std::lock_guard lock(thread_mutex_);
  if (thread_.joinable()) return {};
  {
    const std::lock_guard state(mutex_);
    stopping_ = false;
  }
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return Unavailable(fmt::format("cannot start a thread: {}", error.what()));
  }
  return {};
}

void Core::Stop() {
  const std::lock_guard lock(thread_mutex_);
  if (!thread_.joinable()) return;
  {
    const std::lock_guard state(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  sensor_.Interrupt();
  thread_.join();
}

void Core::WakeThread() {
  {
    const std::lock_guard lock(mutex_);
    if (thread_id_ == std::thread::id()) return;
    woken_ = true;
    wake_.notify_all();
  }
  sensor_.Interrupt();
}

void Core::Run() {
  {
    const std::lock_guard lock(mutex_);
    thread_id_ = std::this_thread::get_id();
  }
  bool by_event = false;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) break;
    }
    const Duration wait = TickByThread(by_event);
    by_event = Sleep(wait);
  }
  const std::lock_guard lock(mutex_);
  thread_id_ = {};
}

Duration Core::TickByThread(bool by_event) {
  if (by_event) {
    const std::lock_guard lock(mutex_);
    ++stats_.event_wakes;
  }
  Guard(&BrokerStats::tick_failures, [&] { Relieve(std::nullopt); });
  const std::lock_guard lock(mutex_);
  bool pressed = options_.budget_bytes > 0 && state_.tier >= FillTier::kHigh;  // full pools alone press nobody
  bool emergency = false;
  for (const DeviceView& device : devices_) {
    pressed |= device.is_short || device.mode >= PressureMode::kPressure;
    emergency |= device.mode == PressureMode::kEmergency;
  }
  return emergency ? options_.period_emergency : pressed ? options_.period_pressed : options_.period;
}

// In real time: what a test drives by hand is Tick().
bool Core::Sleep(Duration at_most) {
  const TimePoint end = steady_clock_.Now() + at_most;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return visitors_ == 0 || stopping_ || woken_; });
      if (stopping_ || woken_) {
        woken_ = false;
        return false;
      }
    }
    const Duration left = end - steady_clock_.Now();
    if (left <= Duration::zero()) return false;
    Wake wake = Wake::kUnsupported;
    {
      const std::lock_guard tick(tick_mutex_);
      Guard(&BrokerStats::sensor_failures, [&] { wake = sensor_.WaitForEvent(left); });
    }
    if (wake == Wake::kEvent || wake == Wake::kTimeout) return wake == Wake::kEvent;
    if (wake == Wake::kInterrupted) continue;
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, left, [&] { return stopping_ || woken_; });
  }
}

}  // namespace weir::broker
