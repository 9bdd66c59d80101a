#include "prefix_tree.h"

#include <algorithm>
#include <numeric>

namespace weir {
namespace {

bool TokensLess(const Context& a, const Context& b) {
  const uint32_t prefix = CommonPrefixTokens(a, b);
  if (prefix == b.tokens().size()) return false;
  if (prefix == a.tokens().size()) return true;
  return a.tokens()[prefix] < b.tokens()[prefix];
}

// An interval of the order whose node is still to be made.
struct Pending {
  int32_t parent;
  uint32_t begin;  // tokens above it
  uint32_t first;
  uint32_t count;
};

}  // namespace

PrefixTree BuildPrefixTree(std::span<const Context* const> contexts) {
  PrefixTree tree;
  const auto n = static_cast<uint32_t>(contexts.size());
  tree.order.resize(n);
  std::iota(tree.order.begin(), tree.order.end(), 0u);
  std::sort(tree.order.begin(), tree.order.end(), [&](uint32_t x, uint32_t y) {
    if (TokensLess(*contexts[x], *contexts[y])) return true;
    if (TokensLess(*contexts[y], *contexts[x])) return false;
    return x < y;
  });
  tree.neighbour_prefix.assign(n, 0);
  for (uint32_t i = 1; i < n; ++i) {
    tree.neighbour_prefix[i] = CommonPrefixTokens(*contexts[tree.order[i - 1]], *contexts[tree.order[i]]);
  }
  const std::vector<uint32_t>& prefix = tree.neighbour_prefix;
  const auto length_of = [&](uint32_t position) {
    return static_cast<uint32_t>(contexts[tree.order[position]]->tokens().size());
  };

  // Splits [first, first + count) where neighbours share no more than `depth` tokens; depth-first, leftmost next.
  std::vector<Pending> stack;
  const auto split = [&](int32_t parent, uint32_t first, uint32_t count, uint32_t depth) {
    const size_t mark = stack.size();
    uint32_t start = first;
    for (uint32_t i = first + 1; i <= first + count; ++i) {
      if (i < first + count && prefix[i] > depth) continue;
      if (length_of(start) > depth) stack.push_back({parent, depth, start, i - start});  // else it ends at the parent
      start = i;
    }
    std::reverse(stack.begin() + static_cast<std::ptrdiff_t>(mark), stack.end());
  };
  split(-1, 0, n, 0);
  while (!stack.empty()) {
    const Pending todo = stack.back();
    stack.pop_back();
    PrefixNode node;
    node.parent = todo.parent;
    node.begin = todo.begin;
    node.first = todo.first;
    node.count = todo.count;
    node.end = length_of(todo.first);
    for (uint32_t i = todo.first + 1; i < todo.first + todo.count; ++i) node.end = std::min(node.end, prefix[i]);
    tree.nodes.push_back(node);
    if (node.count > 1) split(static_cast<int32_t>(tree.nodes.size() - 1), node.first, node.count, node.end);
  }
  return tree;
}

}  // namespace weir
