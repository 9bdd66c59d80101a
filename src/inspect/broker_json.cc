#include "weir/inspect/broker_json.h"

#include <cmath>
#include <utility>

namespace weir {
namespace {

using Members = Json::Object;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

int64_t Milliseconds(Duration duration) { return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count(); }

Json PoolJson(const SourceSnapshot& source) {
  const SourceView& view = source.view;
  const PoolStats& stats = source.stats;
  return Members{
      {"name", view.name},
      {"device", view.device.empty() ? Json() : Json(view.device)},
      {"managed", view.managed()},
      {"tier", TierName(view.tier)},
      {"pressure", view.fill()},
      {"used_bytes", view.used_bytes},
      {"budget_bytes", view.budget_bytes},
      {"limit_bytes", view.limit_bytes},
      {"guaranteed_bytes", view.guaranteed_bytes},
      {"granted_bytes", view.granted_bytes},
      {"takeable_bytes", view.takeable_bytes()},
      {"price_us_per_byte", view.price_per_byte},  // infinite becomes null
      {"priority", static_cast<int>(view.priority)},
      {"policy", PolicyName(stats.policy)},
      {"mapped_bytes", stats.mapped_bytes},
      {"resource_bytes", stats.resource_bytes},
      {"entry_bytes", stats.entry_bytes},
      {"detached_bytes", stats.detached_bytes},
      {"entries", stats.entries},
      {"pins", stats.pins},
      {"loading", stats.loading},
      {"hits", stats.hits},
      {"misses", stats.misses},
      {"inserts", stats.inserts},
      {"replaced", stats.replaced},
      {"erased", stats.erased},
      {"evictions", stats.evictions},
      {"evicted_bytes", stats.evicted_bytes},
      {"refused_too_large", stats.refused_too_large},
      {"refused_exhausted", stats.refused_exhausted},
      {"loads", stats.loads},
      {"load_failures", stats.load_failures},
      {"coalesced", stats.coalesced},
      {"moved", stats.moved},
      {"released_bytes", stats.released_bytes},
      {"sink_failures", stats.sink_failures},
      {"policy_switches", stats.policy_switches},
  };
}

Json DeviceJson(const DeviceView& device) {
  const bool known = device.level().has_value();
  return Members{
      {"name", device.name.empty() ? "host" : device.name},
      {"source", device.source.empty() ? Json() : Json(device.source)},
      {"total_bytes", OrNull(device.total_bytes)},
      {"used_bytes", OrNull(device.used_bytes)},
      {"headroom_bytes", OrNull(device.headroom_bytes())},
      {"pressure", OrNull(device.level())},
      {"mode", known ? Json(ModeName(device.mode)) : Json()},
      {"short", known ? Json(device.is_short) : Json()},
  };
}

Json StepJson(const PlanStep& step) {
  const bool idle = step.kind == StepKind::kDropIdle || step.kind == StepKind::kOffloadIdle;
  return Members{
      {"step", StepName(step.kind)},
      {"pool", step.source},
      {"device", step.device.empty() ? Json() : Json(step.device)},
      {"bytes", idle ? Json() : Json(step.bytes)},
      {"bytes_max", idle ? Json(step.bytes_max) : Json()},
      {"idle_ms", idle ? Json(Milliseconds(step.idle)) : Json()},
      {"price_us_per_byte", step.price},
  };
}

Json CountersJson(const BrokerStats& stats) {
  return Members{
      {"ticks", stats.ticks},
      {"passes", stats.passes},
      {"entries", stats.entries},
      {"accounted_bytes", stats.bytes_accounted},
      {"released_bytes", stats.bytes_released},
      {"seen_bytes", stats.bytes_seen},
      {"stuck", stats.stuck},
      {"not_released", stats.not_released},
      {"pauses", stats.pauses},
      {"passes_on_hold", stats.passes_on_hold},
      {"deadlines", stats.deadlines},
      {"alerts", stats.alerts},
      {"alerts_held", stats.alerts_held},
      {"alert_failures", stats.alert_failures},
      {"source_failures", stats.source_failures},
      {"order_failures", stats.order_failures},
      {"sensor_failures", stats.sensor_failures},
      {"tick_failures", stats.tick_failures},
      {"grants", stats.grants},
      {"grants_refused", stats.grants_refused},
      {"event_wakes", stats.event_wakes},
  };
}

Json GrantsJson(const std::vector<GrantSnapshot>& grants) {
  Json list = Json::MakeArray();
  for (const GrantSnapshot& grant : grants) {
    Json needs = Json::MakeArray();
    for (const WorkflowBudget::Need& need : grant.needs) {
      needs.Append(Members{{"pool", need.pool}, {"bytes", need.bytes}});
    }
    list.Append(Members{{"workflow", grant.workflow}, {"needs", std::move(needs)}});
  }
  return list;
}

Json StallJson(const std::optional<MemoryStall>& stall) {
  if (!stall) return {};
  return Members{
      {"source", stall->source},
      {"some_avg10", stall->some_avg10},
      {"full_avg10", OrNull(stall->full_avg10)},
      {"some_total_us", stall->some_total_us},
      {"full_total_us", OrNull(stall->full_total_us)},
  };
}

}  // namespace

Json PlanJson(const Plan& plan) {
  Json demands = Json::MakeArray();
  for (const Demand& demand : plan.demands) {
    demands.Append(Members{{"trigger", TriggerName(demand.trigger)},
                           {"device", demand.device.empty() ? Json() : Json(demand.device)},
                           {"bytes", demand.bytes}});
  }
  Json steps = Json::MakeArray();
  for (const PlanStep& step : plan.steps) steps.Append(StepJson(step));
  return Members{
      {"wanted_bytes", plan.bytes_wanted},
      {"planned_bytes", plan.bytes_planned},
      {"short_bytes", plan.bytes_short},
      {"why_short", plan.why_short.empty() ? Json() : Json(plan.why_short)},
      {"demands", std::move(demands)},
      {"steps", std::move(steps)},
      {"text", PlanText(plan)},
  };
}

Json ReliefJson(const ReliefReport& report) {
  Json steps = Json::MakeArray();
  for (const StepOutcome& outcome : report.steps) {
    Json step = StepJson(outcome.step);
    step.Set("asked_bytes", outcome.bytes_asked);
    step.Set("entries", outcome.reclaimed.entries);
    step.Set("accounted_bytes", outcome.reclaimed.bytes_accounted);
    step.Set("released_bytes", outcome.reclaimed.bytes_released);
    step.Set("deadline_reached", outcome.reclaimed.deadline_reached);
    steps.Append(std::move(step));
  }
  return Members{
      {"triggered", report.triggered},
      {"on_hold", report.on_hold},
      {"pressure_before", report.fill_before},
      {"host_pressure_before", OrNull(report.level_before)},
      {"passes", static_cast<uint64_t>(report.passes)},
      {"entries", report.total.entries},
      {"accounted_bytes", report.total.bytes_accounted},
      {"released_bytes", report.total.bytes_released},
      {"expected_bytes", report.bytes_expected},
      {"seen_bytes", OrNull(report.bytes_seen)},
      {"not_released", report.not_released},
      {"deadline_reached", report.total.deadline_reached},
      {"steps", std::move(steps)},
      {"plan", PlanJson(report.plan)},
      {"text", ReportText(report)},
  };
}

Json BrokerJson(const BrokerSnapshot& snapshot) {
  Json pools = Json::MakeArray();
  for (const SourceSnapshot& source : snapshot.sources) pools.Append(PoolJson(source));
  Json devices = Json::MakeArray();
  for (const DeviceView& device : snapshot.devices) devices.Append(DeviceJson(device));
  Json events;
  if (snapshot.events) {
    events = Members{{"source", snapshot.events->source},
                     {"high", OrNull(snapshot.events->high)},
                     {"max", OrNull(snapshot.events->max)},
                     {"oom", OrNull(snapshot.events->oom)},
                     {"oom_kill", OrNull(snapshot.events->oom_kill)}};
  }
  const Json host = snapshot.devices.empty() ? Json() : DeviceJson(snapshot.devices.front());
  const Json* const mode = host.Find("mode");
  return Members{
      {"budget_bytes", snapshot.budget_bytes > 0 ? Json(snapshot.budget_bytes) : Json()},
      {"used_bytes", snapshot.used_bytes},
      {"capacity_bytes", snapshot.capacity_bytes},
      {"pressure", snapshot.fill},
      {"tier", TierName(snapshot.tier)},
      {"mode", mode != nullptr ? *mode : Json()},
      {"workflow_aware", snapshot.workflow_aware},
      {"accepts_new", snapshot.accepts_new},
      {"on_hold_ms", Milliseconds(snapshot.on_hold_for)},
      {"reading_age_ms", snapshot.reading_age ? Json(Milliseconds(*snapshot.reading_age)) : Json()},
      {"resident_bytes", OrNull(snapshot.resident_bytes)},
      {"pools", std::move(pools)},
      {"devices", std::move(devices)},
      {"events", std::move(events)},
      {"stall", StallJson(snapshot.stall)},
      {"counters", CountersJson(snapshot.stats)},
      {"grants", GrantsJson(snapshot.grants)},
      {"last_relief", snapshot.last_relief ? ReliefJson(*snapshot.last_relief) : Json()},
  };
}

}  // namespace weir
