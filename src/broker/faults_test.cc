// Sensors, sources and sinks that fail, lie or take their time; and machines made at random.

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker_fixture.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr uint64_t kMiB = 1 << 20;

TEST_F(BrokerTest, StopsWhenGivenBackBytesDoNotShowUp) {
  Make({.unreleased_pause = seconds(10)});
  FakePool pool("pool", 1000 * kMiB);
  for (int i = 0; i < 64; ++i) pool.Add({.bytes = kMiB});
  pool.keeps_pages = true;
  Follow(pool, 100 * kMiB, 30 * kMiB);
  const Registration a = Register(pool);
  EXPECT_FALSE(broker_->Tick().on_hold);  // once may be chance
  EXPECT_EQ(broker_->Stats().pauses, 0u);
  const ReliefReport report = broker_->Tick();
  EXPECT_TRUE(report.not_released);
  EXPECT_EQ(report.bytes_seen, 0u);
  EXPECT_GE(report.bytes_expected, 8 * kMiB);
  EXPECT_THAT(AlertTexts(), ::testing::Contains("not_released "));
  EXPECT_NE(ReportText(report).find("evicted, but not released"), std::string::npos);
  EXPECT_EQ(broker_->Snapshot().on_hold_for, seconds(10));

  const uint64_t used = pool.used();
  const ReliefReport held = broker_->Tick();
  EXPECT_TRUE(held.on_hold);
  EXPECT_EQ(held.passes, 0u);
  EXPECT_EQ(pool.used(), used);
  EXPECT_EQ(broker_->Relieve(kMiB).total.bytes_released, kMiB);  // by hand it goes on
  EXPECT_EQ(broker_->Stats().passes_on_hold, 1u);

  clock_.Advance(seconds(10));
  EXPECT_FALSE(broker_->Tick().on_hold);
  EXPECT_LT(pool.used(), used - kMiB);
}

TEST_F(BrokerTest, PoolsThatGrowMeanwhileAreNotTakenForIt) {
  Make();
  FakePool pool("pool", 1000 * kMiB);
  for (int i = 0; i < 64; ++i) pool.Add({.bytes = kMiB});
  Follow(pool, 100 * kMiB, 30 * kMiB);
  const Registration a = Register(pool);
  pool.before_reclaim = [&](uint64_t bytes) { pool.Add({.bytes = bytes, .price = 9}); };
  const ReliefReport report = broker_->Tick();
  EXPECT_GT(report.total.bytes_released, 8 * kMiB);
  EXPECT_FALSE(report.not_released);
  EXPECT_EQ(broker_->Stats().pauses, 0u);
}

TEST_F(BrokerTest, WithoutFiguresNothingIsAssumed) {
  Make({.budget_bytes = 1000});
  sensor_.Set([] { return Headroom{}; });
  FakePool pool("pool", 1000);
  pool.Fill(900);
  const Registration a = Register(pool);
  const ReliefReport report = broker_->Tick();
  EXPECT_EQ(report.total.bytes_released, 300u);  // the byte budget needs no sensor
  EXPECT_EQ(report.bytes_seen, std::nullopt);
  EXPECT_EQ(report.level_before, std::nullopt);
  const BrokerSnapshot snapshot = broker_->Snapshot();
  ASSERT_EQ(snapshot.devices.size(), 1u);
  EXPECT_EQ(snapshot.devices[0].level(), std::nullopt);
  EXPECT_EQ(snapshot.devices[0].mode, PressureMode::kRelaxed);
  EXPECT_EQ(snapshot.resident_bytes, std::nullopt);
}

TEST_F(BrokerTest, SurvivesNonsenseFromTheSensor) {
  Make();
  FakePool pool("pool", 1000);
  pool.Fill(1000);
  const Registration a = Register(pool, {.min_share_bytes = 100});
  Random random(11);
  for (int i = 0; i < 500; ++i) {
    Headroom headroom;
    const auto any = [&] { return random.Below(3) == 0 ? 0 : random.Next() >> random.Below(64); };
    for (uint64_t n = random.Below(4); n > 0; --n) {
      headroom.bounds.push_back(
          {n == 1 ? "" : "x", any(), any(), random.Below(2) == 0 ? std::nullopt : std::optional(any())});
    }
    for (uint64_t n = random.Below(3); n > 0; --n) headroom.devices.push_back({n == 1 ? "" : "gpu", "nvml", any(), any()});
    if (random.Below(2) == 0) headroom.resident_bytes = any();
    sensor_.Set([headroom] { return headroom; });
    const ReliefReport report = broker_->Tick();
    ASSERT_EQ(AddSaturating(report.plan.bytes_planned, report.plan.bytes_short), report.plan.bytes_wanted);
    ASSERT_GE(pool.used(), 100u);
    pool.Fill(1000 - std::min<uint64_t>(1000, pool.used()));
  }
  sensor_.Set([]() -> Headroom { throw std::runtime_error("gone"); });
  broker_->Tick();
  EXPECT_EQ(broker_->Stats().sensor_failures, 1u);
  EXPECT_TRUE(broker_->accepts_new());
}

TEST_F(BrokerTest, ExceptionsAreContainedAndCounted) {
  Make({.budget_bytes = 1000, .alerts = [](const Alert&) { throw std::runtime_error("no"); }});
  FakePool bad("bad", 1000);
  FakePool good("good", 1000);
  bad.Fill(450, 1);
  good.Fill(450, 2);
  bad.before_reclaim = [](uint64_t) { throw std::runtime_error("no"); };
  const Registration a = Register(bad);
  const Registration b = Register(good);
  for (int i = 0; i < 3; ++i) broker_->Tick();
  EXPECT_EQ(bad.used(), 450u);
  EXPECT_GT(broker_->Stats().source_failures, 0u);
  EXPECT_GT(broker_->Stats().alert_failures, 0u);
  bad.before_stats = [] { throw 7; };
  EXPECT_EQ(broker_->Snapshot().sources.size(), 2u);
  broker_->Tick();
  bad.before_stats = nullptr;
}

TEST_F(BrokerTest, StopsAtTheDeadline) {
  Make({.budget_bytes = 1000, .relief_time = milliseconds(100)});
  FakePool first("first", 1000);
  FakePool second("second", 1000);
  first.Fill(450, 0);
  second.Fill(450, 0);
  second.Add({.bytes = 1, .price = 0});
  first.before_reclaim = second.before_reclaim = [&](uint64_t) { clock_.Advance(milliseconds(150)); };
  const Registration a = Register(first);
  const Registration b = Register(second, {.priority = 0});
  const ReliefReport report = broker_->Relieve(800);
  EXPECT_TRUE(report.total.deadline_reached);
  EXPECT_EQ(first.asked.size() + second.asked.size(), 1u);
  EXPECT_EQ(report.passes, 1u);
  EXPECT_EQ(broker_->Stats().deadlines, 1u);
}

TEST_F(BrokerTest, RandomMachinesKeepTheirPromises) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    alerts_.clear();
    Make({.budget_bytes = random.Below(2) == 0 ? 0 : 500 + random.Below(3000), .workflow_aware = false});
    std::vector<std::unique_ptr<FakePool>> pools;
    std::vector<uint64_t> shares;
    std::vector<Registration> registrations;
    for (uint64_t n = random.Below(4) + 1; n > 0; --n) {
      pools.push_back(std::make_unique<FakePool>("p" + std::to_string(n), random.Below(1500)));
      shares.push_back(random.Below(std::min<uint64_t>(pools.back()->budget(), 100) + 1));
      Result<Registration> registration = broker_->Register(
          *pools.back(), {.min_share_bytes = shares.back(), .priority = static_cast<uint8_t>(random.Below(11))});
      if (registration) registrations.push_back(*std::move(registration));
    }
    uint64_t others = 0;
    sensor_.Set([&] {
      Headroom headroom;
      uint64_t used = others;
      for (const auto& pool : pools) used += pool->resident();
      headroom.bounds.push_back({"fake", 10'000, used, std::nullopt});
      headroom.resident_bytes = used;
      return headroom;
    });
    for (int tick = 0; tick < 10; ++tick) {
      others = random.Below(10'000);
      for (const auto& pool : pools) {
        for (uint64_t n = random.Below(20); n > 0; --n) {
          pool->Add({.bytes = random.Below(60) + 1,
                     .price = static_cast<double>(random.Below(50)),
                     .pinned = random.Below(5) == 0,
                     .idle = seconds(random.Below(200))});
        }
      }
      std::vector<uint64_t> before;
      for (const auto& pool : pools) before.push_back(pool->used());
      clock_.Advance(seconds(random.Below(30)));
      const ReliefReport report = random.Below(4) == 0 ? broker_->Relieve(random.Below(500)) : broker_->Tick();
      ASSERT_EQ(report.plan.bytes_planned + report.plan.bytes_short, report.plan.bytes_wanted);
      uint64_t given = 0;
      for (size_t i = 0; i < pools.size(); ++i) {
        constexpr uint64_t kEntryMax = 60;  // a whole entry may go for its last byte
        ASSERT_GE(pools[i]->used() + kEntryMax, std::min(before[i], shares[i]));
        ASSERT_TRUE(before[i] > shares[i] || pools[i]->used() == before[i]);
        given += before[i] - pools[i]->used();
      }
      ASSERT_EQ(given, report.total.bytes_released);
    }
    registrations.clear();
  }
}

}  // namespace
}  // namespace weir
