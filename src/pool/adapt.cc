// Which policy is in force, and what the sampler is told and asked.

#include <algorithm>
#include <mutex>

#include "core.h"

namespace weir::pool {

void Core::SetPolicy(EvictionPolicy policy) {
  if (sampler_ != nullptr) sampler_->SetPolicy(policy);
  std::lock_guard lock(policy_mutex_);
  ChangePolicyLocked(policy);
}

void Core::ChangePolicyLocked(EvictionPolicy policy) {
  for (uint32_t i = 0; i < shard_count_; ++i) {
    std::lock_guard lock(shards_[i].mutex);
    shards_[i].queues.SetPolicy(policy);
  }
  policy_.store(policy, std::memory_order_relaxed);
}

void Core::SetBudget(uint64_t bytes) {
  budget_.store(bytes, std::memory_order_relaxed);
  fruitless_mark_.store(0, std::memory_order_relaxed);
  LimitSampler();
}

// It gets a 32nd of the budget.
void Core::LimitSampler() {
  if (sampler_ != nullptr) sampler_->SetShadowsMax(budget() / 32 / ShadowSampler::kBytesPerShadow);
}

void Core::FollowSampler() {
  const std::unique_lock lock(policy_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const EvictionPolicy best = sampler_->Best();
  if (best == policy_.load(std::memory_order_relaxed)) return;
  ChangePolicyLocked(best);
  counters_.Add(Count::kPolicySwitches);
}

// A pool that is not full yet is simulated as large as it will be.
void Core::TellSampler(uint64_t hash, uint64_t bytes, bool stored) {
  double resident = static_cast<double>(resource_bytes_.load(std::memory_order_relaxed));
  for (uint32_t i = 0; i < shard_count_; ++i) {
    resident += static_cast<double>(shards_[i].entry_bytes.load(std::memory_order_relaxed));
  }
  double room = static_cast<double>(budget()) / static_cast<double>(std::max<uint64_t>(1, used_bytes()));
  if (options_.entries_max != 0) {
    const uint64_t entries = std::max<uint64_t>(1, entries_total_.load(std::memory_order_relaxed));
    room = std::min(room, static_cast<double>(options_.entries_max) / static_cast<double>(entries));
  }
  sampler_->SetCapacity(static_cast<uint64_t>(resident * std::max(1.0, room)));
  if (stored) {
    sampler_->Admit(hash, bytes);
  } else {
    sampler_->Lookup(hash, bytes);
  }
}

}  // namespace weir::pool
