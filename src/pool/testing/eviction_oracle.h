#pragma once
// EvictionOracle: the eviction policies as plainly as they can be said, with lists and without a thought for speed, for the
// tests of EvictionQueues. It shares no code with them but the two enums of the contract.
//
// A mutation makes it wrong on purpose: a test that compares it with the queues must notice.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <vector>

#include "eviction_link.h"
#include "weir/pool/reclaimable.h"

namespace weir::pool {

// Two windows over one table of buckets of 16, newest first. Keys are told apart by 16 bits, as in the real one.
class GhostOracle {
 public:
  enum List { kFromSmall, kFromMain };

  void Remember(uint64_t hash, List list, uint64_t entries) {
    if (4 * cells_ < 3 * entries || cells_ > 4 * (entries + 1024)) {
      *this = GhostOracle();
      cells_ = (entries + 1023) / 1024 * 1024;
    }
    std::deque<Cell>& bucket = buckets_[Bucket(hash)];
    ++told_[list];
    if (bucket.size() == 16) {
      auto gone = std::find_if(bucket.rbegin(), bucket.rend(), [&](const Cell& cell) { return !IsInWindow(cell); });
      if (gone == bucket.rend()) gone = bucket.rbegin();
      --keys_[gone->list];
      bucket.erase(std::prev(gone.base()));
    }
    bucket.push_front({Fingerprint(hash), list, told_[list]});
    ++keys_[list];
  }

  // Whether the key is remembered, and by which list.
  bool Find(uint64_t hash, List& list) const {
    const auto bucket = buckets_.find(Bucket(hash));
    if (bucket == buckets_.end()) return false;
    for (const Cell& cell : bucket->second) {
      if (cell.fingerprint != Fingerprint(hash) || !IsInWindow(cell)) continue;
      list = cell.list;
      return true;
    }
    return false;
  }
  void Forget(uint64_t hash) {
    std::deque<Cell>& bucket = buckets_[Bucket(hash)];
    const auto cell = std::find_if(bucket.begin(), bucket.end(),
                                   [&](const Cell& c) { return c.fingerprint == Fingerprint(hash) && IsInWindow(c); });
    --keys_[cell->list];
    bucket.erase(cell);
  }
  uint64_t Size(List list) const { return std::min(keys_[list], window[list]); }

  uint64_t window[2] = {0, 0};

 private:
  struct Cell {
    uint64_t fingerprint;
    List list;
    uint64_t number;
  };
  static uint64_t Fingerprint(uint64_t hash) { return std::max<uint64_t>(1, hash % 65536); }
  uint64_t Bucket(uint64_t hash) const { return hash * 0x9E3779B97F4A7C15u / 4294967296 * (cells_ / 16) / 4294967296; }
  bool IsInWindow(const Cell& cell) const { return told_[cell.list] - cell.number < window[cell.list]; }

  uint64_t cells_ = 0;
  std::map<uint64_t, std::deque<Cell>> buckets_;
  uint64_t told_[2] = {0, 0};
  uint64_t keys_[2] = {0, 0};
};

class EvictionOracle {
 public:
  enum class Mutation { kNone, kYoungestFirst, kDearestFirst, kUsesIgnored, kGhostsForgotten };
  enum Queue { kNone, kSmall, kMain };

  EvictionOracle(uint32_t slots, EvictionPolicy policy, Mutation mutation)
      : entries_(slots), policy_(policy), mutation_(mutation) {}

  void Add(Slot slot, uint8_t price_class, uint64_t bytes, uint64_t hash) {
    Entry& entry = entries_[slot];
    entry = Entry();
    entry.bytes = bytes;
    entry.hash = hash;
    entry.price_class = price_class;
    if (price_class == kPriceClassNever) return;
    GhostOracle::List list = GhostOracle::kFromSmall;
    SetWindows();
    const bool known = policy_ != EvictionPolicy::kClock && ghost_.Find(hash, list);
    bool to_main = known;
    if (known && policy_ == EvictionPolicy::kS3Fifo && list == GhostOracle::kFromMain) to_main = main_returns_++ % 3 != 0;
    const Queue queue = QueueOfNew(classes_[price_class], to_main);
    if (known) {
      if (policy_ == EvictionPolicy::kCar) Adapt(classes_[price_class], list, bytes);
      if (policy_ == EvictionPolicy::kDuel) entry.uses = 1;
      ghost_.Forget(hash);
    }
    Enter(slot, queue);
  }

  void Use(Slot slot) {
    if (mutation_ != Mutation::kUsesIgnored) entries_[slot].uses = std::min(3, entries_[slot].uses + 1);
  }
  void Pin(Slot slot, bool pinned) { entries_[slot].pinned = pinned; }
  void Remove(Slot slot) { Leave(slot); }

  void Relocate(Slot from, Slot to) {
    entries_[to] = entries_[from];
    if (entries_[from].queue != kNone) *entries_[from].place = to;
    entries_[from] = Entry();
  }

  void Reprice(Slot slot, uint8_t price_class) {
    Entry& entry = entries_[slot];
    if (entry.price_class == price_class) return;
    Queue queue = entry.queue;
    if (price_class == kPriceClassNever) {
      queue = kNone;
    } else if (queue == kNone) {
      queue = QueueOfNew(classes_[price_class], false);
    }
    Leave(slot);
    entry.price_class = price_class;
    if (queue != kNone) Enter(slot, queue);
  }

  void SetPolicy(EvictionPolicy policy) {
    if (policy == policy_) return;
    if (policy == EvictionPolicy::kClock) ghost_ = GhostOracle();
    if (policy == EvictionPolicy::kCar) {
      for (Class& c : classes_) c.target = c.bytes[kSmall];
    }
    policy_ = policy;
  }
  void Trim() {
    if (size() == 0) ghost_ = GhostOracle();
  }

  Slot Evict(uint32_t effort_max) {
    for (uint32_t i = 0; i < effort_max && size() != 0; ++i) {
      const Slot victim = LookAtNext();
      if (victim != kNoSlot) return victim;
    }
    return kNoSlot;
  }

  size_t size() const {
    size_t count = 0;
    for (const size_t in_queue : count_) count += in_queue;
    return count;
  }
  // The class that would lose next; kPriceClassNever: none.
  uint8_t NextClass() const {
    uint8_t next = kPriceClassNever;
    uint64_t least = 0;
    for (uint8_t k = 0; k < kPriceClasses; ++k) {
      const Class& c = classes_[k];
      if (c.queue[kSmall].empty() && c.queue[kMain].empty()) continue;
      const uint64_t worth = Worth(First(c.queue[NextQueue(c)]));
      const bool less = mutation_ == Mutation::kDearestFirst ? worth > least : worth < least;
      if (next == kPriceClassNever || less) least = worth, next = k;
    }
    return next;
  }
  // All entries of a queue, the oldest first.
  std::vector<Slot> Order(uint8_t price_class, Queue queue) const {
    const auto& list = classes_[price_class].queue[queue];
    return {list.begin(), list.end()};
  }

 private:
  struct Entry {
    Queue queue = kNone;
    std::list<Slot>::iterator place;
    uint64_t stamp = 0;
    uint64_t bytes = 0;
    uint64_t hash = 0;
    int uses = 0;
    uint8_t price_class = 0;
    bool pinned = false;
  };
  struct Class {
    std::list<Slot> queue[3];
    uint64_t bytes[3] = {0, 0, 0};
    uint64_t target = 0;
    bool small_next = true;
    uint64_t all_bytes() const { return bytes[kSmall] + bytes[kMain]; }
  };

  Slot First(const std::list<Slot>& queue) const {
    return mutation_ == Mutation::kYoungestFirst ? queue.back() : queue.front();
  }

  Queue QueueOfNew(const Class& c, bool known) const {
    if (policy_ == EvictionPolicy::kClock) return kMain;
    if (policy_ == EvictionPolicy::kDuel) return c.bytes[kSmall] > c.all_bytes() / 64 ? kMain : kSmall;
    return known ? kMain : kSmall;
  }
  Queue NextQueue(const Class& c) const {
    if (c.queue[kSmall].empty()) return kMain;
    if (c.queue[kMain].empty()) return kSmall;
    bool small = false;
    if (policy_ == EvictionPolicy::kClock) small = c.small_next;
    if (policy_ == EvictionPolicy::kS3Fifo) small = c.bytes[kSmall] >= c.all_bytes() / 12;
    if (policy_ == EvictionPolicy::kDuel) small = c.bytes[kSmall] >= c.all_bytes() / 64;
    if (policy_ == EvictionPolicy::kCar) small = c.bytes[kSmall] >= std::max<uint64_t>(1, c.target);
    return small ? kSmall : kMain;
  }

  // A price of class k is 256 units of 2^k; stamps have 16 bits.
  uint64_t Worth(Slot slot) const {
    const Entry& entry = entries_[slot];
    const uint64_t unit = uint64_t{1} << entry.price_class;
    const uint64_t age = (inflation_ / unit - entry.stamp) % 65536;
    return age < 256 ? (256 - age) * unit : 0;
  }

  void Enter(Slot slot, Queue queue) {
    Entry& entry = entries_[slot];
    Class& c = classes_[entry.price_class];
    entry.queue = queue;
    entry.stamp = inflation_ >> entry.price_class;
    entry.place = c.queue[queue].insert(c.queue[queue].end(), slot);
    c.bytes[queue] += entry.bytes;
    ++count_[queue];
  }
  void Leave(Slot slot) {
    Entry& entry = entries_[slot];
    if (entry.queue == kNone) return;
    Class& c = classes_[entry.price_class];
    c.queue[entry.queue].erase(entry.place);
    c.bytes[entry.queue] -= entry.bytes;
    --count_[entry.queue];
    entry.queue = kNone;
  }
  void Move(Slot slot, Queue to) {
    Leave(slot);
    Enter(slot, to);
  }
  Slot Lose(Slot slot) {
    inflation_ += Worth(slot);
    Leave(slot);
    return slot;
  }

  Slot LookAtNext() {
    Class& c = classes_[NextClass()];
    const Queue queue = NextQueue(c);
    c.small_next = !c.small_next;
    const Slot slot = First(c.queue[queue]);
    Entry& entry = entries_[slot];
    const bool s3 = policy_ == EvictionPolicy::kS3Fifo;
    if (entry.uses >= (s3 && queue == kSmall ? 2 : 1)) {
      if (policy_ == EvictionPolicy::kDuel && queue == kSmall && !c.queue[kMain].empty()) return Duel(slot, c);
      entry.uses = s3 && queue == kMain ? entry.uses - 1 : 0;
      Move(slot, kMain);
      return kNoSlot;
    }
    if (entry.pinned) {
      Move(slot, queue);
      return kNoSlot;
    }
    const bool remembered = s3 || policy_ == EvictionPolicy::kCar || (policy_ == EvictionPolicy::kDuel && queue == kSmall);
    if (remembered && mutation_ != Mutation::kGhostsForgotten) {
      SetWindows();
      ghost_.Remember(entry.hash, queue == kSmall ? GhostOracle::kFromSmall : GhostOracle::kFromMain, size());
    }
    return Lose(slot);
  }

  Slot Duel(Slot challenger, Class& c) {
    const Slot defender = First(c.queue[kMain]);
    entries_[challenger].uses = 0;
    if (entries_[defender].uses == 0 && !entries_[defender].pinned) {
      Lose(defender);
      Move(challenger, kMain);
      return defender;
    }
    entries_[defender].uses = 0;
    Move(defender, kMain);
    Move(challenger, kSmall);
    return kNoSlot;
  }

  void SetWindows() {
    const bool car = policy_ == EvictionPolicy::kCar;
    ghost_.window[GhostOracle::kFromSmall] = car ? count_[kMain] : size();
    ghost_.window[GhostOracle::kFromMain] = car ? size() - ghost_.Size(GhostOracle::kFromSmall) : size();
  }
  void Adapt(Class& c, GhostOracle::List list, uint64_t bytes) {
    const uint64_t b1 = std::max<uint64_t>(1, ghost_.Size(GhostOracle::kFromSmall));
    const uint64_t b2 = std::max<uint64_t>(1, ghost_.Size(GhostOracle::kFromMain));
    if (list == GhostOracle::kFromSmall) {
      c.target = std::min(c.all_bytes(), c.target + bytes * std::max<uint64_t>(1, b2 / b1));
    } else {
      const uint64_t less = bytes * std::max<uint64_t>(1, b1 / b2);
      c.target = c.target > less ? c.target - less : 0;
    }
  }

  std::vector<Entry> entries_;
  EvictionPolicy policy_;
  const Mutation mutation_;
  Class classes_[kPriceClasses];
  size_t count_[3] = {0, 0, 0};
  GhostOracle ghost_;
  uint64_t main_returns_ = 0;
  uint64_t inflation_ = 0;
};

}  // namespace weir::pool
