#pragma once
// PairSharing: what one context has in common with a target, token by token. Internal to `registry`.
//
// Holds what is worked out once for a target; one thread at a time. The tokens are borrowed.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "weir/base/result.h"
#include "weir/registry/answers.h"
#include "weir/registry/registry.h"
#include "weir/reuse/span_index.h"
#include "weir/tokens/tokenizer.h"

namespace weir::registry {

class PairSharing {
 public:
  PairSharing(std::span<const TokenId> target, uint32_t block_size) : target_(target), block_size_(block_size) {}

  // Equal tokens from the start.
  void Exact(std::span<const TokenId> other, SharedContext& result) const;
  // Moved spans of the pair; null when memory for them is refused.
  Status Moved(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result) const;
  // The same from a look-up that was made for many.
  void Moved(const SpanPair& pair, std::span<const CommonSpan> spans, const FindSharedOptions& options,
             SharedContext& result) const;
  // Blocks of the target that are near one of the other's: not covered whole by the exact prefix and the moved spans, not
  // there with the same tokens, and within the radius. REQUIRES: Exact and Moved were called.
  void Near(std::span<const TokenId> other, const FindSharedOptions& options, SharedContext& result);

 private:
  void HashTarget();

  const std::span<const TokenId> target_;
  const uint32_t block_size_;
  std::vector<uint64_t> hashes_;        // of the target's full blocks
  std::vector<uint64_t> other_hashes_;  // scratch, as all below
  std::vector<char> covered_;
};

}  // namespace weir::registry
