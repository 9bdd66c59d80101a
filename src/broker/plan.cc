#include "weir/broker/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "weir/base/bytes.h"
#include "weir/base/check.h"

namespace weir {
namespace {

constexpr Duration kIdleNormal = std::chrono::seconds(120);
constexpr Duration kIdleCritical = std::chrono::seconds(30);
constexpr uint64_t kPart = 4;  // of what can be taken: how much goes at a time below an emergency
// What an unreadable price counts as: dearer than any real one, so such bytes go last.
constexpr double kDearest = 1e300;

uint64_t Minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// The part of a plan that concerns one memory.
class DevicePlan {
 public:
  DevicePlan(const PressureView& view, const DeviceView& device) : view_(view), device_(device) {
    for (const SourceView& source : view.sources) {
      if (source.managed() && source.device == device.name) sources_.push_back(&source);
    }
    for (const SourceView* source : sources_) takeable_ = AddSaturating(takeable_, source->takeable_bytes());
  }

  void Ask(uint64_t bytes) { Want(Trigger::kAsked, bytes); }

  void AskByState() {
    if (device_.name.empty()) AskByBudget();
    AskByHeadroom();
    AskByMode();
  }

  void AddTo(Plan& plan, bool with_idle) {
    if (with_idle) AddIdleSteps(plan);
    AddVictims(plan);
    plan.demands.insert(plan.demands.end(), demands_.begin(), demands_.end());
    plan.bytes_wanted = AddSaturating(plan.bytes_wanted, wanted_);
  }

 private:
  void Want(Trigger trigger, uint64_t bytes) {
    if (bytes == 0) return;
    demands_.push_back({trigger, device_.name, bytes});
    wanted_ = std::max(wanted_, bytes);
  }

  void AskByBudget() {
    if (view_.budget_bytes == 0) return;
    if (view_.tier >= FillTier::kHigh) {
      Want(Trigger::kBudget, FillReliefBytes(view_.used_bytes(), view_.budget_bytes));
    }
    uint64_t committed = 0;
    for (const SourceView* source : sources_) {
      committed = AddSaturating(committed, std::max(source->used_bytes, source->granted_bytes));
    }
    const bool has_grants = std::any_of(sources_.begin(), sources_.end(), [](auto* s) { return s->granted_bytes > 0; });
    if (has_grants) Want(Trigger::kGrant, Minus(committed, view_.budget_bytes));
  }

  void AskByHeadroom() {
    const std::optional<uint64_t> headroom = device_.headroom_bytes();
    if (!headroom || !device_.is_short) return;
    Want(Trigger::kHeadroom, Minus(MarksOf(device_, view_).high_bytes, *headroom));
  }

  void AskByMode() {
    if (!device_.used_bytes || !device_.total_bytes || device_.mode < PressureMode::kPressure) return;
    const auto target = static_cast<uint64_t>(static_cast<double>(*device_.total_bytes) * kModeTarget);
    const uint64_t over = Minus(*device_.used_bytes, target);
    const uint64_t part = std::max<uint64_t>(takeable_ / kPart, 1);
    Want(Trigger::kMode, device_.mode == PressureMode::kEmergency ? over : std::min(over, part));
  }

  bool by_order(const SourceView& source) const { return view_.workflow_aware && source.ordered; }

  // Entries that nobody used for a while; how much that gives is not known before.
  void AddIdleSteps(Plan& plan) const {
    const PressureMode mode = device_.mode;
    if (mode != PressureMode::kNormal && mode < PressureMode::kCritical) return;
    for (const SourceView* source : sources_) {
      if (source->takeable_bytes() == 0 || by_order(*source)) continue;
      const bool offload = mode == PressureMode::kCritical && source->offloads;
      plan.steps.push_back({.kind = offload ? StepKind::kOffloadIdle : StepKind::kDropIdle,
                            .source = source->name,
                            .device = device_.name,
                            .bytes_max = source->takeable_bytes(),
                            .idle = mode == PressureMode::kNormal ? kIdleNormal : kIdleCritical,
                            .price = source->effective_price()});
    }
  }

  void AddVictims(Plan& plan) const {
    if (wanted_ == 0) return;
    std::vector<Victim> victims;
    for (const SourceView* source : sources_) {
      const uint64_t takeable = source->takeable_bytes();
      const double price = takeable > 0 ? source->effective_price() : 0;
      victims.push_back({source->used_bytes, takeable, price, source->priority});
    }
    const std::vector<uint64_t> given = SpreadByPrice(victims, wanted_);
    const size_t first = plan.steps.size();
    uint64_t planned = 0;
    for (size_t i = 0; i < given.size(); ++i) {
      if (given[i] == 0) continue;
      planned += given[i];
      plan.steps.push_back({.kind = by_order(*sources_[i]) ? StepKind::kFarthestFirst : StepKind::kReclaim,
                            .source = sources_[i]->name,
                            .device = device_.name,
                            .bytes = given[i],
                            .price = victims[i].price});
    }
    std::stable_sort(plan.steps.begin() + static_cast<std::ptrdiff_t>(first), plan.steps.end(),
                     [](const PlanStep& a, const PlanStep& b) { return a.price < b.price; });
    plan.bytes_planned = AddSaturating(plan.bytes_planned, planned);
    if (planned < wanted_) SayShort(plan, wanted_ - planned);
  }

  void SayShort(Plan& plan, uint64_t lacking) const {
    plan.bytes_short = AddSaturating(plan.bytes_short, lacking);
    uint64_t guaranteed = 0;
    uint64_t held = 0;
    for (const SourceView* source : sources_) {
      const uint64_t kept = std::min(source->used_bytes, source->guaranteed_bytes);
      guaranteed = AddSaturating(guaranteed, kept);
      if (source->takeable_bytes() == 0) held = AddSaturating(held, source->used_bytes - kept);
    }
    if (!plan.why_short.empty()) plan.why_short += "; ";
    plan.why_short += fmt::format(
        "{} of {} cannot be given back: pools hold {}, of which {} are guaranteed and {} cannot be "
        "given up now (pinned, kept or being loaded)",
        FormatByteSize(lacking), FormatByteSize(wanted_), FormatByteSize(UsedHere()), FormatByteSize(guaranteed),
        FormatByteSize(held));
  }

  uint64_t UsedHere() const {
    uint64_t used = 0;
    for (const SourceView* source : sources_) used = AddSaturating(used, source->used_bytes);
    return used;
  }

  const PressureView& view_;
  const DeviceView& device_;
  std::vector<const SourceView*> sources_;
  std::vector<Demand> demands_;
  uint64_t takeable_ = 0;
  uint64_t wanted_ = 0;
};

}  // namespace

uint64_t AddSaturating(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

double SourceView::fill() const {
  if (used_bytes == 0) return 0;
  return budget_bytes == 0 ? 1 : static_cast<double>(used_bytes) / static_cast<double>(budget_bytes);
}

uint64_t SourceView::takeable_bytes() const {
  if (!managed() || (std::isinf(price_per_byte) && price_per_byte > 0)) return 0;
  return Minus(used_bytes, guaranteed_bytes);
}

double SourceView::effective_price() const {
  if (!(price_per_byte >= 0)) return kDearest;
  return std::min(kDearest, std::ldexp(price_per_byte, static_cast<int>(priority) - static_cast<int>(kPriorityDefault)));
}

std::optional<uint64_t> DeviceView::headroom_bytes() const {
  if (!total_bytes || !used_bytes) return std::nullopt;
  return Minus(*total_bytes, *used_bytes);
}

std::optional<double> DeviceView::level() const {
  if (!total_bytes || !used_bytes || *total_bytes == 0) return std::nullopt;
  return static_cast<double>(*used_bytes) / static_cast<double>(*total_bytes);
}

uint64_t PressureView::used_bytes() const {
  uint64_t used = 0;
  for (const SourceView& source : sources) {
    if (source.managed() && source.device.empty()) used = AddSaturating(used, source.used_bytes);
  }
  return used;
}

uint64_t PressureView::capacity_bytes() const {
  if (budget_bytes > 0) return budget_bytes;
  uint64_t limits = 0;
  for (const SourceView& source : sources) {
    if (source.device.empty()) limits = AddSaturating(limits, source.limit_bytes);
  }
  return limits;
}

double PressureView::fill() const {
  const uint64_t capacity = capacity_bytes();
  if (capacity == 0) return 0;
  return static_cast<double>(used_bytes()) / static_cast<double>(capacity);
}

WaterMarks MarksOf(const DeviceView& device, const PressureView& view) {
  if (!device.name.empty()) return {};
  const uint64_t total = device.total_bytes.value_or(0);
  WaterMarks marks{total / 10, total / 20 * 3};
  if (view.headroom_low_bytes > 0) marks.low_bytes = view.headroom_low_bytes;
  if (view.headroom_high_bytes > 0) marks.high_bytes = view.headroom_high_bytes;
  marks.low_bytes = std::min(marks.low_bytes, total);
  marks.high_bytes = std::clamp(marks.high_bytes, marks.low_bytes, total);
  return marks;
}

Plan MakePlan(const PressureView& view, std::optional<uint64_t> asked_bytes) {
  Plan plan;
  if (asked_bytes) {
    const DeviceView host = view.devices.empty() ? DeviceView{} : view.devices.front();
    DevicePlan part(view, host);
    part.Ask(*asked_bytes > 0 ? *asked_bytes : FillReliefBytes(view.used_bytes(), view.capacity_bytes()));
    part.AddTo(plan, false);
    return plan;
  }
  for (const DeviceView& device : view.devices) {
    DevicePlan part(view, device);
    part.AskByState();
    part.AddTo(plan, true);
  }
  return plan;
}

}  // namespace weir
