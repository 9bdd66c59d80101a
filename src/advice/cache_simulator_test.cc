#include "weir/advice/cache_simulator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <list>
#include <vector>

#include "weir/base/random.h"

namespace weir {
namespace {

BlockKey Key(uint64_t value) { return {value * 0x9e3779b97f4a7c15u, value}; }

// The engine's rules, written down naively: every block of the cache as an item of a list, the next to be taken first.
class NaiveCache {
 public:
  NaiveCache(size_t capacity, size_t block_size) : block_size_(block_size) {
    for (size_t i = 0; i < capacity; ++i) queue_.push_back({});
  }

  CacheSimulator::Outcome Run(const std::vector<BlockKey>& keys, size_t tokens) {
    const size_t needed = (tokens + block_size_ - 1) / block_size_;
    if (needed > queue_.size()) return {0, false};
    std::vector<Block> held;
    while (tokens > 0 && held.size() < (tokens - 1) / block_size_) {
      auto oldest = queue_.end();
      for (auto it = queue_.begin(); it != queue_.end(); ++it) {
        if (it->keyed && it->key == keys[held.size()] && (oldest == queue_.end() || it->born < oldest->born)) oldest = it;
      }
      if (oldest == queue_.end()) break;
      held.push_back(*oldest);
      queue_.erase(oldest);
    }
    const size_t hits = held.size();
    while (held.size() < needed) {
      Block block;
      queue_.pop_front();
      if (held.size() < keys.size()) block = {keys[held.size()], true, ++clock_};
      held.push_back(block);
    }
    for (auto it = held.rbegin(); it != held.rend(); ++it) queue_.push_back(*it);
    return {static_cast<uint32_t>(hits * block_size_), true};
  }

  size_t cached_blocks() const {
    return static_cast<size_t>(std::count_if(queue_.begin(), queue_.end(), [](const Block& b) { return b.keyed; }));
  }

 private:
  struct Block {
    BlockKey key;
    bool keyed = false;
    uint64_t born = 0;
  };
  size_t block_size_;
  std::list<Block> queue_;
  uint64_t clock_ = 0;
};

TEST(CacheSimulator, SecondRunFindsWholeBlocksButNeverTheLastToken) {
  CacheSimulator cache(CacheSimulator::kEndless, 4);
  const std::vector<BlockKey> keys = {Key(1), Key(2)};
  EXPECT_EQ(cache.Run(keys, 9).cached_tokens, 0u);
  EXPECT_EQ(cache.Run(keys, 9).cached_tokens, 8u);
  EXPECT_EQ(cache.Run(keys, 8).cached_tokens, 4u) << "the last token is computed, and its block with it";
  EXPECT_EQ(cache.counters().tokens, 26u);
  EXPECT_EQ(cache.counters().cached_tokens, 12u);
  cache.CheckInvariants();
}

TEST(CacheSimulator, TailIsForgottenFirst) {
  CacheSimulator cache(4, 4);
  const std::vector<BlockKey> first = {Key(1), Key(2), Key(3), Key(4)};
  EXPECT_TRUE(cache.Run(first, 16).ran);
  const std::vector<BlockKey> second = {Key(9)};
  EXPECT_TRUE(cache.Run(second, 5).ran);  // takes two blocks: those of keys 4 and 3
  EXPECT_EQ(cache.counters().evicted_blocks, 2u);
  EXPECT_EQ(cache.Run(first, 16).cached_tokens, 8u);
  cache.CheckInvariants();
}

TEST(CacheSimulator, TooLargePromptChangesNothing) {
  CacheSimulator cache(2, 4);
  const std::vector<BlockKey> small = {Key(1)};
  EXPECT_TRUE(cache.Run(small, 5).ran);
  const std::vector<BlockKey> large = {Key(1), Key(2)};
  EXPECT_FALSE(cache.Run(large, 9).ran);
  EXPECT_EQ(cache.Run(small, 5).cached_tokens, 4u);
  EXPECT_EQ(cache.counters().refused, 1u);
  CacheSimulator none(0, 4);
  EXPECT_FALSE(none.Run({}, 1).ran);
  EXPECT_TRUE(none.Run({}, 0).ran);
}

TEST(CacheSimulator, EqualsTheNaiveModel) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const size_t capacity = 1 + random.Below(24);
    const size_t block_size = 1 + random.Below(4);
    CacheSimulator cache(capacity, block_size);
    NaiveCache naive(capacity, block_size);
    for (int step = 0; step < 120; ++step) {
      // Chained keys: a path in a small tree.
      std::vector<BlockKey> keys;
      const size_t blocks = random.Below(capacity + 3);
      uint64_t path = 1;
      for (size_t i = 0; i < blocks; ++i) {
        path = path * 3 + random.Below(i < 3 ? 2 : 3);
        keys.push_back(Key(path * 64 + i));
      }
      const size_t tokens = blocks * block_size + random.Below(block_size);
      const CacheSimulator::Outcome got = cache.Run(keys, tokens);
      const CacheSimulator::Outcome expected = naive.Run(keys, tokens);
      ASSERT_EQ(got.cached_tokens, expected.cached_tokens) << "step " << step;
      ASSERT_EQ(got.ran, expected.ran) << "step " << step;
      ASSERT_EQ(cache.cached_blocks(), naive.cached_blocks()) << "step " << step;
      cache.CheckInvariants();
    }
  }
}

}  // namespace
}  // namespace weir
