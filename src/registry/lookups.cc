// Questions about one target: what agents share with a context, and what a prompt would reuse.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "core.h"
#include "pair_sharing.h"

namespace weir::registry {
namespace {

// Up to so many agents are compared one by one.
constexpr size_t kOneByOneMax = 16;
// Owners that a near look-up names for one block: enough to find candidates by; what is reported is counted pair by pair.
constexpr uint32_t kNearOwnersNamed = 64;

// Where a holder was found, and how much of it.
struct Candidate {
  uint32_t blocks = 0;
  uint32_t moved_tokens = 0;
  uint32_t near_hits = 0;
  std::optional<float> similarity{};
  const SpanPair* pair = nullptr;
};

bool Comes(const SharedContext& a, const SharedContext& b) {
  if (a.confidence != b.confidence) return a.confidence > b.confidence;
  if (a.moved_tokens.value_or(0) != b.moved_tokens.value_or(0))
    return a.moved_tokens.value_or(0) > b.moved_tokens.value_or(0);
  if (a.near_blocks.value_or(0) != b.near_blocks.value_or(0)) return a.near_blocks.value_or(0) > b.near_blocks.value_or(0);
  if (a.similarity.value_or(-2) != b.similarity.value_or(-2)) return a.similarity.value_or(-2) > b.similarity.value_or(-2);
  return a.agent < b.agent;
}

Status Check(const FindSharedOptions& options) {
  if (options.results_max < 1 || options.results_max > 100'000) {
    return InvalidArgument(fmt::format("results_max is {}", options.results_max), "1 to 100,000");
  }
  return {};
}

// Certain figures of a result whose exact part is known.
void Settle(const Query& query, SharedContext& result) {
  result.tokens_saved = result.exact.blocks * query.block_size;
  result.confidence =
      query.tokens.empty() ? 0 : static_cast<double>(result.tokens_saved) / static_cast<double>(query.tokens.size());
  if (result.exact.blocks > 0) result.last_key = query.keys[result.exact.blocks - 1];
}

}  // namespace

Query Core::QueryOf(const SpaceIndexes& space, std::span<const TokenId> tokens, std::span<const float> vector) const {
  Query query;
  query.space = &space;
  query.tokens = tokens;
  query.vector = vector;
  query.block_size = options_.block_size;
  AppendBlockKeys(tokens, options_.block_size, space.root, query.keys);
  // Pairs with the release of whoever becomes visible.
  query.begun = changes_.load(std::memory_order_acquire);
  query.now_ms = NowMs();
  return query;
}

Status Core::Compare(const Query& query, std::span<const AgentPtr> agents, const FindSharedOptions& options,
                     SharedReport& report) {
  PairSharing sharing(query.tokens, query.block_size);
  std::optional<PrefixMatch> match;  // looked up when the first cold one comes
  for (const AgentPtr& state : agents) {
    SharedContext result;
    result.agent = state->terms.agent;
    result.revision = state->terms.revision;
    ++report.compared;
    Pin pin = HoldWarm(*state);
    if (!pin && options.reload_cold) {
      Result<Pin> read_back = Hold(state);
      if (!read_back && read_back.error().code != ErrorCode::kNotFound) return read_back.error();
      if (read_back) pin = *std::move(read_back);
    }
    std::optional<ContextView> view;
    if (pin) view = pin.resource<Body>().view();
    if (view) {
      sharing.Exact(view->tokens(), result);
    } else {
      result.cold = true;
      ++report.cold;
      if (!match) query.space->blocks.Find(query.keys, match.emplace());
      const auto held = std::ranges::find(match->holders, state->holder, &HolderBlocks::holder);
      if (held != match->holders.end()) result.exact = {held->blocks * query.block_size, held->blocks};
    }
    Settle(query, result);
    const bool approximate = view && !query.dense && !state->terms.dense;
    if (approximate && options.moved) WEIR_TRY(sharing.Moved(view->tokens(), options, result));
    if (approximate && options.near && options.moved) sharing.Near(view->tokens(), options, result);
    if (approximate && options.semantic && !query.vector.empty() && !view->vector().empty()) {
      result.similarity = Cosine(query.vector, view->vector());
    }
    report.results.push_back(std::move(result));
  }
  return {};
}

Status Core::Search(const Query& query, const std::set<std::string_view>* among, const FindSharedOptions& options,
                    SharedReport& report) {
  const SpaceIndexes& space = *query.space;
  std::unordered_map<HolderId, Candidate> candidates;
  PrefixMatch match;
  space.blocks.Find(query.keys, match);
  candidates.reserve(match.holders.size());
  for (const HolderBlocks& held : match.holders) candidates[held.holder].blocks = held.blocks;

  SpanMatches spans;
  if (options.moved && !query.dense) {
    WEIR_ASSIGN(spans, space.spans.Find(query.tokens));
    for (const SpanPair& pair : spans.pairs) {
      Candidate& candidate = candidates[pair.b];
      candidate.pair = &pair;
      candidate.moved_tokens = pair.a_tokens;
    }
  }
  if (options.near && options.moved && !query.dense) {
    NearFindOptions near;
    near.holders_max = kNearOwnersNamed;
    NearMatches found;
    for (size_t end = query.block_size; end <= query.tokens.size(); end += query.block_size) {
      WEIR_TRY(space.near.Find(query.tokens.subspan(end - query.block_size, query.block_size), near, found));
      for (const NearHit& hit : found.hits) {
        if (hit.tokens_differ == 0) continue;
        for (const NearHolder& holder : found.HoldersOf(hit)) ++candidates[holder.owner].near_hits;
      }
    }
  }
  if (options.semantic && !query.dense && space.vectors != nullptr && !query.vector.empty()) {
    VectorFindOptions nearest;
    nearest.k = std::min<uint32_t>(options.results_max + 1, 65'536);
    VectorMatches found;
    WEIR_TRY(space.vectors->Find(query.vector, nearest, found));
    for (const VectorHit& hit : found.hits) candidates[hit.owner].similarity = hit.similarity;
  }
  report.compared = space.contexts.load(std::memory_order_relaxed);
  const AgentPtr excluded = query.exclude.empty() ? nullptr : directory_.Find(query.exclude);
  if (excluded != nullptr && excluded->space == &space && report.compared > 0) --report.compared;
  const uint32_t warm = space.spans.documents();
  report.cold = std::max(warm, space.contexts.load(std::memory_order_relaxed)) - warm;

  // In the order of what the indexes say; of those that may be listed the rest is worked out pair by pair.
  using Found = std::pair<const HolderId, Candidate>;
  std::vector<const Found*> order;
  order.reserve(candidates.size());
  for (const Found& found : candidates) order.push_back(&found);
  std::ranges::sort(order, [](const Found* a, const Found* b) {
    const auto rank = [](const Found& found) {
      return std::tuple(found.second.blocks, found.second.moved_tokens, found.second.near_hits,
                        found.second.similarity.value_or(-2), ~found.first);
    };
    return rank(*a) > rank(*b);
  });
  PairSharing sharing(query.tokens, query.block_size);
  std::set<std::string_view> listed;
  std::vector<AgentPtr> kept;  // owns what `listed` looks at
  for (const Found* found : order) {
    AgentPtr state = directory_.FindHolder(found->first);
    if (state == nullptr || !Sees(query, *state) || (among != nullptr && !among->contains(state->terms.agent))) continue;
    if (listed.contains(state->terms.agent)) continue;  // an older revision that is about to go
    if (report.results.size() == options.results_max) {
      report.truncated = true;
      break;
    }
    const Candidate& candidate = found->second;
    SharedContext result;
    result.agent = state->terms.agent;
    result.revision = state->terms.revision;
    result.exact = {candidate.blocks * query.block_size, candidate.blocks};
    const bool approximate = !query.dense && !state->terms.dense;
    const Pin pin = HoldWarm(*state);
    if (pin) {
      const ContextView view = pin.resource<Body>().view();
      // Also proves what the index said.
      sharing.Exact(view.tokens(), result);
      if (approximate && options.moved) {
        const SpanPair none{};
        const SpanPair& pair = candidate.pair == nullptr ? none : *candidate.pair;
        sharing.Moved(pair, spans.SpansOf(pair), options, result);
        if (options.near) sharing.Near(view.tokens(), options, result);
      }
    } else {
      result.cold = true;
    }
    if (approximate) result.similarity = candidate.similarity;
    Settle(query, result);
    report.results.push_back(std::move(result));
    listed.insert(state->terms.agent);
    kept.push_back(std::move(state));
  }
  return {};
}

Status Core::Finish(const Query& query, const FindSharedOptions& options, SharedReport& report) {
  report.target_tokens = static_cast<uint32_t>(query.tokens.size());
  report.target_blocks = static_cast<uint32_t>(query.keys.size());
  std::ranges::sort(report.results, Comes);
  for (SharedContext& result : report.results) {
    if (result.moved.size() > options.spans_max) result.moved.resize(options.spans_max);
  }
  if (report.results.size() > options.results_max) {
    report.results.resize(options.results_max);
    report.truncated = true;
  }
  if (report.compared > 0) report.tokens_saved = report.results.empty() ? 0 : report.results.front().tokens_saved;
  if (query.dense) {
    report.near_note = report.semantic_note = "dense by policy: exact results alone";
  } else {
    if (!options.near || !options.moved) report.near_note = "not asked for";
    if (options_.vector_dimensions == 0) {
      report.semantic_note = "disabled: there is no embedding model";
    } else if (query.vector.empty()) {
      report.semantic_note = "the target has no vector";
    }
  }
  return {};
}

Result<SharedReport> Core::FindShared(std::span<const std::string> agents, const std::optional<std::string>& target,
                                      const FindSharedOptions& options) {
  WEIR_TRY(Check(options));
  if (!target && agents.empty()) return InvalidArgument("nobody to compare", "name a target, or agents");
  const std::string& name = target ? *target : agents.front();
  WEIR_ASSIGN(const AgentPtr state, Find(name));
  WEIR_ASSIGN(const Pin pin, Hold(state));
  const ContextView view = pin.resource<Body>().view();
  Query query = QueryOf(*state->space, view.tokens(), view.vector());
  query.exclude = state->terms.agent;
  query.dense = state->terms.dense;

  SharedReport report;
  report.target = state->terms.agent;
  if (agents.empty()) {
    WEIR_TRY(Search(query, nullptr, options, report));
  } else {
    std::vector<AgentPtr> others;
    std::set<std::string_view> names;
    for (const std::string& agent : agents) {
      if (agent == name) continue;
      WEIR_ASSIGN(AgentPtr other, Find(agent));
      if (!names.insert(agent).second) continue;
      if (other->space != state->space) {
        ++report.other_space;
      } else {
        others.push_back(std::move(other));
      }
    }
    if (others.size() <= kOneByOneMax || options.reload_cold) {
      WEIR_TRY(Compare(query, others, options, report));
    } else {
      WEIR_TRY(Search(query, &names, options, report));
      report.compared = static_cast<uint32_t>(others.size());
      report.cold = static_cast<uint32_t>(std::ranges::count_if(
          others, [](const AgentPtr& other) { return other->indexed.load(std::memory_order_acquire) == nullptr; }));
    }
  }
  WEIR_TRY(Finish(query, options, report));
  return report;
}

Result<SharedReport> Core::Match(std::span<const TokenId> tokens, const MatchOptions& options) {
  WEIR_TRY(Check(options.find));
  if (tokens.empty()) return InvalidArgument("an empty prompt", "give it text");
  if (!options.vector.empty() && options.vector.size() != options_.vector_dimensions) {
    return InvalidArgument(
        fmt::format("a vector of {} dimensions, not {}", options.vector.size(), options_.vector_dimensions));
  }
  WEIR_ASSIGN(const NamedTokenizer* tokenizer, TokenizerOf(options.tokenizer));
  const Space space{tokenizer->tokenizer->fingerprint(), options.model, options.lora, options.salt};
  SharedReport report;
  const SpaceIndexes* indexes = FindSpace(space);
  const SpaceIndexes nowhere;
  Query query = QueryOf(indexes == nullptr ? nowhere : *indexes, tokens, options.vector);
  if (options.exclude) query.exclude = *options.exclude;
  if (indexes != nullptr) {
    WEIR_TRY(Search(query, nullptr, options.find, report));
  }
  WEIR_TRY(Finish(query, options.find, report));
  Record([&] {
    const bool reuses = report.tokens_saved.value_or(0) > 0;
    return Decision{.kind = DecisionKind::kReuse,
                    .reason = reuses ? LedgerCode("exact_prefix") : LedgerCode("nothing_exact"),
                    .agent = options.exclude ? std::string_view(*options.exclude) : std::string_view(),
                    .owner = reuses ? std::string_view(report.results.front().agent) : std::string_view(),
                    .fields = {{"tokens", report.target_tokens}, {"tokens_saved", report.tokens_saved}}};
  });
  return report;
}

}  // namespace weir::registry
