#include "packing.h"

#include <algorithm>

#include "weir/base/check.h"

namespace weir {

std::vector<PackedBatch> PackByLength(std::span<const uint32_t> lengths, std::span<const uint32_t> wanted,
                                      const PackingLimits& limits) {
  std::vector<uint32_t> order(wanted.begin(), wanted.end());
  std::ranges::sort(order,
                    [&](uint32_t a, uint32_t b) { return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b; });
  std::vector<PackedBatch> batches;
  for (uint32_t text : order) {
    const uint32_t length = lengths[text];
    WEIR_CHECK(length > 0 && length <= limits.tokens_max, "a text of {} tokens", length);
    const bool fits = !batches.empty() && batches.back().texts.size() < limits.texts_max &&
                      batches.back().tokens + length <= std::min(limits.tokens_target, limits.tokens_max);
    if (!fits) batches.emplace_back();
    batches.back().texts.push_back(text);
    batches.back().tokens += length;
  }
  return batches;
}

}  // namespace weir
