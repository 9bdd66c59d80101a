#pragma once
// Block keys: the chained identity of full token blocks.
//
// Only full blocks have keys. Equal keys mean equal tokens with equal history in the same space. BlockKey is Weir's own
// (XXH3-128 over parent key and tokens); the keys of engines and routers (vLLM, llm-d, Dynamo) are computed bit for bit
// by the functions in engine_keys.h.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "weir/tokens/tokenizer.h"

namespace weir {

inline constexpr size_t kDefaultBlockSize = 16;  // tokens

struct BlockKey {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
};

// Nothing is ever shared across spaces.
struct Space {
  std::string tokenizer_fingerprint;
  std::string model;
  std::string lora;
  std::string salt;
  friend bool operator==(const Space&, const Space&) = default;
};

// The parent of block 0 in a space and block size.
BlockKey RootKey(const Space& space, size_t block_size);

// Appends one key per full block of `tokens` to `keys`; `parent` is RootKey() or the key of the block before.
// REQUIRES: block_size > 0.
void AppendBlockKeys(std::span<const TokenId> tokens, size_t block_size, BlockKey parent, std::vector<BlockKey>& keys);

}  // namespace weir

template <>
struct std::hash<weir::BlockKey> {
  size_t operator()(const weir::BlockKey& key) const noexcept { return static_cast<size_t>(key.low); }
};
