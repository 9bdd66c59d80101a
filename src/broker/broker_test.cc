#include "weir/broker/broker.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "broker_fixture.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(BrokerTest, RelievesAFullBudgetDownToItsTarget) {
  Make({.budget_bytes = 1000});
  FakePool cheap("cheap", 1000);
  FakePool dear("dear", 1000);
  cheap.Fill(450, 1);
  dear.Fill(450, 100);
  const Registration a = Register(cheap);
  const Registration b = Register(dear);
  const ReliefReport report = broker_->Tick();
  EXPECT_TRUE(report.triggered);
  EXPECT_DOUBLE_EQ(report.fill_before, 0.9);
  EXPECT_EQ(report.total.bytes_released, 300u);
  EXPECT_EQ(cheap.used(), 150u);
  EXPECT_EQ(dear.used(), 450u);
  EXPECT_FALSE(broker_->Tick().triggered);
  EXPECT_EQ(broker_->Snapshot().tier, FillTier::kWarning);
}

TEST_F(BrokerTest, ActsOnEveryTickUntilUnderTarget) {
  Make();
  FakePool pool("pool", 1'000'000);
  pool.Fill(2000);
  Follow(pool, 100'000, 86'000);
  const Registration a = Register(pool);
  uint64_t used = 2000;
  for (int tick = 0; tick < 3; ++tick) {  // the mode does not change, the relief goes on
    EXPECT_EQ(broker_->Tick().total.bytes_released, used / 4);
    EXPECT_EQ(mode(), PressureMode::kPressure);
    EXPECT_LT(pool.used(), used);
    EXPECT_GT(pool.used(), 0u);
    used = pool.used();
  }
  Follow(pool, 100'000, 82'500);  // under the entry threshold, over the exit threshold
  EXPECT_TRUE(broker_->Tick().triggered);
  EXPECT_EQ(mode(), PressureMode::kPressure);
  Follow(pool, 100'000, 81'000);
  EXPECT_EQ(broker_->Tick().plan.bytes_wanted, 0u);
  EXPECT_EQ(mode(), PressureMode::kNormal);
}

TEST_F(BrokerTest, BringsTheHeadroomBackOverTheHighMark) {
  Make({.headroom_low_bytes = 30'000, .headroom_high_bytes = 40'000});
  FakePool pool("pool", 100'000);
  for (int i = 0; i < 50; ++i) pool.Add({.bytes = 1000});
  Follow(pool, 100'000, 15'000);
  const Registration a = Register(pool);
  EXPECT_FALSE(broker_->Tick().triggered);  // 35,000 left: not short yet
  Follow(pool, 100'000, 21'000);
  const ReliefReport report = broker_->Tick();
  EXPECT_EQ(report.plan.demands.front().trigger, Trigger::kHeadroom);
  EXPECT_EQ(pool.used(), 39'000u);
  EXPECT_FALSE(broker_->Tick().triggered);
}

TEST_F(BrokerTest, PoolsDoNotGrowWhileMemoryIsShort) {
  Make();
  FakePool pool("pool", 50'000);
  pool.Fill(100);
  const Registration a = Register(pool);
  sensor_.SetBound(100'000, 80'000);
  broker_->Tick();
  EXPECT_EQ(pool.budget(), 100u + 10'000u);  // down to the low mark
  sensor_.SetBound(100'000, 91'000);
  pool.before_reclaim = [](uint64_t) { throw std::runtime_error("busy"); };
  broker_->Tick();
  EXPECT_EQ(pool.budget(), 100u);
  sensor_.SetBound(100'000, 10'000);
  broker_->Tick();
  EXPECT_EQ(pool.budget(), 50'000u);
}

TEST_F(BrokerTest, DropsWhatIsIdleInNormalMode) {
  Make();
  FakePool pool("pool", 1000);
  FakePool guaranteed("guaranteed", 1000);
  for (FakePool* each : {&pool, &guaranteed}) {
    each->Add({.bytes = 10, .idle = seconds(200)});
    each->Add({.bytes = 10, .idle = seconds(100)});
    each->Add({.bytes = 10, .pinned = true, .idle = seconds(300)});
  }
  const Registration a = Register(pool);
  const Registration b = Register(guaranteed, {.min_share_bytes = 5});
  sensor_.SetBound(100'000, 75'000);
  broker_->Tick();
  EXPECT_EQ(pool.used(), 20u);
  EXPECT_THAT(pool.idle_asked, ElementsAre(seconds(120)));
  EXPECT_THAT(guaranteed.idle_asked, IsEmpty());  // what it would drop has no bound
  EXPECT_THAT(alerts_, IsEmpty());
  sensor_.SetBound(100'000, 93'000);
  broker_->Tick();
  EXPECT_EQ(pool.idle_asked[1], seconds(30));
  EXPECT_EQ(pool.used(), 10u);
  EXPECT_EQ(guaranteed.used(), 10u);
}

TEST_F(BrokerTest, WhatIdleEntriesGaveIsNotTakenAgain) {
  Make();
  FakePool idle("idle", 100'000);
  FakePool busy("busy", 100'000);
  for (int i = 0; i < 30; ++i) idle.Add({.bytes = 1000, .price = 5, .idle = seconds(60)});
  for (int i = 0; i < 30; ++i) busy.Add({.bytes = 1000, .price = 1});
  const Registration a = Register(idle);
  const Registration b = Register(busy);
  sensor_.Set([&] {
    Headroom headroom;
    headroom.bounds.push_back({"fake", 100'000, 37'000 + idle.used() + busy.used(), std::nullopt});
    return headroom;
  });
  broker_->Tick();
  EXPECT_EQ(idle.used(), 0u);
  EXPECT_EQ(busy.used(), 30'000u);
}

TEST_F(BrokerTest, AllPinnedIsSaidAndHarmless) {
  Make({.budget_bytes = 1000});
  FakePool pool("pool", 1000);
  for (int i = 0; i < 9; ++i) pool.Add({.bytes = 100, .pinned = true});
  const Registration a = Register(pool);
  const ReliefReport report = broker_->Tick();
  EXPECT_TRUE(report.triggered);
  EXPECT_TRUE(report.steps.empty());
  EXPECT_EQ(report.plan.bytes_short, 300u);
  EXPECT_THAT(AlertTexts(), ElementsAre("stuck pool"));
  EXPECT_NE(alerts_[0].text.find("hot and stuck"), std::string::npos);
  EXPECT_EQ(broker_->Stats().stuck, 1u);
}

TEST_F(BrokerTest, APoolThatGivesNothingDoesNotShieldTheOthers) {
  Make({.budget_bytes = 1000});
  FakePool stuck("stuck", 1000);
  FakePool half("half", 1000);
  FakePool dear("dear", 1000);
  stuck.Add({.bytes = 400, .pinned = true});
  stuck.price_said = 0;
  half.Add({.bytes = 200, .pinned = true});
  half.Fill(50, 1);
  dear.Fill(300, 100);
  const Registration a = Register(stuck);
  const Registration b = Register(half);
  const Registration c = Register(dear);
  const ReliefReport report = broker_->Tick();
  EXPECT_EQ(report.plan.bytes_wanted, 350u);
  EXPECT_EQ(report.total.bytes_released, 350u);
  EXPECT_EQ(report.passes, 3u);
  EXPECT_EQ(stuck.asked.size(), 1u);
  EXPECT_EQ(half.used(), 200u);
  EXPECT_EQ(dear.used(), 0u);
  EXPECT_THAT(AlertTexts(), ElementsAre("stuck stuck", "relieved half", "relieved dear"));
}

TEST_F(BrokerTest, AlertsComeOnAChangeAndNotTooOften) {
  Make({.budget_bytes = 1000, .alert_interval = seconds(60)});
  FakePool pool("pool", 1000);
  for (int i = 0; i < 9; ++i) pool.Add({.bytes = 100, .pinned = true});
  const Registration a = Register(pool);
  for (int i = 0; i < 5; ++i) broker_->Tick();
  EXPECT_THAT(AlertTexts(), ElementsAre("stuck pool"));  // once, however long it lasts
  pool.Add({.bytes = 50});
  broker_->Tick();  // it gives something, but an alert was sent just before
  EXPECT_EQ(alerts_.size(), 1u);
  EXPECT_EQ(broker_->Stats().alerts_held, 1u);
  clock_.Advance(seconds(61));
  pool.Add({.bytes = 50});
  broker_->Tick();
  EXPECT_THAT(AlertTexts(), ElementsAre("stuck pool", "relieved pool"));
  EXPECT_EQ(alerts_[1].bytes_released, 50u);
  clock_.Advance(seconds(61));
  broker_->Tick();
  EXPECT_THAT(AlertTexts(), ElementsAre("stuck pool", "relieved pool", "stuck pool"));
}

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

TEST_F(BrokerTest, PlanNowChangesNothing) {
  Make({.budget_bytes = 1000});
  FakePool pool("pool", 1000);
  pool.Fill(960);
  const Registration a = Register(pool);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(broker_->PlanNow().bytes_planned, 360u);
    EXPECT_EQ(broker_->PlanNow(17).bytes_planned, 17u);
  }
  EXPECT_EQ(pool.used(), 960u);
  EXPECT_EQ(broker_->Stats().ticks, 0u);
  EXPECT_EQ(broker_->Snapshot().reading_age, std::nullopt);
}

TEST_F(BrokerTest, ReliefByHandFollowsTheFillRule) {
  Make();
  FakePool pool("pool", 1000);
  pool.Fill(700);
  const Registration a = Register(pool);
  EXPECT_EQ(broker_->Relieve(0).total.bytes_released, 100u);
  EXPECT_EQ(broker_->Relieve(50).total.bytes_released, 50u);
  EXPECT_EQ(broker_->Relieve(UINT64_MAX).total.bytes_released, 550u);
  EXPECT_EQ(pool.used(), 0u);
}

TEST_F(BrokerTest, DevicesAreRelievedOnTheirOwn) {
  Make();
  FakePool host("host", 1000);
  FakePool vram("vram", 1000);
  host.Fill(100);
  vram.Fill(600);
  const Registration a = Register(host);
  const Registration b = Register(vram, {.device = "gpu"});
  sensor_.Set([&] {
    Headroom headroom;
    headroom.bounds.push_back({"fake", 100'000, 10'000, std::nullopt});
    headroom.devices.push_back({"gpu", "nvml", 1000, 380 + vram.used()});
    return headroom;
  });
  broker_->Tick();
  EXPECT_EQ(host.used(), 100u);
  EXPECT_EQ(380 + vram.used(), 820u);
  EXPECT_TRUE(broker_->accepts_new());
}

// The farthest first, as told; asks for more than the order knows are met by the pool itself.
class TenFarthest final : public EvictionOrder {
 public:
  std::vector<PoolKey> FarthestFirst(std::string_view pool, uint64_t bytes) override {
    asked.emplace_back(std::string(pool), bytes);
    if (fails) throw std::runtime_error("no");
    std::vector<PoolKey> keys = {{0, 1'000'000}};  // gone already
    for (uint64_t key = 99; key >= 90; --key) keys.push_back({0, key});
    return keys;
  }
  std::vector<std::pair<std::string, uint64_t>> asked;
  bool fails = false;
};

TEST_F(BrokerTest, WorkflowsSayWhatGoesFirst) {
  TenFarthest order;
  Make({.budget_bytes = 100, .workflow_aware = true, .order = &order});
  FakePool pool("pool", 100);
  for (int i = 0; i < 95; ++i) pool.Add({.price = 1.0 + i});
  const Registration a = Register(pool, {.erase_unpinned = [&](const PoolKey& key) { return pool.EraseUnpinned(key); }});
  const ReliefReport report = broker_->Tick();
  EXPECT_EQ(report.steps[0].step.kind, StepKind::kFarthestFirst);
  EXPECT_EQ(pool.used(), 60u);
  EXPECT_EQ(pool.keys().front(), 30u);  // 90 to 94 by order, then 0 to 29 by price
  EXPECT_EQ(pool.keys().back(), 89u);
  EXPECT_EQ(order.asked.size(), 1u);
  order.fails = true;
  pool.Fill(35);
  broker_->Tick();
  EXPECT_EQ(broker_->Stats().order_failures, 1u);
  EXPECT_EQ(pool.used(), 60u);
  broker_->SetWorkflowAware(false);
  pool.Fill(35);
  EXPECT_EQ(broker_->Tick().steps[0].step.kind, StepKind::kReclaim);
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
