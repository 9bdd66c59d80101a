#include "cache_simulators.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <vector>

namespace weir {
namespace {

KeyTrace TraceOf(const std::vector<uint32_t>& keys) {
  KeyTrace trace{keys, 0};
  for (const uint32_t key : keys) trace.distinct = std::max(trace.distinct, key + 1);
  return trace;
}

// A loop over one key more than fits defeats LRU, and nothing is lost when all fit.
TEST(CacheSimulators, Loops) {
  std::vector<uint32_t> keys;
  for (int round = 0; round < 10; ++round) {
    for (uint32_t key = 0; key < 5; ++key) keys.push_back(key);
  }
  const KeyTrace trace = TraceOf(keys);
  EXPECT_EQ(HitsOfLru(trace, 4), 0u);
  EXPECT_EQ(HitsOfLru(trace, 5), 45u);
  EXPECT_EQ(HitsOfArc(trace, 5), 45u);
  EXPECT_EQ(HitsOfS3Fifo(trace, 5), 45u);
}

// Worked by hand from the papers.
TEST(CacheSimulators, ScansPassAndUsedKeysStay) {
  // 0 and 1 are used again, then 2..9 come once each, then 0 and 1 are asked for.
  const KeyTrace trace = TraceOf({0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1});
  EXPECT_EQ(HitsOfLru(trace, 4), 4u);
  EXPECT_EQ(HitsOfArc(trace, 4), 6u);
  EXPECT_EQ(HitsOfS3Fifo(trace, 4), 6u);
}

// LRU's hits by its definition: fewer than `entries` other keys since the last use.
uint64_t HitsByDistance(const KeyTrace& trace, uint32_t entries) {
  uint64_t hits = 0;
  for (size_t i = 0; i < trace.keys.size(); ++i) {
    std::vector<bool> seen(trace.distinct);
    uint32_t others = 0;
    for (size_t back = i; back-- > 0 && others < entries;) {
      const uint32_t key = trace.keys[back];
      if (key == trace.keys[i]) {
        ++hits;
        break;
      }
      if (!seen[key]) ++others;
      seen[key] = true;
    }
  }
  return hits;
}

TEST(CacheSimulators, LruIsItsDefinitionAndNonePassesAnUnboundedCache) {
  rc::check([] {
    const auto keys = *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(0, 12));
    const auto entries = *rc::gen::inRange<uint32_t>(2, 14);
    const KeyTrace trace = TraceOf(keys);
    RC_ASSERT(HitsOfLru(trace, entries) == HitsByDistance(trace, entries));
    std::vector<uint32_t> distinct = keys;
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    const uint64_t most = keys.size() - distinct.size();
    for (const auto hits_of : {HitsOfArc, HitsOfS3Fifo}) {
      RC_ASSERT(hits_of(trace, entries) <= most);
      RC_ASSERT(entries < distinct.size() || hits_of(trace, entries) == most);
    }
  });
}

}  // namespace
}  // namespace weir
