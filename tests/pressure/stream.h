#pragma once
// The work that runs under the limit: two pools, one broker, far more bytes than fit.

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::pressure {

// How often the broker looks by itself.
enum class Pace {
  kOrdinary,   // as it comes: every few seconds, so that only the kernel can wake it in time
  kQuick,      // some ten times a second: memory comes and goes far faster here than in a service
  kUnmanaged,  // never, and it holds no pool: the process must be killed, or the limit is none
};
// "ordinary", "quick", "unmanaged"; null for another word.
std::optional<Pace> PaceOf(std::string_view name);
std::string_view NameOf(Pace pace);

// Streams `bytes` through the pools and prints what happened. True: every value that was read was right.
bool Stream(uint64_t bytes, Pace pace);

}  // namespace weir::pressure
