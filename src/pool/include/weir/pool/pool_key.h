#pragma once
// PoolKey: what a pool's entries are named by. 128 bits, compared exactly; a caller that has more hashes it first
// (XXH3-128 or the front of a SHA-256) and owns the risk of a collision. Plain value.

#include <compare>
#include <cstdint>

namespace weir {

struct PoolKey {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const PoolKey&, const PoolKey&) = default;
  friend auto operator<=>(const PoolKey&, const PoolKey&) = default;
};

// Spreads both halves over 64 bits (folded 128-bit product), so that counters and pointers serve as keys as well as hashes.
inline uint64_t HashOf(const PoolKey& key) {
  const unsigned __int128 product =
      static_cast<unsigned __int128>(key.low ^ 0x9E3779B97F4A7C15u) * (key.high ^ 0xD6E8FEB86659FD93u);
  const uint64_t folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  return (folded ^ (folded >> 32)) * 0xE7037ED1A0B428DBu;
}

}  // namespace weir
