#pragma once
// Which texts are computed together. Pure.
//
// What a batch holds waits for its last text, and its scratch grows with its tokens; too few tokens starve the matrix
// kernels. Texts of like length in small batches get the most done.

#include <cstdint>
#include <span>
#include <vector>

namespace weir {

struct PackingLimits {
  uint32_t tokens_max = 0;     // a batch may hold; a longer text is the caller's error
  uint32_t tokens_target = 0;  // no text is added to a batch that would grow beyond this
  uint32_t texts_max = 0;      // a batch may hold
};

struct PackedBatch {
  std::vector<uint32_t> texts;  // indices into `lengths`
  uint32_t tokens = 0;
};

// Every index in `wanted` lands in one batch. Longest first, so that the last batches are the small ones and workers end
// together. REQUIRES: 0 < lengths[i] <= tokens_max for each wanted i; limits above 0.
std::vector<PackedBatch> PackByLength(std::span<const uint32_t> lengths, std::span<const uint32_t> wanted,
                                      const PackingLimits& limits);

}  // namespace weir
