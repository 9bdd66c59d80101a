#pragma once
// The heatmap of the HTML page: a bounded matrix however many agents there are.

#include <cstdint>
#include <optional>
#include <vector>

#include "weir/advice/share.h"

namespace weir {

// Row-major bins x bins. A cell is the mean over the pairs between its two bins; nothing where no pair was measured.
struct PageMatrix {
  std::vector<std::vector<uint32_t>> bins;  // agent indexes, neighbours in the order of their prompts
  std::vector<std::optional<uint32_t>> prefix_tokens;
  std::vector<std::optional<uint32_t>> prefix_share;  // thousandths of the shorter prompt
  std::vector<std::optional<uint32_t>> span_tokens;
  std::vector<std::optional<uint32_t>> span_share;
  std::vector<std::optional<uint32_t>> near_blocks;
};

inline constexpr size_t kPageBinsMax = 96;

PageMatrix MakePageMatrix(const ShareReport& report);

}  // namespace weir
