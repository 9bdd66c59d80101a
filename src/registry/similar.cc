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

Status Check(const SimilarOptions& options) {
  if (options.k < 1 || options.k > 10'000) return InvalidArgument(fmt::format("k is {}", options.k), "1 to 10,000");
  if (!(options.threshold >= -1 && options.threshold <= 1)) return InvalidArgument("a threshold outside -1 to 1");
  return {};
}

bool Comes(const SimilarContext& a, const SimilarContext& b) {
  return a.similarity != b.similarity ? a.similarity > b.similarity : a.agent < b.agent;
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
  const SpaceIndexes* space = FindSpace({tokenizer->tokenizer->fingerprint(), options.model, options.lora, options.salt});
  const size_t blocks = tokens.size() / options_.block_size;
  if (space == nullptr || blocks == 0) {
    report.note = space == nullptr
                      ? "no context is registered in that space"
                      : fmt::format("shorter than a block of {} tokens: nothing to compare", options_.block_size);
    return report;
  }
  Query query = QueryOf(*space, tokens, {});
  if (options.exclude) query.exclude = *options.exclude;

  struct Count {
    uint32_t equal = 0;
    uint32_t near = 0;
    size_t seen = 0;  // the last block counted, plus 1
  };
  std::unordered_map<HolderId, Count> counts;
  bool more_owners = false;
  NearFindOptions near;
  near.holders_max = kOwnersNamed;
  near.hits_max = 256;
  NearMatches found;
  for (size_t block = 0; block < blocks; ++block) {
    WEIR_TRY(space->near.Find(tokens.subspan(block * options_.block_size, options_.block_size), near, found));
    more_owners |= found.full;
    // Equal tokens come first: an owner that has them is not counted as near.
    for (const NearHit& hit : found.hits) {
      more_owners |= hit.more_holders;
      for (const NearHolder& holder : found.HoldersOf(hit)) {
        Count& count = counts[holder.owner];
        if (count.seen == block + 1) continue;
        count.seen = block + 1;
        ++(hit.tokens_differ == 0 ? count.equal : count.near);
      }
    }
  }
  PrefixMatch match;
  space->blocks.Find(query.keys, match);
  std::unordered_map<HolderId, uint32_t> prefixes;
  for (const HolderBlocks& held : match.holders) prefixes.emplace(held.holder, held.blocks);
  for (const auto& [holder, count] : counts) {
    const float similarity = static_cast<float>(count.equal + count.near) / static_cast<float>(blocks);
    if (similarity < options.threshold) continue;
    const AgentPtr state = directory_.FindHolder(holder);
    if (state == nullptr || !Sees(query, *state) || state->terms.dense) continue;
    const auto prefix = prefixes.find(holder);
    const uint32_t prefix_blocks = prefix == prefixes.end() ? 0 : prefix->second;
    report.results.push_back({state->terms.agent,
                              state->terms.revision,
                              similarity,
                              count.equal,
                              count.near,
                              {prefix_blocks * options_.block_size, prefix_blocks}});
  }
  std::ranges::sort(report.results, Comes);
  if (report.results.size() > options.k) report.results.resize(options.k);
  const uint32_t contexts = space->contexts.load(std::memory_order_relaxed);
  report.cold = contexts - std::min(contexts, space->spans.documents());
  if (more_owners) report.note = "text that very many contexts hold: some of them may be missing, and counts too low";
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
  const SpaceIndexes* space = FindSpace({tokenizer->tokenizer->fingerprint(), options.model, options.lora, options.salt});
  if (space == nullptr) {
    report.note = "no context is registered in that space";
    return report;
  }
  Query query;
  query.space = space;
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
      report.results.push_back({state->terms.agent, state->terms.revision, hit.similarity, std::nullopt, std::nullopt, {}});
    }
    if (report.results.size() >= options.k || found.hits.size() < nearest.k || nearest.k == 65'536) break;
  }
  std::ranges::sort(report.results, Comes);
  if (report.results.size() > options.k) report.results.resize(options.k);
  return report;
}

}  // namespace weir::registry
