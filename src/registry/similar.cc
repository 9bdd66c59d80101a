// Contexts like a text, or like a vector.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "core.h"

namespace weir::registry {
namespace {

constexpr uint32_t kOwnersNamed = 4096;

// Blocks of a query that an owner has.
struct Count {
  uint32_t equal = 0;
  uint32_t near = 0;
  uint32_t seen = 0;  // look-ups, up to the last one that counted
};

struct LikeBlocks {
  std::unordered_map<HolderId, Count> counts;
  bool more_owners = false;  // than were named
};

float ShareOf(uint32_t count, uint32_t blocks) { return static_cast<float>(count) / static_cast<float>(blocks); }

// Owners of as many of the query's blocks as the threshold asks for, and perhaps others. Blocks are asked for from the last
// to the first: what many share stands at the start, and whoever has none of the last blocks cannot have enough.
Result<LikeBlocks> FindLikeBlocks(const Query& query, float threshold) {
  const auto blocks = static_cast<uint32_t>(query.tokens.size() / query.block_size);
  uint32_t needed = 1;
  while (needed < blocks && ShareOf(needed, blocks) < threshold) ++needed;
  LikeBlocks like;
  NearFindOptions near;
  near.holders_max = kOwnersNamed;
  near.hits_max = 256;
  NearMatches found;
  for (uint32_t asked = 0; asked < blocks; ++asked) {
    // Whoever was not found in more look-ups than may miss will not have enough.
    const bool takes_new = asked <= blocks - needed;
    if (!takes_new && like.counts.empty()) break;
    const size_t begin = size_t{blocks - 1 - asked} * query.block_size;
    WEIR_TRY(query.space->near.Find(query.tokens.subspan(begin, query.block_size), near, found));
    like.more_owners |= found.full;
    // Equal tokens come first: an owner that has them is not counted as near.
    for (const NearHit& hit : found.hits) {
      like.more_owners |= hit.more_holders;
      for (const NearHolder& holder : found.HoldersOf(hit)) {
        const auto known = takes_new ? like.counts.try_emplace(holder.owner).first : like.counts.find(holder.owner);
        if (known == like.counts.end() || known->second.seen == asked + 1) continue;
        known->second.seen = asked + 1;
        ++(hit.tokens_differ == 0 ? known->second.equal : known->second.near);
      }
    }
    const uint32_t left = blocks - 1 - asked;
    if (!takes_new) {
      std::erase_if(like.counts, [&](const auto& one) { return one.second.equal + one.second.near + left < needed; });
    }
  }
  return like;
}

Status Check(const SimilarOptions& options) {
  if (options.k < 1 || options.k > 10'000) return InvalidArgument(fmt::format("k is {}", options.k), "1 to 10,000");
  if (!(options.threshold >= -1 && options.threshold <= 1)) return InvalidArgument("a threshold outside -1 to 1");
  return {};
}

bool Comes(const SimilarContext& a, const SimilarContext& b) {
  return a.similarity != b.similarity ? a.similarity > b.similarity : a.agent < b.agent;
}

// Of two revisions of one agent, which are both seen while one takes the other's place, the later one.
void PutInOrder(const SimilarOptions& options, SimilarReport& report) {
  std::vector<SimilarContext>& results = report.results;
  std::ranges::sort(results, [](const SimilarContext& a, const SimilarContext& b) {
    return a.agent != b.agent ? a.agent < b.agent : a.revision > b.revision;
  });
  const auto repeated = std::ranges::unique(results, {}, &SimilarContext::agent);
  results.erase(repeated.begin(), repeated.end());
  std::ranges::sort(results, Comes);
  if (results.size() > options.k) results.resize(options.k);
}

}  // namespace

float Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0;
  double a_square = 0;
  double b_square = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    a_square += static_cast<double>(a[i]) * a[i];
    b_square += static_cast<double>(b[i]) * b[i];
  }
  return static_cast<float>(dot / std::sqrt(a_square * b_square));
}

Result<SimilarReport> Core::FindSimilar(std::span<const TokenId> tokens, const SimilarOptions& options) {
  WEIR_TRY(Check(options));
  if (tokens.empty()) return InvalidArgument("an empty text", "give it text");
  WEIR_ASSIGN(const NamedTokenizer* tokenizer, TokenizerOf(options.tokenizer));
  SimilarReport report;
  const std::shared_ptr<const SpaceIndexes> space =
      FindSpace({tokenizer->tokenizer->fingerprint(), options.model, options.lora, options.salt});
  const size_t blocks = tokens.size() / options_.block_size;
  if (space == nullptr || blocks == 0) {
    report.note = space == nullptr
                      ? "no context is registered in that space"
                      : fmt::format("shorter than a block of {} tokens: nothing to compare", options_.block_size);
    return report;
  }
  Query query = QueryOf(*space, tokens, {});
  if (options.exclude) query.exclude = *options.exclude;

  WEIR_ASSIGN(const LikeBlocks like, FindLikeBlocks(query, options.threshold));
  std::unordered_map<HolderId, uint32_t> prefixes;
  if (!like.counts.empty()) {
    PrefixMatch match;
    space->blocks.Find(query.keys, match);
    for (const HolderBlocks& held : match.holders) {
      if (like.counts.contains(held.holder)) prefixes.emplace(held.holder, held.blocks);
    }
  }
  for (const auto& [holder, count] : like.counts) {
    const float similarity = ShareOf(count.equal + count.near, static_cast<uint32_t>(blocks));
    if (similarity < options.threshold) continue;
    const AgentPtr state = directory_.FindHolder(holder);
    if (state == nullptr || !Sees(query, *state) || state->terms.dense) continue;
    const auto prefix = prefixes.find(holder);
    const uint32_t prefix_blocks = prefix == prefixes.end() ? 0 : prefix->second;
    report.results.push_back({state->terms.agent, state->terms.revision, similarity, count.equal, count.near,
                              ExactPrefix{prefix_blocks * options_.block_size, prefix_blocks}, std::nullopt});
  }
  PutInOrder(options, report);
  const uint32_t contexts = space->contexts.load(std::memory_order_relaxed);
  report.cold = contexts - std::min(contexts, space->spans.documents());
  if (like.more_owners) report.note = "text that very many contexts hold: some of them may be missing, and counts too low";
  return report;
}

Result<SimilarReport> Core::FindSimilarVector(std::span<const float> vector, const SimilarOptions& options) {
  WEIR_TRY(Check(options));
  SimilarReport report;
  report.by_vector = true;
  if (options_.vector_dimensions == 0) {
    report.note = "disabled: there is no embedding model";
    return report;
  }
  WEIR_ASSIGN(const NamedTokenizer* tokenizer, TokenizerOf(options.tokenizer));
  const std::shared_ptr<const SpaceIndexes> space =
      FindSpace({tokenizer->tokenizer->fingerprint(), options.model, options.lora, options.salt});
  if (space == nullptr) {
    report.note = "no context is registered in that space";
    return report;
  }
  Query query;
  query.space = space.get();
  query.begun = changes_.load(std::memory_order_acquire);
  query.now_ms = NowMs();
  VectorFindOptions nearest;
  nearest.threshold = options.threshold;
  if (options.exclude) {
    query.exclude = *options.exclude;
    if (const AgentPtr excluded = directory_.Find(*options.exclude)) nearest.exclude = excluded->holder;
  }
  VectorMatches found;
  // Policy and changes on their way may drop some of those found: ask for more until there are enough, or no more.
  for (uint64_t k = options.k;; k *= 4) {
    nearest.k = static_cast<uint32_t>(std::min<uint64_t>(k, 65'536));
    WEIR_TRY(space->vectors->Find(vector, nearest, found));
    report.results.clear();
    for (const VectorHit& hit : found.hits) {
      const AgentPtr state = directory_.FindHolder(hit.owner);
      if (state == nullptr || !Sees(query, *state) || state->terms.dense) continue;
      report.results.push_back({state->terms.agent, state->terms.revision, hit.similarity, std::nullopt, std::nullopt,
                                std::nullopt, std::nullopt});
    }
    if (report.results.size() >= options.k || found.hits.size() < nearest.k || nearest.k == 65'536) break;
  }
  PutInOrder(options, report);
  NameNearestSegments(vector, report);
  if (const uint64_t stale = counters_.stale_vectors.load(std::memory_order_relaxed); stale > 0) {
    report.note =
        fmt::format("{} of the contexts have vectors of another model, which do not count: embed them again", stale);
  }
  return report;
}

}  // namespace weir::registry
