#include "near_scan.h"

#include <bit>

namespace weir::internal {
namespace {

#ifdef __x86_64__
// The same loop; the compiler has the popcnt instruction for it.
__attribute__((target("popcnt"))) uint32_t NearScanPopcnt(const uint32_t* excerpts, uint32_t count, uint32_t query,
                                                          uint32_t limit, uint32_t* places) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; ++i) {
    places[found] = i;
    found += static_cast<uint32_t>(__builtin_popcount(excerpts[i] ^ query)) <= limit ? 1 : 0;
  }
  return found;
}
#endif

}  // namespace

uint32_t NearScanPortable(const uint32_t* excerpts, uint32_t count, uint32_t query, uint32_t limit, uint32_t* places) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t x = excerpts[i] ^ query;
    x -= x >> 1 & 0x55555555u;
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    places[found] = i;
    found += x * 0x01010101u >> 24 <= limit ? 1 : 0;
  }
  return found;
}

NearScan FastestNearScan() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("popcnt")) return NearScanPopcnt;
#endif
  return NearScanPortable;
}

}  // namespace weir::internal
