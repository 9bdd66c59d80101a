// Giving memory back: what goes, what stays, and what the system counts.

#include <gtest/gtest.h>

#include <cstdio>

#include "pool_cases.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

TEST(PoolReclaimTest, WhatIsGivenUpGoesBackToTheSystem) {
  RefusingPages pages;
  PoolOptions options = Small(64 * kMiB);
  auto pool = std::move(pool::CreateOn(pages, std::move(options))).value();
  for (uint64_t i = 0; i < 60'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1536));
  // A third is used again, scattered over all extents.
  for (uint64_t i = 0; i < 60'000; i += 3) pool->Get(KeyOf(i));
  const uint64_t before = pages.held_bytes();
  const PoolStats full = pool->Stats();
  EXPECT_EQ(full.mapped_bytes, before);
  const Reclaimed back = pool->Reclaim(full.mapped_bytes / 2, TimePoint::max());
  EXPECT_GE(back.bytes_released, full.mapped_bytes / 2);
  EXPECT_LE(back.bytes_released, full.mapped_bytes * 6 / 10);
  EXPECT_LE(pages.held_bytes(), before - back.bytes_released);
  EXPECT_EQ(pool->Stats().mapped_bytes, pages.held_bytes());
  pool->CheckInvariants();
  // What was used stayed.
  uint64_t used = 0;
  uint64_t used_left = 0;
  for (uint64_t i = 0; i < 60'000; i += 3) {
    const Pin pin = pool->Get(KeyOf(i));
    ++used;
    used_left += static_cast<bool>(pin);
    EXPECT_TRUE(!pin || Holds(pin, i, 1536));
  }
  EXPECT_GE(used_left * 10, full.entries / 3 * 9) << used;
  EXPECT_GT(pool->Stats().moved, 0u);
}

TEST(PoolReclaimTest, PinnedEntriesStayWhereTheyAre) {
  auto pool = MakePool(Small(8 * kMiB));
  std::vector<Pin> pins;
  std::vector<const std::byte*> at;
  for (uint64_t i = 0; i < 3000; ++i) {
    InsertOutcome outcome = pool->Insert(KeyOf(i), ValueOf(i, 900));
    if (i % 50 == 0) {
      at.push_back(outcome.pin.bytes().data());
      pins.push_back(std::move(outcome.pin));
    }
  }
  pool->Reclaim(64 * kMiB, TimePoint::max());
  EXPECT_EQ(pool->Stats().entries, pins.size());
  for (uint64_t i = 0; i < pins.size(); ++i) {
    EXPECT_EQ(pins[i].bytes().data(), at[i]);
    EXPECT_TRUE(Holds(pins[i], i * 50, 900));
    EXPECT_TRUE(Holds(pool->Get(KeyOf(i * 50)), i * 50, 900));
  }
  pool->CheckInvariants();
  pins.clear();
  // Now they can be moved together.
  pool->Reclaim(3 * kMiB, TimePoint::max());
  pool->CheckInvariants();
}

TEST(PoolReclaimTest, AllOfItCanGo) {
  auto pool = MakePool(Small(32 * kMiB));
  for (uint64_t i = 0; i < 100'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, i % 3 == 0 ? 5000 : i % 500));
  pool->Reclaim(1ull << 40, TimePoint::max());
  EXPECT_EQ(pool->Stats().entries, 0u);
  EXPECT_LE(pool->Stats().mapped_bytes, 512u << 10);
  pool->CheckInvariants();
  EXPECT_TRUE(pool->Insert(KeyOf(1), ValueOf(1, 100)).stored());
}

TEST(PoolReclaimTest, ADeadlineEndsIt) {
  ManualClock clock;
  PoolOptions options = Small(32 * kMiB);
  options.clock = &clock;
  auto pool = MakePool(std::move(options));
  for (uint64_t i = 0; i < 20'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1500));
  clock.Advance(std::chrono::seconds(1));
  const Reclaimed back = pool->Reclaim(16 * kMiB, TimePoint{});
  EXPECT_TRUE(back.deadline_reached);
  EXPECT_LT(back.bytes_released, 16 * kMiB);
  pool->CheckInvariants();
}

TEST(PoolReclaimTest, DropsWhatIsIdle) {
  ManualClock clock;
  PoolOptions options = Small(32 * kMiB);
  options.clock = &clock;
  auto pool = MakePool(std::move(options));
  for (uint64_t i = 0; i < 1000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 100));
  clock.Advance(std::chrono::seconds(100));
  pool->Stats();
  for (uint64_t i = 0; i < 1000; i += 4) pool->Get(KeyOf(i));
  clock.Advance(std::chrono::seconds(100));
  const Reclaimed back = pool->DropIdle(std::chrono::seconds(120), UINT64_MAX, TimePoint::max());
  EXPECT_EQ(back.entries, 750u);
  for (uint64_t i = 0; i < 1000; ++i) EXPECT_EQ(pool->Contains(KeyOf(i)), i % 4 == 0) << i;
  pool->CheckInvariants();
}

TEST(PoolReclaimTest, ASmallerBudgetIsReachedByInserts) {
  auto pool = MakePool(Small(32 * kMiB));
  for (uint64_t i = 0; i < 40'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000));
  pool->SetBudget(8 * kMiB);
  EXPECT_GT(pool->Stats().pressure(), 3.0);
  for (uint64_t i = 40'000; i < 40'100; ++i) EXPECT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 1000)).stored());
  EXPECT_LE(pool->Stats().used_bytes(), 8 * kMiB);
  for (uint64_t i = 40'000; i < 40'100; ++i) EXPECT_TRUE(Holds(pool->Get(KeyOf(i)), i, 1000));
  pool->CheckInvariants();
}

TEST(PoolReclaimTest, MixedSizesFillAShrunkBudget) {
  auto pool = MakePool(Small(64 * kMiB));
  uint64_t next = 0;
  const auto stream = [&](uint64_t bytes) {
    for (uint64_t sum = 0; sum < bytes; ++next) {
      const size_t size = 200 + next * 7919 % 7800;
      ASSERT_TRUE(pool->Insert(KeyOf(next), ValueOf(next, size)).stored());
      sum += size;
    }
  };
  stream(90 * kMiB);
  const PoolStats full = pool->Stats();
  EXPECT_GE(full.entry_bytes, full.mapped_bytes * 85 / 100);
  for (int round = 0; round < 12; ++round) {
    pool->Reclaim(4 * kMiB, TimePoint::max());
    pool->SetBudget(pool->Stats().budget_bytes - 4 * kMiB);
    stream(4 * kMiB);
  }
  stream(40 * kMiB);
  const PoolStats shrunk = pool->Stats();
  EXPECT_EQ(shrunk.budget_bytes, 16 * kMiB);
  EXPECT_LE(shrunk.mapped_bytes, 16 * kMiB);
  EXPECT_GE(shrunk.entry_bytes, shrunk.budget_bytes * 65 / 100);
  std::printf("entries fill %.2f of what is mapped, %.2f after the cuts\n",
              static_cast<double>(full.entry_bytes) / static_cast<double>(full.mapped_bytes),
              static_cast<double>(shrunk.entry_bytes) / static_cast<double>(shrunk.mapped_bytes));
  pool->CheckInvariants();
}

TEST(PoolReclaimTest, LargeValuesGoOneByOne) {
  auto pool = MakePool(Small(32 * kMiB));
  for (uint64_t i = 0; i < 25; ++i) ASSERT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, kMiB)).stored());
  const Reclaimed back = pool->Reclaim(3 * kMiB, TimePoint::max());
  EXPECT_EQ(back.entries, 3u);
  EXPECT_EQ(back.bytes_released, 3 * kMiB);
  pool->CheckInvariants();
}

}  // namespace
}  // namespace weir
