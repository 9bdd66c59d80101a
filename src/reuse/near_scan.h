#pragma once
// Comparing the 32-bit excerpts of many hashes with one: the inner loop of the near index.

#include <cstdint>

namespace weir::internal {

// Writes the places i < count with popcount(excerpts[i] ^ query) <= limit to `places` (room for `count`), ascending, and
// returns how many there are.
using NearScan = uint32_t (*)(const uint32_t* excerpts, uint32_t count, uint32_t query, uint32_t limit, uint32_t* places);

uint32_t NearScanPortable(const uint32_t* excerpts, uint32_t count, uint32_t query, uint32_t limit, uint32_t* places);

// The fastest on this machine.
NearScan FastestNearScan();

}  // namespace weir::internal
