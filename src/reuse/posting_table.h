#pragma once
// PostingTable: fingerprint hash to the places where documents have it.
//
// Open addressing, 16 bytes a slot; one place stands in the slot, more in an array of their own. The places of one document
// are together and ascending, so all of them are skipped, or removed, in a few steps.
//
// Thread rule: Find and Prefetch inside a Pass of the gate, by any number of threads; everything else by one writer, which
// never keeps them waiting. A reader finds every place that was there before its look-up began and still is when it ends;
// of a document that comes or goes it finds some. Growth fills a new array before readers get to see it.
//   Lists grow in place behind what readers know of, or are replaced. Places that go are marked dead where they stand.
//   Slots that go are filled from behind: an entry is in its new slot before it leaves the old one, and version_ changes in
// between, so that a reader that saw neither looks again.

#include <atomic>
#include <cstdint>

#include "limbo.h"
#include "metered_memory.h"
#include "winnowing.h"

namespace weir::internal {

struct Posting {
  uint32_t document = 0;
  uint32_t position = 0;

  uint64_t Packed() const { return uint64_t{document} << 32 | position; }
};

// Of no document: the place is dead.
inline constexpr uint32_t kDeadDocument = UINT32_MAX;

// The places of one hash, or some of them in a row. Valid during the pass; may name dead places.
class Places {
 public:
  Places() = default;
  explicit Places(uint64_t only) : only_(only), size_(1) {}
  Places(const std::atomic<uint64_t>* first, size_t size) : first_(first), size_(size) {}

  size_t size() const { return size_; }
  Posting operator[](size_t i) const {
    const uint64_t packed = first_ == nullptr ? only_ : first_[i].load(std::memory_order_relaxed);
    return {static_cast<uint32_t>(packed >> 32), static_cast<uint32_t>(packed)};
  }
  Places Part(size_t from, size_t count) const { return first_ == nullptr ? *this : Places(first_ + from, count); }
  // The first place after `at` that belongs to another document.
  size_t EndOfDocument(size_t at) const;

 private:
  const std::atomic<uint64_t>* first_ = nullptr;  // null: there is one
  uint64_t only_ = 0;
  size_t size_ = 0;
};

class PostingTable {
 public:
  // `limbo` frees blocks of `meter`.
  PostingTable(MemoryMeter& meter, Limbo& limbo) : meter_(meter), limbo_(limbo) {}
  PostingTable(const PostingTable&) = delete;
  PostingTable& operator=(const PostingTable&) = delete;
  ~PostingTable();

  Places Find(uint32_t hash) const;
  void Prefetch(uint32_t hash) const {
    if (const Slots* slots = slots_.load(std::memory_order_acquire)) __builtin_prefetch(&slots->at[slots->Home(hash)]);
  }
  // REQUIRES: the document's places of one hash are added in ascending order with none of another document between.
  // Throws std::bad_alloc and leaves the table as it was.
  void Add(uint32_t hash, Posting place);
  // Takes away every place of the document under this hash, if any.
  void RemoveDocument(uint32_t hash, uint32_t document) noexcept;

  uint64_t postings() const { return postings_; }
  // For the writer.
  template <typename F>
  void ForEach(F&& f) const {
    const Slots* const slots = slots_.load(std::memory_order_relaxed);
    for (uint64_t i = 0; slots != nullptr && i < slots->count; ++i) {
      const uint64_t value = slots->at[i].value.load(std::memory_order_relaxed);
      if (value != kFree) f(slots->at[i].hash.load(std::memory_order_relaxed), PlacesOf(value));
    }
  }

 private:
  static constexpr uint64_t kFree = 0;
  static constexpr uint64_t kMoving = 2;  // between two owners: look further

  // Places in the order of their coming.
  struct List {
    std::atomic<uint32_t> size{0};
    uint32_t live = 0;
    std::atomic<uint64_t> place[];
    static size_t Bytes(uint64_t count) { return sizeof(List) + count * sizeof(uint64_t); }
  };
  struct Slot {
    std::atomic<uint32_t> hash;
    std::atomic<uint64_t> value;  // kFree, kMoving, one place (odd) or a List (even)
  };
  struct Slots {
    uint64_t count;
    uint64_t unused;
    Slot at[];
    uint64_t Home(uint32_t hash) const { return (uint64_t{hash * 0x9e3779b1u} * count) >> 32; }
    uint64_t Next(uint64_t i) const { return i + 1 == count ? 0 : i + 1; }
  };
  static_assert(sizeof(Slot) == 16);

  static uint64_t ValueOf(Posting place) { return place.Packed() << 1 | 1; }
  static bool IsOne(uint64_t value) { return value % 2 == 1; }
  static List* ListOf(uint64_t value) { return reinterpret_cast<List*>(value); }
  static Places PlacesOf(uint64_t value);

  Slot* Lookup(uint32_t hash) const;
  Slot* FreeSlot(uint32_t hash) noexcept;
  List* NewList(uint64_t capacity);
  void Retire(List* list) noexcept;
  void Reserve();
  void Resize(uint64_t count);
  void SetHole(Slot& slot, uint64_t value) noexcept;
  void EraseSlot(Slot* slot) noexcept;
  void Shorten(Slot* slot, List* list) noexcept;

  MemoryMeter& meter_;
  Limbo& limbo_;
  std::atomic<Slots*> slots_{nullptr};
  std::atomic<uint64_t> version_{0};
  uint64_t used_ = 0;
  uint64_t postings_ = 0;
};

}  // namespace weir::internal
