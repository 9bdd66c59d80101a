#pragma once
// How a vector lies in the store: version, precision, dimensions, numbers (little-endian). Internal to `embed`; pure.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/embed/embed_cache.h"

namespace weir::embed {

// IEEE 754 binary16, to nearest, ties to even; beyond its range infinity.
uint16_t ToHalf(float value);
float FromHalf(uint16_t half);

std::string WriteVector(std::span<const float> vector, VectorPrecision precision);
// corrupt: not such a record, another number of dimensions, or a number that is not finite.
Status ReadVector(std::string_view bytes, std::span<float> out);

}  // namespace weir::embed
