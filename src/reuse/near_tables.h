#pragma once
// NearTables: the four tables of multi-index hashing: substring of a hash to the texts that have it.
//
// A table is an array of buckets addressed by the low `bits` of its 16-bit substring, so that a small index has small
// tables; whatever is within a radius in 16 bits is so in fewer. A bucket lists its texts with an excerpt of each hash, the
// 32 bits that follow the substring, so that nearly all candidates are dismissed without a look at the text.
// Thread rule: that of its owner.

#include <bit>
#include <cstdint>
#include <span>
#include <utility>

#include "metered_memory.h"

namespace weir::internal {

using NearTextId = uint32_t;

// In pieces of at most kCapacityMax; only the first piece of a list has room.
struct NearBucket {
  static constexpr uint32_t kCapacityMax = 1020;

  NearBucket* next = nullptr;
  uint32_t size = 0;  // at least 1
  uint32_t capacity = 0;

  uint32_t* excerpts() { return reinterpret_cast<uint32_t*>(this + 1); }
  const uint32_t* excerpts() const { return reinterpret_cast<const uint32_t*>(this + 1); }
  NearTextId* texts() { return excerpts() + capacity; }
  const NearTextId* texts() const { return excerpts() + capacity; }
};

class NearTables {
 public:
  static constexpr uint32_t kTables = 4;
  static constexpr uint32_t kWidth = 16;  // bits of a substring
  static constexpr uint32_t kBitsLeast = 4;
  static constexpr uint32_t kProbesMax = 1 + kWidth + kWidth * (kWidth - 1) / 2;

  // How far apart the substrings of one table have to be looked for; -1: not at all. With `radius` differing bits, either
  // one of the first tables has at most radius / kTables of them in its substring or one of the rest has fewer (Norouzi et
  // al., proposition 2).
  static constexpr int RadiusOf(uint32_t table, uint32_t radius) {
    return static_cast<int>(radius / kTables) - (table > radius % kTables ? 1 : 0);
  }
  // What to exclusive-or with a key of `bits` bits to get all keys that differ in exactly `ones` bits. REQUIRES: ones <= 2.
  static std::span<const uint16_t> Probes(uint32_t ones, uint32_t bits);

  // Throws std::bad_alloc.
  NearTables(MemoryMeter& meter, uint32_t bits);
  NearTables(const NearTables&) = delete;
  NearTables& operator=(const NearTables&) = delete;
  ~NearTables();
  void Swap(NearTables& other) noexcept {
    std::swap(heads_, other.heads_);
    std::swap(bits_, other.bits_);
  }

  static uint32_t ExcerptOf(uint64_t hash, uint32_t table) {
    return static_cast<uint32_t>(std::rotr(hash, static_cast<int>((table + 1) * kWidth)));
  }
  uint32_t KeyOf(uint64_t hash, uint32_t table) const {
    return static_cast<uint32_t>(hash >> (table * kWidth)) & ((1u << bits_) - 1);
  }
  const NearBucket* Bucket(uint32_t table, uint32_t key) const { return heads_[size_t{table} << bits_ | key]; }
  uint32_t bits() const { return bits_; }

  // Brings what Insert and Erase will touch into the caches, so that a turn inside the gate is short.
  void Prefetch(uint64_t hash) const;
  // Throws std::bad_alloc; nothing has changed then.
  void Insert(uint64_t hash, NearTextId text);
  // REQUIRES: (hash, text) is here.
  void Erase(uint64_t hash, NearTextId text) noexcept;

 private:
  NearBucket*& Head(uint64_t hash, uint32_t table) { return heads_[size_t{table} << bits_ | KeyOf(hash, table)]; }
  NearBucket* NewBucket(uint32_t size_min);
  void InsertOne(NearBucket*& head, uint32_t excerpt, NearTextId text);
  void EraseOne(NearBucket*& head, NearTextId text) noexcept;

  MemoryMeter& meter_;
  NearBucket** heads_;
  uint32_t bits_;
};

}  // namespace weir::internal
