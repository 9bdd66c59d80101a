#pragma once
// Reclaimable: something that holds memory under a byte budget and can give it back; the seam between pools and the
// pressure broker. Every method may be called from any thread; none waits for a loader. Reclaim and
// DropIdle run the pool's eviction sink; between its calls they keep their deadline.

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/base/clock.h"

namespace weir {

// How a pool orders its victims. All keep the same two queues and move nothing on a hit.
enum class EvictionPolicy : uint8_t {
  kS3Fifo,  // after Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023; ghosts of main count too
  kClock,   // second chance, close to LRU
  kCar,     // Bansal and Modha, "CAR: Clock with Adaptive Replacement", FAST 2004 (ARC's rule on clocks)
  kDuel,    // for loops larger than the pool: a newcomer gets in only past an entry that went unused, as LIRS would have it
};
std::string_view PolicyName(EvictionPolicy policy);  // "s3-fifo", "clock", "car", "duel"

// The one set of counters of a pool. Bytes are as of the call; counts rise from 0 since the pool was made.
struct PoolStats {
  std::string name;
  EvictionPolicy policy = EvictionPolicy::kS3Fifo;

  uint64_t budget_bytes = 0;    // 0: nothing may be kept
  uint64_t mapped_bytes = 0;    // what the pool took from the kernel: extents, large values, index, queues
  uint64_t resource_bytes = 0;  // what live and detached resources declared; their memory is not the pool's
  uint64_t entry_bytes = 0;     // part of mapped_bytes: live entries, header and size-class rounding included
  uint64_t detached_bytes = 0;  // erased or replaced, still held by a pin; still counted in the two above

  uint64_t entries = 0;
  uint64_t pins = 0;     // handles that callers hold now
  uint64_t loading = 0;  // loads in flight now
  uint64_t waiting = 0;  // callers that wait for somebody else's load now

  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t inserts = 0;   // new keys
  uint64_t replaced = 0;  // new value for a key that was there
  uint64_t erased = 0;    // by Erase or Clear
  uint64_t evictions = 0;
  uint64_t evicted_bytes = 0;
  uint64_t refused_too_large = 0;
  uint64_t refused_exhausted = 0;  // everything pinned, or the system gave no memory
  uint64_t loads = 0;              // loaders started
  uint64_t load_failures = 0;
  uint64_t coalesced = 0;       // callers that were answered by somebody else's load
  uint64_t moved = 0;           // entries moved to empty an extent
  uint64_t released_bytes = 0;  // since the start: pages returned to the system, declared bytes of resources released
  uint64_t sink_failures = 0;   // exceptions thrown by the eviction sink
  uint64_t policy_switches = 0;

  uint64_t used_bytes() const { return mapped_bytes + resource_bytes; }
  // used/budget; above 1 while pins hold more than the budget. 0 when the budget is 0 and nothing is held.
  double pressure() const;
};

// What one Reclaim did.
struct Reclaimed {
  uint64_t entries = 0;          // given up
  uint64_t bytes_accounted = 0;  // what those entries were charged
  uint64_t bytes_released = 0;   // pages returned to the system, and declared bytes of resources released
  bool deadline_reached = false;

  void Add(const Reclaimed& other);
};

class Reclaimable {
 public:
  virtual ~Reclaimable() = default;

  // Stays valid and unchanged while the object lives.
  virtual std::string_view name() const = 0;
  // Consistent enough to show; never blocks.
  virtual PoolStats Stats() const = 0;
  // What one byte of the cheapest memory here is worth, in microseconds of work to get it back; waits for nobody, may
  // be a little stale. Infinity: nothing can be given up now.
  virtual double PricePerByte() const = 0;
  // Gives up entries, cheapest first, until at least `bytes` are back with the system, everything that remains is
  // pinned, or the deadline has passed. Never touches a pinned entry.
  virtual Reclaimed Reclaim(uint64_t bytes, TimePoint deadline) = 0;
  // Gives up unpinned entries that were not used for `idle`, cheapest first: all of them, or until `bytes_max` are back with
  // the system, to a whole extent. Ages are known to about ten seconds, or the time between calls of
  // Stats(), and up to five days: more idle than that nothing is found.
  virtual Reclaimed DropIdle(Duration idle, uint64_t bytes_max, TimePoint deadline) = 0;
  // Takes effect at once for new entries; what is over the new budget goes by Reclaim or by the next inserts.
  virtual void SetBudget(uint64_t bytes) = 0;
};

}  // namespace weir
