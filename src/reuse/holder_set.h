#pragma once
// HolderSet: a set of holder ids in 16 bytes plus what it needs. Ids below 64 are bits in place; of larger ones up to two
// stand in place, more in a sorted array or a bitmap, whichever is smaller.
//
// Thread rule: const members inside a Pass of the gate, by any number of threads; the rest by one
// writer. A reader finds every id that was there before it began and still is when it ends. Both words say by
// themselves what they hold, so no reader needs the two together; blocks are changed bit by bit or id by id, or replaced.
// The memory is the meter's; whoever drops a set calls Clear first. A plain value inside its node: copy only by CopyOf.

#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

#include "limbo.h"
#include "metered_memory.h"
#include "weir/reuse/block_index.h"

namespace weir::internal {

class HolderSet {
 public:
  HolderSet() = default;
  // The same words: the block then has two owners, and one of them must forget it (Forget).
  HolderSet(const HolderSet& other)
      : bits_(other.bits_.load(std::memory_order_relaxed)), more_(other.more_.load(std::memory_order_relaxed)) {}
  HolderSet& operator=(const HolderSet& other) {
    bits_.store(other.bits_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    more_.store(other.more_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
  }

  uint32_t count() const;
  bool Contains(HolderId id) const;
  // REQUIRES: !Contains(id). Throws std::bad_alloc with the set unchanged.
  void Insert(HolderId id, MemoryMeter& meter, Limbo& limbo);
  // REQUIRES: Contains(id). Never fails; a smaller form is taken when memory allows.
  void Erase(HolderId id, MemoryMeter& meter, Limbo& limbo) noexcept;
  // REQUIRES: no reader can see it any more.
  void Clear(MemoryMeter& meter) noexcept;
  // Throws std::bad_alloc.
  static HolderSet CopyOf(const HolderSet& other, MemoryMeter& meter);

  // Calls f(id) in ascending order.
  template <typename F>
  void ForEach(F&& f) const {
    ForEachBit(bits_.load(std::memory_order_acquire), 0, f);
    const uint64_t more = more_.load(std::memory_order_acquire);
    switch (FormOf(more)) {
      case Form::kIds:
        if (FirstOf(more) != 0) f(FirstOf(more));
        if (SecondOf(more) != 0) f(SecondOf(more));
        break;
      case Form::kArray: {
        HolderId last = 0;  // an erased id repeats a neighbour; no id here is 0
        const Block& block = *BlockOf(more);
        for (uint32_t i = 0; i < block.size; ++i) {
          const HolderId id = block.ids()[i].load(std::memory_order_relaxed);
          if (id != last) f(id);
          last = id;
        }
        break;
      }
      case Form::kBitmap: {
        const Block& block = *BlockOf(more);
        for (uint32_t w = 0; w < block.size; ++w) {
          ForEachBit(block.words()[w].load(std::memory_order_relaxed), w * 64, f);
        }
        break;
      }
    }
  }
  // The ids below 64.
  uint64_t small() const { return bits_.load(std::memory_order_acquire); }
  bool HasLarge() const { return more_.load(std::memory_order_acquire) != 0; }
  // The other ids that a look-up has seen along a chain, from its end to its start.
  struct SeenLarge {
    std::vector<uint64_t>& bitmap;  // all zero at first
    uint32_t count = 0;
  };
  // Calls f(id) in ascending order for the large ids that were not seen, and adds them. `nested()`: what was seen is known
  // to be a part of this set, and to have been all the time. Ends soon after f has set `enough`.
  template <typename Nested, typename F>
  void CollectLarge(SeenLarge& seen, Nested&& nested, F&& f, const bool& enough) const {
    const uint64_t more = more_.load(std::memory_order_acquire);
    if (more == 0 || (CountOf(more) == seen.count && nested())) return;
    const auto word = [&](uint32_t w, uint64_t bits) {
      if (bits == 0) return;
      if (w >= seen.bitmap.size()) seen.bitmap.resize(w + 1);
      const uint64_t fresh = bits & ~seen.bitmap[w];
      seen.bitmap[w] |= fresh;
      seen.count += static_cast<uint32_t>(std::popcount(fresh));
      ForEachBit(fresh, w * 64, f);
    };
    if (FormOf(more) == Form::kBitmap) {
      const Block& block = *BlockOf(more);
      for (uint32_t w = 1; w < block.size && !enough; ++w) word(w, block.words()[w].load(std::memory_order_relaxed));
      return;
    }
    HolderSet large;
    large.more_.store(more, std::memory_order_relaxed);
    large.ForEach([&](HolderId id) {
      if (!enough) word(id / 64, uint64_t{1} << (id % 64));
    });
  }
  template <typename F>
  static void ForEachBit(uint64_t bits, HolderId base, F&& f) {
    for (; bits != 0; bits &= bits - 1) f(base + static_cast<HolderId>(std::countr_zero(bits)));
  }

 private:
  // The low two bits of more_. Ids in place have 24 bits each, 0 meaning none: ids below 64 never stand here.
  enum class Form : uint32_t { kIds, kArray, kBitmap };
  struct Block {
    uint32_t size = 0;               // ids (repeated ones included) or words
    std::atomic<uint32_t> count{0};  // distinct ids
    std::atomic<uint32_t>* ids() { return reinterpret_cast<std::atomic<uint32_t>*>(this + 1); }
    const std::atomic<uint32_t>* ids() const { return reinterpret_cast<const std::atomic<uint32_t>*>(this + 1); }
    std::atomic<uint64_t>* words() { return reinterpret_cast<std::atomic<uint64_t>*>(this + 1); }
    const std::atomic<uint64_t>* words() const { return reinterpret_cast<const std::atomic<uint64_t>*>(this + 1); }
  };

  static Form FormOf(uint64_t more) { return static_cast<Form>(more & 3); }
  static Block* BlockOf(uint64_t more) { return reinterpret_cast<Block*>(more & ~uint64_t{3}); }
  static HolderId FirstOf(uint64_t more) { return static_cast<HolderId>(more >> 2 & (kHoldersMax - 1)); }
  static HolderId SecondOf(uint64_t more) { return static_cast<HolderId>(more >> 26 & (kHoldersMax - 1)); }
  static uint64_t IdsWord(HolderId first, HolderId second) { return uint64_t{first} << 2 | uint64_t{second} << 26; }
  static uint32_t CountOf(uint64_t more) {
    if (FormOf(more) != Form::kIds) return BlockOf(more)->count.load(std::memory_order_acquire);
    return (FirstOf(more) != 0 ? 1 : 0) + (SecondOf(more) != 0 ? 1 : 0);
  }
  uint64_t more() const { return more_.load(std::memory_order_relaxed); }

  static Block* NewArray(uint32_t size, MemoryMeter& meter);
  static Block* NewBitmap(HolderId largest, MemoryMeter& meter);
  template <typename F>
  void ForEachLarge(F&& f) const;
  HolderId LargestLarge() const;
  uint64_t ArrayWith(HolderId id, uint32_t count, MemoryMeter& meter) const;
  uint64_t BitmapWith(HolderId id, uint32_t count, MemoryMeter& meter) const;
  void InsertLarge(HolderId id, MemoryMeter& meter, Limbo& limbo);
  void EraseLarge(HolderId id, MemoryMeter& meter, Limbo& limbo) noexcept;
  void Shrink(MemoryMeter& meter, Limbo& limbo) noexcept;
  void Replace(uint64_t more, Limbo& limbo) noexcept;

  std::atomic<uint64_t> bits_{0};
  std::atomic<uint64_t> more_{0};
};

}  // namespace weir::internal
