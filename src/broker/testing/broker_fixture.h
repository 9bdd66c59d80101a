#pragma once
// BrokerTest: a machine of 100,000 bytes with a tenth in use by others, a clock set by hand, and a broker.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fake_machine.h"
#include "weir/broker/broker.h"

namespace weir {

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
  // The machine's use follows the pool: `others` and what the pool keeps resident.
  void Follow(const FakePool& pool, uint64_t limit, uint64_t others) {
    sensor_.Set([&pool, limit, others] {
      Headroom headroom;
      headroom.bounds.push_back({"fake", limit, others + pool.resident(), std::nullopt});
      headroom.resident_bytes = others + pool.resident();
      return headroom;
    });
  }
  std::vector<std::string> AlertTexts() const {
    std::vector<std::string> texts;
    for (const Alert& alert : alerts_) texts.push_back(std::string(AlertName(alert.kind)) + " " + alert.source);
    return texts;
  }
  PressureMode mode() const { return broker_->Snapshot().devices.front().mode; }

  ManualClock clock_;
  FakeSensor sensor_;
  std::vector<Alert> alerts_;
  std::unique_ptr<Broker> broker_;
};

}  // namespace weir
