// Under a broker: who goes first, what is read ahead, what is refused, what is written down.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "fake_machine.h"
#include "folder.h"
#include "registry_cases.h"
#include "weir/broker/broker.h"
#include "weir/ledger/ledger.h"
#include "weir/ledger/verify.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

// Four agents that run one after the other, a registry under a workflow-aware broker, and a machine set by hand.
class RegistryPressure : public ::testing::Test {
 protected:
  void SetUp() override {
    LedgerOptions ledger;
    ledger.path = folder_ / "ledger";
    ledger.flush_interval_ms = 0;
    auto opened = Ledger::Open(ledger);
    ASSERT_TRUE(opened) << opened.error().ToString();
    ledger_ = *std::move(opened);
    case_.options.ledger = ledger_.get();
    Start();
  }
  void TearDown() override {
    registry().LeaveBroker();
    broker_.reset();
  }

  void Start() {
    case_.Open();
    BrokerOptions options;
    options.workflow_aware = true;
    options.order = &registry();
    options.clock = &case_.clock;
    sensor_.SetBound(kLimit, kLimit / 2);
    auto broker = Broker::Create(sensor_, std::move(options));
    ASSERT_TRUE(broker) << broker.error().ToString();
    broker_ = *std::move(broker);
    ASSERT_TRUE(registry().JoinBroker(*broker_));
    std::vector<WorkflowStep> steps;
    for (const char* agent : {"first", "second", "third", "fourth"}) {
      ASSERT_TRUE(registry().Register(TextInput(agent, Words(static_cast<uint64_t>(agent[1]), 3000))));
      WorkflowStep step;
      step.agent = agent;
      if (!steps.empty()) step.depends_on.push_back(steps.back().agent);
      steps.push_back(std::move(step));
    }
    ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("flow", std::move(steps))));
  }
  Registry& registry() { return *case_.registry; }

  std::vector<std::string> Cold() {
    std::vector<std::string> cold;
    for (const ContextSummary& line : registry().List()) {
      if (line.cold) cold.push_back(line.terms.agent);
    }
    return cold;
  }
  std::string LedgerText() {
    EXPECT_TRUE(ledger_->Flush());
    const auto lines = ReadLedgerTail(folder_ / "ledger", 1000);
    std::string text;
    for (const std::string& line : *lines) text += line + "\n";
    return text;
  }
  void SetLevel(double level) {
    case_.clock.Advance(std::chrono::seconds(30));
    sensor_.SetBound(kLimit, static_cast<uint64_t>(level * static_cast<double>(kLimit)));
  }

  static constexpr uint64_t kLimit = 1 << 30;
  testing::Folder folder_;
  std::unique_ptr<Ledger> ledger_;
  FakeSensor sensor_;
  RegistryCase case_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(RegistryPressure, WhatRunsLastGoesFirst) {
  ASSERT_TRUE(registry().Register(TextInput("in no workflow", Words(9, 3000))));
  const std::vector<std::vector<std::string>> expected = {
      {"in no workflow"},
      {"fourth", "in no workflow"},
      {"fourth", "in no workflow", "third"},
  };
  for (const std::vector<std::string>& cold : expected) {
    case_.clock.Advance(std::chrono::seconds(30));
    const ReliefReport report = broker_->Relieve(1);
    registry().CheckInvariants();
    EXPECT_EQ(Cold(), cold) << ReportText(report);
    EXPECT_EQ(report.total.entries, 1u);
    EXPECT_EQ(report.total.bytes_released, 5u << 12);  // the pages of one record, once
  }
  EXPECT_EQ(registry().stats().evicted, 3u);
  EXPECT_NE(LedgerText().find("runs_last"), std::string::npos);
}

TEST_F(RegistryPressure, PinnedContextsAndThoseInUseStay) {
  ASSERT_TRUE(registry().SetPinned("fourth", true));
  const auto held = registry().Get("third");
  ASSERT_TRUE(held);
  case_.clock.Advance(std::chrono::seconds(30));
  broker_->Relieve(1 << 20);
  registry().CheckInvariants();
  EXPECT_EQ(Cold(), (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ((*held)->text(), Words('h', 3000));
}

TEST_F(RegistryPressure, WhatRunsWithinTwoStepsIsReadBack) {
  registry().contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
  ASSERT_EQ(Cold().size(), 4u);
  EXPECT_EQ(registry().Tend().prefetched, 3u);
  EXPECT_EQ(Cold(), (std::vector<std::string>{"fourth"}));
  EXPECT_EQ(registry().Tend().prefetched, 0u);
  ASSERT_TRUE(registry().Advance("flow", "first", Registry::Step::kStart));
  ASSERT_TRUE(registry().Advance("flow", "first", Registry::Step::kFinish));
  EXPECT_EQ(registry().Tend().prefetched, 1u);
  EXPECT_TRUE(Cold().empty());
  EXPECT_EQ(registry().stats().prefetched, 4u);
  registry().CheckInvariants();
}

TEST_F(RegistryPressure, AnEmergencyRefusesWhatIsNewAndLetsGoOfWhatIsThere) {
  SetLevel(0.99);
  broker_->Tick();
  ASSERT_FALSE(broker_->accepts_new());
  const auto refused = registry().Register(TextInput("new", Words(7, 1000)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  EXPECT_NE(refused.error().message.find("emergency"), std::string::npos);
  EXPECT_EQ(registry().Append("first", {"more"}).error().code, ErrorCode::kExhausted);
  EXPECT_FALSE(registry().Contains("new"));
  EXPECT_TRUE(registry().Remove("second"));
  registry().CheckInvariants();
  SetLevel(0.5);
  broker_->Tick();
  EXPECT_TRUE(registry().Register(TextInput("new", Words(7, 1000))));
}

TEST_F(RegistryPressure, AChangeOfModeIsWrittenDown) {
  registry().Tend();
  SetLevel(0.86);
  broker_->Tick();
  registry().Tend();
  registry().Tend();
  const std::string text = LedgerText();
  const size_t first = text.find("\"mode_change\"");
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_EQ(text.find("\"mode_change\"", first + 1), std::string::npos) << "twice";
  EXPECT_TRUE(VerifyLedger(folder_ / "ledger")->clean());
}

TEST_F(RegistryPressure, TheBrokerCountsTheIndexes) {
  const BrokerSnapshot snapshot = broker_->Snapshot();
  ASSERT_EQ(snapshot.sources.size(), 2u);
  const auto index =
      std::ranges::find(snapshot.sources, std::string("index"), [](const auto& one) { return one.view.name; });
  ASSERT_NE(index, snapshot.sources.end());
  EXPECT_EQ(index->stats.used_bytes(), registry().stats().index_bytes());
  EXPECT_GT(index->stats.used_bytes(), 0u);
}

TEST_F(RegistryPressure, OnlyOneBrokerAtATime) {
  EXPECT_EQ(registry().JoinBroker(*broker_).error().code, ErrorCode::kAlreadyExists);
  registry().LeaveBroker();
  EXPECT_TRUE(registry().JoinBroker(*broker_));
}

TEST_F(RegistryPressure, WithoutAStoreWhatGoesIsForgotten) {
  TearDown();
  case_.options.store = nullptr;
  Start();
  case_.clock.Advance(std::chrono::seconds(30));
  broker_->Relieve(1);
  registry().CheckInvariants();
  EXPECT_FALSE(registry().Contains("fourth"));
  EXPECT_TRUE(registry().Contains("third"));
  EXPECT_EQ(registry().stats().forgotten, 1u);
}

TEST_F(RegistryPressure, UpkeepRunsOnAThreadOfItsOwn) {
  registry().contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
  ASSERT_TRUE(registry().Start(std::chrono::hours(1)));
  ASSERT_TRUE(registry().Start(std::chrono::hours(1)));
  ASSERT_TRUE(registry().Advance("flow", "first", Registry::Step::kStart));
  while (registry().stats().prefetched < 3) std::this_thread::yield();
  registry().Stop();
  registry().Stop();
  registry().CheckInvariants();
}

}  // namespace
}  // namespace weir
