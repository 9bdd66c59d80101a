#pragma once
// Tables behind unicode.h. Written by scripts/gen-unicode-tables; constant.

#include <cstddef>
#include <cstdint>

namespace weir::unicode {

inline constexpr uint32_t kPageSize = 64;           // code points: the last byte of a UTF-8 sequence selects in a page
inline constexpr uint32_t kIndexedLimit = 0x32400;  // code points beyond it have no page

struct Decomposition {  // one level; second is 0 for a singleton
  uint32_t code_point, first, second;
};
struct Composition {
  uint32_t first, second, composed;
};
struct CombiningRange {  // first and last included
  uint32_t first, last, combining_class;
};

extern const uint16_t kClassIndex[kIndexedLimit / kPageSize];
extern const uint8_t kClassPages[];            // page after page; ASCII comes first
extern const Decomposition kDecompositions[];  // by code point
extern const size_t kDecompositionCount;
extern const Composition kCompositions[];  // by first, then second
extern const size_t kCompositionCount;
extern const CombiningRange kCombiningRanges[];  // by first
extern const size_t kCombiningRangeCount;
extern const uint32_t kCategoryRuns[];  // first code point << 8 | Category (unicode_sets.h), by code point
extern const size_t kCategoryRunCount;

}  // namespace weir::unicode
