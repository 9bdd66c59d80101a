#pragma once
// EvictionOrder: who knows what will be needed last. The seam through which workflows say which entries go first.

#include <cstdint>
#include <string_view>
#include <vector>

#include "weir/pool/pool_key.h"

namespace weir {

// Thread rule: called by one thread at a time, outside the broker's locks. Must outlive the broker it was given to.
class EvictionOrder {
 public:
  virtual ~EvictionOrder() = default;
  // Keys of the pool by steps to execution, farthest first, worth about `bytes`. May be fewer, may be empty (nothing is
  // known), may name keys that are gone.
  virtual std::vector<PoolKey> FarthestFirst(std::string_view pool, uint64_t bytes) = 0;
};

}  // namespace weir
