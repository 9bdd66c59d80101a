#pragma once
// Sweep: the state of one pass that gives memory back; reclaim.cc decides what goes, compact.cc moves what stays.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "core.h"

namespace weir::pool {

// Entries that are looked up together, so that their cache misses overlap.
inline constexpr uint32_t kBatch = 32;
// Extents between two waits for readers.
inline constexpr uint32_t kExtentsPerRelease = 16;

// Entries of one level are worth about the same per byte: by price class, then by use.
inline constexpr uint32_t kLevelsPerClass = 8;
inline constexpr uint32_t kLevels = kPriceClasses * kLevelsPerClass;

struct Ranked {
  double worth;  // of what the extent holds, per byte of the extent
  uint64_t taken_order;
  uint32_t extent;
  friend bool operator<(const Ranked& a, const Ranked& b) {
    return a.worth != b.worth ? a.worth < b.worth : a.taken_order < b.taken_order;
  }
};

struct Candidate {
  Slot slot;
  PoolKey key;
  uint64_t hash;
};

struct Core::Sweep {
  uint64_t wanted_bytes = 0;
  TimePoint deadline = TimePoint::max();
  bool for_pressure = false;
  Reclaimed* done = nullptr;

  PagedArray<Ranked> pages;
  std::array<Ranked, 64> few;  // for when the system gives no page: some extents are better than none
  std::span<Ranked> ranked{few};
  uint32_t ranked_count = 0;
  uint32_t level_max = kLevels - 1;  // entries above it stay
  double depth_max_at_level = 1;     // and those of that level that lie deeper in their queue,
  double depth_max_below = 1;        // and those below it that do
  uint16_t idle_ticks_min = 0;       // and those used more recently
  uint64_t freed_bytes = 0;          // in cells, not yet pages

  double depth_max(uint32_t level) const { return level < level_max ? depth_max_below : depth_max_at_level; }
  bool enough() const { return done->bytes_released >= wanted_bytes; }
};

}  // namespace weir::pool
