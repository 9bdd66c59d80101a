#include <fmt/format.h>

#include "weir/base/bytes.h"
#include "weir/base/check.h"
#include "weir/broker/broker.h"

namespace weir {
namespace {

std::string Place(const std::string& device) { return device.empty() ? std::string() : fmt::format(" on {}", device); }

int64_t Seconds(Duration duration) { return std::chrono::duration_cast<std::chrono::seconds>(duration).count(); }

std::string StepText(const PlanStep& step) {
  if (step.kind == StepKind::kDropIdle || step.kind == StepKind::kOffloadIdle) {
    return fmt::format("{} {}{}: entries not used for {} s", StepName(step.kind), step.source, Place(step.device),
                       Seconds(step.idle));
  }
  return fmt::format("{} {}{}: {} at {:.3g} us per KiB", StepName(step.kind), step.source, Place(step.device),
                     FormatByteSize(step.bytes), step.price * 1024);
}

}  // namespace

std::string_view TriggerName(Trigger trigger) {
  switch (trigger) {
    case Trigger::kBudget: return "budget";
    case Trigger::kGrant: return "grant";
    case Trigger::kHeadroom: return "headroom";
    case Trigger::kMode: return "mode";
    case Trigger::kAsked: return "asked";
  }
  WEIR_CHECK(false, "trigger {}", static_cast<int>(trigger));
  return {};
}

std::string_view StepName(StepKind kind) {
  switch (kind) {
    case StepKind::kReclaim: return "reclaim";
    case StepKind::kFarthestFirst: return "farthest-first";
    case StepKind::kDropIdle: return "drop-idle";
    case StepKind::kOffloadIdle: return "offload-idle";
  }
  WEIR_CHECK(false, "step {}", static_cast<int>(kind));
  return {};
}

std::string PlanText(const Plan& plan) {
  if (plan.demands.empty() && plan.steps.empty()) return "nothing to do\n";
  std::string out;
  for (const Demand& demand : plan.demands) {
    out += fmt::format("wanted {}{}: {}\n", TriggerName(demand.trigger), Place(demand.device), FormatByteSize(demand.bytes));
  }
  for (const PlanStep& step : plan.steps) out += StepText(step) + '\n';
  if (plan.bytes_short > 0) out += plan.why_short + '\n';
  return out;
}

std::string ReportText(const ReliefReport& report) {
  if (report.on_hold) return "on hold: memory that was given back did not show up\n";
  if (!report.triggered) return "nothing to do\n";
  std::string out;
  for (const StepOutcome& outcome : report.steps) {
    out += fmt::format("{} {}: {} {}, {} released{}\n", StepName(outcome.step.kind), outcome.step.source,
                       outcome.reclaimed.entries, outcome.reclaimed.entries == 1 ? "entry" : "entries",
                       FormatByteSize(outcome.reclaimed.bytes_released),
                       outcome.reclaimed.deadline_reached ? ", out of time" : "");
  }
  out += fmt::format("released {} of {} wanted", FormatByteSize(report.total.bytes_released),
                     FormatByteSize(report.plan.bytes_wanted));
  if (report.bytes_seen) out += fmt::format("; the kernel counts {} less", FormatByteSize(*report.bytes_seen));
  if (report.not_released) out += "; evicted, but not released";
  out += '\n';
  if (report.plan.bytes_short > 0) out += report.plan.why_short + '\n';
  return out;
}

}  // namespace weir
