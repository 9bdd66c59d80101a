// Questions about one target: what agents share with a context, and what a prompt would reuse.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "core.h"
#include "pair_sharing.h"

namespace weir::registry {
namespace {

// Up to so many agents are compared one by one.
constexpr size_t kOneByOneMax = 16;

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

void Core::Settle(const Query& query, SharedContext& result) {
  result.tokens_saved = result.exact.blocks * query.block_size;
  result.confidence =
      query.tokens.empty() ? 0 : static_cast<double>(result.tokens_saved) / static_cast<double>(query.tokens.size());
  if (result.exact.blocks > 0) result.last_key = query.keys[result.exact.blocks - 1];
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
      if (!match) query.space->blocks.Find(query.keys, match.emplace());
      // Gone meanwhile: its number may be somebody else's already.
      if (state->superseded.load(std::memory_order_acquire) != 0) {
        --report.compared;
        continue;
      }
      result.cold = true;
      ++report.cold;
      const auto held = std::ranges::find(match->holders, state->holder, &HolderBlocks::holder);
      if (held != match->holders.end()) result.exact = {held->blocks * query.block_size, held->blocks};
    }
    Settle(query, result);
    const bool approximate = view && !query.dense && !state->terms.dense;
    if (approximate && options.moved) WEIR_TRY(sharing.Moved(view->tokens(), options, result));
    if (approximate && options.near && options.moved) sharing.Near(view->tokens(), options, result);
    if (approximate && options.semantic && !query.vector.empty() && state->has_vector) {
      result.similarity = Cosine(query.vector, view->vector());
    }
    report.results.push_back(std::move(result));
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
    if (!options.near) report.near_note = "not asked for";
    if (options.near && !options.moved) report.near_note = "what is near is known only where moved spans are: ask for both";
    const auto is_unknown = [](const SharedContext& result) { return !result.near_blocks && result.moved_tokens; };
    if (report.near_note.empty() && std::ranges::any_of(report.results, is_unknown)) {
      report.near_note = "some contexts are too long to compare block by block";
    }
    if (options_.vector_dimensions == 0) {
      report.semantic_note = "disabled: there is no embedding model";
    } else if (query.vector.empty()) {
      report.semantic_note = query.semantic_note.empty() ? "the target has no vector" : query.semantic_note;
    }
  }
  return {};
}

// Of agents that were asked for by name, those that nothing was found about.
void Core::AddUnrelated(const Query& query, std::span<const AgentPtr> agents, const FindSharedOptions& options,
                        SharedReport& report) {
  std::set<std::string_view> listed;
  for (const SharedContext& result : report.results) listed.insert(result.agent);
  std::vector<SharedContext> unrelated;
  for (const AgentPtr& state : agents) {
    if (listed.contains(state->terms.agent) || !Sees(query, *state)) continue;
    SharedContext result;
    result.agent = state->terms.agent;
    result.revision = state->terms.revision;
    result.cold = state->indexed.load(std::memory_order_acquire) == nullptr;
    const bool approximate = !result.cold && !query.dense && !state->terms.dense;
    if (approximate && options.moved) result.moved_tokens = 0;
    if (approximate && options.moved && options.near) result.near_blocks = 0;
    unrelated.push_back(std::move(result));
  }
  report.results.insert(report.results.end(), std::make_move_iterator(unrelated.begin()),
                        std::make_move_iterator(unrelated.end()));
}

Result<SharedReport> Core::FindShared(std::span<const std::string> agents, const std::optional<std::string>& target,
                                      const FindSharedOptions& options) {
  WEIR_TRY(Check(options));
  if (!target && agents.empty()) return InvalidArgument("nobody to compare", "name a target, or agents");
  const std::string& name = target ? *target : agents.front();
  WEIR_ASSIGN(const auto held, HoldNow(name));
  const auto& [state, pin] = held;
  const ContextView view = pin.resource<Body>().view();
  const std::span<const float> vector = state->has_vector ? view.vector() : std::span<const float>();
  Query query = QueryOf(*state->space, view.tokens(), vector);
  if (state->stale_vector) query.semantic_note = "the target's vector is of another model: embed it again";
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
      std::unordered_set<HolderId> among;
      for (const AgentPtr& other : others) among.insert(other->holder);
      WEIR_TRY(Search(query, &among, options, report));
      AddUnrelated(query, others, options, report);
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
  const std::shared_ptr<const SpaceIndexes> indexes = FindSpace(space);
  const SpaceIndexes nowhere;
  std::vector<float> made;
  std::string why_none;
  if (options.vector.empty() && !options.text.empty() && options.find.semantic && Embeds()) {
    Result<std::vector<float>> vector = VectorOf(options.text);
    if (vector) {
      made = *std::move(vector);
    } else {
      why_none = vector.error().ToString();
    }
  }
  Query query = QueryOf(indexes == nullptr ? nowhere : *indexes, tokens, options.vector.empty() ? made : options.vector);
  query.semantic_note = std::move(why_none);
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
