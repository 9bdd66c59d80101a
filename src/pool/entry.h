#pragma once
// Entry: the header in front of every value in an extent, and the rules by which threads share it.
//
// A cell of an extent is one Entry and the room for its value. `word` holds the state and the number of pins:
//   kFree      nobody's; its cell is on its extent's free list
//   kReserved  being filled by one thread
//   kLive      in the index; whoever pins it may read it
//   kClaimed   taken by a thread that will unlink, move or free it; only reached from kLive without pins
//   kDetached  no longer in the index, still pinned; whoever drops the last pin frees it
// A reader adds a pin before it looks at the state, and takes it back if the state is not kLive or the key is another one.
// So a cell's word is changed by adding and by compare-and-swap only, never overwritten: stray pins always even out.
// An entry becomes live, and stops being it, under the lock of its key's shard.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "eviction_link.h"
#include "weir/pool/pool.h"

namespace weir::pool {

enum class EntryState : uint32_t { kFree = 0, kReserved = 1, kLive = 2, kClaimed = 3, kDetached = 4 };

inline constexpr uint32_t kPinBits = 28;
inline constexpr uint32_t kPinMask = (1u << kPinBits) - 1;
constexpr uint32_t WordOf(EntryState state) { return static_cast<uint32_t>(state) << kPinBits; }
constexpr EntryState StateOf(uint32_t word) { return static_cast<EntryState>(word >> kPinBits); }

// How the body is to be read; anything below is the number of unused bytes at the end of the cell.
inline constexpr uint16_t kBodyLarge = 0xFFFF;     // LargeBody
inline constexpr uint16_t kBodyResource = 0xFFFE;  // Resource

struct LargeBody {
  std::byte* at;
  uint64_t size_bytes;
};

struct Entry {
  std::atomic<uint64_t> key_high;
  std::atomic<uint64_t> key_low;
  std::atomic<uint32_t> word;
  EvictionLink link;                    // while free: position is the next free cell
  std::atomic<uint16_t> last_use_tick;  // of the pool's coarse clock
  uint16_t slack;                       // kBody..., or cell bytes - header - value bytes

  PoolKey key() const { return {key_high.load(std::memory_order_relaxed), key_low.load(std::memory_order_relaxed)}; }
  void set_key(const PoolKey& key) {
    key_high.store(key.high, std::memory_order_relaxed);
    key_low.store(key.low, std::memory_order_relaxed);
  }
  EntryState state() const { return StateOf(word.load(std::memory_order_acquire)); }
  std::byte* body() { return reinterpret_cast<std::byte*>(this + 1); }
  LargeBody& large() { return *reinterpret_cast<LargeBody*>(body()); }
  Resource& resource() { return *reinterpret_cast<Resource*>(body()); }

  enum class Pinned : uint8_t { kYes, kOtherKey, kLeaving, kLeavingLast };
  // Pins the entry if it is alive under this key. kLeaving: what the index said has changed meanwhile. kLeavingLast: that,
  // and the pin in passing was the last one of a detached entry, now kClaimed, which the caller has to free.
  // Inside a ReadSection.
  Pinned TryPin(const PoolKey& wanted) {
    if (key() != wanted) return Pinned::kOtherKey;
    const uint32_t before = word.fetch_add(1, std::memory_order_acq_rel);
    if (StateOf(before) == EntryState::kLive && key() == wanted) return Pinned::kYes;
    return Unpin() ? Pinned::kLeavingLast : Pinned::kLeaving;
  }
  // True: it was detached and this the last pin; now it is kClaimed, and the caller has to free it. Inside a ReadSection,
  // since another thread's pin in passing may free it between the two steps.
  bool Unpin() {
    const uint32_t before = word.fetch_sub(1, std::memory_order_acq_rel);
    return before == (WordOf(EntryState::kDetached) | 1) && ClaimDetached();
  }

  // kLive without pins -> kClaimed. False: pinned.
  bool Claim() {
    uint32_t expected = WordOf(EntryState::kLive);
    return word.compare_exchange_strong(expected, WordOf(EntryState::kClaimed), std::memory_order_acq_rel);
  }
  // Adds the difference, so that pins in passing survive. Returns the word before.
  uint32_t Change(EntryState from, EntryState to) {
    return word.fetch_add(WordOf(to) - WordOf(from), std::memory_order_acq_rel);
  }
  // kDetached without pins -> kClaimed; true for exactly one thread, which then frees the entry.
  bool ClaimDetached() {
    uint32_t expected = WordOf(EntryState::kDetached);
    return word.compare_exchange_strong(expected, WordOf(EntryState::kClaimed), std::memory_order_acq_rel);
  }
};
static_assert(sizeof(Entry) == 32);
static_assert(sizeof(Resource) <= 32 && sizeof(LargeBody) <= 32);

inline constexpr uint64_t kHeaderBytes = sizeof(Entry);

}  // namespace weir::pool
