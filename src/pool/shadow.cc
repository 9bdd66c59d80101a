#include "shadow.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>

namespace weir::pool {
namespace {

// Look-ups between judgements; what is older than about 60 judgements has faded.
constexpr uint32_t kStretch = 256;
constexpr double kFade = 0.985;
constexpr double kStretchesMin = 3;

// By how much a policy must lead on average: in parts of all look-ups, and in standard errors of that average. The error
// comes from how the lead varies between stretches, since keys come in runs and loads in phases, which tests that take
// look-ups for independent mistake for a trend.
constexpr double kErrors = 2;
constexpr double ShareOf(EvictionPolicy policy) {
  return policy == EvictionPolicy::kDuel ? 0.02 : 0.01;  // kDuel shuts newcomers out: dear where it errs
}

struct Shadow {
  EvictionLink link;
  uint64_t hash = 0;
  uint64_t bytes = 0;
};

struct View {
  PagedArray<Shadow>* shadows;

  EvictionLink& Link(Slot slot) const { return (*shadows)[slot].link; }
  uint64_t Bytes(Slot slot) const { return (*shadows)[slot].bytes; }
  uint64_t Hash(Slot slot) const { return (*shadows)[slot].hash; }
  bool Claim(Slot) const { return true; }
};

}  // namespace

// One policy over keys and sizes. Slots come from a free list through Shadow::hash; the index probes linearly.
class ShadowSampler::Simulation {
 public:
  Simulation(Pages& pages, EvictionPolicy policy) : pages_(pages), queues_(pages, View{&shadows_}, policy) {}

  bool Use(uint64_t hash) {
    if (index_.empty()) return false;
    const Slot slot = index_[Find(hash)];
    if (slot == kNoSlot) return false;
    shadows_[slot].link.NoteUse();
    return true;
  }

  bool Holds(uint64_t hash) const { return !index_.empty() && index_[Find(hash)] != kNoSlot; }

  // Without memory the key is not stored.
  void Store(uint64_t hash, uint64_t bytes, uint64_t capacity) {
    if (bytes > capacity) return;
    MakeRoom(capacity - bytes);
    const Slot slot = Take();
    if (slot == kNoSlot) return;
    shadows_[slot].hash = hash;
    shadows_[slot].bytes = bytes;
    if (!queues_.Add(slot, 0)) return Free(slot);
    index_[Find(hash)] = static_cast<uint16_t>(slot);
    bytes_ += bytes;
  }

  void MakeRoom(uint64_t bytes_max) {
    while (bytes_ > bytes_max) {
      const Slot slot = queues_.Evict(~0u);
      if (slot == kNoSlot) return;
      evicted_ = true;
      Drop(slot);
    }
  }

  template <typename Keep>
  void RemoveUnless(Keep&& keep) {
    for (Slot slot = 1; slot < shadows_.size() && slot < next_; ++slot) {
      if (shadows_[slot].bytes == 0 || keep(shadows_[slot].hash)) continue;
      queues_.Remove(slot);
      Drop(slot);
    }
  }

  void ExpectMore() { evicted_ = false; }
  bool full() const { return evicted_; }  // has evicted since ExpectMore
  size_t size() const { return queues_.size(); }
  uint64_t mapped_bytes() const { return queues_.mapped_bytes() + shadows_.mapped_bytes() + index_.mapped_bytes(); }
  void CheckInvariants() const {
    queues_.CheckInvariants();
    uint64_t bytes = 0;
    size_t count = 0;
    for (Slot slot = 1; slot < next_; ++slot) {
      if (shadows_[slot].bytes == 0) continue;
      WEIR_CHECK(index_[Find(shadows_[slot].hash)] == slot, "shadow {} cannot be found by its hash", slot);
      bytes += shadows_[slot].bytes;
      ++count;
    }
    WEIR_CHECK(bytes == bytes_ && count == size(), "{} shadows of {} bytes, counted {} of {}", count, bytes, size(), bytes_);
  }

 private:
  uint64_t Mask() const { return index_.size() - 1; }
  // The cell of a key, or the empty one where it belongs.
  uint64_t Find(uint64_t hash) const {
    uint64_t at = hash & Mask();
    while (index_[at] != kNoSlot && shadows_[index_[at]].hash != hash) at = (at + 1) & Mask();
    return at;
  }

  void Drop(Slot slot) {
    bytes_ -= shadows_[slot].bytes;
    uint64_t hole = Find(shadows_[slot].hash);
    for (uint64_t at = (hole + 1) & Mask(); index_[at] != kNoSlot; at = (at + 1) & Mask()) {
      const uint64_t home = shadows_[index_[at]].hash & Mask();
      if (((at - home) & Mask()) < ((at - hole) & Mask())) continue;
      index_[hole] = index_[at];
      hole = at;
    }
    index_[hole] = kNoSlot;
    Free(slot);
  }
  void Free(Slot slot) {
    shadows_[slot].bytes = 0;
    shadows_[slot].hash = free_;
    free_ = slot;
  }

  Slot Take() {
    if (free_ != kNoSlot) {
      const Slot slot = free_;
      free_ = static_cast<Slot>(shadows_[slot].hash);
      return slot;
    }
    if (next_ >= shadows_.size() && !Grow()) return kNoSlot;
    return next_++;
  }

  // Twice as many, up to the limit; the index has at least two cells a shadow.
  bool Grow() {
    const uint64_t count =
        std::min<uint64_t>(kShadowsMax + 1, std::max<uint64_t>(kPageBytes / sizeof(Shadow), shadows_.size() * 2));
    if (next_ >= count) return false;
    PagedArray<Shadow> shadows;
    PagedArray<uint16_t> index;
    const uint64_t cells = std::bit_ceil(2 * count);
    if (!shadows.Allocate(pages_, count) || !index.Allocate(pages_, cells)) return false;
    if (!shadows_.empty())
      std::memcpy(static_cast<void*>(shadows.data()), shadows_.data(), shadows_.size() * sizeof(Shadow));
    shadows_.swap(shadows);
    index_.swap(index);
    for (Slot slot = 1; slot < next_; ++slot) {
      if (shadows_[slot].bytes != 0) index_[Find(shadows_[slot].hash)] = static_cast<uint16_t>(slot);
    }
    return true;
  }

  Pages& pages_;
  PagedArray<Shadow> shadows_;
  PagedArray<uint16_t> index_;
  EvictionQueues<View> queues_;
  Slot next_ = 1;  // never used yet from here on
  Slot free_ = kNoSlot;
  uint64_t bytes_ = 0;
  bool evicted_ = false;
};

ShadowSampler::ShadowSampler(Pages& pages, EvictionPolicy policy)
    : best_(policy), pages_(pages), until_judgement_(kStretch), led_(policy) {
  StartAfresh();
}
ShadowSampler::~ShadowSampler() = default;

void ShadowSampler::Lookup(uint64_t hash, uint64_t bytes) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || is_off() || !Sampled(hash)) return;
  uint32_t hit_by = 0;
  bool full = true;
  for (uint32_t p = 0; p < kPolicies; ++p) {
    hit_by |= uint32_t{simulations_[p]->Use(hash)} << p;
    full = full && simulations_[p]->full();
  }
  if (full) {
    for (uint32_t p = 0; p < kPolicies; ++p) hits_[p] += hit_by >> p & 1;
    if (--until_judgement_ == 0) Judge();
  }
  if (bytes != 0) Store(hash, bytes, hit_by);
}

void ShadowSampler::Admit(uint64_t hash, uint64_t bytes) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || is_off() || !Sampled(hash)) return;
  uint32_t present = 0;
  for (uint32_t p = 0; p < kPolicies; ++p) present |= uint32_t{simulations_[p]->Holds(hash)} << p;
  Store(hash, bytes, present);
}

void ShadowSampler::Store(uint64_t hash, uint64_t bytes, uint32_t present) {
  const double share = static_cast<double>(capacity_.load(std::memory_order_relaxed)) * rate();
  for (uint32_t p = 0; p < kPolicies; ++p) {
    if ((present >> p & 1) == 0) simulations_[p]->Store(hash, std::max<uint64_t>(1, bytes), static_cast<uint64_t>(share));
  }
  if (IsCrowded()) SetThreshold(threshold_.load(std::memory_order_relaxed) >> 1);
}

void ShadowSampler::SetThreshold(uint32_t threshold) {
  threshold_.store(threshold, std::memory_order_relaxed);
  for (const auto& s : simulations_) s->RemoveUnless([this](uint64_t hash) { return Sampled(hash); });
}

EvictionPolicy ShadowSampler::Leader() const {
  const uint32_t current = static_cast<uint32_t>(Best());
  uint32_t first = current;
  for (uint32_t p = 0; p < kPolicies; ++p) {
    if (leads_[p][current].sum > leads_[first][current].sum) first = p;
  }
  if (first == current || stretches_ < kStretchesMin) return Best();
  const Leads& leads = leads_[first][current];
  const double mean = leads.sum / stretches_;
  const double variance = std::max(0.0, leads.squares / stretches_ - mean * mean);
  const EvictionPolicy policy = static_cast<EvictionPolicy>(first);
  const bool clear = mean >= ShareOf(policy) * kStretch && mean >= kErrors * std::sqrt(variance / stretches_);
  return clear ? policy : Best();
}

void ShadowSampler::EndStretch() {
  for (uint32_t p = 0; p < kPolicies; ++p) {
    for (uint32_t q = 0; q < kPolicies; ++q) {
      const double lead = static_cast<double>(hits_[p]) - static_cast<double>(hits_[q]);
      leads_[p][q].sum = leads_[p][q].sum * kFade + lead;
      leads_[p][q].squares = leads_[p][q].squares * kFade + lead * lead;
    }
  }
  stretches_ = stretches_ * kFade + 1;
  hits_.fill(0);
  until_judgement_ = kStretch;
}

void ShadowSampler::Judge() {
  EndStretch();
  const EvictionPolicy leader = Leader();
  if (leader == led_) best_.store(leader, std::memory_order_relaxed);
  led_ = leader;

  bool few = threshold_.load(std::memory_order_relaxed) != ~0u;
  for (const auto& s : simulations_) few = few && s->size() < shadows_max_ / 5;
  if (!few) return;
  SetThreshold(threshold_.load(std::memory_order_relaxed) << 1 | 1);
  for (const auto& s : simulations_) s->ExpectMore();
}

void ShadowSampler::SetPolicy(EvictionPolicy policy) {
  const std::unique_lock lock(mutex_);
  best_.store(policy, std::memory_order_relaxed);
  ForgetHits();
}

void ShadowSampler::ForgetHits() {
  led_ = Best();
  leads_ = {};
  stretches_ = 0;
  hits_.fill(0);
  until_judgement_ = kStretch;
}

void ShadowSampler::StartAfresh() {
  for (uint32_t p = 0; p < kPolicies; ++p) {
    // In place once it is there: callers that give memory back must not need any.
    if (Simulation* old = simulations_[p].get(); old != nullptr) {
      std::destroy_at(old);
      std::construct_at(old, pages_, static_cast<EvictionPolicy>(p));
    } else {
      simulations_[p] = std::make_unique<Simulation>(pages_, static_cast<EvictionPolicy>(p));
    }
  }
  threshold_.store(is_off() ? 0 : ~0u, std::memory_order_relaxed);
  ForgetHits();
}

void ShadowSampler::Release() {
  const std::unique_lock lock(mutex_);
  StartAfresh();
}

void ShadowSampler::SetShadowsMax(uint64_t shadows) {
  const std::unique_lock lock(mutex_);
  const bool was_off = is_off();
  shadows_max_ = static_cast<uint32_t>(std::min<uint64_t>(shadows, kShadowsMax));
  if (is_off() != was_off) return StartAfresh();
  while (!is_off() && IsCrowded()) SetThreshold(threshold_.load(std::memory_order_relaxed) >> 1);
}

bool ShadowSampler::IsCrowded() const {
  return std::any_of(simulations_.begin(), simulations_.end(), [this](const auto& s) { return s->size() >= shadows_max_; });
}

uint64_t ShadowSampler::mapped_bytes() const {
  const std::unique_lock lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& s : simulations_) bytes += s->mapped_bytes();
  return bytes;
}

void ShadowSampler::CheckInvariants() const {
  const std::unique_lock lock(mutex_);
  for (const auto& s : simulations_) s->CheckInvariants();
}

}  // namespace weir::pool
