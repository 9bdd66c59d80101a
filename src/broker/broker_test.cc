#include "weir/broker/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "fake_machine.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

// A machine of 100,000 bytes with a tenth in use by others, a clock set by hand, and a broker.
class BrokerTest : public ::testing::Test {
 protected:
  void SetUp() override { sensor_.SetBound(100'000, 10'000); }

  void Make(BrokerOptions options = {}) {
    options.clock = &clock_;
    if (!options.alerts) options.alerts = [this](const Alert& alert) { alerts_.push_back(alert); };
    Result<std::unique_ptr<Broker>> broker = Broker::Create(sensor_, std::move(options));
    ASSERT_TRUE(broker) << broker.error().ToString();
    broker_ = *std::move(broker);
  }
  Registration Register(Reclaimable& pool, SourceOptions options = {}) {
    Result<Registration> registration = broker_->Register(pool, std::move(options));
    EXPECT_TRUE(registration) << registration.error().ToString();
    return registration ? *std::move(registration) : Registration();
  }
  // The machine's use follows the pool: `base` bytes and what the pool keeps resident.
  void Follow(const FakePool& pool, uint64_t limit, uint64_t base) {
    sensor_.Set([&pool, limit, base] {
      Headroom headroom;
      headroom.bounds.push_back({"fake", limit, base + pool.resident(), std::nullopt});
      headroom.resident_bytes = base + pool.resident();
      return headroom;
    });
  }

  ManualClock clock_;
  FakeSensor sensor_;
  std::vector<Alert> alerts_;
  std::unique_ptr<Broker> broker_;
};

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

}  // namespace
}  // namespace weir
