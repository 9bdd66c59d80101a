#include "weir/broker/broker.h"

#include <fmt/format.h>

#include "core.h"
#include "weir/base/bytes.h"
#include "weir/base/check.h"

namespace weir {

std::string_view AlertName(AlertKind kind) {
  switch (kind) {
    case AlertKind::kRelieved: return "relieved";
    case AlertKind::kStuck: return "stuck";
    case AlertKind::kNotReleased: return "not_released";
  }
  WEIR_CHECK(false, "alert {}", static_cast<int>(kind));
  return {};
}

Status BrokerOptions::Validate() const {
  if (headroom_low_bytes > 0 && headroom_high_bytes > 0 && headroom_high_bytes < headroom_low_bytes) {
    return InvalidArgument(fmt::format("the high water mark of headroom ({}) is below the low one ({})",
                                       FormatByteSize(headroom_high_bytes), FormatByteSize(headroom_low_bytes)));
  }
  if (workflow_aware && order == nullptr) {
    return InvalidArgument("workflow-aware eviction needs somebody who knows the order");
  }
  const Duration zero{0};
  if (period <= zero || period_pressed <= zero || period_emergency <= zero || relief_time <= zero) {
    return InvalidArgument("periods and the time of a relief must be above 0");
  }
  if (unreleased_pause < zero || alert_interval < zero) return InvalidArgument("a pause cannot be below 0");
  return {};
}

void Registration::SetLimit(uint64_t bytes) {
  WEIR_CHECK(broker_ != nullptr, "SetLimit of no registration");
  broker_->core_->SetLimit(id_, bytes);
}
void Registration::Leave() { broker_->core_->Leave(id_); }
void Grant::Return() { broker_->core_->ReturnGrant(id_); }

Broker::Broker(std::unique_ptr<broker::Core> core) : core_(std::move(core)) {}
Broker::~Broker() = default;

Result<std::unique_ptr<Broker>> Broker::Create(Sensor& sensor, BrokerOptions options) {
  WEIR_TRY(options.Validate());
  return std::unique_ptr<Broker>(new Broker(std::make_unique<broker::Core>(sensor, std::move(options))));
}

Result<Registration> Broker::Register(Reclaimable& source, SourceOptions options) {
  WEIR_ASSIGN(const uint64_t id, core_->Register(source, std::move(options)));
  return Registration(this, id);
}

GrantOutcome Broker::Activate(const WorkflowBudget& budget) {
  GrantOutcome outcome;
  const Result<uint64_t> id = core_->Activate(budget, outcome.shortages);
  if (id) {
    outcome.grant = Grant(this, *id);
    core_->WakeThread();
  }
  return outcome;
}

ReliefReport Broker::Tick() { return core_->Relieve(std::nullopt); }
Plan Broker::PlanNow(std::optional<uint64_t> asked_bytes) { return core_->PlanNow(asked_bytes); }
ReliefReport Broker::Relieve(uint64_t bytes) { return core_->Relieve(bytes); }
BrokerSnapshot Broker::Snapshot() const { return core_->Snapshot(); }
BrokerStats Broker::Stats() const { return core_->Stats(); }
bool Broker::accepts_new() const { return core_->accepts_new(); }
void Broker::SetWorkflowAware(bool on) { core_->SetWorkflowAware(on); }
Status Broker::Start() { return core_->Start(); }
void Broker::Stop() { core_->Stop(); }

}  // namespace weir
