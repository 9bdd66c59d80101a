#include "core.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "weir/base/bytes.h"
#include "weir/base/check.h"

namespace weir::broker {
namespace {

// The limit that is nearest to being reached, of those that make sense.
const MemoryBound* MostPressed(const Headroom& reading) {
  const MemoryBound* most = nullptr;
  double most_level = -1;
  for (const MemoryBound& bound : reading.bounds) {
    if (bound.limit_bytes == 0) continue;
    const double level = 1 - static_cast<double>(bound.headroom_bytes()) / static_cast<double>(bound.limit_bytes);
    if (level > most_level) {
      most = &bound;
      most_level = level;
    }
  }
  return most;
}

std::vector<DeviceView> DevicesOf(const Headroom& reading) {
  std::vector<DeviceView> devices(1);
  if (const MemoryBound* bound = MostPressed(reading)) {
    devices[0].source = bound->source;
    devices[0].total_bytes = bound->limit_bytes;
    devices[0].used_bytes = bound->limit_bytes - std::min(bound->limit_bytes, bound->headroom_bytes());
  }
  for (const DeviceMemory& device : reading.devices) {
    if (device.name.empty() || device.total_bytes == 0) continue;
    devices.push_back({.name = device.name,
                       .source = device.source,
                       .total_bytes = device.total_bytes,
                       .used_bytes = std::min(device.used_bytes, device.total_bytes)});
  }
  return devices;
}

}  // namespace

void Advance(State& state, PressureView& view) {
  state.tier = NextTier(state.tier, view.fill());
  view.tier = state.tier;
  for (DeviceView& device : view.devices) {
    State::Device& known = state.devices[device.name];
    const auto level = device.level();
    if (!level) continue;  // nothing is claimed without a reading; what was known before waits for the next one
    known.mode = NextMode(known.mode, *level);
    known.is_short = NextShort(known.is_short, *device.headroom_bytes(), MarksOf(device, view));
    device.mode = known.mode;
    device.is_short = known.is_short;
  }
  for (SourceView& source : view.sources) {
    FillTier& tier = state.sources[source.name];
    tier = NextTier(tier, source.fill());
    source.tier = tier;
  }
}

Core::Core(Sensor& sensor, BrokerOptions options)
    : sensor_(sensor),
      options_(std::move(options)),
      clock_(options_.clock != nullptr ? options_.clock : &steady_clock_),
      devices_(1),
      workflow_aware_(options_.workflow_aware) {}

Core::~Core() {
  Stop();
  WEIR_CHECK(sources_.empty(), "a broker ends with {} sources registered", sources_.size());
  WEIR_CHECK(grants_.empty(), "a broker ends with {} grants held", grants_.size());
}

Source* Core::FindById(uint64_t id) {
  for (const auto& source : sources_) {
    if (source->id == id) return source.get();
  }
  return nullptr;
}

Source* Core::FindByName(std::string_view name) {
  for (const auto& source : sources_) {
    if (source->options.name == name) return source.get();
  }
  return nullptr;
}

uint64_t Core::GuaranteedBytes() const {
  uint64_t sum = 0;
  for (const auto& source : sources_) {
    if (source->options.device.empty()) sum = AddSaturating(sum, source->guaranteed_bytes());
  }
  return sum;
}

Result<uint64_t> Core::Register(Reclaimable& source, SourceOptions options) {
  if (options.name.empty()) options.name = source.name();
  if (options.name.empty()) return InvalidArgument("a pool without a name cannot be registered");
  if (options.priority > kPriorityMax) {
    return InvalidArgument(
        fmt::format("priority {} of pool '{}' is above {}", options.priority, options.name, kPriorityMax));
  }
  const uint64_t limit = source.Stats().budget_bytes;
  if (options.min_share_bytes > limit) {
    return InvalidArgument(fmt::format("pool '{}' may use {}, less than its minimum share of {}", options.name,
                                       FormatByteSize(limit), FormatByteSize(options.min_share_bytes)));
  }
  const std::lock_guard lock(mutex_);
  if (FindByName(options.name) != nullptr) {
    return Error{ErrorCode::kAlreadyExists, fmt::format("a pool '{}' is registered already", options.name), {}};
  }
  if (options_.budget_bytes > 0 && options.device.empty() &&
      AddSaturating(GuaranteedBytes(), options.min_share_bytes) > options_.budget_bytes) {
    return Exhausted(fmt::format("the minimum share of pool '{}' ({}) does not fit the byte budget: {} of {} are guaranteed",
                                 options.name, FormatByteSize(options.min_share_bytes), FormatByteSize(GuaranteedBytes()),
                                 FormatByteSize(options_.budget_bytes)));
  }
  sources_.push_back(std::make_unique<Source>(++last_id_, source, std::move(options)));
  sources_.back()->limit_bytes = limit;
  return last_id_;
}

void Core::Leave(uint64_t id) {
  std::unique_lock lock(mutex_);
  const auto at = std::find_if(sources_.begin(), sources_.end(), [&](const auto& s) { return s->id == id; });
  WEIR_CHECK(at != sources_.end(), "no source {}", id);
  const std::unique_ptr<Source> leaving = std::move(*at);
  sources_.erase(at);
  state_.sources.erase(leaving->options.name);
  for (auto& [grant_id, grant] : grants_) grant.bytes.erase(id);
  unused_.wait(lock, [&] { return leaving->users == 0; });
  const uint64_t limit = leaving->limit_bytes;
  lock.unlock();
  Guard(&BrokerStats::source_failures, [&] { leaving->pool.SetBudget(limit); });
}

void Core::SetLimit(uint64_t id, uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    Source* const source = FindById(id);
    WEIR_CHECK(source != nullptr, "no source {}", id);
    source->limit_bytes = bytes;
  }
  WakeThread();
}

Core::Held::Held(Core& core) : core_(core) {
  {
    const std::lock_guard lock(core_.mutex_);
    sources_.reserve(core_.sources_.size());
    for (const auto& source : core_.sources_) {
      ++source->users;
      sources_.push_back({.source = source.get()});
    }
  }
  Read();
}

Core::Held::~Held() {
  const std::lock_guard lock(core_.mutex_);
  for (const HeldSource& held : sources_) {
    if (--held.source->users == 0) core_.unused_.notify_all();
  }
}

void Core::Held::Read() {
  for (HeldSource& held : sources_) {
    const Source& source = *held.source;
    SourceView& view = held.view;
    view = {.name = source.options.name,
            .device = source.options.device,
            .priority = source.options.priority,
            .offloads = source.options.offloads,
            .ordered = source.options.erase_unpinned != nullptr};
    view.price_per_byte = std::numeric_limits<double>::infinity();  // nothing can be had from a source that fails
    core_.Guard(&BrokerStats::source_failures, [&] {
      held.stats = source.pool.Stats();
      view.price_per_byte = source.pool.PricePerByte();
    });
    view.used_bytes = held.stats.used_bytes();
    view.budget_bytes = held.stats.budget_bytes;
  }
  const std::lock_guard lock(core_.mutex_);
  for (HeldSource& held : sources_) {
    held.view.limit_bytes = held.source->limit_bytes;
    held.view.granted_bytes = held.source->granted_bytes;
    held.view.guaranteed_bytes = held.source->guaranteed_bytes();
  }
}

Core::HeldSource* Core::Held::Find(std::string_view name) {
  for (HeldSource& held : sources_) {
    if (held.view.name == name) return &held;
  }
  return nullptr;
}

uint64_t Core::Held::HostBytes() const {
  uint64_t sum = 0;
  for (const HeldSource& held : sources_) {
    if (held.view.device.empty()) sum = AddSaturating(sum, held.view.used_bytes);
  }
  return sum;
}

Headroom Core::ReadSensor() {
  Headroom reading;
  Guard(&BrokerStats::sensor_failures, [&] { reading = sensor_.Read(); });
  return reading;
}

PressureView Core::ViewOf(const Held& held, const Headroom& reading) const {
  PressureView view{.budget_bytes = options_.budget_bytes,
                    .devices = DevicesOf(reading),
                    .headroom_low_bytes = options_.headroom_low_bytes,
                    .headroom_high_bytes = options_.headroom_high_bytes};
  for (const HeldSource& source : held.sources()) view.sources.push_back(source.view);
  const std::lock_guard lock(mutex_);
  view.workflow_aware = workflow_aware_ && options_.order != nullptr;
  return view;
}

void Core::Remember(const PressureView& view, const Headroom& reading, const State& state) {
  bool emergency = false;
  for (const DeviceView& device : view.devices) emergency |= device.mode == PressureMode::kEmergency;
  accepts_new_.store(!emergency, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  devices_ = view.devices;
  reading_ = reading;
  read_at_ = Now();
  state_ = state;
  for (auto at = state_.sources.begin(); at != state_.sources.end();) {  // of sources that left meanwhile
    at = FindByName(at->first) == nullptr ? state_.sources.erase(at) : std::next(at);
  }
}

BrokerStats Core::Stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Core::SetWorkflowAware(bool on) {
  const std::lock_guard lock(mutex_);
  workflow_aware_ = on;
}

BrokerSnapshot Core::Snapshot() {
  Held held(*this);
  BrokerSnapshot snapshot;
  PressureView view = ViewOf(held, {});
  snapshot.budget_bytes = view.budget_bytes;
  snapshot.used_bytes = view.used_bytes();
  snapshot.capacity_bytes = view.capacity_bytes();
  snapshot.fill = view.fill();
  snapshot.workflow_aware = view.workflow_aware;
  snapshot.accepts_new = accepts_new();
  {
    const std::lock_guard lock(mutex_);
    snapshot.tier = NextTier(state_.tier, snapshot.fill);
    for (HeldSource& source : held.sources()) {
      const auto known = state_.sources.find(source.view.name);
      const FillTier before = known == state_.sources.end() ? FillTier::kNormal : known->second;
      source.view.tier = NextTier(before, source.view.fill());
    }
    snapshot.devices = devices_;
    snapshot.resident_bytes = reading_.resident_bytes;
    snapshot.events = reading_.events;
    snapshot.stall = reading_.stall;
    const TimePoint now = Now();
    if (read_at_) snapshot.reading_age = now - *read_at_;
    if (hold_until_ > now) snapshot.on_hold_for = hold_until_ - now;
    snapshot.stats = stats_;
    for (const auto& [id, grant] : grants_) snapshot.grants.push_back({grant.workflow, grant.needs});
    snapshot.last_relief = last_relief_;
  }
  for (HeldSource& source : held.sources()) snapshot.sources.push_back({std::move(source.view), std::move(source.stats)});
  std::stable_sort(snapshot.sources.begin(), snapshot.sources.end(),
                   [](const auto& a, const auto& b) { return a.view.fill() > b.view.fill(); });
  return snapshot;
}

}  // namespace weir::broker
