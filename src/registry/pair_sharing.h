#pragma once
// PairSharing: what one context has in common with a target, token by token. Internal to `registry`.
//
// Holds what is worked out once for a target; one thread at a time. The tokens are borrowed.

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "weir/base/result.h"
#include "weir/registry/answers.h"
#include "weir/registry/registry.h"
#include "weir/reuse/near_index.h"
#include "weir/reuse/span_index.h"
#include "weir/tokens/tokenizer.h"

namespace weir::registry {

// What a near index says of a target's blocks, by owner.
class NearBlocks {
 public:
  void Begin(uint32_t blocks);
  // REQUIRES: blocks come in order; some may be left out.
  void Note(uint32_t block, const NearMatches& found);

  // Everybody who has something near this block is named.
  bool IsWhole(uint32_t block) const { return whole_[block]; }
  // Of each owner the nearest to a block; the same tokens when it has them (tokens_differ is 0). Blocks ascend.
  const std::unordered_map<NearOwner, std::vector<NearBlock>>& owners() const { return owners_; }
  // Null: nothing of that owner is near this block. REQUIRES: IsWhole(block).
  const NearBlock* Find(NearOwner owner, uint32_t block) const;

 private:
  std::vector<bool> whole_;
  std::unordered_map<NearOwner, std::vector<NearBlock>> owners_;
};

class PairSharing {
 public:
  PairSharing(std::span<const TokenId> target, uint32_t block_size) : target_(target), block_size_(block_size) {}

  // Equal tokens from the start.
  void Exact(std::span<const TokenId> other, SharedContext& result) const;
  // Moved spans of the pair that reach beyond the exact prefix of the target. REQUIRES: Exact was called.
  Status Moved(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result);
  // The same from a look-up that was made for many.
  void Moved(const SpanPair& pair, std::span<const CommonSpan> spans, const FindSharedOptions& options,
             SharedContext& result) const;
  // Blocks of the target that are near one of the other's: not covered whole by the exact prefix and the moved spans, not
  // there with the same tokens, and within the radius. With `known`, the answers of an index for `owner`, only blocks that
  // it does not answer for are compared. REQUIRES: Exact and Moved were called.
  void Near(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result,
            const NearBlocks* known = nullptr, NearOwner owner = 0);

 private:
  void HashTarget();
  void HashOther(std::span<const TokenId> other);
  // The other's nearest; distance beyond the radius: none is near. The same tokens come first.
  NearBlock Nearest(std::span<const TokenId> other, uint32_t block) const;

  const std::span<const TokenId> target_;
  const uint32_t block_size_;
  std::optional<SpanIndex> index_;      // of the target alone
  std::vector<uint64_t> hashes_;        // of the target's full blocks
  std::vector<uint64_t> other_hashes_;  // scratch, as all below
  std::vector<char> covered_;
};

}  // namespace weir::registry
