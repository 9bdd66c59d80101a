#pragma once
// Broker: the one place that decides which pool gives memory back.
//
// Pools register; each tick reads the sensor and the pools, moves tiers and modes (with hysteresis), makes a plan (pure,
// printable), carries it out outside every lock, and reads the sensor again. When bytes that pools gave back do not show
// up there, it stops evicting for a while and says so. Budgets of the pools follow one global byte budget with borrowing
// (allotment.h) and the memory that is left.
//
// Threads: every method from any thread. Ticks run one at a time, by hand or on the broker's own thread (Start). Alerts,
// the eviction order and sources are called outside locks; what a source or the order calls back (an eviction sink) must not
// tick, plan or relieve. The sensor is used by one thread at a time. The broker borrows
// the sensor, clock, order and the registered sources; it outlives its registrations and grants.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/broker/eviction_order.h"
#include "weir/broker/grant.h"
#include "weir/broker/plan.h"
#include "weir/pool/pool_key.h"
#include "weir/pool/reclaimable.h"
#include "weir/sensors/headroom.h"

namespace weir {

namespace broker {
class Core;
}

enum class AlertKind : uint8_t {
  kRelieved,     // a source gave memory back
  kStuck,        // a source was asked and could give nothing: hot and stuck
  kNotReleased,  // memory was given back and did not show up; evicting is on hold
};
std::string_view AlertName(AlertKind kind);  // "relieved", "stuck", "not_released"

struct Alert {
  AlertKind kind = AlertKind::kRelieved;
  std::string source{};  // empty: the process as a whole
  uint64_t bytes_wanted = 0;
  uint64_t bytes_released = 0;
  std::string text{};  // one line for people
};
// Called on the thread that ticks, when the tick is over; may call the broker. An exception is contained and counted.
using AlertSink = std::function<void(const Alert& alert)>;

struct BrokerOptions {
  // For all pools in host memory together; 0: none, each pool keeps to its own limit.
  uint64_t budget_bytes = 0;
  // Of the host's tightest limit: short below low, relieved up to high. 0: a tenth, and 15 %, of that limit.
  uint64_t headroom_low_bytes = 0;
  uint64_t headroom_high_bytes = 0;
  bool workflow_aware = false;     // needs `order`
  EvictionOrder* order = nullptr;  // borrowed
  // Between ticks of the broker's own thread: calm, under pressure, and in an emergency.
  Duration period = std::chrono::seconds(5);
  Duration period_pressed = std::chrono::seconds(1);
  Duration period_emergency = std::chrono::milliseconds(250);
  // How long one tick may spend on giving memory back.
  Duration relief_time = std::chrono::seconds(2);
  // No evicting for this long after given-back bytes did not show up twice in a row.
  Duration unreleased_pause = std::chrono::seconds(10);
  // The least time between two alerts about one source.
  Duration alert_interval = std::chrono::seconds(60);
  AlertSink alerts{};
  const Clock* clock = nullptr;  // borrowed; null: the steady clock

  Status Validate() const;
};

struct SourceOptions {
  std::string name{};                   // empty: the source's own
  uint64_t min_share_bytes = 0;         // never taken by relief, but for the granularity of the pool's extents
  uint8_t priority = kPriorityDefault;  // 0..kPriorityMax; each step makes its bytes count twice as dear
  std::string device{};                 // empty: host memory; else the name of the DeviceMemory that holds it
  bool offloads = false;                // its eviction sink keeps what is evicted in a lower tier
  // Gives up one entry unless it is pinned, and says how many bytes that were (Pool::EraseUnpinned). With it the source
  // can be evicted by steps to execution.
  std::function<uint64_t(const PoolKey& key)> erase_unpinned{};
};

// A source under management. Move-only; takes the source out when it goes, waits for a relief that is using it, and gives
// it back its own limit as budget. Not to be destroyed from within a call into that source.
class Registration {
 public:
  Registration() = default;
  Registration(Registration&& other) noexcept
      : broker_(std::exchange(other.broker_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  Registration& operator=(Registration&& other) noexcept {
    Registration(std::move(other)).swap(*this);
    return *this;
  }
  ~Registration() {
    if (broker_ != nullptr) Leave();
  }
  explicit operator bool() const { return broker_ != nullptr; }

  // The most that the source's budget may be from now on; the broker sets its budget, nobody else. 0: no management.
  // REQUIRES: *this holds a registration.
  void SetLimit(uint64_t bytes);

 private:
  friend class Broker;
  Registration(Broker* broker, uint64_t id) : broker_(broker), id_(id) {}
  void swap(Registration& other) noexcept {
    std::swap(broker_, other.broker_);
    std::swap(id_, other.id_);
  }
  void Leave();

  Broker* broker_ = nullptr;
  uint64_t id_ = 0;
};

// The one set of counters of a broker; they rise from 0.
struct BrokerStats {
  uint64_t ticks = 0;
  uint64_t passes = 0;  // of relief: plan, apply, look again
  uint64_t entries = 0;
  uint64_t bytes_accounted = 0;  // what evicted entries were charged
  uint64_t bytes_released = 0;   // what pools returned to the system, as they say
  uint64_t bytes_seen = 0;       // what the kernel's figures fell by, where they could be read
  uint64_t stuck = 0;            // sources that were asked and gave nothing
  uint64_t not_released = 0;     // passes whose given-back bytes did not show up
  uint64_t pauses = 0;           // times that evicting was put on hold for it
  uint64_t passes_on_hold = 0;   // passes that were not done for it
  uint64_t deadlines = 0;        // reliefs that ran out of time
  uint64_t alerts = 0;
  uint64_t alerts_held = 0;      // not sent, because one about that source was sent shortly before
  uint64_t alert_failures = 0;   // exceptions of the alert sink
  uint64_t source_failures = 0;  // exceptions of a source
  uint64_t order_failures = 0;   // exceptions of the eviction order
  uint64_t sensor_failures = 0;  // exceptions of the sensor
  uint64_t tick_failures = 0;    // ticks of the broker's thread that ended early: no memory for the broker itself
  uint64_t grants = 0;
  uint64_t grants_refused = 0;
  uint64_t event_wakes = 0;  // ticks that the kernel's memory events caused
};

// What one step of a plan did.
struct StepOutcome {
  PlanStep step;
  uint64_t bytes_asked = 0;  // step.bytes less what idle steps gave before
  Reclaimed reclaimed;
};

struct ReliefReport {
  bool triggered = false;
  bool on_hold = false;                // nothing was done, because given-back bytes did not show up shortly before
  double fill_before = 0;              // of the byte budget
  std::optional<double> level_before;  // of host memory
  uint32_t passes = 0;
  Plan plan;                       // of the first pass
  std::vector<StepOutcome> steps;  // of all passes
  Reclaimed total;
  // What the pools' books and the kernel's figures fell by over the relief, less what they grew; null: not readable.
  uint64_t bytes_expected = 0;
  std::optional<uint64_t> bytes_seen;
  bool not_released = false;  // the kernel's figures do not follow the pools' books
};

// One line of ReliefReport::steps for people each, and what came of it.
std::string ReportText(const ReliefReport& report);

struct SourceSnapshot {
  SourceView view;
  PoolStats stats;
};

struct GrantSnapshot {
  std::string workflow;
  std::vector<WorkflowBudget::Need> needs;
};

struct BrokerSnapshot {
  std::vector<SourceSnapshot> sources;  // fullest first
  uint64_t budget_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t capacity_bytes = 0;
  double fill = 0;
  FillTier tier = FillTier::kNormal;
  std::vector<DeviceView> devices;  // as of the last tick; the host first
  std::optional<uint64_t> resident_bytes;
  std::optional<MemoryEvents> events;
  std::optional<MemoryStall> stall;
  std::optional<Duration> reading_age;  // null: no tick yet
  bool workflow_aware = false;
  bool accepts_new = true;
  Duration on_hold_for{0};  // evicting is on hold for this long yet
  BrokerStats stats;
  std::vector<GrantSnapshot> grants;
  std::optional<ReliefReport> last_relief;
};

class Broker {
 public:
  // invalid_argument from Validate(). `sensor` is borrowed.
  static Result<std::unique_ptr<Broker>> Create(Sensor& sensor, BrokerOptions options);
  // REQUIRES: no registration and no grant is left.
  ~Broker();

  // `source` is borrowed until the registration goes; its budget is from now on set by the broker, up to what it is now.
  // already_exists; invalid_argument; exhausted: minimum shares would exceed the byte budget.
  Result<Registration> Register(Reclaimable& source, SourceOptions options = {});

  // Guarantees the declared bytes until the grant goes; grants of several workflows add up. The bytes come free with the
  // next tick, which this brings forward when the broker's thread runs.
  GrantOutcome Activate(const WorkflowBudget& budget);

  // One round: read, plan, apply, read again. When a source gives less than planned, the others are asked for the rest.
  ReliefReport Tick();
  // What Tick(), or Relieve(asked) when given, would do now. Changes nothing.
  Plan PlanNow(std::optional<uint64_t> asked_bytes = std::nullopt);
  // By hand, in host memory: gives back `bytes` (0: what the fill rule says). Also while evicting is on hold.
  ReliefReport Relieve(uint64_t bytes);

  // Reads no sensor and waits for nothing but short locks.
  BrokerSnapshot Snapshot() const;
  BrokerStats Stats() const;
  // False in an emergency: what is new should be refused. Lock-free.
  bool accepts_new() const;
  void SetWorkflowAware(bool on);

  // The broker's own thread: ticks by period, and when the kernel's memory events change. unavailable when no thread or
  // descriptor can be had. Stop waits for the tick that runs; both may be repeated.
  Status Start();
  void Stop();

 private:
  friend class Registration;
  friend class Grant;
  explicit Broker(std::unique_ptr<broker::Core> core);
  std::unique_ptr<broker::Core> core_;
};

}  // namespace weir
