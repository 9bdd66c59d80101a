#pragma once
// Index: key hash -> slot, for one shard. Readers probe without a lock; writers hold the shard's lock.
//
// A bucket is one cache line: ten 16-bit tags, the count of entries that found their home full and went on, and ten
// slots. An entry lives in its home bucket or in one that follows; entries never move while the table stands, so that a
// reader cannot pass one by. A tag that matches is a candidate: the caller compares the key in the entry's header.
// A table that is too full is replaced by a larger one; the old one is unmapped after WaitForReaders().

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "eviction_link.h"
#include "pages.h"
#include "weir/base/check.h"

namespace weir::pool {

inline constexpr uint32_t kBucketSlots = 10;

struct alignas(64) Bucket {
  // Tags 0..3, 4..7, 8..9 in 16-bit lanes, low lane first; lane 2 of the last word counts the entries that went on.
  std::array<std::atomic<uint64_t>, 3> tags;
  std::array<std::atomic<Slot>, kBucketSlots> slots;
};
static_assert(sizeof(Bucket) == 64);

class IndexTable {
 public:
  bool Allocate(Pages& pages, uint64_t buckets) {
    if (!buckets_.Allocate(pages, buckets)) return false;
    count_ = static_cast<uint32_t>(buckets_.size());
    return true;
  }

  uint32_t bucket_count() const { return count_; }
  uint64_t mapped_bytes() const { return buckets_.mapped_bytes(); }
  const Bucket& bucket(uint32_t i) const { return buckets_[i]; }

  void PrefetchHome(uint64_t hash) const { __builtin_prefetch(&buckets_[Home(hash)]); }

  enum class Probed : uint8_t { kEnded, kNotFound, kChanged };

  // Calls visit(slot) for each candidate until it returns true (kEnded). kChanged: a candidate was replaced meanwhile, so
  // its key may be elsewhere now; look again. Any thread inside a ReadSection, or the holder of the shard's lock.
  template <typename Visit>
  Probed Probe(uint64_t hash, const Visit& visit) const {
    const uint64_t pattern = kLanes * TagOf(hash);
    uint32_t at = Home(hash);
    for (uint32_t step = 0; step < count_; ++step) {
      const Bucket& bucket = buckets_[at];
      uint64_t last = 0;
      for (uint32_t word = 0; word < 3; ++word) {
        const uint64_t tags = bucket.tags[word].load(std::memory_order_acquire);
        last = tags;
        for (uint64_t match = MatchingLanes(tags, pattern, word); match != 0; match &= match - 1) {
          const uint32_t in_word = static_cast<uint32_t>(std::countr_zero(match)) / 16;
          // An empty lane still holds its last slot, whose memory may be gone: only an exact match may be followed.
          if (((tags >> (16 * in_word)) & 0xFFFF) != TagOf(hash)) continue;
          const std::atomic<Slot>& lane = bucket.slots[word * 4 + in_word];
          const Slot slot = lane.load(std::memory_order_acquire);
          if (visit(slot)) return Probed::kEnded;
          if (lane.load(std::memory_order_acquire) != slot) return Probed::kChanged;
        }
      }
      if (OverflowOf(last) == 0) return Probed::kNotFound;
      at = at + 1 == count_ ? 0 : at + 1;
    }
    return Probed::kNotFound;
  }

  // The rest under the shard's lock.

  // False: the table is full.
  bool Add(uint64_t hash, Slot slot) {
    uint32_t at = Home(hash);
    for (uint32_t step = 0; step < count_; ++step) {
      Bucket& bucket = buckets_[at];
      for (uint32_t word = 0; word < 3; ++word) {
        const uint64_t tags = bucket.tags[word].load(std::memory_order_relaxed);
        const uint64_t match = MatchingLanes(tags, 0, word);
        if (match == 0) continue;
        const uint32_t lane = static_cast<uint32_t>(std::countr_zero(match)) / 16;
        bucket.slots[word * 4 + lane].store(slot, std::memory_order_relaxed);
        bucket.tags[word].store(tags | (static_cast<uint64_t>(TagOf(hash)) << (16 * lane)), std::memory_order_release);
        return true;
      }
      bucket.tags[2].store(bucket.tags[2].load(std::memory_order_relaxed) + kOverflowOne, std::memory_order_release);
      at = at + 1 == count_ ? 0 : at + 1;
    }
    // Went once around: take the counts back.
    for (uint32_t i = 0; i < count_; ++i) {
      buckets_[i].tags[2].store(buckets_[i].tags[2].load(std::memory_order_relaxed) - kOverflowOne,
                                std::memory_order_release);
    }
    return false;
  }

  // REQUIRES: the slot is in the table under this hash.
  void Remove(uint64_t hash, Slot slot) {
    ForSlot(
        hash, slot,
        [&](Bucket& bucket, uint32_t word, uint32_t lane) {
          const uint64_t tags = bucket.tags[word].load(std::memory_order_relaxed);
          bucket.tags[word].store(tags & ~(uint64_t{0xFFFF} << (16 * lane)), std::memory_order_release);
        },
        true);
  }
  void Replace(uint64_t hash, Slot slot, Slot with) {
    ForSlot(
        hash, slot,
        [&](Bucket& bucket, uint32_t word, uint32_t lane) {
          bucket.slots[word * 4 + lane].store(with, std::memory_order_release);
        },
        false);
  }

  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (uint32_t i = 0; i < count_; ++i) {
      for (uint32_t lane = 0; lane < kBucketSlots; ++lane) {
        const uint64_t tags = buckets_[i].tags[lane / 4].load(std::memory_order_acquire);
        if (((tags >> (16 * (lane % 4))) & 0xFFFF) != 0) visit(buckets_[i].slots[lane].load(std::memory_order_acquire));
      }
    }
  }

  // Empties the table, telling each slot after it is out.
  template <typename Visit>
  void Clear(const Visit& visit) {
    for (uint32_t i = 0; i < count_; ++i) {
      std::array<uint64_t, 3> tags;
      for (uint32_t word = 0; word < 3; ++word) tags[word] = buckets_[i].tags[word].exchange(0, std::memory_order_acq_rel);
      for (uint32_t lane = 0; lane < kBucketSlots; ++lane) {
        if (((tags[lane / 4] >> (16 * (lane % 4))) & 0xFFFF) != 0)
          visit(buckets_[i].slots[lane].load(std::memory_order_relaxed));
      }
    }
  }

  uint32_t Home(uint64_t hash) const { return static_cast<uint32_t>(((hash >> 16 & 0xFFFFFFFFu) * count_) >> 32); }
  static uint16_t TagOf(uint64_t hash) {
    const auto low = static_cast<uint16_t>(hash);
    return low == 0 ? 1 : low;
  }

 private:
  static constexpr uint64_t kLanes = 0x0001000100010001u;
  static constexpr uint64_t kOverflowOne = uint64_t{1} << 32;
  static uint64_t OverflowOf(uint64_t last_word) { return last_word >> 32; }

  // The high bit of each lane that equals the pattern's; a lane above a true match may be reported in error: check it.
  // For pattern 0 the lowest reported lane is always true.
  static uint64_t MatchingLanes(uint64_t tags, uint64_t pattern, uint32_t word) {
    const uint64_t difference = tags ^ pattern;
    const uint64_t zero = (difference - kLanes) & ~difference & (kLanes << 15);
    return word == 2 ? zero & 0xFFFFFFFFu : zero;
  }

  template <typename Visit>
  void ForSlot(uint64_t hash, Slot slot, const Visit& visit, bool leaves) {
    const uint64_t pattern = kLanes * TagOf(hash);
    uint32_t at = Home(hash);
    for (uint32_t step = 0; step < count_; ++step) {
      Bucket& bucket = buckets_[at];
      for (uint32_t word = 0; word < 3; ++word) {
        const uint64_t tags = bucket.tags[word].load(std::memory_order_relaxed);
        for (uint64_t match = MatchingLanes(tags, pattern, word); match != 0; match &= match - 1) {
          const uint32_t lane = static_cast<uint32_t>(std::countr_zero(match)) / 16;
          if (bucket.slots[word * 4 + lane].load(std::memory_order_relaxed) != slot) continue;
          if (((tags >> (16 * lane)) & 0xFFFF) != TagOf(hash)) continue;
          visit(bucket, word, lane);
          if (leaves) UncountPath(hash, at);
          return;
        }
      }
      at = at + 1 == count_ ? 0 : at + 1;
    }
    WEIR_CHECK(false, "slot {} is not in its shard's index", slot);
  }

  void UncountPath(uint64_t hash, uint32_t end) {
    for (uint32_t at = Home(hash); at != end; at = at + 1 == count_ ? 0 : at + 1) {
      buckets_[at].tags[2].store(buckets_[at].tags[2].load(std::memory_order_relaxed) - kOverflowOne,
                                 std::memory_order_release);
    }
  }

  PagedArray<Bucket> buckets_;
  uint32_t count_ = 0;
};

}  // namespace weir::pool
