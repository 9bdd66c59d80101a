// ExplainBreaks: the prefix tree's forks, ranked by what they cost.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "prefix_tree.h"
#include "prompt_break.h"
#include "weir/advice/explain.h"

namespace weir {
namespace {

struct Fork {
  uint32_t kept_first = 0;  // intervals of the tree's order
  uint32_t kept_count = 0;
  uint32_t broken_first = 0;
  uint32_t broken_count = 0;
  uint64_t lost_max = 0;  // tokens; no alignment can find more
  uint64_t lost = 0;
};

uint32_t LeastOf(const PrefixTree& tree, uint32_t first, uint32_t count) {
  return *std::min_element(tree.order.begin() + first, tree.order.begin() + first + count);
}

std::vector<uint32_t> Rising(const PrefixTree& tree, uint32_t first, uint32_t count) {
  std::vector<uint32_t> members(tree.order.begin() + first, tree.order.begin() + first + count);
  std::sort(members.begin(), members.end());
  return members;
}

// Every child of a node against the child that most contexts go into.
std::vector<Fork> FindForks(std::span<const Context* const> contexts, const PrefixTree& tree) {
  std::vector<std::vector<size_t>> children(tree.nodes.size() + 1);  // the roots are children of the last
  for (size_t i = 0; i < tree.nodes.size(); ++i) {
    children[tree.nodes[i].parent < 0 ? tree.nodes.size() : static_cast<size_t>(tree.nodes[i].parent)].push_back(i);
  }
  std::vector<Fork> forks;
  for (const std::vector<size_t>& siblings : children) {
    if (siblings.size() < 2) continue;
    const auto rank = [&](size_t i) {
      const PrefixNode& node = tree.nodes[i];
      return std::pair(-static_cast<int64_t>(node.count), LeastOf(tree, node.first, node.count));
    };
    const size_t main =
        *std::min_element(siblings.begin(), siblings.end(), [&](size_t x, size_t y) { return rank(x) < rank(y); });
    for (const size_t other : siblings) {
      if (other == main) continue;
      Fork fork;
      fork.kept_first = tree.nodes[main].first;
      fork.kept_count = tree.nodes[main].count;
      fork.broken_first = tree.nodes[other].first;
      fork.broken_count = tree.nodes[other].count;
      const size_t kept = contexts[LeastOf(tree, fork.kept_first, fork.kept_count)]->tokens().size();
      const size_t broken = contexts[LeastOf(tree, fork.broken_first, fork.broken_count)]->tokens().size();
      fork.lost_max = static_cast<uint64_t>(std::min(kept, broken) - tree.nodes[other].begin) * fork.broken_count;
      forks.push_back(fork);
    }
  }
  return forks;
}

}  // namespace

Result<std::vector<GroupBreak>> ExplainBreaks(std::span<const Context* const> contexts, Encoder* encoder,
                                              const BreakOptions& options) {
  for (const Context* context : contexts) {
    if (context->block_size() != contexts[0]->block_size()) {
      return InvalidArgument(fmt::format("agent '{}' has blocks of {} tokens, others of {}", context->agent(),
                                         context->block_size(), contexts[0]->block_size()));
    }
  }
  const PrefixTree tree = BuildPrefixTree(contexts);
  std::vector<Fork> forks = FindForks(contexts, tree);
  std::stable_sort(forks.begin(), forks.end(), [](const Fork& x, const Fork& y) { return x.lost_max > y.lost_max; });
  std::vector<Fork> ranked;  // the costliest first
  for (Fork& fork : forks) {
    const bool full = ranked.size() >= options.break_count_max;
    if (options.break_count_max == 0 || (full && fork.lost_max <= ranked.back().lost)) break;
    const std::optional<PromptBreak> at = FindBreak(*contexts[LeastOf(tree, fork.kept_first, fork.kept_count)],
                                                    *contexts[LeastOf(tree, fork.broken_first, fork.broken_count)]);
    if (!at) continue;
    fork.lost = uint64_t{AlignedTokens(at->runs)} * fork.broken_count;
    if (fork.lost == 0 || (full && fork.lost <= ranked.back().lost)) continue;
    const auto place = std::upper_bound(ranked.begin(), ranked.end(), fork.lost,
                                        [](uint64_t lost, const Fork& other) { return lost > other.lost; });
    ranked.insert(place, fork);
    if (ranked.size() > options.break_count_max) ranked.pop_back();
  }

  std::vector<GroupBreak> breaks;
  for (const Fork& fork : ranked) {
    GroupBreak found;
    found.kept = Rising(tree, fork.kept_first, fork.kept_count);
    found.broken = Rising(tree, fork.broken_first, fork.broken_count);
    found.lost_tokens = fork.lost;
    WEIR_ASSIGN(found.explanation, Explain(*contexts[found.kept[0]], *contexts[found.broken[0]], encoder, options.explain));
    breaks.push_back(std::move(found));
  }
  return breaks;
}

}  // namespace weir
