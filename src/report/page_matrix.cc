#include "page_matrix.h"

#include <algorithm>

namespace weir {
namespace {

// Sums of one measure over the pairs of a cell.
struct Sum {
  uint64_t tokens = 0;
  uint64_t thousandths = 0;
  uint64_t pairs = 0;
};

void Add(std::vector<Sum>& sums, size_t bins, size_t row, size_t column, uint32_t tokens, uint32_t shorter) {
  const uint64_t thousandths = shorter == 0 ? 0 : uint64_t{tokens} * 1000 / shorter;
  for (const size_t cell : {row * bins + column, column * bins + row}) {
    sums[cell].tokens += tokens;
    sums[cell].thousandths += thousandths;
    ++sums[cell].pairs;
    if (row == column) break;
  }
}

std::optional<uint32_t> Mean(uint64_t sum, uint64_t count) {
  if (count == 0) return std::nullopt;
  return static_cast<uint32_t>((sum + count / 2) / count);
}

void Divide(const std::vector<Sum>& sums, std::vector<std::optional<uint32_t>>& tokens,
            std::vector<std::optional<uint32_t>>& share) {
  for (const Sum& sum : sums) {
    tokens.push_back(Mean(sum.tokens, sum.pairs));
    share.push_back(Mean(sum.thousandths, sum.pairs));
  }
}

}  // namespace

PageMatrix MakePageMatrix(const ShareReport& report) {
  const size_t agents = report.agents.size();
  const size_t bins = std::min(agents, kPageBinsMax);
  PageMatrix matrix;
  matrix.bins.resize(bins);
  std::vector<size_t> bin_of(agents);
  for (size_t place = 0; place < agents; ++place) {
    const size_t bin = place * bins / agents;
    matrix.bins[bin].push_back(report.order[place]);
    bin_of[report.order[place]] = bin;
  }
  std::vector<Sum> prefix(bins * bins);
  std::vector<Sum> span(bins * bins);
  std::vector<Sum> near(bins * bins);  // blocks instead of tokens
  for (const PairShare& pair : report.pairs) {
    const uint32_t shorter = std::min(report.agents[pair.a].tokens, report.agents[pair.b].tokens);
    Add(prefix, bins, bin_of[pair.a], bin_of[pair.b], pair.prefix_tokens, shorter);
    if (pair.span_tokens) Add(span, bins, bin_of[pair.a], bin_of[pair.b], *pair.span_tokens, shorter);
    if (pair.near_blocks) Add(near, bins, bin_of[pair.a], bin_of[pair.b], *pair.near_blocks, shorter);
  }
  Divide(prefix, matrix.prefix_tokens, matrix.prefix_share);
  Divide(span, matrix.span_tokens, matrix.span_share);
  for (const Sum& sum : near) matrix.near_blocks.push_back(Mean(sum.tokens, sum.pairs));
  return matrix;
}

}  // namespace weir
