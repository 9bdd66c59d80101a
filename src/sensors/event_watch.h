#pragma once
// EventWatch: sleeps until the kernel tells of a change, until a timeout, or until another thread interrupts. Two kinds of
// change: a kernfs file that says so by POLLPRI (memory.events of cgroup v2), and memory use that passes a mark, in either
// direction (cgroup v1: Documentation/admin-guide/cgroup-v1/memory.rst, "Memory thresholds").
//
// Internal to `sensors`. Owned by one thread, but for Interrupt(). A file that vanishes, or that keeps telling of changes
// when there are none, is dropped: it costs a missed wake, never a busy loop.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "weir/sensors/headroom.h"

namespace weir::sensors {

// A level of a v1 group's memory use.
struct UsageMark {
  std::filesystem::path folder;
  uint64_t bytes = 0;

  friend bool operator==(const UsageMark&, const UsageMark&) = default;
};

class EventWatch {
 public:
  EventWatch();
  EventWatch(const EventWatch&) = delete;
  EventWatch& operator=(const EventWatch&) = delete;
  ~EventWatch();

  // Watches these from now on; what cannot be opened or asked for is left out. Does nothing when all are the same as
  // before.
  void Watch(std::vector<std::filesystem::path> files, std::vector<UsageMark> marks = {});
  size_t watched() const { return watched_.size(); }

  Wake Wait(Duration timeout);
  void Interrupt();

 private:
  struct Watched {
    int descriptor = -1;
    bool is_mark = false;
    std::string content;           // when it was last read
    uint32_t unchanged_wakes = 0;  // in a row
  };
  // The kernel tells of the changes after the last read. False: the file is gone or makes noise.
  static bool Rearm(Watched& watched);
  void CloseAll();
  Wake Poll(Duration timeout, bool with_marks);

  std::vector<std::filesystem::path> files_;
  std::vector<UsageMark> marks_;
  std::vector<Watched> watched_;
  TimePoint marks_quiet_until_{};
  int interrupt_ = -1;  // eventfd
};

}  // namespace weir::sensors
