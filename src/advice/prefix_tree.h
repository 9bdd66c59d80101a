#pragma once
// PrefixTree: contexts sorted by their tokens, and the radix tree over them. A plain value.

#include <cstdint>
#include <span>
#include <vector>

#include "weir/advice/share.h"
#include "weir/tokens/context.h"

namespace weir {

struct PrefixTree {
  std::vector<uint32_t> order;             // indexes of contexts, by tokens, equal ones by index
  std::vector<uint32_t> neighbour_prefix;  // [i]: common prefix of order[i - 1] and order[i]; [0] = 0
  std::vector<PrefixNode> nodes;           // parents first, children in sorted order
};

// O(n log n) comparisons, each logarithmic in the blocks. REQUIRES one space and block size.
PrefixTree BuildPrefixTree(std::span<const Context* const> contexts);

}  // namespace weir
