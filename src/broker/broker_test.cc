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
  const Registration b = Register(guaranteed, {.min_share_bytes = 15});
  sensor_.SetBound(100'000, 75'000);
  broker_->Tick();
  EXPECT_EQ(pool.used(), 20u);
  EXPECT_THAT(pool.idle_asked, ElementsAre(seconds(120)));
  EXPECT_EQ(guaranteed.used(), 20u);
  EXPECT_THAT(alerts_, IsEmpty());
  sensor_.SetBound(100'000, 93'000);
  broker_->Tick();
  EXPECT_EQ(pool.idle_asked[1], seconds(30));
  EXPECT_EQ(pool.used(), 10u);
  EXPECT_EQ(guaranteed.used(), 10u);  // one entry, for the five bytes over its share
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

}  // namespace
}  // namespace weir
