// One target against all contexts of its space: the indexes name who may share something, in the order of what they say;
// those that are listed are then looked at one by one.

#include <algorithm>
#include <memory>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core.h"
#include "pair_sharing.h"

namespace weir::registry {
namespace {

// Texts, and owners of each, that a near look-up names. A block with more of them is compared pair by pair.
constexpr uint32_t kNearNamed = 64;
// Holders looked up beyond those that can be listed: some may be on their way in or out.
constexpr uint64_t kHoldersSpare = 64;

}  // namespace

class Core::Gathering {
 public:
  Gathering(Core& core, const Query& query, const std::unordered_set<HolderId>* among, const FindSharedOptions& options)
      : core_(core), query_(query), among_(among), options_(options) {}

  Status Gather();
  Status List(SharedReport& report);

 private:
  // Where a holder was found, and how much of it.
  struct Candidate {
    uint32_t blocks = 0;
    uint32_t moved_tokens = 0;
    uint32_t near_blocks = 0;
    std::optional<float> similarity{};
    const SpanPair* pair = nullptr;
  };
  using Found = std::pair<const HolderId, Candidate>;

  bool WantsMoved() const { return options_.moved && !query_.dense; }
  bool WantsNear() const { return options_.near && WantsMoved(); }
  // Null: it does not count.
  AgentPtr StateOf(HolderId holder) const;
  void GatherExact();
  Status GatherMoved();
  Status GatherNear();
  Status GatherSemantic();
  std::vector<const Found*> InOrder() const;
  Result<SharedContext> Describe(HolderId holder, const Candidate& candidate, const AgentState& state,
                                 PairSharing& sharing) const;

  Core& core_;
  const Query& query_;
  const std::unordered_set<HolderId>* const among_;  // null: all
  const FindSharedOptions& options_;
  std::optional<HolderId> own_{};  // the excluded agent's
  std::unordered_map<HolderId, Candidate> candidates_;
  // Blocks that whoever may be listed has at least, from the start: approximate reuse of those changes nothing.
  uint32_t floor_ = 0;
  SpanMatches spans_;
  NearBlocks near_;
};

AgentPtr Core::Gathering::StateOf(HolderId holder) const {
  if (among_ != nullptr && !among_->contains(holder)) return nullptr;
  AgentPtr state = core_.directory_.FindHolder(holder);
  return state != nullptr && state->space.get() == query_.space && core_.Sees(query_, *state) ? state : nullptr;
}

void Core::Gathering::GatherExact() {
  PrefixMatch match;
  for (uint64_t most = options_.results_max + kHoldersSpare;; most *= 4) {
    const bool all = among_ != nullptr || most > UINT32_MAX;
    query_.space->blocks.Find(query_.keys, match, all ? UINT32_MAX : static_cast<uint32_t>(most));
    uint32_t counted = 0;
    for (const HolderBlocks& held : match.holders) {
      if (StateOf(held.holder) == nullptr) continue;
      candidates_[held.holder].blocks = held.blocks;
      // One more than can be listed: whoever holds less than that one cannot be.
      if (++counted <= options_.results_max) continue;
      floor_ = held.blocks;
      return;
    }
    if (!match.more) return;
  }
}

Status Core::Gathering::GatherMoved() {
  SpanFindOptions find;
  find.prefix_known = floor_ * query_.block_size;
  find.exclude = own_;
  WEIR_ASSIGN(spans_, query_.space->spans.Find(query_.tokens, find));
  for (const SpanPair& pair : spans_.pairs) {
    Candidate& candidate = candidates_[pair.b];
    candidate.blocks = std::max(candidate.blocks, pair.prefix_tokens / query_.block_size);
    candidate.moved_tokens = pair.a_tokens;
    candidate.pair = &pair;
  }
  return {};
}

Status Core::Gathering::GatherNear() {
  NearFindOptions find;
  find.hits_max = kNearNamed;
  find.holders_max = kNearNamed;
  find.exclude = own_;
  NearMatches found;
  const auto blocks = static_cast<uint32_t>(query_.tokens.size() / query_.block_size);
  near_.Begin(blocks);
  for (uint32_t block = floor_; block < blocks; ++block) {
    const size_t begin = size_t{block} * query_.block_size;
    WEIR_TRY(query_.space->near.Find(query_.tokens.subspan(begin, query_.block_size), find, found));
    near_.Note(block, found);
  }
  for (const auto& [holder, list] : near_.owners()) {
    const auto count = std::ranges::count_if(list, [](const NearBlock& block) { return block.tokens_differ > 0; });
    if (count > 0) candidates_[holder].near_blocks = static_cast<uint32_t>(count);
  }
  return {};
}

Status Core::Gathering::GatherSemantic() {
  VectorFindOptions nearest;
  nearest.k = std::min<uint32_t>(options_.results_max + 1, 65'536);
  nearest.exclude = own_;
  VectorMatches found;
  WEIR_TRY(query_.space->vectors->Find(query_.vector, nearest, found));
  for (const VectorHit& hit : found.hits) candidates_[hit.owner].similarity = hit.similarity;
  return {};
}

Status Core::Gathering::Gather() {
  if (!query_.exclude.empty()) {
    const AgentPtr own = core_.directory_.Find(query_.exclude);
    if (own != nullptr && own->space.get() == query_.space) own_ = own->holder;
  }
  GatherExact();
  if (WantsMoved()) WEIR_TRY(GatherMoved());
  if (WantsNear()) WEIR_TRY(GatherNear());
  if (options_.semantic && !query_.dense && query_.space->vectors != nullptr && !query_.vector.empty()) {
    WEIR_TRY(GatherSemantic());
  }
  return {};
}

std::vector<const Core::Gathering::Found*> Core::Gathering::InOrder() const {
  std::vector<const Found*> order;
  order.reserve(candidates_.size());
  for (const Found& found : candidates_) order.push_back(&found);
  std::ranges::sort(order, std::greater(), [](const Found* found) {
    const Candidate& candidate = found->second;
    return std::tuple(candidate.blocks, candidate.moved_tokens, candidate.near_blocks, candidate.similarity.value_or(-2),
                      ~found->first);
  });
  return order;
}

Result<SharedContext> Core::Gathering::Describe(HolderId holder, const Candidate& candidate, const AgentState& state,
                                                PairSharing& sharing) const {
  SharedContext result;
  result.agent = state.terms.agent;
  result.revision = state.terms.revision;
  result.exact = {candidate.blocks * query_.block_size, candidate.blocks};
  const bool approximate = !query_.dense && !state.terms.dense;
  if (const Pin pin = core_.HoldWarm(state)) {
    const ContextView view = pin.resource<Body>().view();
    // Also proves what the index said.
    sharing.Exact(view.tokens(), result);
    if (approximate && options_.moved) {
      const bool indexed = state.indexed.load(std::memory_order_acquire) != nullptr;
      if (indexed) {
        const SpanPair none{};
        const SpanPair& pair = candidate.pair == nullptr ? none : *candidate.pair;
        sharing.Moved(pair, spans_.SpansOf(pair), options_, result);
      } else {  // there was no room for it in the indexes
        WEIR_TRY(sharing.Moved(view.tokens(), options_, result));
      }
      if (options_.near) sharing.Near(view.tokens(), options_, result, indexed ? &near_ : nullptr, holder);
    }
  } else {
    result.cold = true;
  }
  if (approximate) result.similarity = candidate.similarity;
  Settle(query_, result);
  return result;
}

Status Core::Gathering::List(SharedReport& report) {
  PairSharing sharing(query_.tokens, query_.block_size);
  std::set<std::string_view> listed;
  std::vector<AgentPtr> kept;  // owns what `listed` looks at
  for (const Found* found : InOrder()) {
    AgentPtr state = StateOf(found->first);
    if (state == nullptr || listed.contains(state->terms.agent)) continue;  // or an older revision that is about to go
    if (report.results.size() == options_.results_max) {
      report.truncated = true;
      break;
    }
    WEIR_ASSIGN(SharedContext result, Describe(found->first, found->second, *state, sharing));
    report.results.push_back(std::move(result));
    listed.insert(state->terms.agent);
    kept.push_back(std::move(state));
  }
  return {};
}

Status Core::Search(const Query& query, const std::unordered_set<HolderId>* among, const FindSharedOptions& options,
                    SharedReport& report) {
  const SpaceIndexes& space = *query.space;
  Gathering gathering(*this, query, among, options);
  WEIR_TRY(gathering.Gather());
  report.compared = space.contexts.load(std::memory_order_relaxed);
  const AgentPtr excluded = query.exclude.empty() ? nullptr : directory_.Find(query.exclude);
  if (excluded != nullptr && excluded->space.get() == &space && report.compared > 0) --report.compared;
  const uint32_t warm = space.spans.documents();
  report.cold = std::max(warm, space.contexts.load(std::memory_order_relaxed)) - warm;
  return gathering.List(report);
}

}  // namespace weir::registry
