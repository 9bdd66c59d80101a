#pragma once
// The span part of the share report. Pure functions.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "weir/advice/share.h"
#include "weir/base/result.h"
#include "weir/reuse/span_index.h"
#include "weir/tokens/context.h"

namespace weir {

// The moved spans of every pair, or of those of one target, found by pair. Empty: nothing was measured.
class PairSpans {
 public:
  PairSpans() = default;
  explicit PairSpans(AllSpans all);
  PairSpans(SpanMatches matches, uint32_t target, size_t contexts);

  // Null: not measured, or too repetitive to be followed whole.
  std::optional<uint32_t> TokensOf(uint32_t a, uint32_t b) const;
  // Calls f(begin, end) with the tokens of `a` for each span that it has with `b`.
  template <typename F>
  void ForEachSpan(uint32_t a, uint32_t b, F&& f) const {
    const Found found = Find(a, b);
    if (found.pair == nullptr) return;
    for (const CommonSpan& span : matches_.SpansOf(*found.pair)) {
      const uint32_t begin = found.swapped ? span.b_begin : span.a_begin;
      f(begin, begin + span.length);
    }
  }
  const SpanMatches& matches() const { return matches_; }
  const std::vector<uint32_t>& same_as() const { return same_as_; }

 private:
  struct Found {
    const SpanPair* pair = nullptr;
    bool swapped = false;  // a of the question is b of the pair
    bool same = false;     // equal tokens: all of it is prefix
  };

  void FillRows(size_t rows);
  Found Find(uint32_t a, uint32_t b) const;

  SpanMatches matches_;
  std::vector<uint32_t> same_as_;  // as AllSpans::same_as; empty with a target
  std::optional<uint32_t> target_;
  std::vector<size_t> row_;  // first pair of each a
};

// Fills in span_tokens of report.pairs, report.spans, totals.moved_tokens and the note. Expects agents (with their best
// prefixes) and pairs to be there.
Result<PairSpans> AddSpans(std::span<const Context* const> contexts, const ShareOptions& options, ShareReport& report);

}  // namespace weir
