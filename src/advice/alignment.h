#pragma once
// Alignment of two token sequences behind a break: common runs in the same order. Pure functions.

#include <cstdint>
#include <span>
#include <vector>

#include "weir/tokens/tokenizer.h"

namespace weir {

struct AlignedRun {  // a[a, a + size) == b[b, b + size)
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t size = 0;
  friend bool operator==(const AlignedRun&, const AlignedRun&) = default;
};

// Rising, disjoint common runs, each as long as it can be: anchors are runs of `run_min` tokens that stand exactly once in
// each sequence (the longest rising chain of them, as in patience diff), and the common end, which may be shorter.
// O(n log n) time. Memory is bounded: beyond a million tokens only some of the anchors are looked at, so that short runs
// between edits may be missed; no run is ever wrong. REQUIRES: run_min > 0.
std::vector<AlignedRun> AlignRuns(std::span<const TokenId> a, std::span<const TokenId> b, uint32_t run_min);

}  // namespace weir
