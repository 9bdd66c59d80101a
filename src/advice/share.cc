#include "weir/advice/share.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "near_blocks.h"
#include "prefix_tree.h"
#include "shared_spans.h"

namespace weir {
namespace {

struct PairRank {  // better pairs first
  bool operator()(const PairShare& x, const PairShare& y) const {
    if (x.prefix_tokens != y.prefix_tokens) return x.prefix_tokens > y.prefix_tokens;
    return std::pair(x.a, x.b) < std::pair(y.a, y.b);
  }
};

// Every pair (or those of the target) with its exact prefix, from the sorted order: the common prefix of two contexts is
// the least of the common prefixes of the neighbours between them.
void ListPairs(const PrefixTree& tree, uint32_t block_size, const ShareOptions& options, ShareReport& report) {
  const size_t n = tree.order.size();
  std::vector<PairShare>& pairs = report.pairs;
  const size_t listed_max = std::max<size_t>(options.pair_count_max, 1);
  if (!options.target) pairs.reserve(std::min(n * (n - 1) / 2, 2 * listed_max));
  const auto keep_best = [&] {
    std::nth_element(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(listed_max), pairs.end(), PairRank());
    pairs.resize(listed_max);
    report.pairs_truncated = true;
  };
  for (size_t i = 0; i < n; ++i) {
    uint32_t prefix = UINT32_MAX;
    for (size_t j = i + 1; j < n; ++j) {
      prefix = std::min(prefix, tree.neighbour_prefix[j]);
      const auto [a, b] = std::minmax(tree.order[i], tree.order[j]);
      if (options.target && a != *options.target && b != *options.target) continue;
      PairShare pair;
      pair.a = a;
      pair.b = b;
      pair.prefix_tokens = prefix;
      pair.prefix_blocks = prefix / block_size;
      pairs.push_back(pair);
      if (pairs.size() >= 2 * listed_max) keep_best();
    }
  }
  if (pairs.size() > listed_max) keep_best();
  std::sort(pairs.begin(), pairs.end(),
            [](const PairShare& x, const PairShare& y) { return std::pair(x.a, x.b) < std::pair(y.a, y.b); });
}

// The best partner of a context is one of its neighbours in the sorted order; the first index among the equally good.
void FindBestPartners(const PrefixTree& tree, ShareReport& report) {
  const size_t n = tree.order.size();
  for (size_t i = 0; i < n; ++i) {
    AgentShare& agent = report.agents[tree.order[i]];
    const uint32_t before = i > 0 ? tree.neighbour_prefix[i] : 0;
    const uint32_t after = i + 1 < n ? tree.neighbour_prefix[i + 1] : 0;
    agent.best_prefix_tokens = std::max(before, after);
  }
  // Contexts whose common prefix is at least `length` form an interval: walk outwards while it holds.
  for (const PrefixNode& node : tree.nodes) {
    if (node.count < 2) continue;
    const auto begin = tree.order.begin() + node.first;
    uint32_t least = UINT32_MAX;
    uint32_t second = UINT32_MAX;
    for (auto it = begin; it != begin + node.count; ++it) {
      if (*it < least) {
        second = std::exchange(least, *it);
      } else if (*it < second) {
        second = *it;
      }
    }
    for (auto it = begin; it != begin + node.count; ++it) {
      AgentShare& agent = report.agents[*it];
      if (agent.best_prefix_tokens == node.end) agent.best_prefix_with = *it == least ? second : least;
    }
  }
}

void CountTotals(std::span<const Context* const> contexts, ShareReport& report) {
  std::unordered_set<BlockKey> seen;
  for (const Context* context : contexts) {
    ShareTotals& totals = report.totals;
    const std::vector<BlockKey>& keys = context->block_keys();
    const size_t block_size = context->block_size();
    totals.tokens += context->tokens().size();
    totals.blocks += keys.size();
    size_t known = 0;
    while (known < keys.size() && seen.contains(keys[known])) ++known;
    const size_t reusable_max = context->tokens().empty() ? 0 : (context->tokens().size() - 1) / block_size;
    totals.reusable_tokens += std::min(known, reusable_max) * block_size;
    for (size_t i = known; i < keys.size(); ++i) seen.insert(keys[i]);
  }
  report.totals.distinct_blocks = seen.size();
}

}  // namespace

uint32_t CommonPrefixTokens(const Context& a, const Context& b) {
  const std::vector<BlockKey>& x = a.block_keys();
  const std::vector<BlockKey>& y = b.block_keys();
  size_t low = 0;  // blocks known to be equal
  size_t high = std::min(x.size(), y.size());
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (x[middle] == y[middle]) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const std::vector<TokenId>& s = a.tokens();
  const std::vector<TokenId>& t = b.tokens();
  size_t length = low * a.block_size();
  const size_t end = std::min(s.size(), t.size());
  while (length < end && s[length] == t[length]) ++length;
  return static_cast<uint32_t>(length);
}

Result<ShareReport> Share(std::span<const Context* const> contexts, const ShareOptions& options) {
  if (contexts.empty()) return InvalidArgument("no context to compare", "give at least one prompt");
  const size_t block_size = contexts[0]->block_size();
  for (const Context* context : contexts) {
    if (context->block_size() != block_size) {
      return InvalidArgument(fmt::format("agent '{}' has blocks of {} tokens, others of {}", context->agent(),
                                         context->block_size(), block_size));
    }
  }
  if (options.target && *options.target >= contexts.size()) {
    return InvalidArgument(fmt::format("target {} of {} contexts", *options.target, contexts.size()));
  }

  ShareReport report;
  for (const Context* context : contexts) {
    AgentShare agent;
    agent.agent = context->agent();
    agent.tokens = static_cast<uint32_t>(context->tokens().size());
    agent.blocks = static_cast<uint32_t>(context->block_keys().size());
    report.agents.push_back(std::move(agent));
  }
  PrefixTree tree = BuildPrefixTree(contexts);
  ListPairs(tree, static_cast<uint32_t>(block_size), options, report);
  FindBestPartners(tree, report);
  CountTotals(contexts, report);
  WEIR_ASSIGN(const PairSpans spans, AddSpans(contexts, options, report));
  WEIR_TRY(AddNearBlocks(contexts, spans, report));
  report.order = std::move(tree.order);
  report.groups = std::move(tree.nodes);
  return report;
}

}  // namespace weir
