#pragma once
// What a cache comparison asks of every engine: one seeded list of keys and three streams of operations, skewed as caches
// see them. Standard library only, so that programs outside the product can compile it too. Plain values.

#include <cstdint>
#include <vector>

namespace weir {

struct CacheOperations {
  // An operation is a key, with the lowest bit set when it is a put (one in twenty). Keys have that bit clear.
  static uint64_t KeyOf(uint64_t operation) { return operation & ~uint64_t{1}; }
  static bool IsPut(uint64_t operation) { return (operation & 1) != 0; }
  // Splits the keys into two random halves of equal use.
  static bool InFirstHalf(uint64_t key) { return (key & 2) != 0; }

  static constexpr int kStreams = 3;

  std::vector<uint64_t> fill;               // each key once, in an order that has nothing to do with its use
  std::vector<uint64_t> streams[kStreams];  // the rank of each key is Zipf-distributed with exponent 0.99
  uint64_t digest = 0;                      // equal digests: the same keys and operations

  // Walker's alias method (Vose 1991) over exact weights.
  static CacheOperations Make(uint64_t keys, uint64_t operations_per_stream);
};

}  // namespace weir
