#include "cache_simulators.h"

#include <algorithm>
#include <array>
#include <vector>

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr uint8_t kNowhere = UINT8_MAX;

// Lists over the keys of a trace; a key is in one of them or in none. The front is the newest.
template <uint8_t kLists>
class KeyLists {
 public:
  explicit KeyLists(uint32_t keys) : nodes_(keys + kLists), first_sentinel_(keys) {
    for (uint32_t list = 0; list < kLists; ++list) nodes_[keys + list] = {keys + list, keys + list, kNowhere};
  }

  uint8_t ListOf(uint32_t key) const { return nodes_[key].list; }
  uint32_t Size(uint8_t list) const { return sizes_[list]; }
  uint32_t Oldest(uint8_t list) const { return nodes_[first_sentinel_ + list].newer; }

  void Remove(uint32_t key) {
    Node& node = nodes_[key];
    if (node.list == kNowhere) return;
    nodes_[node.newer].older = node.older;
    nodes_[node.older].newer = node.newer;
    --sizes_[node.list];
    node.list = kNowhere;
  }

  void MoveToFront(uint32_t key, uint8_t list) {
    Remove(key);
    const uint32_t sentinel = first_sentinel_ + list;
    const uint32_t front = nodes_[sentinel].older;
    nodes_[key] = {sentinel, front, list};
    nodes_[front].newer = key;
    nodes_[sentinel].older = key;
    ++sizes_[list];
  }

  // REQUIRES: the list is not empty.
  uint32_t DropOldest(uint8_t list) {
    const uint32_t key = Oldest(list);
    WEIR_CHECK(key < first_sentinel_, "list {} is empty", int{list});
    Remove(key);
    return key;
  }

 private:
  struct Node {
    uint32_t newer = 0;  // of a sentinel: the oldest key
    uint32_t older = 0;  // of a sentinel: the newest key
    uint8_t list = kNowhere;
  };
  std::vector<Node> nodes_;
  const uint32_t first_sentinel_;
  std::array<uint32_t, kLists> sizes_{};
};

class Arc {
 public:
  Arc(uint32_t keys, uint32_t entries) : lists_(keys), entries_(entries) {}

  bool Ask(uint32_t key) {
    const uint8_t list = lists_.ListOf(key);
    if (list == kRecent || list == kFrequent) {
      lists_.MoveToFront(key, kFrequent);
      return true;
    }
    if (list == kRecentGhost || list == kFrequentGhost) {
      Adapt(list);
      Replace(list == kFrequentGhost);
      lists_.MoveToFront(key, kFrequent);
      return false;
    }
    MakeRoom();
    lists_.MoveToFront(key, kRecent);
    return false;
  }

 private:
  enum List : uint8_t { kRecent, kFrequent, kRecentGhost, kFrequentGhost, kLists };

  void Adapt(uint8_t ghost) {
    const double recent = lists_.Size(kRecentGhost);
    const double frequent = lists_.Size(kFrequentGhost);
    if (ghost == kRecentGhost) {
      target_ = std::min(target_ + std::max(frequent / recent, 1.0), static_cast<double>(entries_));
    } else {
      target_ = std::max(target_ - std::max(recent / frequent, 1.0), 0.0);
    }
  }

  void Replace(bool for_frequent_ghost) {
    const double recent = lists_.Size(kRecent);
    const bool from_recent = recent >= 1 && (recent > target_ || (for_frequent_ghost && recent == target_));
    if (from_recent || lists_.Size(kFrequent) == 0) {
      lists_.MoveToFront(lists_.Oldest(kRecent), kRecentGhost);
    } else {
      lists_.MoveToFront(lists_.Oldest(kFrequent), kFrequentGhost);
    }
  }

  void MakeRoom() {
    const uint32_t recent = lists_.Size(kRecent) + lists_.Size(kRecentGhost);
    const uint32_t all = recent + lists_.Size(kFrequent) + lists_.Size(kFrequentGhost);
    if (recent == entries_) {
      if (lists_.Size(kRecent) == entries_) {
        lists_.DropOldest(kRecent);
        return;
      }
      lists_.DropOldest(kRecentGhost);
      Replace(false);
    } else if (all >= entries_) {
      if (all == 2 * entries_) lists_.DropOldest(kFrequentGhost);
      Replace(false);
    }
  }

  KeyLists<kLists> lists_;
  const uint32_t entries_;
  double target_ = 0;  // of the recent list
};

class S3Fifo {
 public:
  S3Fifo(uint32_t keys, uint32_t entries)
      : lists_(keys), uses_(keys), entries_(entries), main_entries_(entries - std::max(1u, entries / 10)) {}

  bool Ask(uint32_t key) {
    const uint8_t list = lists_.ListOf(key);
    if (list == kSmall || list == kMain) {
      uses_[key] = std::min<uint8_t>(uses_[key] + 1, 3);
      return true;
    }
    while (lists_.Size(kSmall) + lists_.Size(kMain) >= entries_) EvictOne();
    lists_.MoveToFront(key, lists_.ListOf(key) == kGhost ? kMain : kSmall);
    uses_[key] = 0;
    return false;
  }

 private:
  enum List : uint8_t { kSmall, kMain, kGhost, kLists };
  static constexpr uint8_t kUsesToStay = 2;

  void EvictOne() {
    if (lists_.Size(kMain) > main_entries_ || lists_.Size(kSmall) == 0) {
      EvictFromMain();
      return;
    }
    const uint32_t key = lists_.Oldest(kSmall);
    if (uses_[key] >= kUsesToStay) {
      lists_.MoveToFront(key, kMain);
      uses_[key] = 0;
      return;
    }
    lists_.MoveToFront(key, kGhost);
    if (lists_.Size(kGhost) > main_entries_) lists_.DropOldest(kGhost);
  }

  void EvictFromMain() {
    while (true) {
      const uint32_t key = lists_.Oldest(kMain);
      if (uses_[key] == 0) {
        lists_.Remove(key);
        return;
      }
      --uses_[key];
      lists_.MoveToFront(key, kMain);
    }
  }

  KeyLists<kLists> lists_;
  std::vector<uint8_t> uses_;
  const uint32_t entries_;
  const uint32_t main_entries_;
};

template <typename Cache>
uint64_t CountHits(const KeyTrace& trace, uint32_t entries) {
  Cache cache(trace.distinct, entries);
  uint64_t hits = 0;
  for (const uint32_t key : trace.keys) hits += cache.Ask(key) ? 1 : 0;
  return hits;
}

}  // namespace

uint64_t HitsOfLru(const KeyTrace& trace, uint32_t entries) {
  KeyLists<1> list(trace.distinct);
  uint64_t hits = 0;
  for (const uint32_t key : trace.keys) {
    if (list.ListOf(key) != kNowhere) {
      ++hits;
    } else if (list.Size(0) >= entries) {
      list.DropOldest(0);
    }
    list.MoveToFront(key, 0);
  }
  return hits;
}

uint64_t HitsOfArc(const KeyTrace& trace, uint32_t entries) { return CountHits<Arc>(trace, entries); }

uint64_t HitsOfS3Fifo(const KeyTrace& trace, uint32_t entries) { return CountHits<S3Fifo>(trace, entries); }

}  // namespace weir
