#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "core.h"
#include "weir/base/bytes.h"

namespace weir::broker {
namespace {

// Rounds of plan, apply and look again in one relief: another one follows only when a source gave less than planned, and
// asks the others for the rest.
constexpr uint32_t kPassesMax = 8;
// Less than this is not looked for in the kernel's figures: they are kept per processor and lag behind.
constexpr uint64_t kJudgedFrom = 4ull << 20;
constexpr int kStrikesMax = 2;

uint64_t Minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// What the kernel counts: the largest fall of what can be read in both readings.
std::optional<uint64_t> FallOf(const Headroom& before, const Headroom& after) {
  std::optional<uint64_t> fall;
  if (before.resident_bytes && after.resident_bytes) fall = Minus(*before.resident_bytes, *after.resident_bytes);
  const MemoryBound* const bound = before.tightest();
  if (bound == nullptr) return fall;
  for (const MemoryBound& now : after.bounds) {
    if (now.source == bound->source) fall = std::max(fall.value_or(0), Minus(bound->used_bytes, now.used_bytes));
  }
  return fall;
}

// How much the pools in host memory may add before the low mark of any limit is reached.
uint64_t GrowthOf(const Headroom& reading, const PressureView& view) {
  uint64_t growth = UINT64_MAX;
  for (const MemoryBound& bound : reading.bounds) {
    if (bound.limit_bytes == 0) continue;
    const uint64_t low = view.headroom_low_bytes > 0 ? view.headroom_low_bytes : bound.limit_bytes / 10;
    growth = std::min(growth, Minus(bound.headroom_bytes(), low));
  }
  return growth;
}

// What this relief has to tell about one source, before the gate decides whether it is told now.
std::optional<Alert> AlertOf(const ReliefReport& report, const SourceView& source, uint64_t wanted, uint64_t released) {
  Alert alert{.source = source.name, .bytes_wanted = wanted, .bytes_released = released};
  if (wanted > 0 && released > 0) {
    alert.text = fmt::format("pool '{}' gave back {} of {}", source.name, FormatByteSize(released), FormatByteSize(wanted));
    return alert;
  }
  const bool holds_back = source.managed() && source.takeable_bytes() == 0 && source.used_bytes > source.guaranteed_bytes;
  if (wanted == 0) {  // it was not even asked
    if (report.plan.bytes_short == 0 || report.on_hold || !holds_back) return std::nullopt;
    alert.bytes_wanted = report.plan.bytes_short;
  }
  alert.kind = AlertKind::kStuck;
  alert.text = fmt::format("pool '{}' is hot and stuck: {} wanted, nothing could be freed", source.name,
                           FormatByteSize(alert.bytes_wanted));
  return alert;
}

}  // namespace

void Core::Look(Relief& relief) {
  relief.held.Read();
  for (const std::string& name : relief.dry) {
    relief.held.Find(name)->view.price_per_byte = std::numeric_limits<double>::infinity();
  }
  relief.reading = ReadSensor();
  relief.view = ViewOf(relief.held, relief.reading);
  Advance(relief.state, relief.view);
}

ReliefReport Core::Relieve(std::optional<uint64_t> asked_bytes) {
  std::vector<Alert> alerts;
  ReliefReport report = RelieveQuietly(asked_bytes, alerts);
  if (options_.alerts) {
    for (const Alert& alert : alerts) Guard(&BrokerStats::alert_failures, [&] { options_.alerts(alert); });
  }
  return report;
}

ReliefReport Core::RelieveQuietly(std::optional<uint64_t> asked_bytes, std::vector<Alert>& alerts) {
  const Turn turn(*this);
  Relief relief(*this);
  relief.deadline = Now() + options_.relief_time;
  {
    const std::lock_guard lock(mutex_);
    relief.state = state_;
    stats_.ticks += asked_bytes ? 0 : 1;
  }
  Look(relief);
  relief.report.fill_before = relief.view.fill();
  relief.report.level_before = relief.view.devices.front().level();
  RunPasses(asked_bytes, relief);
  Rebalance(relief);
  Remember(relief.view, relief.reading, relief.state);
  alerts = CollectAlerts(relief);
  const std::lock_guard lock(mutex_);
  stats_.passes += relief.report.passes;
  stats_.entries += relief.report.total.entries;
  stats_.bytes_accounted += relief.report.total.bytes_accounted;
  stats_.bytes_released += relief.report.total.bytes_released;
  stats_.bytes_seen += relief.report.bytes_seen.value_or(0);
  stats_.deadlines += relief.report.total.deadline_reached ? 1 : 0;
  stats_.passes_on_hold += relief.report.on_hold ? 1 : 0;
  if (relief.report.triggered) last_relief_ = relief.report;
  return std::move(relief.report);
}

void Core::RunPasses(std::optional<uint64_t> asked_bytes, Relief& relief) {
  ReliefReport& report = relief.report;
  while (report.passes < kPassesMax) {
    const Plan plan = MakePlan(relief.view, asked_bytes);
    if (report.passes == 0) {
      report.plan = plan;
      report.triggered = !plan.demands.empty() || !plan.steps.empty();
    }
    if (plan.empty()) return;
    if (!asked_bytes) {
      const std::lock_guard lock(mutex_);
      if (Now() < hold_until_) {
        report.on_hold = report.passes == 0;
        return;
      }
    }
    ++report.passes;
    const uint64_t used_before = relief.held.HostBytes();
    const Headroom before = relief.reading;
    Apply(plan, relief);
    Look(relief);
    Judge(relief, used_before, before);
    if (relief.released_in_pass >= plan.bytes_planned || report.total.deadline_reached) return;
    if (asked_bytes) asked_bytes = plan.bytes_wanted - relief.released_in_pass;
  }
}

void Core::Apply(const Plan& plan, Relief& relief) {
  relief.released_in_pass = 0;
  relief.credit.clear();
  for (const PlanStep& step : plan.steps) {
    HeldSource* const target = relief.held.Find(step.source);
    if (target == nullptr) continue;
    if (Now() >= relief.deadline) {
      relief.report.total.deadline_reached = true;
      return;
    }
    uint64_t& credit = relief.credit[step.device];
    const uint64_t asked = Minus(step.bytes, credit);
    credit -= std::min(credit, step.bytes);
    if (step.bytes > 0 && asked == 0) continue;
    // Pools change by themselves, and an earlier step may have taken from this one: what is guaranteed is looked at last.
    const uint64_t takeable = TakeableNow(*target);
    if (takeable == 0) continue;
    ApplyStep(step, *target, std::min(asked, takeable), std::min(step.bytes_max, takeable), relief);
  }
}

uint64_t Core::TakeableNow(const HeldSource& target) {
  uint64_t used = 0;
  Guard(&BrokerStats::source_failures, [&] { used = target.source->pool.Stats().used_bytes(); });
  return Minus(used, target.view.guaranteed_bytes);
}

void Core::ApplyStep(const PlanStep& step, HeldSource& target, uint64_t asked, uint64_t idle_max, Relief& relief) {
  Reclaimed done;
  switch (step.kind) {
    case StepKind::kFarthestFirst: done = EvictFarthest(target, asked, relief.deadline); break;
    case StepKind::kReclaim:
      Guard(&BrokerStats::source_failures, [&] { done = target.source->pool.Reclaim(asked, relief.deadline); });
      break;
    case StepKind::kDropIdle:
    case StepKind::kOffloadIdle:
      Guard(&BrokerStats::source_failures,
            [&] { done = target.source->pool.DropIdle(step.idle, idle_max, relief.deadline); });
      break;
  }
  relief.credit[step.device] = AddSaturating(relief.credit[step.device], Minus(done.bytes_released, asked));
  relief.released_in_pass = AddSaturating(relief.released_in_pass, done.bytes_released);
  relief.report.total.Add(done);
  if (asked > 0) {  // an idle step that finds nothing idle is no failure
    Relief::Attempt& attempt = relief.attempts[step.source];
    attempt.wanted = std::max(attempt.wanted, AddSaturating(attempt.released, asked));
    attempt.released = AddSaturating(attempt.released, done.bytes_released);
    if (done.bytes_released < asked && !done.deadline_reached) relief.dry.insert(step.source);
  }
  relief.report.steps.push_back({step, asked, done});
}

// Erasing frees room inside extents; the pool's own reclaim then empties and unmaps those that are worth least.
Reclaimed Core::EvictFarthest(HeldSource& target, uint64_t bytes, TimePoint deadline) {
  Reclaimed done;
  std::vector<PoolKey> keys;
  Guard(&BrokerStats::order_failures, [&] { keys = options_.order->FarthestFirst(target.view.name, bytes); });
  Guard(&BrokerStats::source_failures, [&] {
    const uint64_t released_before = target.source->pool.Stats().released_bytes;
    for (const PoolKey& key : keys) {
      if (done.bytes_accounted >= bytes) break;
      if (Now() >= deadline) {
        done.deadline_reached = true;
        break;
      }
      const uint64_t freed = target.source->options.erase_unpinned(key);
      done.entries += freed > 0 ? 1 : 0;
      done.bytes_accounted = AddSaturating(done.bytes_accounted, freed);
    }
    done.bytes_released = Minus(target.source->pool.Stats().released_bytes, released_before);
    if (done.bytes_released < bytes && !done.deadline_reached) {
      done.Add(target.source->pool.Reclaim(bytes - done.bytes_released, deadline));
    }
  });
  return done;
}

// Compares what the pools' books fell by, growth meanwhile included, with what the kernel counts.
void Core::Judge(Relief& relief, uint64_t used_before, const Headroom& before) {
  ReliefReport& report = relief.report;
  const uint64_t expected = Minus(used_before, relief.held.HostBytes());
  const std::optional<uint64_t> seen = FallOf(before, relief.reading);
  report.bytes_expected = AddSaturating(report.bytes_expected, expected);
  if (!seen) return;
  report.bytes_seen = AddSaturating(report.bytes_seen.value_or(0), *seen);
  if (expected < kJudgedFrom) return;
  if (*seen >= expected / 2) {
    strikes_ = 0;
    return;
  }
  report.not_released = true;
  const std::lock_guard lock(mutex_);
  ++stats_.not_released;
  if (++strikes_ < kStrikesMax) return;
  strikes_ = 0;
  ++stats_.pauses;
  hold_until_ = Now() + options_.unreleased_pause;
}

void Core::Rebalance(const Relief& relief) {
  for (const DeviceView& device : relief.view.devices) {
    std::vector<const HeldSource*> members;
    std::vector<Claim> claims;
    for (const HeldSource& held : relief.held.sources()) {
      const SourceView& view = held.view;
      if (view.device != device.name || !view.managed()) continue;
      members.push_back(&held);
      claims.push_back({view.used_bytes, view.limit_bytes, view.guaranteed_bytes, view.granted_bytes});
    }
    const bool host = device.name.empty();
    uint64_t growth = UINT64_MAX;
    if (host) {
      growth = device.is_short ? 0 : GrowthOf(relief.reading, relief.view);
    } else if (device.headroom_bytes()) {
      growth = Minus(*device.headroom_bytes(), *device.total_bytes / 20 * 3);  // up to where the pressure mode begins
    }
    const std::vector<uint64_t> budgets = Allot(claims, host ? options_.budget_bytes : 0, growth);
    for (size_t i = 0; i < members.size(); ++i) {
      if (budgets[i] == members[i]->view.budget_bytes) continue;
      Guard(&BrokerStats::source_failures, [&] { members[i]->source->pool.SetBudget(budgets[i]); });
    }
  }
}

std::vector<Alert> Core::CollectAlerts(const Relief& relief) {
  const ReliefReport& report = relief.report;
  std::vector<Alert> alerts;
  const std::lock_guard lock(mutex_);
  const TimePoint now = Now();
  const auto pass = [&](AlertGate& gate, std::optional<AlertKind> state) {
    const AlertGate::Verdict verdict = gate.Next(state, now, options_.alert_interval);
    stats_.alerts_held += verdict == AlertGate::Verdict::kHold ? 1 : 0;
    return verdict == AlertGate::Verdict::kSend;
  };
  for (const HeldSource& held : relief.held.sources()) {
    const auto found = relief.attempts.find(held.view.name);
    const Relief::Attempt attempt = found == relief.attempts.end() ? Relief::Attempt{} : found->second;
    std::optional<Alert> alert = AlertOf(report, held.view, attempt.wanted, attempt.released);
    if (alert && alert->kind == AlertKind::kStuck) ++stats_.stuck;
    const bool send = pass(held.source->gate, alert ? std::optional(alert->kind) : std::nullopt);
    if (send) alerts.push_back(*std::move(alert));
  }
  if (pass(release_gate_, now < hold_until_ ? std::optional(AlertKind::kNotReleased) : std::nullopt)) {
    const uint64_t seen = report.bytes_seen.value_or(0);
    alerts.push_back({AlertKind::kNotReleased,
                      {},
                      report.bytes_expected,
                      seen,
                      fmt::format("evicted but not released: the pools hold {} less, the kernel counts {} less; evicting is "
                                  "on hold",
                                  FormatByteSize(report.bytes_expected), FormatByteSize(seen))});
  }
  stats_.alerts += alerts.size();
  return alerts;
}

Plan Core::PlanNow(std::optional<uint64_t> asked_bytes) {
  const Turn turn(*this);
  Relief relief(*this);
  {
    const std::lock_guard lock(mutex_);
    relief.state = state_;
  }
  Look(relief);
  return MakePlan(relief.view, asked_bytes);
}

}  // namespace weir::broker
