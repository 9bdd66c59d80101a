#pragma once
// Plain simulations of published eviction policies over entries of one size, to hold the pool's hit ratio against: LRU, ARC
// and S3-FIFO, written from the papers and independent of the pool's own queues. Pure functions.

#include <cstdint>

#include "key_trace.h"

namespace weir {

// Each returns the number of hits of the trace in a cache of `entries` (at least 2), empty at the start.
uint64_t HitsOfLru(const KeyTrace& trace, uint32_t entries);

// Megiddo and Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003, figure 4.
uint64_t HitsOfArc(const KeyTrace& trace, uint32_t entries);

// Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023: a tenth for new keys, promotion after two uses,
// a ghost queue as long as the main one.
uint64_t HitsOfS3Fifo(const KeyTrace& trace, uint32_t entries);

}  // namespace weir
