#pragma once
// The inner product of two vectors: the inner loop of the vector index.

#include <cstdint>

namespace weir::internal {

// Vectors are padded with zeros to a multiple of this many floats, so that no loop has a rest.
inline constexpr uint32_t kVectorPadding = 16;

// REQUIRES: size is a multiple of kVectorPadding.
using VectorDot = float (*)(const float* a, const float* b, uint32_t size);

float VectorDotPortable(const float* a, const float* b, uint32_t size);

// The fastest on this machine. Its sums may differ from the portable ones in the last bits.
VectorDot FastestVectorDot();

}  // namespace weir::internal
