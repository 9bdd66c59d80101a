#pragma once
// Size classes: the sizes of cells. Value room is 16 and 32 bytes, then steps of 16 to 128, then four steps per power of
// two, so that the round sizes people store (64, 1536 = 384 floats, 4096) fill their cell. Pure functions.

#include <bit>
#include <cstdint>

namespace weir::pool {

using SizeClass = uint8_t;
inline constexpr SizeClass kClassCount = 56;  // up to half a MiB; an extent's largest is an eighth of it

// Value bytes that a cell of the class holds; a multiple of 16.
constexpr uint64_t ClassValueBytes(SizeClass size_class) {
  if (size_class < 8) return 16u * (size_class + 1);  // 16..128
  const uint32_t step = size_class - 8;               // 160, 192, 224, 256, 320, ...
  const uint64_t base = uint64_t{128} << (step / 4);
  return base + base / 4 * (step % 4 + 1);
}

// The smallest class that holds `value_bytes`. REQUIRES: value_bytes <= ClassValueBytes(kClassCount - 1).
constexpr SizeClass ClassOf(uint64_t value_bytes) {
  if (value_bytes <= 128) return static_cast<SizeClass>(value_bytes == 0 ? 0 : (value_bytes - 1) / 16);
  const uint32_t log = static_cast<uint32_t>(std::bit_width(value_bytes - 1)) - 1;  // 2^log <= value_bytes - 1
  const uint64_t base = uint64_t{1} << log;
  const uint64_t quarter = (value_bytes - 1 - base) / (base / 4);
  return static_cast<SizeClass>(8 + (log - 7) * 4 + quarter);
}

static_assert(ClassValueBytes(ClassOf(1536)) == 1536 && ClassValueBytes(ClassOf(129)) == 160);
static_assert(ClassValueBytes(ClassOf(1537)) == 1792 && ClassValueBytes(ClassOf(256)) == 256);
static_assert(ClassOf(128) == 7 && ClassOf(257) == 12 && ClassValueBytes(12) == 320);

}  // namespace weir::pool
