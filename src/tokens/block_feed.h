#pragma once
// Cuts a token stream that comes in pieces into full blocks. Private to this room.

#include <algorithm>
#include <span>
#include <vector>

#include "weir/tokens/tokenizer.h"

namespace weir::internal {

// Calls on_block(first token) per full block of pending + tokens; what is left over stays in `pending`.
template <typename OnBlock>
void FeedBlocks(std::span<const TokenId> tokens, size_t block_size, std::vector<TokenId>& pending, OnBlock on_block) {
  if (!pending.empty()) {
    const size_t taken = std::min(tokens.size(), block_size - pending.size());
    pending.insert(pending.end(), tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(taken));
    tokens = tokens.subspan(taken);
    if (pending.size() < block_size) return;
    on_block(pending.data());
    pending.clear();
  }
  while (tokens.size() >= block_size) {
    on_block(tokens.data());
    tokens = tokens.subspan(block_size);
  }
  pending.assign(tokens.begin(), tokens.end());
}

}  // namespace weir::internal
