#pragma once
// ShadowSampler: watches a sample of a pool's keys and says which eviction policy would hit most often.
//
// The sample is chosen by hash, so every use of a sampled key is seen (Waldspurger et al., "Cache modeling and optimization
// using miniature simulations", ATC 2017). Each policy runs on it in a simulation of keys and sizes alone, with the same
// share of the pool's resident bytes, over the pool's own EvictionQueues. The share halves when a simulation holds as many
// entries as it may and doubles when all hold few, so that pools of any size are judged by some thousand entries; a small
// pool is simulated whole. Another policy is best only once it leads by a clear margin that the load's own ups and downs do
// not explain, in two judgements in a row.
//
// Memory: kBytesPerShadow a sampled entry, 600 KiB at most; what the system refuses makes the sample smaller.
// Threads: any; a sampled call that would have to wait for another one is dropped.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "eviction_queues.h"
#include "pages.h"
#include "weir/pool/reclaimable.h"

namespace weir::pool {

class ShadowSampler {
 public:
  static constexpr uint32_t kPolicies = 4;
  // Sampled entries at most, and what one costs in all simulations together.
  static constexpr uint32_t kShadowsMax = 4095;
  static constexpr uint32_t kBytesPerShadow = 150;

  // `policy`: what the pool runs now.
  ShadowSampler(Pages& pages, EvictionPolicy policy);
  ~ShadowSampler();

  // Whether the calls below want to hear of this key; a multiplication and a comparison.
  bool Sampled(uint64_t hash) const { return Spread(hash) <= threshold_.load(std::memory_order_relaxed); }

  // A sampled key is asked for. `bytes`: what its entry is charged, or 0 when the pool does not hold it.
  void Lookup(uint64_t hash, uint64_t bytes);
  // A sampled key was stored.
  void Admit(uint64_t hash, uint64_t bytes);
  // What all resident entries are charged together; call it now and then. Cheap.
  void SetCapacity(uint64_t bytes) { capacity_.store(bytes, std::memory_order_relaxed); }

  // The policy that the pool should run: the current one unless another is clearly better.
  EvictionPolicy Best() const { return best_.load(std::memory_order_relaxed); }
  // Fewer entries than kShadowsMax, for a pool that cannot spare the memory. Below kShadowsMin nothing is sampled, and the
  // best policy stays what it is.
  static constexpr uint32_t kShadowsMin = 500;
  void SetShadowsMax(uint64_t shadows);
  // Forgets what is sampled and gives its memory back.
  void Release();

  // Somebody else chose the pool's policy; judging starts afresh.
  void SetPolicy(EvictionPolicy policy);

  // The sampled share of all keys; for tests and people.
  double rate() const { return (double{1} + threshold_.load(std::memory_order_relaxed)) / 4294967296.0; }
  uint64_t mapped_bytes() const;
  void CheckInvariants() const;

 private:
  class Simulation;

  static uint32_t Spread(uint64_t hash) { return static_cast<uint32_t>(hash * 0x9FB21C651E98DF25u >> 32); }
  void Store(uint64_t hash, uint64_t bytes, uint32_t present);
  void SetThreshold(uint32_t threshold);
  bool is_off() const { return shadows_max_ < kShadowsMin; }
  void StartAfresh();
  void ForgetHits();
  bool IsCrowded() const;
  // The policy that leads clearly now, else the current one.
  EvictionPolicy Leader() const;
  void Judge();
  void EndStretch();

  std::atomic<uint32_t> threshold_{~0u};  // read by every call of the pool; what others write lies elsewhere
  std::atomic<EvictionPolicy> best_;

  alignas(64) std::atomic<uint64_t> capacity_{0};
  mutable std::mutex mutex_;  // guards all below
  uint32_t shadows_max_ = kShadowsMax;
  Pages& pages_;
  std::array<std::unique_ptr<Simulation>, kPolicies> simulations_;
  // Look-ups come in stretches. By how many hits one policy led another in a stretch: sum and sum of squares over all
  // stretches, older ones fading.
  struct Leads {
    double sum = 0;
    double squares = 0;
  };
  std::array<std::array<Leads, kPolicies>, kPolicies> leads_{};
  double stretches_ = 0;
  std::array<uint32_t, kPolicies> hits_{};  // in this stretch
  uint32_t until_judgement_;
  EvictionPolicy led_;  // Leader() of the last judgement
};

}  // namespace weir::pool
