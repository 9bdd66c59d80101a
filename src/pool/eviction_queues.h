#pragma once
// EvictionQueues: the order in which one shard's entries lose their place. (Over 400 lines because the rules share all of
// their state: apart, each would need most of the private part.)
//
// Every policy keeps the same two rings of slots, small (for entries that have proven nothing yet) and main, and the same
// ghosts, so that another policy is another rule over the same queues. A hit moves nothing: it raises EvictionLink::uses,
// and Evict looks at it when the entry comes up.
//   kClock   enters main; a used entry gets a second chance. What an earlier rule left in small comes up in turns with main.
//   kS3Fifo  enters small, or main when a ghost knows it; small gives way while it holds a twelfth of the bytes or more;
//            from small, an entry used twice goes to main and another one leaves; in main, a use buys a round. Unlike the
//            published rule, ghosts remember what leaves main as well; two in three that return from there go to main.
//   kCar     as CAR: small is T1, main is T2, ghosts B1 and B2, and a target for T1 that their hits move; the capacity is
//            what is resident now.
//   kDuel    enters small, a 64th of the bytes, unless main has room. An entry of small that was used, or that a ghost
//            knew, challenges the front of main: if that one was used since its last duel, it stays and the challenger
//            gets another round in small; otherwise they change places and the loser leaves. In a loop, each entry of main
//            is used between its duels, so main stays whole, where recency would lose every entry before its next use.
// Everything is decided by bytes, so sizes may differ. A pinned entry that comes up goes to the back of its ring.
//
// Entries of different worth per byte: a price class per power of two, each with rings of its own, and GreedyDual's rule
// between them (Young 1991; Cao and Irani 1997) in O(1). An inflation value L never falls; an entry that enters a ring is
// worth L + the price of its class; the class loses whose next candidate is worth least, and L rises to that. Stamps hold L
// in units of 1/256 of the price. With one class in use this is exactly the plain policy.
//
// Threads: guarded by the shard's lock, but for EvictionLink::uses. Rings and ghosts are paged memory, and nothing else is
// allocated.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "eviction_link.h"
#include "ghost.h"
#include "pages.h"
#include "slot_ring.h"
#include "weir/base/check.h"
#include "weir/pool/reclaimable.h"

namespace weir::pool {

template <class Entries>
class EvictionQueues {
 public:
  EvictionQueues(Pages& pages, Entries entries, EvictionPolicy policy)
      : pages_(pages), entries_(entries), ghost_(pages), policy_(policy) {}

  // A new entry. `price_class` may be kPriceClassNever: it is in no queue then, and Evict never meets it.
  // False: no memory; nothing changed. REQUIRES: in no queue yet, readers cannot reach it or may only raise `uses`.
  bool Add(Slot slot, uint8_t price_class) {
    EvictionLink& link = entries_.Link(slot);
    Queue queue = Queue::kNone;
    uint8_t uses = 0;
    if (price_class != kPriceClassNever) {
      Class& c = classes_[price_class];
      const uint32_t seen = FindGhost(slot);
      const bool known = seen != Ghost::kNotFound;
      const bool on_trial = known && IsOnTrial(ghost_.ListAt(seen));
      queue = QueueOfNew(c, known && !on_trial);
      if (!Reserve(RingOf(c, queue))) return false;
      if (known) {
        uses = policy_ == EvictionPolicy::kDuel ? 1 : 0;
        if (policy_ == EvictionPolicy::kS3Fifo && ghost_.ListAt(seen) == Ghost::kFromMain) ++main_returns_;
        if (policy_ == EvictionPolicy::kCar) Adapt(c, ghost_.ListAt(seen), entries_.Bytes(slot));
        ghost_.Forget(seen);
      }
    }
    link.uses.store(uses, std::memory_order_relaxed);
    link.set_price_class(price_class);
    Enter(slot, link, queue, entries_.Bytes(slot));
    return true;
  }

  // The entry is erased; O(1), no neighbour is touched.
  void Remove(Slot slot) {
    EvictionLink& link = entries_.Link(slot);
    if (link.queue() == Index(Queue::kNone)) return;
    const Queue queue = static_cast<Queue>(link.queue());
    Leave(slot, link, entries_.Bytes(slot));
    Shrink(RingOf(classes_[link.price_class()], queue));
  }

  // The entry moved; its header, link included, is already at `to`. O(1).
  void Relocate([[maybe_unused]] Slot from, Slot to) {
    const EvictionLink& link = entries_.Link(to);
    if (link.queue() == Index(Queue::kNone)) return;
    RingOf(classes_[link.price_class()], static_cast<Queue>(link.queue())).slots.Replace(link.position, to);
  }

  // The next victim, claimed, out of the queues and remembered by the ghosts. kNoSlot: empty, or `effort_max` entries were
  // looked at and each had been used or was pinned.
  Slot Evict(uint32_t effort_max) {
    for (uint32_t effort = 0; effort < effort_max && in_use_ != 0; ++effort) {
      Class& c = classes_[NextClass()];
      const Slot victim = Step(c);
      if (victim != kNoSlot) return victim;
    }
    return kNoSlot;
  }

  // The entry becomes the youngest of its queue in the other class. False: no memory; nothing changed.
  bool Reprice(Slot slot, uint8_t price_class) {
    EvictionLink& link = entries_.Link(slot);
    if (link.price_class() == price_class) return true;
    Queue queue = static_cast<Queue>(link.queue());
    if (price_class == kPriceClassNever) {
      queue = Queue::kNone;
    } else {
      if (queue == Queue::kNone) queue = QueueOfNew(classes_[price_class], /*known=*/false);
      if (!Reserve(RingOf(classes_[price_class], queue))) return false;
    }
    const uint64_t bytes = entries_.Bytes(slot);
    if (link.queue() != Index(Queue::kNone)) Leave(slot, link, bytes);
    link.set_price_class(price_class);
    Enter(slot, link, queue, bytes);
    return true;
  }

  // In place: queues and ghosts stay as they are, and the new rule goes on with them.
  void SetPolicy(EvictionPolicy policy) {
    if (policy == policy_) return;
    if (policy == EvictionPolicy::kClock) ghost_.Release();
    if (policy == EvictionPolicy::kCar) {
      for (Class& c : classes_) c.small_target = c.small.bytes;
    }
    policy_ = policy;
  }
  EvictionPolicy policy() const { return policy_; }

  // The entry that is looked at next, as things stand; kNoSlot: none. For prefetching what its eviction will touch.
  Slot Next() const {
    if (in_use_ == 0) return kNoSlot;
    const Class& c = classes_[NextClass()];
    return RingOf(c, NextQueue(c)).slots.front();
  }

  // What a byte of the class that would lose next is worth, in units of class 0; infinity: nothing to lose.
  double PriceOfNext() const {
    return in_use_ == 0 ? std::numeric_limits<double>::infinity() : std::ldexp(1.0, NextClass());
  }

  // A hint that an entry with this hash will be added soon.
  void Expect(uint64_t hash) const { __builtin_prefetch(ghost_.AddressOf(hash)); }

  // Gives up the pages of queues that are empty; without any entry, the ghosts too.
  void Trim() {
    for (Class& c : classes_) {
      c.small.slots.ReleaseIfEmpty();
      c.main.slots.ReleaseIfEmpty();
    }
    if (size() == 0) ghost_.Release();
  }

  // Entries of a class, `visit(slot, in_main)`: those in small, then those in main, the oldest of each first.
  template <typename Visit>
  void ForEach(uint8_t price_class, Visit&& visit) const {
    const Class& c = classes_[price_class];
    c.small.slots.ForEach([&](Slot slot, uint32_t) { visit(slot, false); });
    c.main.slots.ForEach([&](Slot slot, uint32_t) { visit(slot, true); });
  }

  // The entry has earned a place in main.
  static bool InMain(const EvictionLink& link) { return link.queue() == Index(Queue::kMain); }

  // Its place in its queue: 0 comes up next, towards 1 entered last. 1 for an entry in no queue.
  double DepthOf(const EvictionLink& link) const {
    if (link.queue() == Index(Queue::kNone)) return 1;
    return RingOf(classes_[link.price_class()], static_cast<Queue>(link.queue())).slots.DepthOf(link.position);
  }

  size_t size() const { return small_entries_ + main_entries_; }
  uint64_t mapped_bytes() const {
    uint64_t bytes = ghost_.mapped_bytes();
    for (const Class& c : classes_) bytes += c.small.slots.mapped_bytes() + c.main.slots.mapped_bytes();
    return bytes;
  }

  void CheckInvariants() const {
    uint64_t small_entries = 0;
    uint64_t main_entries = 0;
    for (uint8_t k = 0; k < kPriceClasses; ++k) {
      const Class& c = classes_[k];
      CheckRing(c.small, k, Queue::kSmall);
      CheckRing(c.main, k, Queue::kMain);
      small_entries += c.small.slots.size();
      main_entries += c.main.slots.size();
      WEIR_CHECK(c.empty() == ((in_use_ >> k & 1) == 0), "class {} is in the wrong bitmap state", int{k});
    }
    WEIR_CHECK(small_entries == small_entries_, "{} in small, {} counted", small_entries, small_entries_);
    WEIR_CHECK(main_entries == main_entries_, "{} in main, {} counted", main_entries, main_entries_);
  }

 private:
  enum class Queue : uint8_t { kNone, kSmall, kMain };
  static constexpr uint8_t Index(Queue queue) { return static_cast<uint8_t>(queue); }

  struct Ring {
    SlotRing slots;
    uint64_t bytes = 0;
  };
  struct Class {
    Ring small;
    Ring main;
    uint64_t small_target = 0;  // CAR's p, in bytes
    bool small_next = true;     // kClock: whose turn it is

    bool empty() const { return small.slots.empty() && main.slots.empty(); }
    uint64_t bytes() const { return small.bytes + main.bytes; }
  };

  // How many candidates ahead memory is fetched; a step takes about a tenth of a cache miss.
  static constexpr uint32_t kHeadersAhead = 8;
  static constexpr uint32_t kGhostsAhead = 3;
  static constexpr uint64_t kSmallShare = 12;  // one part in so many
  static constexpr uint64_t kReturnsPerTrial = 3;
  static constexpr uint64_t kSmallShareInDuel = 64;
  static constexpr uint8_t kUsesToMain = 2;
  static constexpr uint32_t kStampsPerPrice = 256;

  static Ring& RingOf(Class& c, Queue queue) { return queue == Queue::kSmall ? c.small : c.main; }
  static const Ring& RingOf(const Class& c, Queue queue) { return queue == Queue::kSmall ? c.small : c.main; }

  auto Moved() {
    return [this](Slot slot, uint32_t position) { entries_.Link(slot).position = position; };
  }
  bool Reserve(Ring& ring) { return ring.slots.Reserve(pages_, Moved()); }
  void Shrink(Ring& ring) { ring.slots.Shrink(pages_, Moved()); }

  // REQUIRES: room in the ring.
  void Enter(Slot slot, EvictionLink& link, Queue queue, uint64_t bytes) {
    link.set_queue(Index(queue));
    if (queue == Queue::kNone) return;
    Ring& ring = RingOf(classes_[link.price_class()], queue);
    link.stamp = StampNow(link.price_class());
    link.position = ring.slots.Push(slot);
    ring.bytes += bytes;
    ++(queue == Queue::kSmall ? small_entries_ : main_entries_);
    in_use_ |= 1u << link.price_class();
  }

  void Leave(Slot slot, EvictionLink& link, uint64_t bytes) {
    Class& c = classes_[link.price_class()];
    const Queue queue = static_cast<Queue>(link.queue());
    Ring& ring = RingOf(c, queue);
    WEIR_CHECK(ring.slots.Holds(link.position, slot), "slot {} is not at position {}", slot, link.position);
    ring.slots.Remove(link.position);
    ring.bytes -= bytes;
    --(queue == Queue::kSmall ? small_entries_ : main_entries_);
    if (c.empty()) in_use_ &= ~(1u << link.price_class());
    link.set_queue(Index(Queue::kNone));
  }

  Queue QueueOfNew(const Class& c, bool known) const {
    switch (policy_) {
      case EvictionPolicy::kClock: return Queue::kMain;
      case EvictionPolicy::kDuel: return c.small.bytes > c.bytes() / kSmallShareInDuel ? Queue::kMain : Queue::kSmall;
      case EvictionPolicy::kS3Fifo:
      case EvictionPolicy::kCar: break;
    }
    return known ? Queue::kMain : Queue::kSmall;
  }

  // Keys that return after they left main belong to a working set that main should hold, or to a loop that no queue can
  // hold. One in three has to prove itself in small again, which costs the first little and gains most of the second.
  bool IsOnTrial(Ghost::List list) const {
    return policy_ == EvictionPolicy::kS3Fifo && list == Ghost::kFromMain && main_returns_ % kReturnsPerTrial == 0;
  }

  // The queue whose front is the next candidate. REQUIRES: the class is not empty.
  Queue NextQueue(const Class& c) const {
    if (c.small.slots.empty()) return Queue::kMain;
    if (c.main.slots.empty()) return Queue::kSmall;
    bool small = true;
    switch (policy_) {
      case EvictionPolicy::kS3Fifo: small = c.small.bytes >= c.bytes() / kSmallShare; break;
      case EvictionPolicy::kClock: small = c.small_next; break;
      case EvictionPolicy::kCar: small = c.small.bytes >= std::max<uint64_t>(1, c.small_target); break;
      case EvictionPolicy::kDuel: small = c.small.bytes >= c.bytes() / kSmallShareInDuel; break;
    }
    return small ? Queue::kSmall : Queue::kMain;
  }

  uint16_t StampNow(uint32_t price_class) const { return static_cast<uint16_t>(inflation_ >> price_class); }
  // What is left of the worth of an entry, in 1/256 of the price of class 0.
  uint64_t WorthLeft(const EvictionLink& link, uint32_t price_class) const {
    const uint16_t age = static_cast<uint16_t>(StampNow(price_class) - link.stamp);
    return age >= kStampsPerPrice ? 0 : uint64_t{kStampsPerPrice - age} << price_class;
  }

  uint32_t NextClass() const {
    uint32_t next = static_cast<uint32_t>(std::countr_zero(in_use_));
    if ((in_use_ & (in_use_ - 1)) == 0) return next;
    uint64_t least = std::numeric_limits<uint64_t>::max();
    for (uint32_t left = in_use_; left != 0; left &= left - 1) {
      const uint32_t k = static_cast<uint32_t>(std::countr_zero(left));
      const Class& c = classes_[k];
      const uint64_t worth = WorthLeft(entries_.Link(RingOf(c, NextQueue(c)).slots.front()), k);
      if (worth < least) least = worth, next = k;
    }
    return next;
  }

  // Looks at one candidate: the victim, or kNoSlot when it stays.
  Slot Step(Class& c) {
    const Queue queue = NextQueue(c);
    c.small_next = !c.small_next;
    Ring& ring = RingOf(c, queue);
    // Headers first, then what their hashes lead to. Written out, since g++ takes a function that only prefetches for one
    // without effect and may drop the call.
    if (const Slot later = ring.slots.Ahead(kHeadersAhead); later != kNoSlot) __builtin_prefetch(&entries_.Link(later));
    if (const Slot soon = ring.slots.Ahead(kGhostsAhead); soon != kNoSlot && Remembers(queue)) {
      __builtin_prefetch(ghost_.AddressOf(entries_.Hash(soon)));
    }
    const Slot slot = ring.slots.front();
    EvictionLink& link = entries_.Link(slot);
    const uint8_t uses = link.uses.load(std::memory_order_relaxed);
    if (uses >= UsesToStay(queue)) {
      if (policy_ == EvictionPolicy::kDuel && queue == Queue::kSmall && !c.main.slots.empty()) return Duel(slot, link, c);
      const bool counts_down = policy_ == EvictionPolicy::kS3Fifo && queue == Queue::kMain;
      link.uses.store(counts_down ? uses - 1 : 0, std::memory_order_relaxed);
      PutBack(slot, link, c, queue, Queue::kMain);
      return kNoSlot;
    }
    if (!entries_.Claim(slot)) {
      PutBack(slot, link, c, queue, queue);
      return kNoSlot;
    }
    if (Remembers(queue)) RememberGhost(slot, queue);
    TakeOut(slot, link, c, queue);
    return slot;
  }

  // REQUIRES: `challenger` is at the front of small; main is not empty.
  Slot Duel(Slot challenger, EvictionLink& link, Class& c) {
    link.uses.store(0, std::memory_order_relaxed);
    const Slot defender = c.main.slots.front();
    EvictionLink& defenders = entries_.Link(defender);
    if (defenders.uses.load(std::memory_order_relaxed) != 0 || !entries_.Claim(defender)) {
      defenders.uses.store(0, std::memory_order_relaxed);
      PutBack(defender, defenders, c, Queue::kMain, Queue::kMain);
      PutBack(challenger, link, c, Queue::kSmall, Queue::kSmall);
      return kNoSlot;
    }
    TakeOut(defender, defenders, c, Queue::kMain);
    PutBack(challenger, link, c, Queue::kSmall, Queue::kMain);
    return defender;
  }

  void TakeOut(Slot slot, EvictionLink& link, Class& c, Queue queue) {
    inflation_ += WorthLeft(link, link.price_class());
    Leave(slot, link, entries_.Bytes(slot));
    Shrink(RingOf(c, queue));
  }

  uint8_t UsesToStay(Queue queue) const {
    return policy_ == EvictionPolicy::kS3Fifo && queue == Queue::kSmall ? kUsesToMain : 1;
  }

  // The front of `from` goes to the back of `to`; without memory for that, to the back of `from` for another round.
  void PutBack(Slot slot, EvictionLink& link, Class& c, Queue from, Queue to) {
    const uint64_t bytes = entries_.Bytes(slot);
    if (to != from && !Reserve(RingOf(c, to))) to = from;
    Leave(slot, link, bytes);
    Enter(slot, link, to, bytes);
  }

  // Whether ghosts remember what leaves this queue.
  bool Remembers(Queue queue) const {
    switch (policy_) {
      case EvictionPolicy::kClock: return false;
      case EvictionPolicy::kDuel: return queue == Queue::kSmall;
      case EvictionPolicy::kS3Fifo:
      case EvictionPolicy::kCar: break;
    }
    return true;
  }
  void RememberGhost(Slot slot, Queue queue) {
    SetGhostWindows();
    ghost_.Remember(entries_.Hash(slot), queue == Queue::kSmall ? Ghost::kFromSmall : Ghost::kFromMain, size());
  }
  uint32_t FindGhost(Slot slot) {
    if (policy_ == EvictionPolicy::kClock) return Ghost::kNotFound;
    SetGhostWindows();
    return ghost_.Find(entries_.Hash(slot));
  }
  // As many as are resident, from either queue, as far as the one table holds them. CAR, with c resident: |T1| + |B1| <= c
  // and |T1| + |T2| + |B1| + |B2| <= 2c.
  void SetGhostWindows() {
    const bool car = policy_ == EvictionPolicy::kCar;
    ghost_.SetWindow(Ghost::kFromSmall, car ? main_entries_ : size());
    ghost_.SetWindow(Ghost::kFromMain, car ? size() - ghost_.Size(Ghost::kFromSmall) : size());
  }

  // CAR's learning rule, in bytes: a key that returns from B1 asks for a larger T1, one from B2 for a smaller one.
  void Adapt(Class& c, Ghost::List list, uint64_t bytes) {
    const uint64_t from_small = std::max<uint64_t>(1, ghost_.Size(Ghost::kFromSmall));
    const uint64_t from_main = std::max<uint64_t>(1, ghost_.Size(Ghost::kFromMain));
    if (list == Ghost::kFromSmall) {
      c.small_target = std::min(c.small_target + bytes * std::max<uint64_t>(1, from_main / from_small), c.bytes());
    } else {
      c.small_target -= std::min(c.small_target, bytes * std::max<uint64_t>(1, from_small / from_main));
    }
  }

  void CheckRing(const Ring& ring, uint8_t price_class, Queue queue) const {
    ring.slots.CheckInvariants();
    uint64_t bytes = 0;
    ring.slots.ForEach([&](Slot slot, uint32_t position) {
      const EvictionLink& link = entries_.Link(slot);
      bytes += entries_.Bytes(slot);
      WEIR_CHECK(link.position == position, "slot {} at {}, its link says {}", slot, position, link.position);
      WEIR_CHECK(link.price_class() == price_class && link.queue() == Index(queue), "slot {} is in class {}, queue {}", slot,
                 int{price_class}, int{Index(queue)});
    });
    WEIR_CHECK(bytes == ring.bytes, "{} bytes in the ring, {} counted", bytes, ring.bytes);
  }

  Pages& pages_;
  const Entries entries_;
  Ghost ghost_;
  Class classes_[kPriceClasses];
  uint32_t in_use_ = 0;  // a bit per class that holds entries
  EvictionPolicy policy_;
  uint64_t small_entries_ = 0;
  uint64_t main_entries_ = 0;
  uint64_t main_returns_ = 0;  // kS3Fifo: keys that a ghost of main knew
  uint64_t inflation_ = 0;     // L in 1/256 of the price of class 0; may wrap, only differences count
};

}  // namespace weir::pool
