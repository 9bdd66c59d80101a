// The broker with pools that hold real memory.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "weir/base/random.h"
#include "weir/broker/broker.h"
#include "weir/pool/pool.h"
#include "weir/sensors/host_sensor.h"

namespace weir {
namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kExtent = 256 << 10;

PoolKey Key(uint64_t number) { return {1, number}; }

// The host as it is, with limits that a test adds.
class LimitedSensor final : public Sensor {
 public:
  Headroom Read() override {
    Headroom headroom;
    headroom.resident_bytes = ExactResidentBytes();
    if (limit_bytes > 0 && headroom.resident_bytes) {
      headroom.bounds.push_back({"limit", limit_bytes, *headroom.resident_bytes, std::nullopt});
    }
    return headroom;
  }
  std::atomic<uint64_t> limit_bytes{0};
};

class RealPools : public ::testing::Test {
 protected:
  void Make(BrokerOptions options = {}) {
    Result<std::unique_ptr<Broker>> broker = Broker::Create(sensor_, std::move(options));
    ASSERT_TRUE(broker);
    broker_ = *std::move(broker);
  }
  static std::unique_ptr<Pool> MakePool(std::string name, uint64_t budget, EvictionSink sink = {}) {
    Result<std::unique_ptr<Pool>> pool = Pool::Create(
        {.name = std::move(name), .budget_bytes = budget, .shards = 2, .extent_bytes = kExtent, .sink = std::move(sink)});
    EXPECT_TRUE(pool);
    return *std::move(pool);
  }
  static void Fill(Pool& pool, uint64_t entries, double refetch_us, uint64_t bytes = 4000) {
    const std::vector<std::byte> value(bytes, std::byte{7});
    for (uint64_t i = 0; i < entries; ++i) ASSERT_TRUE(pool.Insert(Key(i), value, {.refetch_us = refetch_us}).stored());
  }
  Registration Register(Pool& pool, SourceOptions options = {}) {
    Result<Registration> registration = broker_->Register(pool, std::move(options));
    EXPECT_TRUE(registration) << registration.error().ToString();
    return *std::move(registration);
  }

  LimitedSensor sensor_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(RealPools, WhatIsReleasedIsSeenByTheKernel) {
  Make();
  const auto cheap = MakePool("cheap", 64 * kMiB);
  const auto dear = MakePool("dear", 64 * kMiB);
  Fill(*cheap, 6000, 1);
  Fill(*dear, 6000, 1000);
  const Registration a = Register(*cheap);
  const Registration b = Register(*dear, {.min_share_bytes = 20 * kMiB});
  const ReliefReport report = broker_->Relieve(16 * kMiB);
  EXPECT_GE(report.total.bytes_released, 16 * kMiB);
  EXPECT_EQ(dear->Stats().evictions, 0u);
  if (!report.bytes_seen) GTEST_SKIP() << "resident bytes cannot be read here";
  EXPECT_GE(*report.bytes_seen, 14 * kMiB);
  EXPECT_FALSE(report.not_released);
  const ReliefReport all = broker_->Relieve(200 * kMiB);
  EXPECT_GT(all.plan.bytes_short, 0u);
  EXPECT_GE(dear->Stats().used_bytes(), 20 * kMiB - 2 * kExtent);
  cheap->CheckInvariants();
  dear->CheckInvariants();
}

TEST_F(RealPools, ALimitIsKeptWithoutTouchingWhatIsPinned) {
  Make({.headroom_low_bytes = 8 * kMiB, .headroom_high_bytes = 16 * kMiB});
  const auto pool = MakePool("pool", 256 * kMiB);
  Fill(*pool, 8000, 1);
  const Pin pin = pool->Get(Key(17));
  ASSERT_TRUE(pin);
  const Registration a = Register(*pool);
  const std::optional<uint64_t> resident = ExactResidentBytes();
  if (!resident) GTEST_SKIP() << "resident bytes cannot be read here";
  sensor_.limit_bytes = *resident + 2 * kMiB;
  const ReliefReport report = broker_->Tick();
  EXPECT_GE(report.total.bytes_released, 13 * kMiB);
  EXPECT_EQ(pin.bytes()[3999], std::byte{7});
  EXPECT_TRUE(pool->Contains(Key(17)));
  EXPECT_LE(*ExactResidentBytes(), sensor_.limit_bytes - 8 * kMiB);
}

class NewestFarthest final : public EvictionOrder {
 public:
  static constexpr uint64_t kEntries = 7000;
  std::vector<PoolKey> FarthestFirst(std::string_view, uint64_t bytes) override {
    std::vector<PoolKey> keys;
    for (uint64_t i = kEntries; i > 0 && keys.size() * 4000 < bytes; --i) keys.push_back(Key(i - 1));
    return keys;
  }
};

TEST_F(RealPools, FarthestEntriesGoAndTheirPagesToo) {
  NewestFarthest order;
  Make({.budget_bytes = 32 * kMiB, .workflow_aware = true, .order = &order});
  const auto pool = MakePool("pool", 64 * kMiB);
  Fill(*pool, NewestFarthest::kEntries, 1);
  const Registration a = Register(*pool, {.erase_unpinned = [&](const PoolKey& key) { return pool->EraseUnpinned(key); }});
  const ReliefReport report = broker_->Tick();
  ASSERT_FALSE(report.steps.empty());
  EXPECT_EQ(report.steps[0].step.kind, StepKind::kFarthestFirst);
  EXPECT_GE(report.total.bytes_released, report.plan.bytes_wanted);
  // All that is left are the nearest, but for what the pool dropped to empty its last extents.
  uint64_t kept = 0;
  for (uint64_t i = 0; i < 3000; ++i) kept += pool->Contains(Key(i)) ? 1 : 0;
  EXPECT_GT(kept, 2700u);
  EXPECT_FALSE(pool->Contains(Key(NewestFarthest::kEntries - 1)));
  pool->CheckInvariants();
}

TEST_F(RealPools, IdleEntriesGoNoFurtherThanTheShare) {
  ManualClock clock;
  Make({.clock = &clock});
  Result<std::unique_ptr<Pool>> pool =
      Pool::Create({.name = "pool", .budget_bytes = 64 * kMiB, .shards = 2, .extent_bytes = kExtent, .clock = &clock});
  ASSERT_TRUE(pool);
  Fill(**pool, 4000, 1);
  const uint64_t share = (*pool)->Stats().used_bytes() - 3 * kMiB;
  const Registration a = Register(**pool, {.min_share_bytes = share});
  clock.Advance(std::chrono::seconds(300));
  const std::optional<uint64_t> resident = ExactResidentBytes();
  if (!resident) GTEST_SKIP() << "resident bytes cannot be read here";
  sensor_.limit_bytes = *resident * 4 / 3;  // three quarters are in use: mode normal
  const ReliefReport report = broker_->Tick();
  ASSERT_EQ(report.steps.size(), 1u);
  EXPECT_EQ(report.steps[0].step.kind, StepKind::kDropIdle);
  EXPECT_GE(report.total.bytes_released, 3 * kMiB);
  EXPECT_GE((*pool)->Stats().used_bytes(), share - 2 * kExtent);
}

TEST_F(RealPools, SinksThatThrowDoNoHarm) {
  Make();
  const auto pool = MakePool("pool", 64 * kMiB, [](const Evicted&) { throw std::runtime_error("no"); });
  Fill(*pool, 2000, 1);
  const Registration a = Register(*pool);
  EXPECT_GE(broker_->Relieve(2 * kMiB).total.bytes_released, 2 * kMiB);
  EXPECT_GT(pool->Stats().sink_failures, 0u);
  EXPECT_EQ(broker_->Stats().source_failures, 0u);
}

TEST_F(RealPools, OneBudgetHoldsWhileManyWrite) {
  constexpr uint64_t kBudget = 48 * kMiB;
  Make({.budget_bytes = kBudget, .period = std::chrono::milliseconds(5), .period_pressed = std::chrono::milliseconds(5)});
  const auto first = MakePool("first", 40 * kMiB);
  const auto second = MakePool("second", 40 * kMiB);
  const Registration a = Register(*first, {.min_share_bytes = 8 * kMiB});
  const Registration b = Register(*second);
  ASSERT_TRUE(broker_->Start());
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      Random random(t);
      const std::vector<std::byte> value(3000, std::byte{1});
      for (int i = 0; i < 8000; ++i) {
        Pool& pool = random.Below(3) == 0 ? *first : *second;
        const PoolKey key = Key(random.Below(20'000));
        if (!pool.Get(key)) static_cast<void>(pool.Insert(key, value));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  broker_->Stop();
  broker_->Tick();
  EXPECT_LE(first->Stats().used_bytes() + second->Stats().used_bytes(), kBudget);
  EXPECT_EQ(broker_->Stats().source_failures, 0u);
  first->CheckInvariants();
  second->CheckInvariants();
}

}  // namespace
}  // namespace weir
