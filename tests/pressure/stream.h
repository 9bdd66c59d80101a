#pragma once
// The work that runs under the limit: two pools, one broker, far more bytes than fit.

#include <cstdint>

namespace weir::pressure {

// How often the broker looks by itself.
enum class Pace {
  kOrdinary,  // as it comes: every few seconds, so that only the kernel's memory events can wake it in time (version 2)
  kQuick,     // some ten times a second: memory comes and goes far faster here than in a service
};

// Streams `bytes` through the pools and prints what happened. True: every value that was read was right.
bool Stream(uint64_t bytes, Pace pace);

}  // namespace weir::pressure
