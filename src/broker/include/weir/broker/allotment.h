#pragma once
// Allotment: one byte budget shared by many pools, with borrowing. A pure function.
//
// Every pool may always use what it is guaranteed. What nobody uses is lent: in equal parts to all that have room, a pool
// with little room leaving its part to the others. Minimum shares are lent while their owners do not use them, bytes that
// a workflow was granted are not. When an owner takes its share back, the budgets of borrowers stop at what they use, and
// relief, which never takes guaranteed bytes, takes from them alone.

#include <cstdint>
#include <span>
#include <vector>

namespace weir {

struct Claim {
  uint64_t used_bytes = 0;
  uint64_t limit_bytes = 0;
  uint64_t guaranteed_bytes = 0;  // at most limit_bytes
  uint64_t granted_bytes = 0;     // part of guaranteed_bytes
};

// The budget of each pool. `budget_bytes` 0: none but the limits. `growth_bytes`: how much all of them together may add to
// what they use now before memory itself gets short.
std::vector<uint64_t> Allot(std::span<const Claim> claims, uint64_t budget_bytes, uint64_t growth_bytes = UINT64_MAX);

}  // namespace weir
