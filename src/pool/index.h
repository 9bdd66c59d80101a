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

#include "sanitizer.h"
#if defined(__SSE2__) && !defined(WEIR_THREAD_SANITIZER)
#include <emmintrin.h>
#define WEIR_POOL_SSE2 1
#endif

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

  // The first lane of the home bucket whose tag fits, or null: a guess that the caller verifies, and that says nothing
  // when it fails. `absent`: no entry has that hash.
  const std::atomic<Slot>* FirstCandidate(uint64_t hash, bool& absent) const {
    const Bucket& bucket = buckets_[Home(hash)];
    const Lanes lanes = LanesOf(bucket, TagOf(hash));
    absent = lanes.match == 0 && !lanes.went_on;
    return lanes.match == 0 ? nullptr : &bucket.slots[static_cast<uint32_t>(std::countr_zero(lanes.match))];
  }

  enum class Probed : uint8_t { kEnded, kNotFound, kChanged };

  // Calls visit(slot) for each candidate until it returns true (kEnded). kChanged: a candidate was replaced meanwhile, so
  // its key may be elsewhere now; look again. Any thread inside a ReadSection, or the holder of the shard's lock.
  template <typename Visit>
  Probed Probe(uint64_t hash, const Visit& visit) const {
    uint32_t at = Home(hash);
    for (uint32_t step = 0; step < count_; ++step) {
      const Bucket& bucket = buckets_[at];
      // An empty lane still holds its last slot, whose memory may be gone: only lanes with the tag are followed.
      const Lanes lanes = LanesOf(bucket, TagOf(hash));
      for (uint32_t match = lanes.match; match != 0; match &= match - 1) {
        const std::atomic<Slot>& lane = bucket.slots[static_cast<uint32_t>(std::countr_zero(match))];
        const Slot slot = lane.load(std::memory_order_acquire);
        if (visit(slot)) return Probed::kEnded;
        if (lane.load(std::memory_order_acquire) != slot) return Probed::kChanged;
      }
      if (!lanes.went_on) return Probed::kNotFound;
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
      if (const uint32_t empty = LanesOf(bucket, 0).match; empty != 0) {
        const uint32_t lane = static_cast<uint32_t>(std::countr_zero(empty));
        bucket.slots[lane].store(slot, std::memory_order_relaxed);
        SetTag(bucket, lane, TagOf(hash));
        return true;
      }
      Count(bucket, kOverflowOne);
      at = at + 1 == count_ ? 0 : at + 1;
    }
    // Went once around: take the counts back.
    for (uint32_t i = 0; i < count_; ++i) Count(buckets_[i], -kOverflowOne);
    return false;
  }

  // REQUIRES: the slot is in the table under this hash.
  void Remove(uint64_t hash, Slot slot) {
    const Found found = Find(hash, slot);
    SetTag(buckets_[found.bucket], found.lane, 0);
    for (uint32_t at = Home(hash); at != found.bucket; at = at + 1 == count_ ? 0 : at + 1)
      Count(buckets_[at], -kOverflowOne);
  }
  void Replace(uint64_t hash, Slot slot, Slot with) {
    const Found found = Find(hash, slot);
    buckets_[found.bucket].slots[found.lane].store(with, std::memory_order_release);
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

  // How a bucket is looked at; public for tests, which hold both ways against each other.
  struct Lanes {
    uint32_t match;  // a bit per lane
    bool went_on;    // entries whose home this is, or is on the way to, lie further on
  };
  // Without a branch on which lane it is: that cannot be predicted, and a wrong guess of the processor would keep it from
  // beginning the caller's next look-up while this one waits for memory.
  static Lanes LanesOf(const Bucket& bucket, uint16_t tag) {
#if defined(WEIR_POOL_SSE2)
    // Words change one at a time, and a lane lies in one word: it does not matter that the three are not read as one.
    const __m128i wanted = _mm_set1_epi16(static_cast<int16_t>(tag));
    const __m128i low = _mm_load_si128(reinterpret_cast<const __m128i*>(&bucket.tags[0]));
    const __m128i high = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&bucket.tags[2]));
    std::atomic_signal_fence(std::memory_order_acquire);
    const __m128i equal = _mm_packs_epi16(_mm_cmpeq_epi16(low, wanted), _mm_cmpeq_epi16(high, wanted));
    const uint32_t match = static_cast<uint32_t>(_mm_movemask_epi8(equal)) & ((1u << kBucketSlots) - 1);
    return {match, static_cast<uint64_t>(_mm_cvtsi128_si64(high)) >> 32 != 0};
#else
    return PortableLanesOf(bucket, tag);
#endif
  }
  static Lanes PortableLanesOf(const Bucket& bucket, uint16_t tag) {
    const uint64_t pattern = uint64_t{0x0001000100010001} * tag;
    const uint64_t first = bucket.tags[0].load(std::memory_order_acquire);
    const uint64_t second = bucket.tags[1].load(std::memory_order_acquire);
    const uint64_t last = bucket.tags[2].load(std::memory_order_acquire);
    const uint32_t match =
        ZeroLanes(first ^ pattern) | ZeroLanes(second ^ pattern) << 4 | (ZeroLanes(last ^ pattern) & 3) << 8;
    return {match, last >> 32 != 0};
  }

 private:
  static constexpr uint64_t kOverflowOne = uint64_t{1} << 32;

  // Bit i: the i-th 16-bit lane is zero.
  static uint32_t ZeroLanes(uint64_t x) {
    constexpr uint64_t kLow = 0x7FFF7FFF7FFF7FFF;
    const uint64_t zero = ~(((x & kLow) + kLow) | x | kLow);  // the high bit of each zero lane, exactly
    return static_cast<uint32_t>((zero >> 15) * 0x0001000200040008u >> 48) & 15;
  }

  static void SetTag(Bucket& bucket, uint32_t lane, uint16_t tag) {
    std::atomic<uint64_t>& word = bucket.tags[lane / 4];
    const uint32_t shift = 16 * (lane % 4);
    const uint64_t others = word.load(std::memory_order_relaxed) & ~(uint64_t{0xFFFF} << shift);
    word.store(others | uint64_t{tag} << shift, std::memory_order_release);
  }
  static void Count(Bucket& bucket, uint64_t by) {
    bucket.tags[2].store(bucket.tags[2].load(std::memory_order_relaxed) + by, std::memory_order_release);
  }

  struct Found {
    uint32_t bucket;
    uint32_t lane;
  };
  Found Find(uint64_t hash, Slot slot) const {
    uint32_t at = Home(hash);
    for (uint32_t step = 0; step < count_; ++step) {
      for (uint32_t match = LanesOf(buckets_[at], TagOf(hash)).match; match != 0; match &= match - 1) {
        const uint32_t lane = static_cast<uint32_t>(std::countr_zero(match));
        if (buckets_[at].slots[lane].load(std::memory_order_relaxed) == slot) return {at, lane};
      }
      at = at + 1 == count_ ? 0 : at + 1;
    }
    WEIR_CHECK(false, "slot {} is not in its shard's index", slot);
    return {};
  }

  PagedArray<Bucket> buckets_;
  uint32_t count_ = 0;
};

}  // namespace weir::pool
