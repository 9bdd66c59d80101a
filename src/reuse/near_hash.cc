#include <algorithm>
#include <array>
#include <bit>

#include "weir/base/check.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

// 64 fair bits for a token at a place.
uint64_t Feature(TokenId token, uint64_t place) {
  uint64_t z = (place << 32 | token) * 0x9e3779b97f4a7c15u + 0x6a09e667f3bcc909u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

// Counts ones per bit in planes: plane p holds bit p of all 64 counts. Then compares every count with half the features. A
// tie of bit b is decided by the feature at place b mod n, so that ties are as fair as features and each place decides as
// many as any other.
uint64_t NearHash(std::span<const TokenId> block) {
  constexpr size_t kPlanes = 16;
  WEIR_CHECK(!block.empty() && block.size() < (1u << kPlanes), "a block of {} tokens", block.size());
  const size_t n = block.size();
  const auto planes = static_cast<size_t>(std::bit_width(n));
  std::array<uint64_t, kPlanes> plane{};
  uint64_t ties = 0;  // what each bit becomes when its count is exactly n / 2
  for (size_t place = 0; place < n; ++place) {
    const uint64_t feature = Feature(block[place], place);
    uint64_t carry = feature;
    for (size_t p = 0; p < planes; ++p) {
      const uint64_t both = plane[p] & carry;
      plane[p] ^= carry;
      carry = both;
    }
    for (size_t bit = place; bit < 64; bit += n) ties |= feature & uint64_t{1} << bit;
  }
  const size_t half = n / 2;
  uint64_t more = 0;              // count > half
  uint64_t equal = ~uint64_t{0};  // count == half, as far as compared
  for (size_t p = planes; p-- > 0;) {
    const uint64_t wanted = (half >> p & 1) != 0 ? ~uint64_t{0} : 0;
    more |= equal & plane[p] & ~wanted;
    equal &= ~(plane[p] ^ wanted);
  }
  return n % 2 != 0 ? more : more | (equal & ties);
}

}  // namespace weir
