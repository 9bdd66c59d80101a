// One caller at a time: every operation of a pool, its limits and its refusals.

#include "weir/pool/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pool_cases.h"

namespace weir {
namespace {

TEST(PoolTest, HoldsWhatWasInserted) {
  auto pool = MakePool(Small());
  EXPECT_FALSE(pool->Get(KeyOf(1)));
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{16}, size_t{64}, size_t{1000}, size_t{8000}, size_t{9000}, size_t{300000}}) {
    const InsertOutcome outcome = pool->Insert(KeyOf(size), ValueOf(size, size));
    ASSERT_EQ(outcome.status, InsertStatus::kInserted) << size;
    EXPECT_TRUE(Holds(outcome.pin, size, size));
    EXPECT_GE(outcome.pin.charged_bytes(), size + 32);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(outcome.pin.bytes().data()) % 16, 0u);
  }
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{16}, size_t{64}, size_t{1000}, size_t{8000}, size_t{9000}, size_t{300000}}) {
    EXPECT_TRUE(Holds(pool->Get(KeyOf(size)), size, size)) << size;
  }
  const PoolStats stats = pool->Stats();
  EXPECT_EQ(stats.entries, 8u);
  EXPECT_EQ(stats.hits, 8u);
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.inserts, 8u);
  EXPECT_EQ(stats.pins, 0u);
  pool->CheckInvariants();
}

TEST(PoolTest, AReplacedEntryStaysAsItWasUnderItsPin) {
  auto pool = MakePool(Small());
  Pin old = pool->Insert(KeyOf(1), ValueOf(1, 100, 1)).pin;
  InsertOutcome outcome = pool->Insert(KeyOf(1), ValueOf(1, 100, 2));
  EXPECT_EQ(outcome.status, InsertStatus::kReplaced);
  EXPECT_TRUE(Holds(old, 1, 100, 1));
  EXPECT_TRUE(Holds(pool->Get(KeyOf(1)), 1, 100, 2));
  EXPECT_EQ(pool->Stats().entries, 1u);
  EXPECT_EQ(pool->Stats().detached_bytes, old.charged_bytes());
  pool->CheckInvariants();
  old = Pin();
  EXPECT_EQ(pool->Stats().detached_bytes, 0u);
  pool->CheckInvariants();
}

TEST(PoolTest, EraseAndClearUnlinkWhatIsPinned) {
  auto pool = MakePool(Small());
  Pin held = pool->Insert(KeyOf(1), ValueOf(1, 50)).pin;
  pool->Insert(KeyOf(2), ValueOf(2, 50));
  EXPECT_EQ(pool->EraseUnpinned(KeyOf(1)), 0u);
  EXPECT_TRUE(pool->Contains(KeyOf(1)));
  EXPECT_GE(pool->EraseUnpinned(KeyOf(2)), 82u);
  EXPECT_TRUE(pool->Erase(KeyOf(1)));
  EXPECT_FALSE(pool->Erase(KeyOf(1)));
  EXPECT_FALSE(pool->Get(KeyOf(1)));
  EXPECT_TRUE(Holds(held, 1, 50));
  // The old handle has nothing to do with the new entry of the key.
  Pin fresh = pool->Insert(KeyOf(1), ValueOf(1, 50, 7)).pin;
  held = Pin();
  EXPECT_EQ(pool->CountPinned(), 1u);
  EXPECT_EQ(pool->Clear(), 1u);
  EXPECT_TRUE(Holds(fresh, 1, 50, 7));
  EXPECT_EQ(pool->Stats().entries, 0u);
  EXPECT_EQ(pool->CountPinned(), 0u);
  pool->CheckInvariants();
}

TEST(PoolTest, StaysWithinItsBudget) {
  for (const uint64_t budget : {kMiB, 4 * kMiB, 24 * kMiB}) {
    auto pool = MakePool(Small(budget));
    for (uint64_t i = 0; i < 60'000; ++i) {
      ASSERT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 16 + i % 2000)).stored()) << i;
      ASSERT_LE(pool->Stats().used_bytes(), budget + budget / 16) << i;
    }
    const PoolStats stats = pool->Stats();
    EXPECT_LE(stats.used_bytes(), budget);
    // Mixed sizes leave little unused.
    EXPECT_GE(stats.entry_bytes, budget * 6 / 10);
    EXPECT_EQ(stats.inserts, stats.entries + stats.evictions);
    pool->CheckInvariants();
    uint64_t right = 0;
    for (uint64_t i = 0; i < 60'000; ++i) {
      if (const Pin pin = pool->Get(KeyOf(i))) right += Holds(pin, i, 16 + i % 2000);
    }
    EXPECT_EQ(right, stats.entries);
  }
}

TEST(PoolTest, RefusesWhatCanNeverFitBeforeItEvicts) {
  auto pool = MakePool(Small(2 * kMiB));
  for (uint64_t i = 0; i < 100; ++i) pool->Insert(KeyOf(i), ValueOf(i, 500));
  EXPECT_EQ(pool->Insert(KeyOf(999), ValueOf(999, 3 * kMiB)).status, InsertStatus::kTooLarge);
  EXPECT_EQ(pool->Stats().entries, 100u);
  EXPECT_EQ(pool->Stats().refused_too_large, 1u);
  pool->SetBudget(0);
  EXPECT_EQ(pool->Insert(KeyOf(1000), ValueOf(1000, 1)).status, InsertStatus::kTooLarge);
  pool->CheckInvariants();

  auto nothing = MakePool(Small(0));
  EXPECT_EQ(nothing->Insert(KeyOf(1), ValueOf(1, 1)).status, InsertStatus::kTooLarge);
  EXPECT_EQ(nothing->Stats().pressure(), 0.0);
}

TEST(PoolTest, SaysWhenEverythingIsPinned) {
  auto pool = MakePool(Small(kMiB));
  std::vector<Pin> pins;
  for (uint64_t i = 0;; ++i) {
    InsertOutcome outcome = pool->Insert(KeyOf(i), ValueOf(i, 1000));
    if (!outcome.stored()) {
      EXPECT_EQ(outcome.status, InsertStatus::kExhausted);
      break;
    }
    pins.push_back(std::move(outcome.pin));
    ASSERT_LT(i, 2000u);
  }
  EXPECT_GE(pins.size(), 700u);
  EXPECT_EQ(pool->Stats().refused_exhausted, 1u);
  EXPECT_EQ(pool->Reclaim(kMiB, TimePoint::max()).entries, 0u);
  for (uint64_t i = 0; i < pins.size(); ++i) EXPECT_TRUE(Holds(pins[i], i, 1000));
  pins.pop_back();
  EXPECT_TRUE(pool->Insert(KeyOf(5000), ValueOf(5000, 1000)).stored());
  pool->CheckInvariants();
}

TEST(PoolTest, KeepAlwaysIsNeverEvicted) {
  auto pool = MakePool(Small(kMiB));
  for (uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 1000), {.refetch_us = 0, .weight = 1, .keep = Keep::kAlways}).stored());
  }
  for (uint64_t i = 100; i < 5000; ++i) ASSERT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 1000)).stored());
  pool->Reclaim(kMiB, TimePoint::max());
  for (uint64_t i = 0; i < 100; ++i) EXPECT_TRUE(Holds(pool->Get(KeyOf(i)), i, 1000)) << i;
  EXPECT_EQ(pool->Stats().entries, 100u);
  EXPECT_TRUE(std::isinf(pool->PricePerByte()));
  pool->CheckInvariants();
}

TEST(PoolTest, WhatCostsMoreStaysLonger) {
  auto pool = MakePool(Small(kMiB));
  for (uint64_t i = 0; i < 200; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000), {.refetch_us = 1e6, .weight = 1});
  for (uint64_t i = 200; i < 3000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000), {.refetch_us = 10, .weight = 1});
  for (uint64_t i = 0; i < 200; ++i) EXPECT_TRUE(pool->Contains(KeyOf(i))) << i;
  EXPECT_NEAR(pool->PricePerByte(), 10.0 / 1056, 10.0 / 1056 / 2);
  // Made worthless, they go first.
  for (uint64_t i = 0; i < 200; ++i) EXPECT_TRUE(pool->SetCost(KeyOf(i), {.refetch_us = 0.001, .weight = 1}));
  EXPECT_FALSE(pool->SetCost(KeyOf(100000), {}));
  for (uint64_t i = 3000; i < 3400; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000), {.refetch_us = 10, .weight = 1});
  for (uint64_t i = 0; i < 200; ++i) EXPECT_FALSE(pool->Contains(KeyOf(i))) << i;
  pool->CheckInvariants();
}

TEST(PoolTest, RefusesACostThatIsNone) {
  auto pool = MakePool(Small());
  for (const double bad : {-1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_EQ(pool->Insert(KeyOf(1), ValueOf(1, 1), {.refetch_us = bad}).status, InsertStatus::kBadCost);
    EXPECT_EQ(pool->Insert(KeyOf(1), ValueOf(1, 1), {.weight = bad}).status, InsertStatus::kBadCost);
  }
  pool->Insert(KeyOf(1), ValueOf(1, 1));
  EXPECT_FALSE(pool->SetCost(KeyOf(1), {.refetch_us = -1}));
  pool->CheckInvariants();
}

TEST(PoolTest, AResourceIsReleasedOnceWhenTheLastPinIsGone) {
  static int released = 0;
  released = 0;
  struct Adapter {
    int number;
    explicit Adapter(int n) : number(n) {}
    ~Adapter() { ++released; }
  };
  {
    auto pool = MakePool(Small(4 * kMiB));
    Pin pin = pool->Insert(KeyOf(1), Resource(std::make_unique<Adapter>(7), kMiB)).pin;
    EXPECT_EQ(pin.resource<Adapter>().number, 7);
    EXPECT_TRUE(pin.bytes().empty());
    EXPECT_EQ(pool->Stats().resource_bytes, kMiB);
    EXPECT_TRUE(pool->Erase(KeyOf(1)));
    EXPECT_EQ(released, 0);
    EXPECT_EQ(pool->Stats().resource_bytes, kMiB);
    pin = Pin();
    EXPECT_EQ(released, 1);
    EXPECT_EQ(pool->Stats().resource_bytes, 0u);
    // Refused: released by its own destructor.
    EXPECT_EQ(pool->Insert(KeyOf(2), Resource(std::make_unique<Adapter>(8), 9 * kMiB)).status, InsertStatus::kTooLarge);
    EXPECT_EQ(released, 2);
    // The declared sizes are held to the budget.
    for (int i = 0; i < 10; ++i) pool->Insert(KeyOf(10 + i), Resource(std::make_unique<Adapter>(i), kMiB));
    EXPECT_EQ(pool->Stats().entries, 3u);
    EXPECT_EQ(released, 9);
    pool->CheckInvariants();
    const uint64_t released_before = pool->Stats().released_bytes;
    const Reclaimed back = pool->Reclaim(2 * kMiB, TimePoint::max());
    EXPECT_EQ(back.entries, 2u);
    EXPECT_GE(back.bytes_released, 2 * kMiB);
    // The same bytes, once; and pages of the pool's own.
    EXPECT_GE(pool->Stats().released_bytes - released_before, back.bytes_released);
    EXPECT_LE(pool->Stats().released_bytes - released_before, back.bytes_released + kMiB / 2);
  }
  EXPECT_EQ(released, 12);
}

TEST(PoolTest, TheSinkSeesWhatIsEvictedAndMayThrow) {
  PoolOptions options = Small(kMiB);
  std::vector<std::pair<PoolKey, bool>> seen;
  bool intact = true;
  options.sink = [&](const Evicted& evicted) {
    intact &= evicted.bytes.size() == 1000;
    intact &= std::memcmp(evicted.bytes.data(), ValueOf(evicted.key.low, 1000).data(), 1000) == 0;
    seen.emplace_back(evicted.key, evicted.for_pressure);
    if (seen.size() % 3 == 0) throw std::runtime_error("full");
  };
  auto pool = MakePool(std::move(options));
  for (uint64_t i = 0; i < 3000; ++i) ASSERT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 1000)).stored());
  EXPECT_EQ(seen.size(), pool->Stats().evictions);
  EXPECT_GT(seen.size(), 2000u);
  EXPECT_FALSE(seen.back().second);
  pool->Reclaim(200'000, TimePoint::max());
  EXPECT_TRUE(seen.back().second);
  EXPECT_TRUE(intact);
  EXPECT_EQ(seen.size(), pool->Stats().evictions);
  EXPECT_EQ(pool->Stats().sink_failures, seen.size() / 3);
  for (const auto& [key, pressure] : seen) EXPECT_FALSE(pool->Contains(key));
  pool->CheckInvariants();
}

TEST(PoolTest, HoldsNoMoreThanTheEntriesAllowed) {
  PoolOptions options = Small(64 * kMiB);
  options.entries_max = 1000;
  auto pool = MakePool(std::move(options));
  for (uint64_t i = 0; i < 5000; ++i) {
    pool->Insert(KeyOf(i), ValueOf(i, 16));
    ASSERT_LE(pool->Stats().entries, 1000u);
  }
  EXPECT_EQ(pool->Stats().entries, 1000u);
  pool->CheckInvariants();
}

TEST(PoolTest, RefusesOptionsThatMakeNoSense) {
  EXPECT_FALSE(Pool::Create({.name = ""}));
  EXPECT_FALSE(Pool::Create({.shards = 3}));
  EXPECT_FALSE(Pool::Create({.shards = 512}));
  EXPECT_FALSE(Pool::Create({.extent_bytes = 4096}));
}

}  // namespace
}  // namespace weir
