#include <fmt/format.h>

#include <algorithm>

#include "core.h"
#include "weir/base/bytes.h"
#include "weir/base/check.h"

namespace weir {

std::string_view ReasonName(ShortageReason reason) {
  switch (reason) {
    case ShortageReason::kUnknownPool: return "unknown_pool";
    case ShortageReason::kUnmanaged: return "unmanaged";
    case ShortageReason::kLimit: return "limit";
    case ShortageReason::kBudget: return "budget";
    case ShortageReason::kMemory: return "memory";
    case ShortageReason::kEmergency: return "emergency";
  }
  WEIR_CHECK(false, "reason {}", static_cast<int>(reason));
  return {};
}

namespace {

std::string_view ReasonText(ShortageReason reason) {
  switch (reason) {
    case ShortageReason::kUnknownPool: return "no pool of that name is registered";
    case ShortageReason::kUnmanaged: return "the pool has no budget of its own";
    case ShortageReason::kLimit: return "more than the pool may use beside what it is guaranteed already";
    case ShortageReason::kBudget: return "the byte budget is guaranteed to others";
    case ShortageReason::kMemory: return "the memory is not there, even with all given back that can be";
    case ShortageReason::kEmergency: return "memory is so short that nothing new is taken";
  }
  return {};
}

}  // namespace

std::string Shortage::ToString() const {
  return fmt::format("pool '{}' lacks {} of {}: {}", pool, FormatByteSize(lacking_bytes), FormatByteSize(wanted_bytes),
                     ReasonText(reason));
}

Error GrantOutcome::ToError() const {
  WEIR_CHECK(!granted(), "a grant is no error");
  bool unknown = false;
  std::string text;
  for (const Shortage& shortage : shortages) {
    unknown |= shortage.reason == ShortageReason::kUnknownPool;
    text += (text.empty() ? "" : "; ") + shortage.ToString();
  }
  return unknown ? NotFound(std::move(text)) : Exhausted(std::move(text));
}

namespace broker {
namespace {

struct Need {
  uint64_t bytes = 0;
  const SourceView* view = nullptr;
};

uint64_t Minus(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

// Takes `bytes` out of `left`; what is lacking.
uint64_t TakeFrom(uint64_t& left, uint64_t bytes) {
  const uint64_t lacking = Minus(bytes, left);
  left = Minus(left, bytes);
  return lacking;
}

// Checks in the order in which a refusal is easiest to act on; one reason for each pool.
class GrantCheck {
 public:
  GrantCheck(std::map<std::string, Need> needs, std::vector<Shortage>& shortages)
      : needs_(std::move(needs)), shortages_(shortages) {}

  void CheckPools() {
    for (const auto& [name, need] : needs_) {
      if (need.view == nullptr) {
        Lack(name, need, ShortageReason::kUnknownPool, need.bytes);
      } else if (!need.view->managed()) {
        Lack(name, need, ShortageReason::kUnmanaged, need.bytes);
      } else {
        const uint64_t wanted = AddSaturating(need.view->guaranteed_bytes, need.bytes);
        Lack(name, need, ShortageReason::kLimit, Minus(wanted, need.view->limit_bytes));
      }
    }
  }

  void CheckBudget(uint64_t budget_bytes, uint64_t guaranteed_bytes) {
    if (budget_bytes == 0) return;
    uint64_t left = Minus(budget_bytes, guaranteed_bytes);
    for (const auto& [name, need] : needs_) {
      if (need.view == nullptr || !need.view->device.empty()) continue;
      Lack(name, need, ShortageReason::kBudget, TakeFrom(left, need.bytes));
    }
  }

  // Of one device: nothing in an emergency, else what is free and what other pools there could give back.
  void CheckMemory(const DeviceView& device, const std::vector<const SourceView*>& all) {
    const std::optional<uint64_t> headroom = device.headroom_bytes();
    uint64_t left = headroom.value_or(UINT64_MAX);
    for (const SourceView* view : all) {
      if (view->device == device.name && needs_.find(view->name) == needs_.end()) {
        left = AddSaturating(left, view->takeable_bytes());
      }
    }
    for (const auto& [name, need] : needs_) {
      if (need.view == nullptr || need.view->device != device.name) continue;
      if (device.mode == PressureMode::kEmergency) Lack(name, need, ShortageReason::kEmergency, need.bytes);
      const uint64_t held = Minus(need.view->used_bytes, need.view->guaranteed_bytes);
      Lack(name, need, ShortageReason::kMemory, TakeFrom(left, Minus(need.bytes, held)));
    }
  }

 private:
  void Lack(const std::string& name, const Need& need, ShortageReason reason, uint64_t lacking) {
    const auto same = [&](const Shortage& shortage) { return shortage.pool == name; };
    if (lacking == 0 || std::any_of(shortages_.begin(), shortages_.end(), same)) return;
    shortages_.push_back({name, reason, need.bytes, lacking});
  }

  const std::map<std::string, Need> needs_;
  std::vector<Shortage>& shortages_;
};

}  // namespace

Result<uint64_t> Core::Activate(const WorkflowBudget& budget, std::vector<Shortage>& shortages) {
  Held held(*this);  // figures of the pools are read before the lock is taken
  const std::lock_guard lock(mutex_);
  std::map<std::string, Need> needs;
  for (const WorkflowBudget::Need& need : budget.needs) {
    Need& sum = needs[need.pool];
    sum.bytes = AddSaturating(sum.bytes, need.bytes);
  }
  std::vector<const SourceView*> all;
  for (HeldSource& source : held.sources()) {
    source.view.guaranteed_bytes = source.source->guaranteed_bytes();  // another grant may have come since
    source.view.limit_bytes = source.source->limit_bytes;
    all.push_back(&source.view);
    const auto need = needs.find(source.view.name);
    if (need != needs.end() && FindById(source.source->id) != nullptr) need->second.view = &source.view;
  }
  GrantCheck check(needs, shortages);
  check.CheckPools();
  check.CheckBudget(options_.budget_bytes, GuaranteedBytes());
  for (const DeviceView& device : devices_) check.CheckMemory(device, all);
  if (!shortages.empty()) {
    ++stats_.grants_refused;
    return Exhausted("not granted");
  }
  GrantRecord record{budget.workflow, budget.needs, {}};
  for (const auto& [name, need] : needs) record.bytes[FindByName(name)->id] = need.bytes;
  const uint64_t id = ++last_id_;
  const auto granted = grants_.emplace(id, std::move(record)).first;  // from here on nothing can fail
  for (const auto& [source_id, bytes] : granted->second.bytes) FindById(source_id)->granted_bytes += bytes;
  ++stats_.grants;
  return id;
}

void Core::ReturnGrant(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    const auto grant = grants_.find(id);
    WEIR_CHECK(grant != grants_.end(), "no grant {}", id);
    for (const auto& [source_id, bytes] : grant->second.bytes) {
      if (Source* const source = FindById(source_id)) source->granted_bytes -= bytes;
    }
    grants_.erase(grant);
  }
  WakeThread();
}

}  // namespace broker
}  // namespace weir
