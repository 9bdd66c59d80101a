#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "broker_fixture.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

// Counts, and lets others wait for a count.
class Tally {
 public:
  void Add() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool Await(uint64_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(60), [&] { return count_ >= count; });
  }
  uint64_t count() const {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t count_ = 0;
};

class BrokerThreadTest : public BrokerTest {
 protected:
  // Every reading of the sensor is counted; the machine is calm.
  void CountReads() {
    sensor_.Set([this] {
      reads_.Add();
      Headroom headroom;
      headroom.bounds.push_back({"fake", 100'000, 10'000, std::nullopt});
      return headroom;
    });
  }
  Tally reads_;
};

TEST_F(BrokerThreadTest, TicksAtOnceOnEventsAndOnGrants) {
  CountReads();
  Make({.period = hours(1)});
  FakePool pool("pool", 1000);
  const Registration a = Register(pool);
  ASSERT_TRUE(broker_->Start());
  ASSERT_TRUE(broker_->Start());  // runs already
  ASSERT_TRUE(reads_.Await(1));
  sensor_.AwaitWaiter();
  sensor_.SendEvent();
  ASSERT_TRUE(reads_.Await(2));
  sensor_.AwaitWaiter();
  EXPECT_EQ(broker_->Stats().event_wakes, 1u);
  {
    const GrantOutcome grant = broker_->Activate({"w", {{"pool", 10}}});
    ASSERT_TRUE(reads_.Await(3));
  }
  ASSERT_TRUE(reads_.Await(4));
  broker_->Stop();
  broker_->Stop();
  EXPECT_EQ(broker_->Stats().ticks, reads_.count());
  ASSERT_TRUE(broker_->Start());
  ASSERT_TRUE(reads_.Await(5));
}

TEST_F(BrokerThreadTest, OthersGetTheSensorWhileTheThreadWaits) {
  CountReads();
  Make({.period = hours(1)});
  FakePool pool("pool", 1000);
  pool.Fill(100);
  const Registration a = Register(pool);
  ASSERT_TRUE(broker_->Start());
  ASSERT_TRUE(reads_.Await(1));
  for (int i = 0; i < 20; ++i) {
    sensor_.AwaitWaiter();
    EXPECT_EQ(broker_->Relieve(1).total.bytes_released, 1u);
    EXPECT_EQ(broker_->PlanNow(2).bytes_planned, 2u);
  }
}

TEST_F(BrokerThreadTest, PoolsComeAndGoWhileItTicks) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 60;
  std::atomic<uint64_t> others{50'000};
  sensor_.Set([&] {
    Headroom headroom;
    headroom.bounds.push_back({"fake", 100'000, others.load(), std::nullopt});
    headroom.resident_bytes = others.load();
    return headroom;
  });
  std::atomic<uint64_t> alerts{0};
  Make({.budget_bytes = 3000,
        .period = std::chrono::milliseconds(1),
        .period_pressed = std::chrono::milliseconds(1),
        .period_emergency = std::chrono::milliseconds(1),
        .alert_interval = Duration(0),
        .alerts = [&](const Alert&) { ++alerts; }});
  ASSERT_TRUE(broker_->Start());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Random random(static_cast<uint64_t>(t));
      const std::string name = "pool" + std::to_string(t);
      for (int round = 0; round < kRounds; ++round) {
        FakePool pool(name, 1000);
        pool.Fill(random.Below(1000));
        Result<Registration> registration = broker_->Register(
            pool,
            {.min_share_bytes = 10, .erase_unpinned = [&pool](const PoolKey& key) { return pool.EraseUnpinned(key); }});
        ASSERT_TRUE(registration);
        const GrantOutcome grant = broker_->Activate({name, {{name, random.Below(50)}, {"pool0", 1}}});
        others = random.Below(100'000);
        switch (random.Below(4)) {
          case 0: broker_->Tick(); break;
          case 1: broker_->Relieve(random.Below(300)); break;
          case 2: static_cast<void>(broker_->PlanNow()); break;
          default: registration->SetLimit(500 + random.Below(500)); break;
        }
        static_cast<void>(broker_->Snapshot());
        pool.Fill(random.Below(50));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  broker_->Stop();
  EXPECT_TRUE(broker_->Snapshot().sources.empty());
  EXPECT_TRUE(broker_->Snapshot().grants.empty());
  EXPECT_GT(broker_->Stats().ticks, 0u);
}

TEST_F(BrokerThreadTest, LeavingWaitsForTheReliefThatUsesThePool) {
  Make({.budget_bytes = 1000});
  Tally entered;
  Tally allowed;
  std::atomic<bool> gone{false};
  FakePool pool("pool", 1000);
  pool.Fill(900);
  pool.before_reclaim = [&](uint64_t) {
    entered.Add();
    allowed.Await(1);
    EXPECT_FALSE(gone);
  };
  Registration registration = Register(pool);
  std::thread relief([&] { broker_->Tick(); });
  ASSERT_TRUE(entered.Await(1));
  std::thread leave([&] {
    registration = Registration();
    gone = true;
  });
  while (!broker_->Snapshot().sources.empty()) std::this_thread::yield();  // it is on its way out
  EXPECT_FALSE(gone);
  allowed.Add();
  leave.join();
  relief.join();
  EXPECT_TRUE(gone);
  EXPECT_EQ(pool.used(), 600u);
}

TEST_F(BrokerThreadTest, AlertsMayCallTheBroker) {
  uint64_t seen = 0;
  Make({.budget_bytes = 1000, .alerts = [&](const Alert&) {
          seen += broker_->Snapshot().stats.passes;
          broker_->Tick();
        }});
  FakePool pool("pool", 1000);
  pool.Fill(900);
  const Registration a = Register(pool);
  broker_->Tick();
  EXPECT_EQ(seen, 1u);
}

}  // namespace
}  // namespace weir
