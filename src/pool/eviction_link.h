#pragma once
// EvictionLink: what the eviction queues keep inside each entry's header, and what they ask of the entries.
//
// An entry is named by its slot, a 32-bit number that its owner maps to a header. All fields belong to the lock of the
// entry's shard; the atomic ones are also read, and `uses` is raised, by threads that do not hold it.

#include <atomic>
#include <cstdint>

namespace weir::pool {

using Slot = uint32_t;
inline constexpr Slot kNoSlot = 0;  // no entry has slot 0

// Uses since the queues last looked, saturating: S3-FIFO counts to 3, the clocks ask only whether there was one.
inline constexpr uint8_t kUsesMax = 3;

// Entries are grouped by what a byte of them is worth, a class per power of two.
inline constexpr uint8_t kPriceClasses = 32;
inline constexpr uint8_t kPriceClassNever = 32;  // Keep::kAlways: in no queue

struct EvictionLink {
  uint32_t position = 0;          // in the ring of its queue
  std::atomic<uint8_t> uses{0};   // 0..kUsesMax
  std::atomic<uint8_t> place{0};  // price class in the low six bits, queue in the high two
  uint16_t stamp = 0;             // when it last entered a queue, in units of its class; private to the queues

  uint8_t price_class() const { return place.load(std::memory_order_relaxed) & 63; }
  // Which of the queues of its class; meaning private to the queues, but that 0 is none.
  uint8_t queue() const { return place.load(std::memory_order_relaxed) >> 6; }
  void set_price_class(uint8_t price_class) { set_place(price_class, queue()); }
  void set_queue(uint8_t queue) { set_place(price_class(), queue); }
  void set_place(uint8_t price_class, uint8_t queue) {
    place.store(static_cast<uint8_t>(price_class | queue << 6), std::memory_order_relaxed);
  }

  void NoteUse() {
    const uint8_t seen = uses.load(std::memory_order_relaxed);
    uses.store(static_cast<uint8_t>(seen + (seen < kUsesMax ? 1 : 0)), std::memory_order_relaxed);
  }
  // The place passes to `to`; *this is in no queue afterwards. EvictionQueues::Relocate makes it so.
  void MoveTo(EvictionLink& to) {
    to.position = position;
    to.uses.store(uses.load(std::memory_order_relaxed), std::memory_order_relaxed);
    to.set_place(price_class(), queue());
    to.stamp = stamp;
    set_queue(0);
  }
};
static_assert(sizeof(EvictionLink) == 8);

// What EvictionQueues asks of its owner (a template parameter `Entries`, a cheap copyable view):
//   EvictionLink& Link(Slot) const;
//   uint64_t Bytes(Slot) const;      what the entry is charged
//   uint64_t Hash(Slot) const;       HashOf(key), stable while the entry lives
//   bool Claim(Slot) const;          false: pinned, ask again later; true: nobody can pin it any more, it is the caller's
// All but Claim are cheap and may be asked about any entry that is in a queue.

}  // namespace weir::pool
