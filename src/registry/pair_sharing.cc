#include "pair_sharing.h"

#include <algorithm>
#include <bit>

#include "weir/reuse/near_index.h"

namespace weir::registry {

void PairSharing::Exact(std::span<const TokenId> other, SharedContext& result) const {
  const auto [own, its] = std::ranges::mismatch(target_, other);
  result.exact.tokens = static_cast<uint32_t>(own - target_.begin());
  result.exact.blocks = result.exact.tokens / block_size_;
}

Status PairSharing::Moved(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result) const {
  SpanIndex index;
  WEIR_TRY(index.Add(0, other));
  WEIR_ASSIGN(const SpanMatches found, index.Find(target_));
  if (found.pairs.empty()) {
    Moved({}, {}, options, result);
  } else {
    Moved(found.pairs.front(), found.SpansOf(found.pairs.front()), options, result);
  }
  return {};
}

void PairSharing::Moved(const SpanPair& pair, std::span<const CommonSpan> spans, const FindSharedOptions& options,
                        SharedContext& result) const {
  result.moved_tokens = pair.a_tokens;
  result.moved_truncated = pair.truncated;
  result.moved.clear();
  for (const CommonSpan& span : spans) result.moved.push_back({span.a_begin, span.b_begin, span.length});
  // The longest are the ones to look at.
  if (result.moved.size() <= options.spans_max) return;
  std::ranges::stable_sort(result.moved, std::greater(), &MovedSpan::tokens);
}

void PairSharing::HashTarget() {
  for (size_t end = block_size_; end <= target_.size(); end += block_size_) {
    hashes_.push_back(NearHash(target_.subspan(end - block_size_, block_size_)));
  }
}

void PairSharing::Near(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result) {
  if (hashes_.empty()) HashTarget();
  other_hashes_.clear();
  for (size_t end = block_size_; end <= other.size(); end += block_size_) {
    other_hashes_.push_back(NearHash(other.subspan(end - block_size_, block_size_)));
  }
  covered_.assign(target_.size(), 0);
  std::fill_n(covered_.begin(), result.exact.tokens, char{1});
  for (const MovedSpan& span : result.moved) std::fill_n(covered_.begin() + span.target_token, span.tokens, char{1});

  uint32_t count = 0;
  for (uint32_t block = 0; block < hashes_.size(); ++block) {
    const auto first = covered_.begin() + size_t{block} * block_size_;
    if (std::find(first, first + block_size_, char{0}) == first + block_size_) continue;
    const auto tokens = target_.subspan(size_t{block} * block_size_, block_size_);
    NearBlock best{block, 0, kNearRadiusMax + 1, 0};
    bool is_there = false;
    for (uint32_t its = 0; its < other_hashes_.size() && !is_there; ++its) {
      const auto distance = static_cast<uint32_t>(std::popcount(hashes_[block] ^ other_hashes_[its]));
      if (distance >= best.distance && distance > 0) continue;
      const auto its_tokens = other.subspan(size_t{its} * block_size_, block_size_);
      uint32_t differ = 0;
      for (uint32_t i = 0; i < block_size_; ++i) differ += tokens[i] != its_tokens[i] ? 1 : 0;
      is_there = differ == 0;
      if (distance < best.distance) best = {block, its, distance, differ};
    }
    if (is_there || best.distance > kNearRadiusMax) continue;
    ++count;
    if (result.near.size() < options.near_max) result.near.push_back(best);
  }
  result.near_blocks = count;
}

}  // namespace weir::registry
