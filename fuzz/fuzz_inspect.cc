// Requests to a process with pools: whatever the line, the answer is an object that reads back the same, and what is
// guaranteed stays.

#include "fuzz_input.h"
#include "requests.h"
#include "testing/fake_machine.h"
#include "weir/broker/broker.h"

namespace {

constexpr uint64_t kShare = 40;

struct Machine {
  weir::FakeSensor sensor;
  std::unique_ptr<weir::Broker> broker;
  weir::FakePool pool{"pool", 1000};
  weir::Registration registration;

  Machine() {
    sensor.SetBound(100'000, 10'000);
    broker = *weir::Broker::Create(sensor, {.budget_bytes = 1000});
    registration = *broker->Register(pool, {.min_share_bytes = kShare});
  }
};

}  // namespace

void weir::fuzz::Run(std::string_view input) {
  static Machine machine;
  if (machine.pool.used() < 2 * kShare) machine.pool.Fill(200);
  const Json answer = inspect::AnswerTo(input, *machine.broker, "fuzz");
  WEIR_FUZZ_CHECK(answer.is_object());
  WEIR_FUZZ_CHECK(machine.pool.used() >= kShare);
  const std::string text = answer.Dump();
  WEIR_FUZZ_CHECK(text.find('\n') == std::string::npos);
  WEIR_FUZZ_CHECK(Json::Parse(text).has_value());
}
