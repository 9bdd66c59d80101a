#pragma once
// Ghost: which keys were evicted lately, in four bytes each.
//
// Two lists (what left the small queue, what left the main queue), each with a window: a key is remembered until so many
// others of its list have followed it. Keys are 16-bit fingerprints in buckets of one cache line, newest first, so that a
// look-up costs one line and one in about 4000 is answered wrongly; a bucket that is full loses its oldest. Windows are
// kept to a precision of 1/4096 of the table. Memory that the system refuses means a shorter memory, nothing else.
//
// Threads: belongs to whoever guards it.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "pages.h"

namespace weir::pool {

class Ghost {
 public:
  enum List : uint8_t { kFromSmall, kFromMain };
  static constexpr uint32_t kCellsPerBucket = 16;
  static constexpr uint32_t kNotFound = ~0u;

  explicit Ghost(Pages& pages) : pages_(pages) {}

  // Sets how many later keys of its list a key outlives.
  void SetWindow(List list, uint64_t keys) {
    lists_[list].window = static_cast<uint32_t>(std::min(keys >> tick_shift_, kWindowMax));
  }

  // `entries`: about how many keys the table should hold; it is made anew, empty, when it is much too small or too large.
  void Remember(uint64_t hash, List list, uint64_t entries) {
    if (cells_.size() < entries - entries / 4 || cells_.size() > 4 * (entries + kCellsMin)) Remake(entries);
    if (cells_.empty()) return;
    Of& of = lists_[list];
    of.tick = static_cast<uint32_t>(++of.told >> tick_shift_);
    uint32_t* const bucket = BucketOf(hash);
    uint32_t gone = 0;
    for (uint32_t i = 0; i < kCellsPerBucket; ++i) gone |= uint32_t{!Remembered(bucket[i])} << i;
    const uint32_t victim = gone != 0 ? std::bit_width(gone) - 1 : kCellsPerBucket - 1;
    if (bucket[victim] != 0) --lists_[ListOf(bucket[victim])].keys;
    std::memmove(bucket + 1, bucket, victim * sizeof(uint32_t));
    bucket[0] = FingerprintOf(hash) | uint32_t{list} << 15 | (of.tick & kTickMask);
    ++of.keys;
  }

  // A key's cell, for Forget and ListAt; valid until the next change. kNotFound: not remembered.
  uint32_t Find(uint64_t hash) const {
    if (cells_.empty()) return kNotFound;
    const uint32_t* const bucket = BucketOf(hash);
    uint32_t found = 0;
    for (uint32_t i = 0; i < kCellsPerBucket; ++i) {
      found |= uint32_t{(bucket[i] & kFingerprintMask) == FingerprintOf(hash)} << i;
    }
    for (; found != 0; found &= found - 1) {
      const uint32_t i = static_cast<uint32_t>(std::countr_zero(found));
      if (Remembered(bucket[i])) return static_cast<uint32_t>(bucket - cells_.data()) + i;
    }
    return kNotFound;
  }
  List ListAt(uint32_t cell) const { return ListOf(cells_[cell]); }
  void Forget(uint32_t cell) {
    --lists_[ListAt(cell)].keys;
    const uint32_t after = cell % kCellsPerBucket + 1;
    std::memmove(&cells_[cell], &cells_[cell] + 1, (kCellsPerBucket - after) * sizeof(uint32_t));
    cells_[cell - cell % kCellsPerBucket + kCellsPerBucket - 1] = 0;
  }

  // About how many keys of a list are remembered now.
  uint64_t Size(List list) const {
    return std::min<uint64_t>(lists_[list].keys, uint64_t{lists_[list].window} << tick_shift_);
  }
  // What a look-up of the key will read; to prefetch.
  const void* AddressOf(uint64_t hash) const { return BucketOf(hash); }
  void Release() {
    cells_ = PagedArray<uint32_t>();
    lists_[0] = lists_[1] = Of();
  }
  uint64_t mapped_bytes() const { return cells_.mapped_bytes(); }

 private:
  // A cell: fingerprint (never 0) in the upper half, then one bit of list and 15 bits of the list's tick at that time.
  static constexpr uint32_t kFingerprintMask = 0xFFFF'0000;
  static constexpr uint32_t kTickMask = 0x7FFF;
  static constexpr uint64_t kWindowMax = 0x5FFF;
  static constexpr uint64_t kTicksPerTable = 4096;
  static constexpr uint64_t kCellsMin = kPageBytes / sizeof(uint32_t);

  struct Of {
    uint64_t told = 0;  // keys so far
    uint32_t tick = 0;
    uint32_t window = 0;  // in ticks
    uint32_t keys = 0;    // cells in use
  };

  static uint32_t FingerprintOf(uint64_t hash) {
    const uint32_t fingerprint = static_cast<uint32_t>(hash) << 16;
    return fingerprint != 0 ? fingerprint : 1u << 16;
  }
  static List ListOf(uint32_t cell) { return static_cast<List>(cell >> 15 & 1); }
  bool Remembered(uint32_t cell) const {
    const Of& of = lists_[ListOf(cell)];
    return cell != 0 && ((of.tick - cell) & kTickMask) < of.window;
  }
  uint64_t Buckets() const { return cells_.size() / kCellsPerBucket; }
  // All keys of a shard share their highest bits, so these alone would not do.
  uint64_t BucketIndex(uint64_t hash) const { return (hash * 0x9E3779B97F4A7C15u >> 32) * Buckets() >> 32; }
  const uint32_t* BucketOf(uint64_t hash) const { return cells_.data() + BucketIndex(hash) * kCellsPerBucket; }
  uint32_t* BucketOf(uint64_t hash) { return cells_.data() + BucketIndex(hash) * kCellsPerBucket; }

  void Remake(uint64_t entries) {
    PagedArray<uint32_t> fresh;
    if (!fresh.Allocate(pages_, entries)) return;
    cells_.swap(fresh);
    const uint64_t window[2] = {uint64_t{lists_[0].window} << tick_shift_, uint64_t{lists_[1].window} << tick_shift_};
    tick_shift_ = static_cast<uint32_t>(std::bit_width(cells_.size() / (kTicksPerTable + 1)));
    for (const List list : {kFromSmall, kFromMain}) {
      lists_[list] = Of();
      SetWindow(list, window[list]);
    }
  }

  Pages& pages_;
  PagedArray<uint32_t> cells_;
  uint32_t tick_shift_ = 0;  // log2 of the keys of one list that share a tick
  Of lists_[2];
};

}  // namespace weir::pool
