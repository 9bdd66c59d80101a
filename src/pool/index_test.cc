// The index alone: tags are found in every lane by either way of looking, and a full table against a plain map.

#include "index.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>

namespace weir::pool {
namespace {

TEST(IndexTest, BothWaysOfLookingAtABucketAgreeWithAPlainLoop) {
  std::mt19937_64 random(7);
  auto bucket = std::make_unique<Bucket>();
  for (int round = 0; round < 20'000; ++round) {
    uint16_t lanes[12];
    for (uint16_t& lane : lanes) {
      const uint16_t few[] = {0, 1, 2, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0xFFFE};
      lane = few[random() % 8];
    }
    if (random() % 2 == 0) lanes[10] = lanes[11] = 0;
    for (uint32_t word = 0; word < 3; ++word) {
      uint64_t tags = 0;
      for (uint32_t i = 0; i < 4; ++i) tags |= uint64_t{lanes[word * 4 + i]} << (16 * i);
      bucket->tags[word].store(tags);
    }
    for (const uint16_t tag : {0, 1, 2, 0x7FFF, 0x8000, 0x8001, 0xFFFF}) {
      uint32_t expected = 0;
      for (uint32_t lane = 0; lane < kBucketSlots; ++lane) expected |= static_cast<uint32_t>(lanes[lane] == tag) << lane;
      const bool went_on = lanes[10] != 0 || lanes[11] != 0;
      for (const IndexTable::Lanes& seen : {IndexTable::LanesOf(*bucket, tag), IndexTable::PortableLanesOf(*bucket, tag)}) {
        ASSERT_EQ(seen.match, expected);
        ASSERT_EQ(seen.went_on, went_on);
      }
    }
  }
}

TEST(IndexTest, AFullTableFindsWhatItHoldsAndNothingElse) {
  Pages pages(KernelPages());
  IndexTable table;
  ASSERT_TRUE(table.Allocate(pages, 64));
  std::mt19937_64 random(11);
  std::map<Slot, uint64_t> held;
  const auto holds = [&](uint64_t hash, Slot slot) {
    bool found = false;
    table.Probe(hash, [&](Slot candidate) { return found |= candidate == slot; });
    return found;
  };
  Slot next = 1;
  for (int step = 0; step < 50'000; ++step) {
    // Few homes, so that entries go on to other buckets; around the end of the table as well.
    const uint64_t home = random() % 3 == 0 ? 0xFFFFFFFF : random() & 0xFFFFFFFF;
    const uint64_t hash = home << 16 | (random() % 5);
    if (held.size() < 640 && random() % 5 < 3) {
      ASSERT_TRUE(table.Add(hash, next));
      held[next++] = hash;
    } else if (!held.empty()) {
      auto one = held.lower_bound(static_cast<Slot>(random() % next));
      if (one == held.end()) one = held.begin();
      ASSERT_TRUE(holds(one->second, one->first));
      if (random() % 4 == 0) {
        table.Replace(one->second, one->first, next);
        held[next++] = one->second;
        ASSERT_FALSE(holds(one->second, one->first));
      } else {
        table.Remove(one->second, one->first);
        ASSERT_FALSE(holds(one->second, one->first));
      }
      held.erase(one);
    }
    ASSERT_TRUE(held.size() < 640 || !table.Add(hash, next));
  }
  std::set<Slot> seen;
  table.ForEach([&](Slot slot) { seen.insert(slot); });
  EXPECT_EQ(seen.size(), held.size());
  for (const auto& [slot, hash] : held) {
    EXPECT_TRUE(seen.contains(slot));
    table.Remove(hash, slot);
  }
  // With nothing in it, no bucket sends a reader on.
  for (uint32_t i = 0; i < table.bucket_count(); ++i) EXPECT_FALSE(IndexTable::LanesOf(table.bucket(i), 1).went_on);
}

}  // namespace
}  // namespace weir::pool
