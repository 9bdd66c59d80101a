#pragma once
// What a registry must hold and answer, worked out the slow way: a map of agents, and every pair compared token by token.

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "byte_tokenizer.h"
#include "span_oracle.h"
#include "weir/registry/registry.h"
#include "weir/reuse/near_index.h"

namespace weir::testing {

inline constexpr uint32_t kModelBlock = 16;

struct ModelContext {
  std::string text;
  std::vector<TokenId> tokens;
  std::string group = "default";
  std::string salt;
  uint64_t revision = 1;
  int64_t expires_ms = 0;
  int64_t ttl_ms = 0;
  bool pinned = false;
  bool dense = false;
  std::vector<float> vector;
};

inline std::vector<TokenId> EncodeWith(const ByteTokenizer& tokenizer, std::string_view text) {
  Encoding encoding;
  const Status encoded = tokenizer.NewEncoder()->Encode(text, {}, encoding);
  return encoded ? encoding.ids : std::vector<TokenId>();
}

inline std::vector<TokenId> BlockAt(const std::vector<TokenId>& tokens, size_t block) {
  const auto at = tokens.begin() + static_cast<ptrdiff_t>(block * kModelBlock);
  return {at, at + kModelBlock};
}

inline std::vector<uint64_t> HashesOf(const std::vector<TokenId>& tokens) {
  std::vector<uint64_t> hashes;
  for (size_t block = 0; block < tokens.size() / kModelBlock; ++block) hashes.push_back(NearHash(BlockAt(tokens, block)));
  return hashes;
}

// What two texts share, by definition.
struct ModelSharing {
  uint32_t exact_tokens = 0;
  uint32_t exact_blocks = 0;
  Expected moved;
  std::vector<NearBlock> near;
};

inline ModelSharing ShareOf(const std::vector<TokenId>& target, const std::vector<TokenId>& other) {
  ModelSharing sharing;
  sharing.moved = Naive(target, other, 32, false);
  sharing.exact_tokens = sharing.moved.prefix;
  sharing.exact_blocks = sharing.exact_tokens / kModelBlock;
  // What lies inside the exact prefix is not also moved.
  std::erase_if(sharing.moved.spans, [&](const CommonSpan& s) { return s.a_begin + s.length <= sharing.exact_tokens; });
  std::vector<bool> covered(target.size());
  for (uint32_t i = 0; i < sharing.exact_tokens; ++i) covered[i] = true;
  for (const CommonSpan& span : sharing.moved.spans) {
    for (uint32_t i = 0; i < span.length; ++i) covered[span.a_begin + i] = true;
  }
  const std::vector<uint64_t> own_hashes = HashesOf(target);
  const std::vector<uint64_t> their_hashes = HashesOf(other);
  for (uint32_t block = 0; block < own_hashes.size(); ++block) {
    const auto first = covered.begin() + block * kModelBlock;
    if (std::all_of(first, first + kModelBlock, [](bool is) { return is; })) continue;
    const std::vector<TokenId> own = BlockAt(target, block);
    std::optional<NearBlock> best;
    bool is_there = false;
    for (uint32_t its = 0; its < their_hashes.size(); ++its) {
      const auto distance = static_cast<uint32_t>(std::popcount(own_hashes[block] ^ their_hashes[its]));
      if (distance > 8) continue;
      const std::vector<TokenId> theirs = BlockAt(other, its);
      is_there |= own == theirs;
      if (best && best->distance <= distance) continue;
      uint32_t differ = 0;
      for (size_t i = 0; i < kModelBlock; ++i) differ += own[i] != theirs[i] ? 1 : 0;
      best = NearBlock{block, its, distance, differ};
    }
    if (best && !is_there) sharing.near.push_back(*best);
  }
  return sharing;
}

// How much of a query's full blocks a context has, anywhere.
struct ModelLikeness {
  uint32_t equal = 0;
  uint32_t near = 0;
};

inline ModelLikeness LikenessOf(const std::vector<TokenId>& query, const std::vector<TokenId>& other) {
  ModelLikeness likeness;
  const std::vector<uint64_t> own_hashes = HashesOf(query);
  const std::vector<uint64_t> their_hashes = HashesOf(other);
  for (size_t block = 0; block < own_hashes.size(); ++block) {
    bool equal = false;
    bool near = false;
    for (size_t its = 0; its < their_hashes.size(); ++its) {
      if (std::popcount(own_hashes[block] ^ their_hashes[its]) > 8) continue;
      near = true;
      equal |= BlockAt(query, block) == BlockAt(other, its);
    }
    likeness.equal += equal ? 1 : 0;
    likeness.near += !equal && near ? 1 : 0;
  }
  return likeness;
}

inline double CosineOf(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

}  // namespace weir::testing
