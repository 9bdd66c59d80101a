#pragma once
// HolderSet: a set of holder ids in 16 bytes plus what it needs: up to two ids or the ids below 64 in place, then a
// sorted array, then a bitmap, whichever is smaller.
//
// The memory is the meter's; whoever drops a set calls Clear first. A plain value inside its node: copy only by CopyOf.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include "metered_memory.h"
#include "weir/reuse/block_index.h"

namespace weir::internal {

class HolderSet {
 public:
  uint32_t count() const { return count_; }
  bool Contains(HolderId id) const;
  // REQUIRES: !Contains(id). Throws std::bad_alloc with the set unchanged.
  void Insert(HolderId id, MemoryMeter& meter);
  // REQUIRES: Contains(id). Never fails; a smaller form is taken when memory allows.
  void Erase(HolderId id, MemoryMeter& meter) noexcept;
  void Clear(MemoryMeter& meter) noexcept;
  // Throws std::bad_alloc.
  static HolderSet CopyOf(const HolderSet& other, MemoryMeter& meter);

  // Calls f(id) in ascending order.
  template <typename F>
  void ForEach(F&& f) const {
    switch (static_cast<Form>(form_)) {
      case Form::kBits: ForEachBit(word_, 0, f); break;
      case Form::kIds:
        if (count_ > 0) f(first_id());
        if (count_ > 1) f(second_id());
        break;
      case Form::kArray:
        for (uint32_t i = 0; i < count_; ++i) f(array()[i]);
        break;
      case Form::kBitmap:
        for (uint32_t w = 0; w < bitmap_words(); ++w) ForEachBit(bitmap()[w], w * 64, f);
        break;
    }
  }
  // Calls f(id) in ascending order for the ids that `inner` lacks. REQUIRES: inner is a subset.
  template <typename F>
  void ForEachOutside(const HolderSet& inner, F&& f) const {
    const Form mine = static_cast<Form>(form_);
    const Form other = static_cast<Form>(inner.form_);
    if (mine == Form::kBits && other == Form::kBits) {
      ForEachBit(word_ & ~inner.word_, 0, f);
    } else if (mine == Form::kBitmap && other == Form::kBitmap) {
      const uint32_t shared = std::min(bitmap_words(), inner.bitmap_words());
      for (uint32_t w = 0; w < shared; ++w) ForEachBit(bitmap()[w] & ~inner.bitmap()[w], w * 64, f);
      for (uint32_t w = shared; w < bitmap_words(); ++w) ForEachBit(bitmap()[w], w * 64, f);
    } else {
      ForEach([&](HolderId id) {
        if (!inner.Contains(id)) f(id);
      });
    }
  }

 private:
  enum class Form : uint32_t { kBits, kIds, kArray, kBitmap };

  template <typename F>
  static void ForEachBit(uint64_t bits, HolderId base, F&& f) {
    for (; bits != 0; bits &= bits - 1) f(base + static_cast<HolderId>(std::countr_zero(bits)));
  }

  // A heap block starts with its capacity (ids of an array, words of a bitmap) in 8 bytes.
  uint64_t* block() const { return reinterpret_cast<uint64_t*>(word_); }
  uint32_t* array() const { return reinterpret_cast<uint32_t*>(block() + 1); }
  uint64_t* bitmap() const { return block() + 1; }
  uint32_t array_capacity() const { return static_cast<uint32_t>(*block()); }
  uint32_t bitmap_words() const { return static_cast<uint32_t>(*block()); }
  HolderId first_id() const { return static_cast<HolderId>(word_); }
  HolderId second_id() const { return static_cast<HolderId>(word_ >> 32); }
  HolderId Largest() const;

  void InsertIntoArray(HolderId id, MemoryMeter& meter);
  void InsertIntoBitmap(HolderId id, MemoryMeter& meter);
  void ToArray(uint32_t capacity, MemoryMeter& meter);
  void ToBitmap(uint32_t words, MemoryMeter& meter);
  void Shrink(MemoryMeter& meter) noexcept;
  void Replace(Form form, uint64_t word, MemoryMeter& meter) noexcept;

  uint32_t count_ : 30 = 0;
  uint32_t form_ : 2 = 0;
  uint64_t word_ = 0;
};

}  // namespace weir::internal
