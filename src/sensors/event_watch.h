#pragma once
// EventWatch: sleeps until one of a few kernel files says that it changed (poll() for POLLPRI, as kernfs files of a cgroup
// do it), until a timeout, or until another thread interrupts.
//
// Internal to `sensors`. Owned by one thread, but for Interrupt(). A file that vanishes, or that keeps telling of changes
// when there are none, is dropped: it costs a missed wake, never a busy loop.

#include <filesystem>
#include <string>
#include <vector>

#include "weir/sensors/headroom.h"

namespace weir::sensors {

class EventWatch {
 public:
  EventWatch();
  EventWatch(const EventWatch&) = delete;
  EventWatch& operator=(const EventWatch&) = delete;
  ~EventWatch();

  // Watches these files from now on; those that cannot be opened are left out. Does nothing when they are the same as
  // before.
  void Watch(std::vector<std::filesystem::path> files);
  size_t watched() const { return watched_.size(); }

  Wake Wait(Duration timeout);
  void Interrupt();

 private:
  struct Watched {
    int descriptor = -1;
    std::string content;           // when it was last read
    uint32_t unchanged_wakes = 0;  // in a row
  };
  // The kernel tells of the changes after the last read. False: the file is gone or makes noise.
  static bool Rearm(Watched& watched);
  void CloseAll();

  std::vector<std::filesystem::path> files_;
  std::vector<Watched> watched_;
  int interrupt_ = -1;  // eventfd
};

}  // namespace weir::sensors
