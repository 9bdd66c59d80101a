#pragma once
// RunTable: first key to run. Open addressing with linear probing and deletion by moving back; 8 bytes a slot (32 bits of
// hash, run number), at most three quarters full. What a slot points to is confirmed by the caller.

#include <algorithm>
#include <bit>
#include <cstdint>

#include "metered_memory.h"
#include "run_slab.h"

namespace weir::internal {

class RunTable {
 public:
  explicit RunTable(MemoryMeter& meter) : meter_(meter) {}
  RunTable(const RunTable&) = delete;
  RunTable& operator=(const RunTable&) = delete;
  ~RunTable() { meter_.Free(slots_); }

  // The first run filed under `key` that `confirms(run)` accepts, or kNoRun.
  template <typename Confirms>
  RunId Find(uint64_t key, Confirms&& confirms) const {
    if (count_ == 0) return kNoRun;
    const uint32_t tag = TagOf(key);
    for (uint32_t at = Home(tag); slots_[at].run != kNoRun; at = (at + 1) & mask_) {
      if (slots_[at].tag == tag && confirms(slots_[at].run)) return slots_[at].run;
    }
    return kNoRun;
  }
  void Prefetch(uint64_t key) const {
    if (count_ > 0) __builtin_prefetch(&slots_[Home(TagOf(key))]);
  }
  // The run in the key's first slot if it has the key's hash: likely the right one.
  RunId Guess(uint64_t key) const {
    const uint32_t tag = TagOf(key);
    const Slot slot = count_ > 0 ? slots_[Home(tag)] : Slot{0, kNoRun};
    return slot.tag == tag ? slot.run : kNoRun;
  }
  // Room for `more` insertions that cannot fail. Throws std::bad_alloc.
  void Reserve(uint32_t more) {
    const uint64_t wanted = uint64_t{count_} + more;
    if (slots_ == nullptr || wanted * 4 > (uint64_t{mask_} + 1) * 3) {
      Resize(std::bit_ceil(std::max<uint64_t>(8, wanted * 4 / 3 + 1)));
    }
  }
  // REQUIRES: room was reserved.
  void Insert(uint64_t key, RunId run) noexcept {
    Place({TagOf(key), run});
    ++count_;
  }
  // REQUIRES: (key, from) is here.
  void Replace(uint64_t key, RunId from, RunId to) noexcept { slots_[PlaceOf(key, from)].run = to; }
  void Erase(uint64_t key, RunId run) noexcept;
  uint32_t count() const { return count_; }

 private:
  struct Slot {
    uint32_t tag;
    RunId run;
  };

  static uint32_t TagOf(uint64_t key) { return static_cast<uint32_t>((key * 0x9e3779b97f4a7c15u) >> 32); }
  uint32_t Home(uint32_t tag) const { return static_cast<uint32_t>((uint64_t{tag} * (uint64_t{mask_} + 1)) >> 32); }
  uint32_t PlaceOf(uint64_t key, RunId run) const {
    uint32_t at = Home(TagOf(key));
    while (slots_[at].run != run) at = (at + 1) & mask_;
    return at;
  }
  void Place(Slot slot) noexcept {
    uint32_t at = Home(slot.tag);
    while (slots_[at].run != kNoRun) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  void Resize(uint64_t slots);

  MemoryMeter& meter_;
  Slot* slots_ = nullptr;
  uint32_t mask_ = 0;  // slots - 1
  uint32_t count_ = 0;
};

inline void RunTable::Resize(uint64_t slots) {
  Slot* const old = slots_;
  const uint64_t old_count = old == nullptr ? 0 : uint64_t{mask_} + 1;
  slots_ = static_cast<Slot*>(meter_.Allocate(slots * sizeof(Slot)));
  mask_ = static_cast<uint32_t>(slots - 1);
  std::fill_n(slots_, slots, Slot{0, kNoRun});
  for (uint64_t i = 0; i < old_count; ++i) {
    if (old[i].run != kNoRun) Place(old[i]);
  }
  meter_.Free(old);
}

inline void RunTable::Erase(uint64_t key, RunId run) noexcept {
  uint32_t hole = PlaceOf(key, run);
  for (uint32_t at = (hole + 1) & mask_; slots_[at].run != kNoRun; at = (at + 1) & mask_) {
    const uint32_t from_home = (at - Home(slots_[at].tag)) & mask_;
    if (from_home >= ((at - hole) & mask_)) {
      slots_[hole] = slots_[at];
      hole = at;
    }
  }
  slots_[hole].run = kNoRun;
  --count_;
  if (count_ == 0) {
    meter_.Free(slots_);
    slots_ = nullptr;
    mask_ = 0;
  } else if (mask_ > 15 && uint64_t{count_} * 8 < mask_) {
    try {
      Resize((uint64_t{mask_} + 1) / 2);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
}

}  // namespace weir::internal
