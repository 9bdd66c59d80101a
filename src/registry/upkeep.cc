#include "upkeep.h"

#include <algorithm>
#include <system_error>
#include <tuple>
#include <utility>

#include "weir/broker/pressure.h"

namespace weir::registry {
namespace {

// A workflow's contexts are read back when they run within so many steps.
constexpr uint32_t kStepsAhead = 2;

}  // namespace

Upkeep::~Upkeep() {
  Stop();
  LeaveBroker();
}

uint64_t Upkeep::DropExpired() {
  uint64_t expired = 0;
  for (const AgentPtr& state : core_.Snapshot()) {
    if (state->terms.expires_ms == 0) continue;
    const Result<bool> removed = core_.RemoveIfExpired(state);
    // A store that fails keeps the record; the context is invisible all the same, and the next round tries again.
    if (removed && *removed) ++expired;
  }
  return expired;
}

uint64_t Upkeep::ReadAhead() {
  if (workflows_.empty()) return 0;
  uint64_t read = 0;
  for (const std::string& agent : workflows_.Upcoming(kStepsAhead)) {
    const Result<bool> prefetched = core_.Prefetch(agent);
    // No room, or not registered yet: whoever needs it reads it then.
    if (prefetched && *prefetched) ++read;
  }
  return read;
}

void Upkeep::NoteMode() {
  const std::lock_guard lock(broker_mutex_);
  if (broker_ == nullptr) return;
  const BrokerSnapshot snapshot = broker_->Snapshot();
  if (snapshot.devices.empty()) return;
  const PressureMode mode = snapshot.devices.front().mode;
  if (mode_ && *mode_ != mode) core_.NoteMode(*mode_, mode);
  mode_ = mode;
}

Registry::Tended Upkeep::Tend() {
  const std::lock_guard round(round_mutex_);
  NoteMode();
  Registry::Tended tended;
  tended.expired = DropExpired();
  tended.prefetched = ReadAhead();
  // A short turn: what expires and what will run soon comes up again in between.
  constexpr Duration kEmbedTime = std::chrono::milliseconds(500);
  if (core_.options().embed_later) tended.embedded = core_.EmbedSome(kEmbedTime);
  return tended;
}

void Upkeep::Run(Duration period) {
  for (;;) {
    {
      std::unique_lock lock(thread_mutex_);
      changed_.wait_for(lock, period, [&] { return stopping_ || woken_; });
      if (stopping_) return;
      woken_ = false;
    }
    try {
      const bool made_some = Tend().embedded > 0;
      const std::lock_guard lock(thread_mutex_);
      woken_ = woken_ || (made_some && core_.awaits_vectors());
    } catch (const std::bad_alloc&) {
      // The next round tries again.
    }
  }
}

Status Upkeep::Start(Duration period) {
  if (period <= Duration(0)) return InvalidArgument("the period of upkeep is not positive");
  const std::lock_guard life(life_mutex_);
  const std::lock_guard lock(thread_mutex_);
  if (thread_.joinable()) return {};
  stopping_ = false;
  try {
    thread_ = std::thread([this, period] { Run(period); });
  } catch (const std::system_error&) {
    return Unavailable("the system gives no thread for the registry's upkeep");
  }
  return {};
}

void Upkeep::Stop() {
  const std::lock_guard life(life_mutex_);
  std::thread ended;
  {
    const std::lock_guard lock(thread_mutex_);
    stopping_ = true;
    ended = std::move(thread_);
  }
  changed_.notify_all();
  if (ended.joinable()) ended.join();
}

void Upkeep::Wake() {
  {
    const std::lock_guard lock(thread_mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

Status Upkeep::JoinBroker(Broker& broker, uint64_t min_share_bytes, uint8_t priority) {
  const std::lock_guard lock(broker_mutex_);
  if (broker_ != nullptr) return Error{ErrorCode::kAlreadyExists, "the registry is under a broker already", ""};
  auto index_memory = std::make_unique<IndexMemory>(
      "index" + core_.options().pool_suffix, core_.options().index_bytes, [this] { return core_.IndexBytes(); },
      [this](uint64_t bytes) { core_.SetIndexBudget(bytes); });
  SourceOptions contexts;
  contexts.min_share_bytes = min_share_bytes;
  contexts.priority = priority;
  contexts.offloads = core_.CanReload();
  contexts.erase_unpinned = [this](const PoolKey& key) { return core_.EvictOne(key); };
  registrations_.reserve(2);
  WEIR_ASSIGN(Registration contexts_registration, broker.Register(core_.pool(), std::move(contexts)));
  WEIR_ASSIGN(Registration index_registration, broker.Register(*index_memory));
  index_memory_ = std::move(index_memory);
  registrations_.push_back(std::move(contexts_registration));
  registrations_.push_back(std::move(index_registration));
  broker_ = &broker;
  core_.SetBroker(&broker);
  return {};
}

void Upkeep::LeaveBroker() {
  const std::lock_guard lock(broker_mutex_);
  core_.SetBroker(nullptr);
  registrations_.clear();
  index_memory_.reset();
  broker_ = nullptr;
}

std::vector<PoolKey> Upkeep::FarthestFirst(uint64_t bytes) const {
  if (workflows_.empty()) return {};
  const std::map<std::string, uint32_t, std::less<>> distances = workflows_.Distances();
  // Agents that no workflow needs any more are farther than any.
  std::vector<std::tuple<uint64_t, uint64_t, AgentPtr>> order;
  for (AgentPtr& state : core_.Snapshot()) {
    if (state->pinned.load(std::memory_order_relaxed) || state->indexed.load(std::memory_order_acquire) == nullptr) continue;
    const auto found = distances.find(state->terms.agent);
    const uint64_t distance = found == distances.end() ? UINT64_MAX : found->second;
    const uint64_t oldest_first = UINT64_MAX - state->published.load(std::memory_order_relaxed);
    order.emplace_back(distance, oldest_first, std::move(state));
  }
  std::ranges::sort(order, std::greater(), [](const auto& one) { return std::pair(std::get<0>(one), std::get<1>(one)); });
  std::vector<PoolKey> keys;
  uint64_t worth = 0;
  for (const auto& [distance, oldest_first, state] : order) {
    if (worth >= bytes) break;
    keys.push_back(state->pool_key);
    worth += state->record_bytes;
  }
  return keys;
}

}  // namespace weir::registry
