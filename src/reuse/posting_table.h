#pragma once
// PostingTable: fingerprint hash to the places where documents have it.
//
// Open addressing, 16 bytes a slot; one place stands in the slot, more in an array of their own. The places of one document
// are together and ascending, so all of them are skipped, or removed, in a few steps.

#include <cstdint>
#include <span>

#include "metered_memory.h"
#include "winnowing.h"

namespace weir::internal {

struct Posting {
  uint32_t document = 0;
  uint32_t position = 0;
};

// The first place after `at` that belongs to another document than places[at].
size_t EndOfDocument(std::span<const Posting> places, size_t at);

class PostingTable {
 public:
  explicit PostingTable(MemoryMeter& meter) : meter_(meter) {}
  PostingTable(const PostingTable&) = delete;
  PostingTable& operator=(const PostingTable&) = delete;
  ~PostingTable();

  // Valid until the next change.
  std::span<const Posting> Find(uint32_t hash) const;
  void Prefetch(uint32_t hash) const {
    if (slots_ != nullptr) __builtin_prefetch(&slots_[Home(hash)]);
  }
  // REQUIRES: the document's places of one hash are added in ascending order with none of another document between.
  // Throws std::bad_alloc and leaves the table as it was.
  void Add(uint32_t hash, Posting place);
  // Takes away every place of the document under this hash, if any.
  void RemoveDocument(uint32_t hash, uint32_t document) noexcept;

  uint64_t postings() const { return postings_; }
  template <typename F>
  void ForEach(F&& f) const {
    for (uint64_t i = 0; i < slot_count_; ++i) {
      if (slots_[i].count > 0) f(slots_[i].hash, slots_[i].places());
    }
  }

 private:
  struct Slot {
    uint32_t hash = 0;
    uint32_t count = 0;  // 0: free
    union {
      Posting one = {};
      Posting* many;
    };
    std::span<const Posting> places() const { return {count == 1 ? &one : many, count}; }
  };
  static_assert(sizeof(Slot) == 16);

  uint64_t Home(uint32_t hash) const { return (uint64_t{hash * 0x9e3779b1u} * slot_count_) >> 32; }
  uint64_t Next(uint64_t at) const { return at + 1 == slot_count_ ? 0 : at + 1; }
  Slot* Lookup(uint32_t hash) const;
  void Reserve();
  void Resize(uint64_t slots);
  void EraseSlot(Slot* slot) noexcept;

  MemoryMeter& meter_;
  Slot* slots_ = nullptr;
  uint64_t slot_count_ = 0;
  uint64_t used_ = 0;
  uint64_t postings_ = 0;
};

}  // namespace weir::internal
