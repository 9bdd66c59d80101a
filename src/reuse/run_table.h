#pragma once
// RunTable: first key to run. Open addressing with linear probing and deletion by moving back; 8 bytes a slot (32 bits of
// hash, run number), at most three quarters full. What a slot points to is confirmed by the caller.
//
// Thread rule: a Probe inside a Pass of the gate, by any number of threads; the rest by one writer. An
// entry that stays is always found: it moves to its new slot before it leaves the old one, and version_ changes in
// between, so that a reader that saw neither looks again. Growth fills a new array before readers get to see it.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <new>

#include "limbo.h"
#include "metered_memory.h"
#include "run_slab.h"

namespace weir::internal {

class RunTable {
  struct Slots {
    uint32_t mask;  // slots - 1
    uint32_t unused;
    std::atomic<uint64_t> at[];
    uint32_t Home(uint32_t tag) const { return static_cast<uint32_t>((uint64_t{tag} * (uint64_t{mask} + 1)) >> 32); }
  };

  static uint32_t TagOf(uint64_t key) { return static_cast<uint32_t>((key * 0x9e3779b97f4a7c15u) >> 32); }
  static uint64_t SlotOf(uint32_t tag, RunId run) { return uint64_t{tag} << 32 | run; }
  static uint32_t TagIn(uint64_t slot) { return static_cast<uint32_t>(slot >> 32); }
  static RunId RunOf(uint64_t slot) { return static_cast<RunId>(slot); }

 public:
  // `limbo` frees blocks of `meter`.
  RunTable(MemoryMeter& meter, Limbo& limbo) : meter_(meter), limbo_(limbo) {}
  RunTable(const RunTable&) = delete;
  RunTable& operator=(const RunTable&) = delete;
  ~RunTable() { meter_.Free(slots_.load(std::memory_order_relaxed)); }

  // Looks runs up, on one array as long as it finds them there: an array that was replaced still has what it had.
  class Probe {
   public:
    explicit Probe(const RunTable& table) : table_(table) { Refresh(); }

    // The first run filed under `key` that `confirms(run)` accepts, or kNoRun.
    template <typename Confirms>
    RunId Find(uint64_t key, Confirms&& confirms) {
      const uint32_t tag = TagOf(key);
      for (;;) {
        if (slots_ == nullptr) return kNoRun;
        for (uint32_t at = Home(tag);; at = (at + 1) & mask_) {
          // An acquire that pairs with the release of whoever stored: the run is there, and what moved it is seen.
          const uint64_t slot = slots_[at].load(std::memory_order_acquire);
          if (RunOf(slot) == kNoRun) break;
          if (TagIn(slot) == tag && confirms(RunOf(slot))) return RunOf(slot);
        }
        if (table_.version_.load(std::memory_order_relaxed) == version_) return kNoRun;
        Refresh();
      }
    }
    void Prefetch(uint64_t key) const { __builtin_prefetch(&slots_[Home(TagOf(key))]); }
    // The run in the key's first slot if it has the key's hash: likely the right one.
    RunId Guess(uint64_t key) const {
      const uint32_t tag = TagOf(key);
      const uint64_t slot = slots_[Home(tag)].load(std::memory_order_acquire);
      return TagIn(slot) == tag ? RunOf(slot) : kNoRun;
    }

   private:
    void Refresh() {
      version_ = table_.version_.load(std::memory_order_acquire);
      const Slots* const slots = table_.slots_.load(std::memory_order_acquire);
      slots_ = slots == nullptr ? nullptr : slots->at;
      mask_ = slots == nullptr ? 0 : slots->mask;
    }
    uint32_t Home(uint32_t tag) const { return static_cast<uint32_t>((uint64_t{tag} * (uint64_t{mask_} + 1)) >> 32); }

    const RunTable& table_;
    const std::atomic<uint64_t>* slots_ = nullptr;
    uint32_t mask_ = 0;
    uint64_t version_ = 0;
  };

  // Room for `more` insertions that cannot fail. Throws std::bad_alloc.
  void Reserve(uint32_t more) {
    const Slots* const slots = slots_.load(std::memory_order_relaxed);
    const uint64_t wanted = uint64_t{count_} + more;
    if (slots == nullptr || wanted * 4 > (uint64_t{slots->mask} + 1) * 3) {
      Resize(std::bit_ceil(std::max<uint64_t>(8, wanted * 4 / 3 + 1)));
    }
  }
  // REQUIRES: room was reserved.
  void Insert(uint64_t key, RunId run) noexcept {
    Place(*slots_.load(std::memory_order_relaxed), SlotOf(TagOf(key), run));
    ++count_;
  }
  // REQUIRES: (key, from) is here.
  void Replace(uint64_t key, RunId from, RunId to) noexcept {
    slots_.load(std::memory_order_relaxed)->at[PlaceOf(key, from)].store(SlotOf(TagOf(key), to), std::memory_order_release);
  }
  void Erase(uint64_t key, RunId run) noexcept;
  // Takes a smaller array when much of this one is empty and memory allows.
  void Shrink() noexcept;
  uint32_t count() const { return count_; }

 private:
  uint32_t PlaceOf(uint64_t key, RunId run) const {
    const Slots& slots = *slots_.load(std::memory_order_relaxed);
    uint32_t at = slots.Home(TagOf(key));
    while (RunOf(slots.at[at].load(std::memory_order_relaxed)) != run) at = (at + 1) & slots.mask;
    return at;
  }
  static void Place(Slots& slots, uint64_t slot) noexcept {
    uint32_t at = slots.Home(TagIn(slot));
    while (RunOf(slots.at[at].load(std::memory_order_relaxed)) != kNoRun) at = (at + 1) & slots.mask;
    slots.at[at].store(slot, std::memory_order_release);
  }
  // What stood in the slot is elsewhere by now, or gone.
  void SetHole(std::atomic<uint64_t>& slot, uint64_t value) noexcept {
    version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    slot.store(value, std::memory_order_release);
  }
  void Resize(uint64_t count);

  MemoryMeter& meter_;
  Limbo& limbo_;
  std::atomic<Slots*> slots_{nullptr};
  std::atomic<uint64_t> version_{0};
  uint32_t count_ = 0;
};

inline void RunTable::Resize(uint64_t count) {
  auto* const fresh = static_cast<Slots*>(meter_.Allocate(sizeof(Slots) + count * sizeof(uint64_t)));
  fresh->mask = static_cast<uint32_t>(count - 1);
  for (uint64_t i = 0; i < count; ++i) new (&fresh->at[i]) std::atomic<uint64_t>(SlotOf(0, kNoRun));
  Slots* const old = slots_.load(std::memory_order_relaxed);
  for (uint64_t i = 0; old != nullptr && i <= old->mask; ++i) {
    const uint64_t slot = old->at[i].load(std::memory_order_relaxed);
    if (RunOf(slot) != kNoRun) Place(*fresh, slot);
  }
  slots_.store(fresh, std::memory_order_release);
  if (old != nullptr) {
    limbo_.Retire(reinterpret_cast<uint64_t>(old), 0, (uint64_t{old->mask} + 1) * sizeof(uint64_t));
  }
}

inline void RunTable::Erase(uint64_t key, RunId run) noexcept {
  Slots& slots = *slots_.load(std::memory_order_relaxed);
  uint32_t hole = PlaceOf(key, run);
  for (uint32_t at = (hole + 1) & slots.mask;; at = (at + 1) & slots.mask) {
    const uint64_t slot = slots.at[at].load(std::memory_order_relaxed);
    if (RunOf(slot) == kNoRun) break;
    const uint32_t from_home = (at - slots.Home(TagIn(slot))) & slots.mask;
    if (from_home >= ((at - hole) & slots.mask)) {
      SetHole(slots.at[hole], slot);
      hole = at;
    }
  }
  SetHole(slots.at[hole], SlotOf(0, kNoRun));
  --count_;
}

inline void RunTable::Shrink() noexcept {
  Slots* const slots = slots_.load(std::memory_order_relaxed);
  if (slots == nullptr) return;
  if (count_ == 0) {
    slots_.store(nullptr, std::memory_order_release);
    limbo_.Retire(reinterpret_cast<uint64_t>(slots), 0, (uint64_t{slots->mask} + 1) * sizeof(uint64_t));
  } else if (slots->mask > 15 && uint64_t{count_} * 8 < slots->mask) {
    try {
      Resize(std::bit_ceil(uint64_t{count_} * 4));
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

}  // namespace weir::internal
