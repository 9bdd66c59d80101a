#pragma once
// Core: what stands behind Broker.
//
// Two locks. tick_mutex_ makes reliefs, dry runs and every use of the sensor follow one another; it is held while sources
// give memory back. mutex_ guards what is registered and remembered; it is held for moments, never across a call into a
// source, the sensor, the order or the alert sink. A source is kept from leaving by a count of users instead (Held).

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "alert_gate.h"
#include "weir/broker/allotment.h"
#include "weir/broker/broker.h"

namespace weir::broker {

// A registered source. What is not const is guarded by Core::mutex_.
struct Source {
  Source(uint64_t source_id, Reclaimable& source, SourceOptions source_options)
      : id(source_id), pool(source), options(std::move(source_options)) {}

  const uint64_t id;
  Reclaimable& pool;
  const SourceOptions options;
  uint64_t limit_bytes = 0;
  uint64_t granted_bytes = 0;
  uint32_t users = 0;
  AlertGate gate;

  uint64_t guaranteed_bytes() const { return AddSaturating(options.min_share_bytes, granted_bytes); }
};

// Hysteresis: what was decided last.
struct State {
  struct Device {
    PressureMode mode = PressureMode::kRelaxed;
    bool is_short = false;
  };
  FillTier tier = FillTier::kNormal;
  std::map<std::string, Device> devices;
  std::map<std::string, FillTier> sources;
};
// Moves the state to what the view's figures say, and writes the result into the view.
void Advance(State& state, PressureView& view);

class Core {
 public:
  Core(Sensor& sensor, BrokerOptions options);
  ~Core();

  Result<uint64_t> Register(Reclaimable& source, SourceOptions options);
  void Leave(uint64_t id);
  void SetLimit(uint64_t id, uint64_t bytes);

  // The id of the grant, or what is lacking.
  Result<uint64_t> Activate(const WorkflowBudget& budget, std::vector<Shortage>& shortages);
  void ReturnGrant(uint64_t id);

  // By state, or by hand when `asked_bytes` is given.
  ReliefReport Relieve(std::optional<uint64_t> asked_bytes);
  Plan PlanNow(std::optional<uint64_t> asked_bytes);
  BrokerSnapshot Snapshot();
  BrokerStats Stats() const;
  bool accepts_new() const { return accepts_new_.load(std::memory_order_relaxed); }
  void SetWorkflowAware(bool on);
  Status Start();
  void Stop();
  // Brings the next tick of the broker's thread forward.
  void WakeThread();

 private:
  // A source that cannot leave, with what was known of it when it was taken.
  struct HeldSource {
    Source* source = nullptr;
    SourceView view{};
    PoolStats stats{};
  };
  class Held;
  struct Relief;

  struct GrantRecord {
    std::string workflow;
    std::vector<WorkflowBudget::Need> needs;  // as declared
    std::map<uint64_t, uint64_t> bytes;       // by source
  };

  TimePoint Now() const { return clock_->Now(); }
  // REQUIRES: mutex_ is held.
  Source* FindById(uint64_t id);
  Source* FindByName(std::string_view name);
  uint64_t GuaranteedBytes() const;

  // REQUIRES: tick_mutex_ is held.
  Headroom ReadSensor();
  // Figures of sources and devices, without tiers, modes and shortness.
  PressureView ViewOf(const Held& held, const Headroom& reading) const;
  void Remember(const PressureView& view, const Headroom& reading, const State& state);
  void RunPasses(std::optional<uint64_t> asked_bytes, Relief& relief);
  void Look(Relief& relief);
  void Apply(const Plan& plan, Relief& relief);
  void ApplyStep(const PlanStep& step, HeldSource& target, uint64_t asked, uint64_t idle_max, Relief& relief);
  uint64_t TakeableNow(const HeldSource& target);
  Reclaimed EvictFarthest(HeldSource& target, uint64_t bytes, TimePoint deadline);
  void Judge(Relief& relief, uint64_t used_before, const Headroom& before);
  void Rebalance(const Relief& relief);
  ReliefReport RelieveQuietly(std::optional<uint64_t> asked_bytes, std::vector<Alert>& alerts);
  std::vector<Alert> CollectAlerts(const Relief& relief);
  void Run();
  Duration TickByThread(bool by_event);
  // Until the time is over, a memory event came (true) or somebody woke the thread.
  bool Sleep(Duration at_most);

  void CountWorkflowLacks(const WorkflowBudget& budget, const std::map<std::string, HeldSource*>& known,
                          std::vector<Shortage>& shortages) const;

  template <typename Call>
  void Guard(uint64_t BrokerStats::*failures, Call&& call) {
    try {
      call();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      ++(stats_.*failures);
    }
  }

  Sensor& sensor_;
  const BrokerOptions options_;
  const SteadyClock steady_clock_;
  const Clock* const clock_;
  std::atomic<bool> accepts_new_{true};

  // Takes tick_mutex_ for somebody who is not the broker's thread, which holds it while it waits for the sensor.
  class Turn;

  std::mutex tick_mutex_;  // guards sensor_ and the next three
  int strikes_ = 0;        // passes in a row whose given-back bytes did not show up
  AlertGate release_gate_;
  uint64_t last_id_ = 0;  // guarded by mutex_

  mutable std::mutex mutex_;        // guards the rest
  std::condition_variable unused_;  // a source's users went to 0
  std::vector<std::unique_ptr<Source>> sources_;
  std::map<uint64_t, GrantRecord> grants_;
  State state_;
  std::vector<DeviceView> devices_;
  Headroom reading_;
  std::optional<TimePoint> read_at_;
  TimePoint hold_until_{};
  bool workflow_aware_;
  BrokerStats stats_;
  std::optional<ReliefReport> last_relief_;

  uint32_t visitors_ = 0;  // that want or have tick_mutex_
  bool woken_ = false;     // a tick is wanted now
  bool stopping_ = false;
  std::thread::id thread_id_;     // of the broker's thread while it runs
  std::condition_variable wake_;  // one of the three above changed

  std::mutex thread_mutex_;  // guards starting and stopping
  std::thread thread_;
};

class Core::Turn {
 public:
  explicit Turn(Core& core);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Core& core_;
};

// All registered sources, kept from leaving while this lives.
class Core::Held {
 public:
  explicit Held(Core& core);
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  // Reads the figures of all again, outside locks.
  void Read();
  std::vector<HeldSource>& sources() { return sources_; }
  const std::vector<HeldSource>& sources() const { return sources_; }
  HeldSource* Find(std::string_view name);
  // What all in host memory hold by their own books, managed or not.
  uint64_t HostBytes() const;

 private:
  Core& core_;
  std::vector<HeldSource> sources_;
};

// One relief while it runs; belongs to the thread that holds tick_mutex_.
struct Core::Relief {
  explicit Relief(Core& core) : held(core) {}

  Held held;
  Headroom reading;
  PressureView view;
  State state;
  TimePoint deadline;
  ReliefReport report;
  uint64_t released_in_pass = 0;
  std::set<std::string> dry;               // gave less than it was asked for: not asked again
  std::map<std::string, uint64_t> credit;  // by device: given beyond what was asked
  struct Attempt {
    uint64_t wanted = 0;
    uint64_t released = 0;
  };
  std::map<std::string, Attempt> attempts;  // by source
};

}  // namespace weir::broker
