#include "guest.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace weir::pressure {
namespace {

void Mount(const char* type, const char* folder) {
  mkdir(folder, 0755);
  if (mount(type, folder, type, 0, nullptr) != 0) fmt::print("FAIL cannot mount {}\n", type);
}

}  // namespace

[[noreturn]] void RunGuest(LimitedRun run) {
  Mount("proc", "/proc");
  Mount("sysfs", "/sys");
  Mount("cgroup2", "/sys/fs/cgroup");
  const std::pair<Placement, Pace> ways[] = {{Placement::kOwn, Pace::kQuick},
                                             {Placement::kOwn, Pace::kOrdinary},
                                             {Placement::kNested, Pace::kOrdinary},
                                             {Placement::kOwn, Pace::kUnmanaged}};
  for (const auto& [placement, pace] : ways) {
    run.placement = placement;
    run.pace = pace;
    RunLimited(run);
  }
  fmt::print("guest: done\n");
  std::fflush(stdout);
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

}  // namespace weir::pressure
