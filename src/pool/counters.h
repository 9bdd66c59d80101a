#pragma once
// Counters: one pool's counts, kept apart by thread so that counting costs no shared cache line.
//
// A thread whose reader record is among the first kOwnStripes has a stripe to itself and adds without a locked
// instruction; the others share the last stripe. Sums are exact when no other call runs, else consistent enough to show.

#include <array>
#include <atomic>
#include <cstdint>

#include "quiescence.h"

namespace weir::pool {

enum class Count : uint8_t {
  kHits,
  kMisses,
  kPinsTaken,
  kPinsDropped,
  kInserts,
  kReplaced,
  kErased,
  kEvictions,
  kEvictedBytes,
  kRefusedTooLarge,
  kRefusedExhausted,
  kLoads,
  kLoadFailures,
  kCoalesced,
  kMoved,
  kSinkFailures,
  kPolicySwitches,
  kCount,
};

class Counters {
 public:
  void Add(const ReaderRecord& reader, Count which, uint64_t by = 1) {
    if (reader.number < kOwnStripes) {
      std::atomic<uint64_t>& own = stripes_[reader.number].values[static_cast<size_t>(which)];
      own.store(own.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    } else {
      stripes_[kOwnStripes].values[static_cast<size_t>(which)].fetch_add(by, std::memory_order_relaxed);
    }
  }
  void Add(Count which, uint64_t by = 1) { Add(ThisReader(), which, by); }

  uint64_t Sum(Count which) const {
    uint64_t sum = 0;
    for (const Stripe& stripe : stripes_) sum += stripe.values[static_cast<size_t>(which)].load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr uint32_t kOwnStripes = 63;
  struct alignas(64) Stripe {
    std::array<std::atomic<uint64_t>, static_cast<size_t>(Count::kCount)> values{};
  };

  std::array<Stripe, kOwnStripes + 1> stripes_;
};

}  // namespace weir::pool
