#include <gmock/gmock.h>

#include <limits>

#include "broker_fixture.h"

namespace weir {
namespace {

using ::testing::ElementsAre;

TEST_F(BrokerTest, RegistrationsHaveOneName) {
  Make({.budget_bytes = 1000});
  FakePool pool("pool", 600);
  FakePool twin("pool", 600);
  Registration a = Register(pool, {.min_share_bytes = 600});
  EXPECT_EQ(broker_->Register(twin).error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(broker_->Register(twin, {.name = "twin", .min_share_bytes = 500}).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(broker_->Register(twin, {.name = "twin", .min_share_bytes = 700}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(broker_->Register(twin, {.name = "twin", .priority = 11}).error().code, ErrorCode::kInvalidArgument);
  FakePool nameless("", 10);
  EXPECT_EQ(broker_->Register(nameless).error().code, ErrorCode::kInvalidArgument);
  const Registration b = Register(twin, {.name = "twin", .min_share_bytes = 400});
  Registration moved = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_TRUE(moved);
  EXPECT_EQ(broker_->Snapshot().sources.size(), 2u);
  moved = Registration();
  EXPECT_EQ(broker_->Snapshot().sources.size(), 1u);
  const Registration again = Register(pool);
}

TEST_F(BrokerTest, OptionsAreChecked) {
  EXPECT_FALSE(Broker::Create(sensor_, {.headroom_low_bytes = 2, .headroom_high_bytes = 1}));
  EXPECT_FALSE(Broker::Create(sensor_, {.workflow_aware = true}));
  EXPECT_FALSE(Broker::Create(sensor_, {.period = Duration(0)}));
  EXPECT_FALSE(Broker::Create(sensor_, {.alert_interval = Duration(-1)}));
}

TEST_F(BrokerTest, PoolsWithoutABudgetAreLeftAlone) {
  Make({.budget_bytes = 1000});
  FakePool unmanaged("unmanaged", 0);
  unmanaged.Fill(500, 0);
  FakePool pool("pool", 1000);
  pool.Fill(900);
  const Registration a = Register(unmanaged);
  const Registration b = Register(pool);
  broker_->Tick();
  EXPECT_EQ(unmanaged.used(), 500u);
  EXPECT_EQ(unmanaged.budget(), 0u);
  EXPECT_EQ(pool.used(), 600u);
}

TEST_F(BrokerTest, BudgetsAreLentAndTakenBack) {
  Make({.budget_bytes = 1000});
  FakePool owner("owner", 1000);
  FakePool borrower("borrower", 1000);
  owner.Fill(50);
  borrower.Fill(500);
  {
    const Registration a = Register(owner, {.min_share_bytes = 600});
    const Registration b = Register(borrower);
    broker_->Tick();
    EXPECT_EQ(owner.budget(), 600u);
    EXPECT_EQ(borrower.budget(), 500u + 225);
    borrower.Fill(200, 100);  // it borrows; dear bytes at that
    broker_->Tick();
    EXPECT_EQ(borrower.used(), 700u);
    owner.Fill(400, 0.001);  // the owner wants its share back, with worthless bytes
    broker_->Tick();
    EXPECT_EQ(owner.used(), 450u);
    EXPECT_EQ(borrower.used(), 150u);  // down to 0.60 of the budget, and all of it from the borrower
  }
  EXPECT_EQ(owner.budget(), 1000u);  // as before the broker came
  EXPECT_EQ(borrower.budget(), 1000u);
}

TEST_F(BrokerTest, LimitsCanChange) {
  Make();
  FakePool pool("pool", 1000);
  Registration a = Register(pool);
  a.SetLimit(300);
  broker_->Tick();
  EXPECT_EQ(pool.budget(), 300u);
  a.SetLimit(0);
  broker_->Tick();
  EXPECT_FALSE(broker_->Snapshot().sources[0].view.managed());
}

TEST_F(BrokerTest, GrantsAddUpAndAreReturned) {
  Make({.budget_bytes = 1000});
  FakePool kv("kv", 800);
  FakePool other("other", 1000);
  other.Fill(700);
  const Registration a = Register(kv, {.min_share_bytes = 100});
  const Registration b = Register(other);
  const auto guaranteed = [&] {
    for (const SourceSnapshot& source : broker_->Snapshot().sources) {
      if (source.view.name == "kv") return source.view.guaranteed_bytes;
    }
    return uint64_t{0};
  };
  GrantOutcome outer = broker_->Activate({"outer", {{"kv", 300}, {"kv", 100}}});
  ASSERT_TRUE(outer.granted()) << outer.ToError().ToString();
  {
    const GrantOutcome inner = broker_->Activate({"inner", {{"kv", 200}, {"other", 0}}});
    ASSERT_TRUE(inner.granted());
    EXPECT_EQ(guaranteed(), 700u);
    EXPECT_EQ(broker_->Snapshot().grants.size(), 2u);
    broker_->Tick();  // what was granted is not lent: the other pool gives it back at once
    EXPECT_EQ(other.used(), 400u);
    EXPECT_EQ(kv.budget(), 700u);
  }
  EXPECT_EQ(guaranteed(), 500u);
  Grant moved = std::move(outer.grant);
  EXPECT_FALSE(outer.grant);
  EXPECT_EQ(guaranteed(), 500u);
  moved = Grant();
  EXPECT_EQ(guaranteed(), 100u);
  EXPECT_EQ(broker_->Stats().grants, 2u);
}

TEST_F(BrokerTest, RefusalsSayWhatIsLacking) {
  Make({.budget_bytes = 1000});
  FakePool kv("kv", 800);
  FakePool other("other", 1000);
  FakePool unmanaged("unmanaged", 0);
  const Registration a = Register(kv, {.min_share_bytes = 100});
  const Registration b = Register(other, {.min_share_bytes = 200});
  const Registration c = Register(unmanaged);
  const auto refusal = [&](std::vector<WorkflowBudget::Need> needs) {
    GrantOutcome outcome = broker_->Activate({"w", std::move(needs)});
    EXPECT_FALSE(outcome.granted());
    return outcome;
  };
  const GrantOutcome unknown = refusal({{"absent", 5}, {"kv", 1}, {"unmanaged", 7}});
  ASSERT_EQ(unknown.shortages.size(), 2u);
  EXPECT_EQ(unknown.shortages[0].reason, ShortageReason::kUnknownPool);
  EXPECT_EQ(unknown.shortages[1].reason, ShortageReason::kUnmanaged);
  EXPECT_EQ(unknown.ToError().code, ErrorCode::kNotFound);
  const GrantOutcome limit = refusal({{"kv", 750}});
  EXPECT_EQ(limit.shortages[0].reason, ShortageReason::kLimit);
  EXPECT_EQ(limit.shortages[0].lacking_bytes, 50u);
  const GrantOutcome budget = refusal({{"kv", 600}, {"other", 300}});
  ASSERT_EQ(budget.shortages.size(), 1u);
  EXPECT_EQ(budget.shortages[0].pool, "other");
  EXPECT_EQ(budget.shortages[0].reason, ShortageReason::kBudget);
  EXPECT_EQ(budget.shortages[0].lacking_bytes, 200u);
  EXPECT_EQ(budget.ToError().message, "pool 'other' lacks 200 B of 300 B: the byte budget is guaranteed to others");
  EXPECT_EQ(budget.ToError().code, ErrorCode::kExhausted);
  EXPECT_EQ(refusal({{"kv", UINT64_MAX}, {"kv", UINT64_MAX}}).shortages[0].wanted_bytes, UINT64_MAX);
  EXPECT_TRUE(broker_->Snapshot().grants.empty());  // nothing half done
  EXPECT_EQ(broker_->Stats().grants_refused, 4u);
}

TEST_F(BrokerTest, MemoryThatIsNotThereIsNotGranted) {
  Make();
  FakePool kv("kv", 50'000);
  FakePool other("other", 50'000);
  FakePool pinned("pinned", 50'000);
  other.Fill(3000);
  pinned.Add({.bytes = 2000, .pinned = true});
  const Registration a = Register(kv);
  const Registration b = Register(other, {.min_share_bytes = 1000});
  const Registration c = Register(pinned);
  EXPECT_TRUE(broker_->Activate({"w", {{"kv", 40'000}}}).granted());  // nothing is known yet
  sensor_.SetBound(100'000, 95'000);
  broker_->Tick();
  const uint64_t there = 5000 + other.used() - 1000;
  EXPECT_TRUE(broker_->Activate({"w", {{"kv", there}}}).granted());
  const GrantOutcome refused = broker_->Activate({"w", {{"kv", there + 1}}});
  ASSERT_EQ(refused.shortages.size(), 1u);
  EXPECT_EQ(refused.shortages[0].reason, ShortageReason::kMemory);
  EXPECT_EQ(refused.shortages[0].lacking_bytes, 1u);
  sensor_.SetBound(100'000, 97'000);
  broker_->Tick();
  EXPECT_FALSE(broker_->accepts_new());
  EXPECT_EQ(broker_->Activate({"w", {{"kv", 1}}}).shortages[0].reason, ShortageReason::kEmergency);
}

TEST_F(BrokerTest, AGrantOutlivesItsPool) {
  Make();
  FakePool kv("kv", 1000);
  Registration a = Register(kv);
  GrantOutcome grant = broker_->Activate({"w", {{"kv", 100}}});
  ASSERT_TRUE(grant.granted());
  a = Registration();
  a = Register(kv);
  EXPECT_EQ(broker_->Snapshot().sources[0].view.guaranteed_bytes, 0u);
  grant.grant = Grant();
  EXPECT_EQ(broker_->Snapshot().sources[0].view.guaranteed_bytes, 0u);
}

}  // namespace
}  // namespace weir
