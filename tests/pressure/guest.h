#pragma once
// The virtual machine's first process: mounts what the kernel publishes, runs the stream in each way, powers off.

#include <string>

#include "limited_run.h"

namespace weir::pressure {

[[noreturn]] void RunGuest(LimitedRun run);

}  // namespace weir::pressure
