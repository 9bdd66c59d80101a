#pragma once
// Plan: which pool gives how much memory back, and why. Made from a snapshot by pure functions, so that it can be shown
// before it is done and tested without pools.
//
// Victims are chosen across pools by what their bytes are worth (Reclaimable::PricePerByte times priority). A pool gets
// dearer as it shrinks: its hit ratio goes about with the logarithm of its size, so a byte is worth 1/size. The wanted
// bytes are spread so that the last byte taken costs the same in every pool that gives. Nothing is taken from what a pool
// is guaranteed. Plain values; thread rule as for a std::vector.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/broker/pressure.h"

namespace weir {

inline constexpr uint8_t kPriorityMax = 10;
inline constexpr uint8_t kPriorityDefault = 5;

// One pool as the planner sees it.
struct SourceView {
  std::string name{};
  std::string device{};  // empty: host memory; else the name of a DeviceMemory
  uint64_t used_bytes = 0;
  uint64_t budget_bytes = 0;      // what it may use now
  uint64_t limit_bytes = 0;       // the most that its budget may be; 0: not under management
  uint64_t guaranteed_bytes = 0;  // minimum share and grants; never taken
  uint64_t granted_bytes = 0;     // the part of it that workflows hold
  double price_per_byte = 0;      // infinity: nothing can be given up now
  uint8_t priority = kPriorityDefault;
  bool offloads = false;  // its eviction sink keeps what is evicted in a lower tier
  bool ordered = false;   // can be evicted by steps to execution
  FillTier tier = FillTier::kNormal;

  bool managed() const { return limit_bytes > 0; }
  double fill() const;  // used/budget; 0 when nothing is used
  // Above the guarantee, and can be given up now.
  uint64_t takeable_bytes() const;
  // price_per_byte with the priority in it: each step up makes a byte count twice as dear.
  double effective_price() const;
};

// One memory that pools lie in. The first of a view is the host.
struct DeviceView {
  std::string name{};    // empty: the host
  std::string source{};  // who said so: "cgroup2 /a memory.max", "nvml"; empty: nobody
  std::optional<uint64_t> total_bytes{};
  std::optional<uint64_t>
      used_bytes{};  // of all processes under that limit; file pages that the kernel can drop not counted
  PressureMode mode = PressureMode::kRelaxed;
  bool is_short = false;  // of headroom, by the water marks; the host alone has them

  std::optional<uint64_t> headroom_bytes() const;
  std::optional<double> level() const;
};

// What a plan is made from.
struct PressureView {
  uint64_t budget_bytes = 0;  // for all pools in host memory together; 0: none
  FillTier tier = FillTier::kNormal;
  std::vector<DeviceView> devices{};
  std::vector<SourceView> sources{};
  // Water marks for the host; 0: a tenth, and 15 %, of the tightest limit.
  uint64_t headroom_low_bytes = 0;
  uint64_t headroom_high_bytes = 0;
  bool workflow_aware = false;  // pools that can, give up by steps to execution, farthest first

  // Of the managed pools in host memory; they saturate.
  uint64_t used_bytes() const;
  uint64_t capacity_bytes() const;  // the byte budget, or without one the sum of the limits
  double fill() const;
};
// For the host; none for other devices, which are often filled to the brim on purpose: there the mode alone decides.
WaterMarks MarksOf(const DeviceView& device, const PressureView& view);

// Why bytes are wanted.
enum class Trigger : uint8_t {
  kBudget,    // the byte budget is too full
  kGrant,     // workflows were granted bytes that others still use
  kHeadroom,  // the memory's headroom is under its water marks
  kMode,      // the memory's pressure mode asks for it
  kAsked,     // by hand
};
std::string_view TriggerName(Trigger trigger);  // "budget", "grant", "headroom", "mode", "asked"

struct Demand {
  Trigger trigger = Trigger::kAsked;
  std::string device;
  uint64_t bytes = 0;
};

enum class StepKind : uint8_t {
  kReclaim,        // the pool's own order, cheapest first
  kFarthestFirst,  // by steps to execution, then the pool's own order
  kDropIdle,       // entries that were not used for `idle`
  kOffloadIdle,    // the same, of a pool whose sink keeps them in a lower tier
};
std::string_view StepName(StepKind kind);  // "reclaim", "farthest-first", "drop-idle", "offload-idle"

struct PlanStep {
  StepKind kind = StepKind::kReclaim;
  std::string source{};
  std::string device{};
  uint64_t bytes = 0;      // to give back; 0 for the idle steps, whose yield nobody knows before
  uint64_t bytes_max = 0;  // of the idle steps: never more than this
  Duration idle{0};        // of the idle steps
  double price = 0;        // per byte, with priority, when the plan was made
};

// Steps are done in order. What idle steps give is taken off the steps that follow on the same device.
struct Plan {
  std::vector<Demand> demands;  // overlap: one byte given back serves all of them on its device
  std::vector<PlanStep> steps;
  uint64_t bytes_wanted = 0;   // the largest demand of each device, added up
  uint64_t bytes_planned = 0;  // of the steps; bytes_wanted, or less and then:
  uint64_t bytes_short = 0;
  std::string why_short;  // empty when nothing is short

  bool empty() const { return steps.empty(); }
};

// Nothing to do: no demands, no steps. `asked_bytes`: relief by hand in host memory; 0 stands for what the fill rule says.
Plan MakePlan(const PressureView& view, std::optional<uint64_t> asked_bytes = std::nullopt);

// For people: a line per demand and step.
std::string PlanText(const Plan& plan);

// One pool that may give bytes.
struct Victim {
  uint64_t used_bytes = 0;
  uint64_t takeable_bytes = 0;          // at most used_bytes
  double price = 0;                     // per byte; at least 0; not infinite
  uint8_t priority = kPriorityDefault;  // breaks ties between worthless bytes
};
// How much each gives so that together they give `wanted`, or all they can; see the top of this file.
std::vector<uint64_t> SpreadByPrice(std::span<const Victim> victims, uint64_t wanted);

// a + b, at most the largest number there is.
uint64_t AddSaturating(uint64_t a, uint64_t b);

}  // namespace weir
