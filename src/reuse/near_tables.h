#pragma once
// NearTables: the four tables of multi-index hashing: substring of a hash to the texts that have it.
//
// A table is an array of buckets addressed by the low `bits` of its 16-bit substring, so that a small index has small
// tables; whatever is within a radius in 16 bits is so in fewer. A bucket lists its texts with an excerpt of each hash, the
// 32 bits that follow the substring, so that nearly all candidates are dismissed without a look at the text.
//
// Thread rule: Now and what it returns inside a Pass of the gate, by any number of threads; everything else by one writer,
// which never keeps them waiting. A reader finds every text that was here when it came and stays. A text never moves within
// a bucket that readers see: it is appended behind what they know of, or marked dead where it stands; a bucket that is too
// small, or half dead, is replaced by a copy, and all tables together by larger or smaller ones.

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>

#include "limbo.h"
#include "metered_memory.h"

namespace weir::internal {

using NearTextId = uint32_t;
inline constexpr NearTextId kNoText = UINT32_MAX;  // in a bucket: it is gone

// In pieces of about kCapacityMax at most; only the first piece of a list is appended to.
struct NearBucket {
  static constexpr uint32_t kCapacityMax = 1016;

  std::atomic<NearBucket*> next{nullptr};
  std::atomic<uint32_t> size{0};  // dead ones included; at least 1 where readers see it
  uint32_t capacity = 0;
  uint32_t live = 0;  // the writer's

  // What is below a size that was acquired is there and stays, but for texts that become kNoText.
  uint32_t* excerpts() { return reinterpret_cast<uint32_t*>(this + 1); }
  const uint32_t* excerpts() const { return reinterpret_cast<const uint32_t*>(this + 1); }
  std::atomic<NearTextId>* texts() { return reinterpret_cast<std::atomic<NearTextId>*>(excerpts() + capacity); }
  const std::atomic<NearTextId>* texts() const {
    return reinterpret_cast<const std::atomic<NearTextId>*>(excerpts() + capacity);
  }
};
static_assert(sizeof(std::atomic<NearTextId>) == sizeof(uint32_t));

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
  static uint32_t ExcerptOf(uint64_t hash, uint32_t table) {
    return static_cast<uint32_t>(std::rotr(hash, static_cast<int>((table + 1) * kWidth)));
  }

  // All buckets of one size of the tables.
  struct Heads {
    uint32_t bits;
    std::atomic<NearBucket*> at[];

    uint32_t KeyOf(uint64_t hash, uint32_t table) const {
      return static_cast<uint32_t>(hash >> (table * kWidth)) & ((1u << bits) - 1);
    }
    // Pairs with the releases of those who put a bucket into its place.
    const NearBucket* Bucket(uint32_t table, uint32_t key) const {
      return at[size_t{table} << bits | key].load(std::memory_order_acquire);
    }
  };

  // `limbo` frees blocks of `meter` for the kind 0, and for `heads_kind` calls FreeHeads. Throws std::bad_alloc.
  NearTables(MemoryMeter& meter, Limbo& limbo, uint32_t heads_kind);
  NearTables(const NearTables&) = delete;
  NearTables& operator=(const NearTables&) = delete;
  ~NearTables() { FreeHeads(meter_, heads_.load(std::memory_order_relaxed)); }
  // With all buckets in it.
  static void FreeHeads(MemoryMeter& meter, Heads* heads) noexcept;

  // For readers, who keep it for the whole look-up. Pairs with the release in Resize.
  const Heads& Now() const { return *heads_.load(std::memory_order_acquire); }

  uint32_t bits() const { return heads_.load(std::memory_order_relaxed)->bits; }
  // Brings what Insert and Erase will touch into the caches.
  void Prefetch(uint64_t hash) const;
  // Throws std::bad_alloc; nothing has changed then.
  void Insert(uint64_t hash, NearTextId text);
  // REQUIRES: (hash, text) is here.
  void Erase(uint64_t hash, NearTextId text) noexcept;
  // Takes tables of another size. `for_each` calls its argument with (hash, text) of each of `texts` texts. Throws
  // std::bad_alloc; nothing has changed then.
  template <typename ForEach>
  void Resize(uint32_t bits, uint64_t texts, ForEach&& for_each) {
    Heads* const fresh = NewHeads(bits);
    try {
      for_each([&](uint64_t hash, NearTextId text) {
        for (uint32_t table = 0; table < kTables; ++table) {
          InsertOne(Head(*fresh, hash, table), ExcerptOf(hash, table), text, Seen::kByNobody);
        }
      });
    } catch (const std::bad_alloc&) {
      FreeHeads(meter_, fresh);
      throw;
    }
    Heads* const old = heads_.load(std::memory_order_relaxed);
    heads_.store(fresh, std::memory_order_release);
    limbo_.Retire(reinterpret_cast<uint64_t>(old), heads_kind_,
                  ((kTables * sizeof(void*)) << old->bits) + texts * kTables * sizeof(uint64_t));
  }

 private:
  enum class Seen { kByReaders, kByNobody };
  using Place = std::atomic<NearBucket*>;

  static Place& Head(Heads& heads, uint64_t hash, uint32_t table) {
    return heads.at[size_t{table} << heads.bits | heads.KeyOf(hash, table)];
  }
  Place& Head(uint64_t hash, uint32_t table) { return Head(*heads_.load(std::memory_order_relaxed), hash, table); }
  Heads* NewHeads(uint32_t bits);
  NearBucket* NewBucket(uint32_t size_min);
  static void CopyLive(const NearBucket& from, NearBucket& to) noexcept;
  void Drop(NearBucket* bucket, Seen seen) noexcept;
  void InsertOne(Place& head, uint32_t excerpt, NearTextId text, Seen seen);
  void EraseOne(Place& head, NearTextId text) noexcept;

  MemoryMeter& meter_;
  Limbo& limbo_;
  const uint32_t heads_kind_;
  std::atomic<Heads*> heads_;
};

}  // namespace weir::internal
