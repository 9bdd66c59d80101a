#include "pair_sharing.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

namespace weir::registry {
namespace {

// Hashes compared one by one for a pair: two contexts of 128,000 tokens. Beyond it near is unknown.
constexpr size_t kComparisonsMax = size_t{1} << 26;

}  // namespace

void PairSharing::Exact(std::span<const TokenId> other, SharedContext& result) const {
  const auto [own, its] = std::ranges::mismatch(target_, other);
  result.exact.tokens = static_cast<uint32_t>(own - target_.begin());
  result.exact.blocks = result.exact.tokens / block_size_;
}

Status PairSharing::Moved(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result) {
  if (!index_) {
    SpanIndex index;
    WEIR_TRY(index.Add(0, target_));
    index_ = std::move(index);
  }
  // Asked the other way round: the target is b.
  WEIR_ASSIGN(SpanMatches found, index_->Find(other));
  if (found.pairs.empty()) {
    Moved({}, {}, options, result);
    return {};
  }
  SpanPair& pair = found.pairs.front();
  std::swap(pair.a_tokens, pair.b_tokens);
  for (CommonSpan& span : found.spans) std::swap(span.a_begin, span.b_begin);
  std::sort(found.spans.begin(), found.spans.end());
  Moved(pair, found.SpansOf(pair), options, result);
  return {};
}

void PairSharing::Moved(const SpanPair& pair, std::span<const CommonSpan> spans, const FindSharedOptions& options,
                        SharedContext& result) const {
  result.moved_tokens = pair.a_tokens;
  result.moved_truncated = pair.truncated;
  result.moved.clear();
  for (const CommonSpan& span : spans) {
    if (span.a_begin + span.length <= result.exact.tokens) continue;
    result.moved.push_back({span.a_begin, span.b_begin, span.length});
  }
  // The longest are the ones to look at.
  if (result.moved.size() <= options.spans_max) return;
  std::ranges::stable_sort(result.moved, std::greater(), &MovedSpan::tokens);
}

void PairSharing::HashTarget() {
  for (size_t end = block_size_; end <= target_.size(); end += block_size_) {
    hashes_.push_back(NearHash(target_.subspan(end - block_size_, block_size_)));
  }
}

void PairSharing::HashOther(std::span<const TokenId> other) {
  for (size_t end = block_size_; end <= other.size(); end += block_size_) {
    other_hashes_.push_back(NearHash(other.subspan(end - block_size_, block_size_)));
  }
}

NearBlock PairSharing::Nearest(std::span<const TokenId> other, uint32_t block) const {
  const auto tokens = target_.subspan(size_t{block} * block_size_, block_size_);
  NearBlock best{block, 0, kNearRadiusMax + 1, block_size_};
  for (uint32_t its = 0; its < other_hashes_.size(); ++its) {
    const auto distance = static_cast<uint32_t>(std::popcount(hashes_[block] ^ other_hashes_[its]));
    if (distance >= best.distance && distance > 0) continue;
    const auto its_tokens = other.subspan(size_t{its} * block_size_, block_size_);
    uint32_t differ = 0;
    for (uint32_t i = 0; i < block_size_; ++i) differ += tokens[i] != its_tokens[i] ? 1 : 0;
    if (differ == 0) return {block, its, 0, 0};
    if (distance < best.distance) best = {block, its, distance, differ};
  }
  return best;
}

void PairSharing::Near(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result,
                       const NearBlocks* known, NearOwner owner) {
  if (hashes_.empty()) HashTarget();
  other_hashes_.clear();
  covered_.assign(target_.size(), 0);
  std::fill_n(covered_.begin(), result.exact.tokens, char{1});
  for (const MovedSpan& span : result.moved) std::fill_n(covered_.begin() + span.target_token, span.tokens, char{1});

  const bool comparable = hashes_.size() * (other.size() / block_size_) <= kComparisonsMax;
  uint32_t count = 0;
  for (uint32_t block = result.exact.blocks; block < hashes_.size(); ++block) {
    const auto first = covered_.begin() + size_t{block} * block_size_;
    if (std::find(first, first + block_size_, char{0}) == first + block_size_) continue;
    NearBlock best;
    if (known != nullptr && known->IsWhole(block)) {
      const NearBlock* const nearest = known->Find(owner, block);
      if (nearest == nullptr) continue;
      best = *nearest;
    } else if (!comparable) {
      result.near.clear();
      return;  // near_blocks stays unknown
    } else {
      if (other_hashes_.empty()) HashOther(other);
      best = Nearest(other, block);
    }
    if (best.tokens_differ == 0 || best.distance > kNearRadiusMax) continue;
    ++count;
    if (result.near.size() < options.near_max) result.near.push_back(best);
  }
  result.near_blocks = count;
}

void NearBlocks::Begin(uint32_t blocks) {
  whole_.assign(blocks, false);
  owners_.clear();
}

void NearBlocks::Note(uint32_t block, const NearMatches& found) {
  whole_[block] = !found.full;
  for (const NearHit& hit : found.hits) {
    if (hit.more_holders) whole_[block] = false;
    for (const NearHolder& holder : found.HoldersOf(hit)) {
      std::vector<NearBlock>& list = owners_[holder.owner];
      const NearBlock fresh{block, holder.block, hit.distance, hit.tokens_differ};
      if (list.empty() || list.back().target_block != block) {
        list.push_back(fresh);
        continue;
      }
      NearBlock& best = list.back();
      const auto rank = [](const NearBlock& one) {
        return std::tuple(one.tokens_differ > 0, one.distance, one.agent_block);
      };
      if (rank(fresh) < rank(best)) best = fresh;
    }
  }
}

const NearBlock* NearBlocks::Find(NearOwner owner, uint32_t block) const {
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return nullptr;
  const auto place = std::ranges::lower_bound(found->second, block, {}, &NearBlock::target_block);
  return place == found->second.end() || place->target_block != block ? nullptr : &*place;
}

}  // namespace weir::registry
