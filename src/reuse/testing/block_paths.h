#pragma once
// Chains of block keys for tests, written as strings: equal keys stand for equal letters with equal history.

#include <cstdint>
#include <string>
#include <vector>

#include "weir/base/random.h"
#include "weir/tokens/block_keys.h"

namespace weir::testing {

using Path = std::string;  // one letter a block

inline std::vector<BlockKey> KeysOf(const Path& path) {
  std::vector<BlockKey> keys;
  uint64_t history = 1;
  for (const char letter : path) {
    history = Random(history * 31 + static_cast<uint8_t>(letter)).Next();
    keys.push_back({.high = ~history, .low = history});
  }
  return keys;
}

// Long equal stretches with rare choices: runs, and branches inside them.
inline Path RandomPath(Random& random, size_t length_max, uint64_t letters) {
  Path path(random.Below(length_max + 1), 0);
  for (auto& letter : path) letter = random.Below(4) == 0 ? static_cast<char>(random.Below(letters)) : 0;
  return path;
}

}  // namespace weir::testing
