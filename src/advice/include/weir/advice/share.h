#pragma once
// Share report: what many agents' contexts have in common, kind by kind.
//
// A pure function over immutable contexts. Exact prefixes, moved spans and near copies are counted apart and never added
// up; what was not measured is null. All contexts must come from one space and one block size. Thread rule: no shared
// state; call from any thread. The same input gives the same report, byte for byte.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/context.h"

namespace weir {

struct ShareOptions {
  // Index of one context: only the pairs of this one with all others are listed. Groups and totals still cover all.
  std::optional<size_t> target;
  // Common runs shorter than this are not looked for, except as part of the exact prefix: 8 to 1,024; 0 turns spans off
  // (null).
  uint32_t span_tokens_min = 32;  // tokens
  // Pairs listed at most; beyond it those with the longest exact prefix are kept.
  size_t pair_count_max = 2'000'000;
  // Shared spans listed at most, the weightiest first.
  size_t shared_span_count_max = 64;
};

struct AgentShare {
  std::string agent;
  uint32_t tokens = 0;
  uint32_t blocks = 0;  // full ones
  // The longest exact prefix that any other context has too.
  uint32_t best_prefix_tokens = 0;
  std::optional<uint32_t> best_prefix_with;  // index of the first such context; null when there is none
};

// a < b are indexes into ShareReport::agents.
struct PairShare {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t prefix_tokens = 0;  // exact common prefix
  uint32_t prefix_blocks = 0;  // its whole blocks
  // Tokens behind the exact prefix that lie in common runs of at least span_tokens_min, at any offset: counted in both
  // contexts, the smaller of the two counts. Null: not measured, or too repetitive to be counted whole.
  std::optional<uint32_t> span_tokens;
  // Full blocks of a that are not exactly shared with b and that are nearly like some block of b. Not exactly shared: at
  // least one token lies outside the exact prefix and outside every moved span, and no block of b has the same tokens.
  // Nearly like: within kNearRadiusMax bits of the near index (weir/reuse/near_index.h), which about four in five blocks
  // with one changed token are. A hint for who writes prompts: nothing of a near block can be reused, and it is never
  // added to the other counts. Blocks of a, so the count from b's side may be another. Null: not measured, as wherever
  // span_tokens is null, or a block has too many near ones to look at.
  std::optional<uint32_t> near_blocks;
};

// A node of the prefix tree: tokens [begin, end) that stand at the same place, with the same history, in `count`
// contexts: order[first, first + count). Children follow their parent and split its interval; a context that ends at
// the parent's end has no child. A root has parent = -1; contexts that differ at token 0 have different roots.
struct PrefixNode {
  int32_t parent = -1;
  uint32_t begin = 0;  // tokens
  uint32_t end = 0;    // tokens
  uint32_t first = 0;  // into ShareReport::order
  uint32_t count = 0;
};

// One passage that several contexts hold outside the prefix they share.
struct SharedSpan {
  uint32_t tokens = 0;
  std::vector<uint32_t> agents;  // rising indexes, at least two
  uint32_t example_agent = 0;    // where to read the passage:
  uint32_t example_token = 0;    // its first token in that context
};

struct ShareTotals {
  uint64_t tokens = 0;
  uint64_t blocks = 0;           // full ones
  uint64_t distinct_blocks = 0;  // different chained keys
  // Tokens an engine with an endless cache would not compute again if every context ran once, one after the other:
  // whole blocks with equal history; the last token of a prompt is always computed.
  uint64_t reusable_tokens = 0;
  // Tokens that lie outside every exact prefix shared with another context and inside a span shared with one. Null: not
  // measured. Not reusable by an engine as it is. Null with a target, too.
  std::optional<uint64_t> moved_tokens;
};

struct ShareReport {
  std::vector<AgentShare> agents;  // in the order given
  std::vector<PairShare> pairs;    // by (a, b)
  bool pairs_truncated = false;
  std::vector<uint32_t> order;     // agent indexes, sorted by their tokens: the leaves of the prefix tree
  std::vector<PrefixNode> groups;  // the prefix tree, parents first; every token of every context is in one node
  std::vector<SharedSpan> spans;   // weightiest (tokens x (agents - 1)) first
  bool spans_truncated = false;    // more were found than listed
  std::string spans_note;          // why spans are null or incomplete; empty otherwise
  std::string near_note;           // why near_blocks are null though spans are known; empty otherwise
  ShareTotals totals;
};

// invalid_argument: no context, mixed block sizes, a target out of range. The pointers must not be null and are borrowed
// for the call.
Result<ShareReport> Share(std::span<const Context* const> contexts, const ShareOptions& options = {});

// Exact common prefix in tokens; block keys skip most of the comparison. REQUIRES one space and block size.
uint32_t CommonPrefixTokens(const Context& a, const Context& b);

}  // namespace weir
