#pragma once
// EvictionLink: what the eviction queues keep inside each entry's header, and what they ask of the entries.
//
// An entry is named by its slot, a 32-bit number that its owner maps to a header. All fields but `uses` belong to the lock
// of the entry's shard; `uses` is raised by readers without it.

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
  uint32_t position = 0;         // in the ring of its queue
  std::atomic<uint8_t> uses{0};  // 0..kUsesMax
  uint8_t price_class : 6 = 0;
  uint8_t queue : 2 = 0;  // which of the queues of its class; meaning private to the queues
  uint16_t stamp = 0;     // when it last entered a queue, in units of its class; private to the queues

  void NoteUse() {
    const uint8_t seen = uses.load(std::memory_order_relaxed);
    if (seen < kUsesMax) uses.store(seen + 1, std::memory_order_relaxed);
  }
  // The place passes to `to`; *this is in no queue afterwards. EvictionQueues::Relocate makes it so.
  void MoveTo(EvictionLink& to) {
    to.position = position;
    to.uses.store(uses.load(std::memory_order_relaxed), std::memory_order_relaxed);
    to.price_class = price_class;
    to.queue = queue;
    to.stamp = stamp;
    queue = 0;
  }
};
static_assert(sizeof(EvictionLink) == 8);

// What EvictionQueues asks of its owner (a template parameter `Entries`, a cheap copyable view):
//   EvictionLink& Link(Slot) const;
//   uint64_t Bytes(Slot) const;      what the entry is charged
//   uint64_t Hash(Slot) const;       HashOf(key), stable while the entry lives
//   bool Claim(Slot) const;          false: pinned, ask again later; true: nobody can pin it any more, it is the caller's
//   void Prefetch(Slot) const;

}  // namespace weir::pool
