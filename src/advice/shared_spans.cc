#include "shared_spans.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>
#include <vector>

#include "weir/reuse/span_index.h"

namespace weir {
namespace {

// Beyond this many tokens in all, spans are hashed one by one instead of through a table of 8 bytes a token.
constexpr uint64_t kHashTableTokensMax = 16'000'000;

uint64_t HashStep(uint64_t hash, TokenId token) { return hash * 0x9e3779b97f4a7c15u + token + 1; }

// Polynomial hash of any run of tokens of any document; equal runs have equal hashes.
class RunHashes {
 public:
  explicit RunHashes(std::span<const Context* const> contexts) : contexts_(contexts) {
    uint64_t tokens = 0;
    size_t longest = 0;
    for (const Context* context : contexts) {
      tokens += context->tokens().size();
      longest = std::max(longest, context->tokens().size());
    }
    if (tokens > kHashTableTokensMax) return;
    powers_.assign(longest + 1, 1);
    for (size_t i = 1; i <= longest; ++i) powers_[i] = powers_[i - 1] * 0x9e3779b97f4a7c15u;
    for (const Context* context : contexts) {
      std::vector<uint64_t>& sums = sums_.emplace_back(1, 0);
      sums.reserve(context->tokens().size() + 1);
      for (const TokenId token : context->tokens()) sums.push_back(HashStep(sums.back(), token));
    }
  }

  uint64_t Of(uint32_t document, uint32_t begin, uint32_t length) const {
    if (!sums_.empty()) return sums_[document][begin + length] - sums_[document][begin] * powers_[length];
    uint64_t hash = 0;
    for (uint32_t i = begin; i < begin + length; ++i) hash = HashStep(hash, contexts_[document]->tokens()[i]);
    return hash;
  }

 private:
  std::span<const Context* const> contexts_;
  std::vector<uint64_t> powers_;
  std::vector<std::vector<uint64_t>> sums_;
};

// One bit a token.
class TokenSet {
 public:
  void Add(uint32_t begin, uint32_t end) {
    if (words_.size() < (end + 63) / 64) words_.resize((end + 63) / 64);
    while (begin < end) {
      const uint32_t upto = std::min(end, (begin / 64 + 1) * 64);
      const uint32_t bits = upto - begin;
      words_[begin / 64] |= (bits == 64 ? ~uint64_t{0} : ((uint64_t{1} << bits) - 1) << (begin % 64));
      begin = upto;
    }
  }
  uint64_t CountFrom(uint32_t begin) const {
    uint64_t count = 0;
    for (size_t word = begin / 64; word < words_.size(); ++word) {
      const uint64_t bits = word == begin / 64 ? words_[word] & (~uint64_t{0} << (begin % 64)) : words_[word];
      count += static_cast<uint64_t>(std::popcount(bits));
    }
    return count;
  }

 private:
  std::vector<uint64_t> words_;
};

bool SameRun(std::span<const Context* const> contexts, const SharedSpan& x, uint32_t agent, uint32_t token) {
  const auto first = contexts[x.example_agent]->tokens().begin() + x.example_token;
  return std::equal(first, first + x.tokens, contexts[agent]->tokens().begin() + token);
}

// Spans of the same text, whoever has them; the weightiest first.
void ListSpans(std::span<const Context* const> contexts, const SpanMatches& matches,
               const std::vector<std::vector<uint32_t>>& same, const ShareOptions& options, ShareReport& report) {
  const RunHashes hashes(contexts);
  std::unordered_map<uint64_t, size_t> known;
  std::vector<SharedSpan> spans;
  for (const SpanPair& pair : matches.pairs) {
    for (const CommonSpan& span : matches.SpansOf(pair)) {
      const auto [place, is_new] = known.try_emplace(hashes.Of(pair.a, span.a_begin, span.length), spans.size());
      if (is_new) {
        SharedSpan shared;
        shared.tokens = span.length;
        shared.example_agent = pair.a;
        shared.example_token = span.a_begin;
        spans.push_back(std::move(shared));
      }
      SharedSpan& shared = spans[place->second];
      if (shared.tokens != span.length || !SameRun(contexts, shared, pair.a, span.a_begin)) continue;  // hash collision
      for (const uint32_t agent : {pair.a, pair.b}) {
        if (shared.agents.empty() || shared.agents.back() != agent) shared.agents.push_back(agent);
      }
    }
  }
  for (SharedSpan& span : spans) {
    std::vector<uint32_t> all;
    std::sort(span.agents.begin(), span.agents.end());
    span.agents.erase(std::unique(span.agents.begin(), span.agents.end()), span.agents.end());
    for (const uint32_t agent : span.agents) all.insert(all.end(), same[agent].begin(), same[agent].end());
    std::sort(all.begin(), all.end());
    span.agents = std::move(all);
  }
  const auto weight = [](const SharedSpan& span) { return uint64_t{span.tokens} * (span.agents.size() - 1); };
  std::sort(spans.begin(), spans.end(), [&](const SharedSpan& x, const SharedSpan& y) {
    if (weight(x) != weight(y)) return weight(x) > weight(y);
    return std::pair(x.example_agent, x.example_token) < std::pair(y.example_agent, y.example_token);
  });
  report.spans_truncated = spans.size() > options.shared_span_count_max;
  if (report.spans_truncated) spans.resize(options.shared_span_count_max);
  report.spans = std::move(spans);
}

uint64_t CountMoved(const SpanMatches& matches, const ShareReport& report) {
  std::vector<TokenSet> covered(report.agents.size());
  for (const SpanPair& pair : matches.pairs) {
    for (const CommonSpan& span : matches.SpansOf(pair)) {
      covered[pair.a].Add(span.a_begin, span.a_begin + span.length);
      covered[pair.b].Add(span.b_begin, span.b_begin + span.length);
    }
  }
  uint64_t moved = 0;
  for (size_t i = 0; i < covered.size(); ++i) moved += covered[i].CountFrom(report.agents[i].best_prefix_tokens);
  return moved;
}

// Only the pairs of the target.
Result<PairSpans> FindTargetSpans(std::span<const Context* const> contexts, const SpanOptions& span_options,
                                  uint32_t target) {
  SpanIndex index(span_options);
  for (uint32_t i = 0; i < contexts.size(); ++i) {
    if (i != target) WEIR_TRY(index.Add(i, contexts[i]->tokens()));
  }
  WEIR_ASSIGN(SpanMatches matches, index.Find(contexts[target]->tokens()));
  return PairSpans(std::move(matches), target, contexts.size());
}

Result<PairSpans> FindAllSpans(std::span<const Context* const> contexts, const SpanOptions& span_options) {
  std::vector<std::span<const TokenId>> documents;
  for (const Context* context : contexts) documents.emplace_back(context->tokens());
  WEIR_ASSIGN(AllSpans all, AllCommonSpans(documents, span_options));
  return PairSpans(std::move(all));
}

}  // namespace

PairSpans::PairSpans(AllSpans all) : matches_(std::move(all.matches)), same_as_(std::move(all.same_as)) {
  FillRows(same_as_.size());
}

PairSpans::PairSpans(SpanMatches matches, uint32_t target, size_t contexts) : matches_(std::move(matches)), target_(target) {
  FillRows(contexts);
}

void PairSpans::FillRows(size_t rows) {
  row_.assign(rows + 1, 0);
  for (const SpanPair& pair : matches_.pairs) ++row_[pair.a + 1];
  for (size_t i = 0; i < rows; ++i) row_[i + 1] += row_[i];
}

PairSpans::Found PairSpans::Find(uint32_t a, uint32_t b) const {
  if (row_.empty()) return {};
  uint32_t first = 0;  // the target is document 0 of its own matches
  uint32_t second = 0;
  Found found;
  if (target_) {
    found.swapped = a != *target_;
    second = found.swapped ? a : b;
  } else {
    first = std::min(same_as_[a], same_as_[b]);
    second = std::max(same_as_[a], same_as_[b]);
    found.swapped = same_as_[a] > same_as_[b];
    found.same = first == second;
  }
  const auto begin = matches_.pairs.begin() + static_cast<std::ptrdiff_t>(row_[first]);
  const auto end = matches_.pairs.begin() + static_cast<std::ptrdiff_t>(row_[first + 1]);
  const auto place =
      std::lower_bound(begin, end, second, [](const SpanPair& pair, uint32_t value) { return pair.b < value; });
  if (place != end && place->b == second && !found.same) found.pair = &*place;
  return found;
}

std::optional<uint32_t> PairSpans::TokensOf(uint32_t a, uint32_t b) const {
  if (row_.empty()) return std::nullopt;
  const Found found = Find(a, b);
  if (found.same) return 0;
  if (found.pair == nullptr) return matches_.pairs_dropped > 0 ? std::nullopt : std::optional<uint32_t>(0);
  if (found.pair->truncated) return std::nullopt;
  return std::min(found.pair->a_tokens, found.pair->b_tokens);
}

Result<PairSpans> AddSpans(std::span<const Context* const> contexts, const ShareOptions& options, ShareReport& report) {
  if (options.span_tokens_min == 0) {
    report.spans_note = "spans were not asked for";
    return PairSpans();
  }
  SpanOptions span_options;
  span_options.tokens_min = options.span_tokens_min;
  WEIR_TRY(span_options.Validate());
  const auto target = static_cast<uint32_t>(options.target.value_or(0));
  WEIR_ASSIGN(PairSpans spans,
              options.target ? FindTargetSpans(contexts, span_options, target) : FindAllSpans(contexts, span_options));
  for (PairShare& pair : report.pairs) pair.span_tokens = spans.TokensOf(pair.a, pair.b);
  const SpanMatches& matches = spans.matches();
  if (options.target) {
    report.spans_note = matches.truncated() ? "too repetitive to follow every span: some counts are unknown" : "";
    return spans;
  }
  std::vector<std::vector<uint32_t>> same(contexts.size());
  for (uint32_t i = 0; i < contexts.size(); ++i) same[spans.same_as()[i]].push_back(i);
  ListSpans(contexts, matches, same, options, report);
  if (matches.truncated()) {
    report.spans_note = fmt::format(
        "{} pairs are too repetitive to follow every span and {} pairs were beyond the limit: their counts are "
        "unknown",
        matches.pairs_truncated, matches.pairs_dropped);
    report.spans_truncated = true;
  } else {
    report.totals.moved_tokens = CountMoved(matches, report);
  }
  return spans;
}

}  // namespace weir
