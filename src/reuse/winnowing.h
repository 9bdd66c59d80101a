#pragma once
// Winnowing: the fingerprints of a token sequence, such that every run of `tokens_min` tokens contains one that depends on
// nothing outside the run.
//
// A k-gram is hashed by a rolling polynomial; of each window of `window` k-grams the one with the least hash is selected,
// the last of equals.

#include <array>
#include <cstdint>
#include <span>

#include "weir/tokens/tokenizer.h"

namespace weir::internal {

inline constexpr uint32_t kTokensMinLeast = 8;
inline constexpr uint32_t kTokensMinMost = 1024;

struct WinnowingShape {
  uint32_t gram = 16;    // tokens hashed together
  uint32_t window = 17;  // gram + window - 1 is the least run that is found for sure

  static WinnowingShape For(uint32_t tokens_min) {
    const uint32_t gram = tokens_min / 2;
    return {gram, tokens_min - gram + 1};
  }
};

struct Fingerprint {
  uint32_t hash = 0;
  uint32_t position = 0;  // of the first token
};

// Calls f(Fingerprint) in ascending order of position.
template <typename F>
void ForEachFingerprint(std::span<const TokenId> tokens, WinnowingShape shape, F&& f) {
  constexpr uint64_t kBase = 0x9e3779b97f4a7c15u;
  constexpr uint64_t kMix = 0xd6e8feb86659fd93u;
  constexpr uint32_t kMask = kTokensMinMost - 1;
  if (tokens.size() < shape.gram + shape.window - 1) return;
  uint64_t leaving = 1;  // kBase to the power of gram
  for (uint32_t i = 0; i < shape.gram; ++i) leaving *= kBase;
  uint64_t rolling = 0;
  for (uint32_t i = 0; i + 1 < shape.gram; ++i) rolling = rolling * kBase + tokens[i] + 1;

  std::array<uint32_t, kTokensMinMost> hashes;  // of the latest k-grams, by position
  const auto grams = static_cast<uint32_t>(tokens.size()) - shape.gram + 1;
  uint32_t best = 0;
  uint32_t best_hash = UINT32_MAX;
  const auto take_least_of_window_up_to = [&](uint32_t last) {
    best_hash = UINT32_MAX;
    for (uint32_t at = last + 1 - shape.window; at <= last; ++at) {
      const uint32_t hash = hashes[at & kMask];
      best = hash <= best_hash ? at : best;
      best_hash = hash <= best_hash ? hash : best_hash;
    }
  };
  for (uint32_t i = 0; i < grams; ++i) {
    rolling = rolling * kBase + tokens[i + shape.gram - 1] + 1;
    if (i > 0) rolling -= (tokens[i - 1] + uint64_t{1}) * leaving;
    const auto hash = static_cast<uint32_t>(((rolling ^ rolling >> 32) * kMix) >> 32);
    hashes[i & kMask] = hash;
    if (i + 1 < shape.window) continue;
    if (i + 1 == shape.window || best + shape.window <= i) {
      take_least_of_window_up_to(i);
    } else if (hash <= best_hash) {
      best = i;
      best_hash = hash;
    } else {
      continue;
    }
    f(Fingerprint{best_hash, best});
  }
}

}  // namespace weir::internal
