// Limits and odd inputs, one test each: sizes that overflow, many loads at once, pins in every extent, sinks that insert.

#include <gtest/gtest.h>

#include <cmath>
#include <latch>
#include <limits>
#include <thread>

#include "pool_cases.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

Resource Declared(uint64_t bytes) { return Resource(std::make_unique<int>(1), bytes); }

TEST(PoolLimitsTest, ASizeThatOverflowsIsTooLarge) {
  auto pool = MakePool(Small(64 * kMiB));
  for (const uint64_t size : {~uint64_t{0}, ~uint64_t{0} - 7, uint64_t{1} << 63, uint64_t{1} << 57}) {
    bool ran = false;
    EXPECT_FALSE(
        pool->LoadOrShare(KeyOf(1), [&](Filler&) -> Status { return ran = true, Status(); }, {.bytes_expected = size}));
    EXPECT_FALSE(ran);
    const auto loaded = pool->LoadOrShare(KeyOf(1), [&](Filler& filler) -> Status {
      WEIR_ASSIGN(const auto room, filler.Bytes(size));
      return room.empty() ? Status() : Status();
    });
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(pool->Insert(KeyOf(2), Declared(size)).status, InsertStatus::kTooLarge);
  }
  pool->SetBudget(~uint64_t{0});
  EXPECT_EQ(pool->Insert(KeyOf(2), Declared(~uint64_t{0})).status, InsertStatus::kTooLarge);
  EXPECT_TRUE(pool->Insert(KeyOf(2), ValueOf(2, 100)).stored());
  pool->CheckInvariants();
}

TEST(PoolLimitsTest, ALittleIsWantedAndALittleGoesWhateverLiesBeside) {
  // A kept resource that is most of the pool, beside small values.
  auto kept = MakePool(Small(256 * kMiB));
  kept->Insert(KeyOf(0), Declared(130 * kMiB), {.keep = Keep::kAlways});
  for (uint64_t i = 1; i <= 60'000; ++i) kept->Insert(KeyOf(i), ValueOf(i, 1000));
  Reclaimed back = kept->Reclaim(kMiB, TimePoint::max());
  EXPECT_GE(back.bytes_released, kMiB);
  EXPECT_LE(back.bytes_accounted, 4 * kMiB);
  // Resources that may go, beside small values.
  auto mixed = MakePool(Small(256 * kMiB));
  for (uint64_t i = 1; i <= 60'000; ++i) mixed->Insert(KeyOf(i), ValueOf(i, 1000));
  for (uint64_t i = 0; i < 8; ++i) mixed->Insert(KeyOf(100'000 + i), Declared(10 * kMiB));
  back = mixed->Reclaim(kMiB, TimePoint::max());
  EXPECT_GE(back.bytes_released, kMiB);
  EXPECT_LE(back.bytes_accounted, 14 * kMiB);
  mixed->CheckInvariants();
}

TEST(PoolLimitsTest, IdleResourcesGoOneByOneUpToTheBound) {
  ManualClock clock;
  PoolOptions options = Small(1024 * kMiB);
  options.clock = &clock;
  auto pool = MakePool(std::move(options));
  for (uint64_t i = 0; i < 9; ++i) pool->Insert(KeyOf(i), Declared(100 * kMiB));
  clock.Advance(std::chrono::hours(17));
  EXPECT_EQ(pool->DropIdle(std::chrono::hours(24), 1024 * kMiB, TimePoint::max()).entries, 0u);
  EXPECT_EQ(pool->DropIdle(std::chrono::hours(16), kMiB, TimePoint::max()).entries, 1u);
  clock.Advance(std::chrono::hours(20));
  EXPECT_EQ(pool->DropIdle(std::chrono::hours(1), 1024 * kMiB, TimePoint::max()).entries, 8u);
}

TEST(PoolLimitsTest, LoadsAtOnceShareTheBudget) {
  auto pool = MakePool(Small(64 * kMiB));
  std::latch start(8);
  std::vector<std::jthread> threads;
  std::atomic<uint64_t> most{0};
  for (uint64_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      start.arrive_and_wait();
      for (uint64_t i = 0; i < 20; ++i) {
        pool->Insert(KeyOf(t * 100 + i), ValueOf(1, 20 * kMiB));
        const uint64_t used = pool->Stats().used_bytes();
        uint64_t seen = most.load();
        while (seen < used && !most.compare_exchange_weak(seen, used)) {
        }
      }
    });
  }
  threads.clear();
  EXPECT_LE(most.load(), 66 * kMiB);
  pool->CheckInvariants();
}

TEST(PoolLimitsTest, AValueThatCannotFitBesideWhatIsHeldDropsNothing) {
  auto pool = MakePool(Small(64 * kMiB));
  const Pin held = pool->Insert(KeyOf(0), Declared(40 * kMiB)).pin;
  for (uint64_t i = 1; i <= 15'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000));
  const uint64_t entries = pool->Stats().entries;
  EXPECT_EQ(pool->Insert(KeyOf(99'999), ValueOf(1, 30 * kMiB)).status, InsertStatus::kExhausted);
  EXPECT_EQ(pool->Stats().entries, entries);
}

TEST(PoolLimitsTest, APinInAnExtentDoesNotMakeOthersGo) {
  PoolOptions options = Small(32 * kMiB);
  options.extent_bytes = 256u << 10;
  const auto run = [&](uint64_t pins_wanted) {
    auto pool = MakePool(options);
    std::vector<Pin> pins;
    // Small entries first, then ones of another size, for which whole extents are wanted.
    for (uint64_t i = 0; i < 40'000; ++i) {
      Pin pin = pool->Insert(KeyOf(i), ValueOf(i, 600)).pin;
      if (pins.size() < pins_wanted && i % 3000 == 7) pins.push_back(std::move(pin));
    }
    for (uint64_t i = 0; i < 10'000; ++i) pool->Insert(KeyOf(100'000 + i), ValueOf(i, 3000));
    const PoolStats stats = pool->Stats();
    EXPECT_GE(stats.entry_bytes, stats.mapped_bytes * 7 / 10) << pins_wanted << " pins";
    return stats.evictions;
  };
  const uint64_t without = run(0);
  EXPECT_LE(run(8), without + without / 4);
}

TEST(PoolLimitsTest, NothingToGiveHasNoPriceAndIsFoundOutOnce) {
  auto pool = MakePool(Small(8 * kMiB));
  std::vector<Pin> pins;
  for (uint64_t i = 0;; ++i) {
    InsertOutcome outcome = pool->Insert(KeyOf(i), ValueOf(i, 500));
    if (!outcome.stored()) break;
    pins.push_back(std::move(outcome.pin));
  }
  EXPECT_TRUE(std::isinf(pool->PricePerByte()));
  pins.pop_back();
  EXPECT_TRUE(std::isfinite(pool->PricePerByte()));
  EXPECT_TRUE(pool->Insert(KeyOf(999'999), ValueOf(1, 500)).stored());
}

TEST(PoolLimitsTest, ASinkMayInsertElsewhereAndGetsNoRoomByEvictionHere) {
  auto next_tier = MakePool(Small(2 * kMiB));
  Pool* self = nullptr;
  uint64_t number = 1'000'000;
  uint64_t refused = 0;
  PoolOptions options = Small(kMiB);
  options.sink = [&](const Evicted& evicted) {
    EXPECT_TRUE(next_tier->Insert(evicted.key, evicted.bytes).stored());
    refused += !self->Insert(KeyOf(number++), ValueOf(1, 700)).stored();
  };
  auto pool = MakePool(std::move(options));
  self = pool.get();
  for (uint64_t i = 0; i < 5'000; ++i) ASSERT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 700)).stored());
  EXPECT_GT(refused, 0u);
  EXPECT_GT(next_tier->Stats().entries, 100u);
  pool->CheckInvariants();
}

TEST(PoolLimitsTest, EntriesBeingLoadedCountAsEntries) {
  PoolOptions options = Small(64 * kMiB);
  options.entries_max = 4;
  auto pool = MakePool(std::move(options));
  int depth = 0;
  uint64_t most = 0;
  const Loader load = [&](Filler& filler) -> Status {
    WEIR_ASSIGN(const auto room, filler.Bytes(16));
    std::memset(room.data(), 0, room.size());
    if (++depth < 20) (void)pool->LoadOrShare(KeyOf(static_cast<uint64_t>(depth)), load);
    most = std::max(most, pool->Stats().entries);
    return {};
  };
  (void)pool->LoadOrShare(KeyOf(0), load);
  EXPECT_LE(most, 4u);
  EXPECT_LE(pool->Stats().entries, 4u);
  for (uint64_t i = 100; i < 120; ++i) EXPECT_TRUE(pool->Insert(KeyOf(i), ValueOf(i, 16)).stored());
  EXPECT_EQ(pool->Stats().entries, 4u);
  pool->CheckInvariants();
}

TEST(PoolLimitsTest, ABudgetOfNothingEmptiesThePool) {
  auto pool = MakePool(Small(16 * kMiB));
  for (uint64_t i = 0; i < 10'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000));
  pool->SetBudget(0);
  for (uint64_t i = 0; i < 200; ++i)
    EXPECT_EQ(pool->Insert(KeyOf(50'000 + i), ValueOf(i, 10)).status, InsertStatus::kTooLarge);
  EXPECT_EQ(pool->Stats().entries, 0u);
  EXPECT_LE(pool->Stats().mapped_bytes, 64u << 10);
  // And it may grow to any size again.
  pool->SetBudget(96 * kMiB);
  for (uint64_t i = 0; i < 60'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000));
  EXPECT_EQ(pool->Stats().evictions, 10'000u);
  pool->CheckInvariants();
}

TEST(PoolLimitsTest, ADeadlineHoldsThoughTheSinkIsSlow) {
  ManualClock clock;
  PoolOptions options = Small(16 * kMiB);
  options.clock = &clock;
  options.sink = [&](const Evicted&) { clock.Advance(std::chrono::milliseconds(1)); };
  auto pool = MakePool(std::move(options));
  for (uint64_t i = 0; i < 10'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000));
  const Reclaimed back = pool->Reclaim(8 * kMiB, clock.Now() + std::chrono::milliseconds(10));
  EXPECT_TRUE(back.deadline_reached);
  EXPECT_LE(back.entries, 64u);
}

TEST(PoolLimitsTest, WithoutAPageForTheSurveyMemoryStillGoesBack) {
  RefusingPages pages;
  auto pool = std::move(pool::CreateOn(pages, Small(32 * kMiB))).value();
  for (uint64_t i = 0; i < 25'000; ++i) pool->Insert(KeyOf(i), ValueOf(i, 1000));
  pages.RefuseNext(0);
  EXPECT_GE(pool->Reclaim(8 * kMiB, TimePoint::max()).bytes_released, 8 * kMiB);
  pages.RefuseNone();
  pool->CheckInvariants();
}

}  // namespace
}  // namespace weir
