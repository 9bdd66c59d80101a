#include "wide_steps.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "weir/base/random.h"

namespace weir::bpe {
namespace {

TEST(WideSteps, LeastKeyEqualsThePortableOne) {
  Random random(11);
  alignas(16) uint32_t keys[64];
  for (int round = 0; round < 2000; ++round) {
    const size_t count = 8 * (1 + random.Below(8));
    const uint64_t limit = round % 2 == 0 ? 0x7fffffff : 6;  // ties as well
    for (size_t i = 0; i < count; ++i) keys[i] = static_cast<uint32_t>(random.Below(limit + 1));
    if (round % 5 == 0) std::fill_n(keys, count, 0x7fffffffu);
    ASSERT_EQ(LeastKey(keys, count), LeastKeyPortable(keys, count));
    ASSERT_EQ(LeastKey(keys, count), *std::min_element(keys, keys + count));
  }
}

TEST(WideSteps, StoreEntryEqualsThePortableOne) {
  Random random(12);
  for (uint32_t count = 1; count <= 3; ++count) {
    for (int round = 0; round < 100; ++round) {
      WordEntry entry;
      for (uint32_t& id : entry.ids) id = static_cast<uint32_t>(random.Next());
      entry.layout = count << 24 | static_cast<uint32_t>(random.Below(256) << 16 | random.Below(256) << 8);
      const auto from = static_cast<uint32_t>(random.Next());
      uint32_t ids[2][kStoredTokens] = {};
      uint32_t begins[2][kStoredTokens] = {};
      StoreEntry(entry, from, ids[0], begins[0]);
      StoreEntryPortable(entry, from, ids[1], begins[1]);
      EXPECT_TRUE(std::equal(ids[0], ids[0] + count, ids[1]));
      EXPECT_TRUE(std::equal(begins[0], begins[0] + count, begins[1]));
      EXPECT_EQ(begins[0][0], from);
    }
  }
}

}  // namespace
}  // namespace weir::bpe
