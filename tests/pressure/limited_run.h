#pragma once
// Runs the stream inside a memory group and judges it by what the kernel counted.

#include <cstdint>
#include <string>

#include "memory_group.h"
#include "stream.h"

namespace weir::pressure {

enum class Verdict : int { kPass = 0, kFail = 1, kSkip = 77 };

struct LimitedRun {
  std::string program;  // this executable: run again, inside the group
  GroupLimits limits;
  Placement placement = Placement::kOwn;
  Pace pace = Pace::kQuick;
  uint64_t stream_bytes = 0;
  uint64_t seconds_max = 0;
};

// Prints the figures and one line that begins with PASS, FAIL or SKIP. Whatever happens (a signal, a run that hangs),
// the process inside is ended and the group removed.
Verdict RunLimited(const LimitedRun& run);

}  // namespace weir::pressure
