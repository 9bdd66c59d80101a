#pragma once
// Extents: the memory of a pool's cells. One reservation of address space is cut into extents of equal size; each
// committed extent holds cells of one size class. Slots are 16-byte granules of the reservation.
//
// Cells are handed out and taken back here; who may look at a cell is the business of Entry::word. An extent that is
// empty waits for its next use, by any class, or is released. A cell whose extent is released or changes its class may
// still be looked at by a reader, so both wait for readers first.
//
// Threads: all methods from any thread; each class has its own lock, held for a few instructions and never together with
// another class's.

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "entry.h"
#include "pages.h"
#include "size_class.h"

namespace weir::pool {

inline constexpr uint64_t kGranuleBytes = 16;
// Cells begin here: no slot is 0, and the first value lies on a cache line.
inline constexpr uint64_t kFirstCellOffset = 32;

inline constexpr uint32_t kNoExtent = ~uint32_t{0};

struct Extent {
  enum class State : uint8_t { kAbsent, kEmpty, kInUse };

  std::atomic<State> state{State::kAbsent};
  std::atomic<SizeClass> size_class{0};  // kept while empty
  // Guarded by the lock of the class while in use, else by the lock of the spare ones.
  bool draining = false;  // no cell is handed out
  bool listed = false;
  uint32_t previous = kNoExtent, next = kNoExtent;  // in the list it is on
  uint32_t used = 0;                                // cells out
  uint32_t fresh = 0;                               // cells from this one on were never handed out
  Slot free_head = kNoSlot;                         // of the cells that came back
  uint32_t cells = 0;
  uint64_t passed_until = 0;             // in attempts
  std::atomic<uint64_t> taken_order{0};  // rises with each extent taken into use
};

class Extents {
 public:
  // REQUIRES: extent_bytes is a power of two.
  Extents(Pages& pages, uint64_t extent_bytes);
  ~Extents();
  // False: the system grants no address space. `most_bytes` is lowered until it does, to 64 extents at least.
  bool Reserve(uint64_t most_bytes);

  uint64_t extent_bytes() const { return extent_bytes_; }
  // Values up to this size live in extents.
  uint64_t value_bytes_max() const { return extent_bytes_ / 8 - kHeaderBytes; }
  uint64_t CellBytes(SizeClass size_class) const { return cell_bytes_[size_class]; }

  Entry* At(Slot slot) const { return reinterpret_cast<Entry*>(base_ + uint64_t{slot} * kGranuleBytes); }
  Slot SlotOf(const Entry* entry) const {
    return static_cast<Slot>((reinterpret_cast<const std::byte*>(entry) - base_) / kGranuleBytes);
  }
  uint32_t ExtentOf(Slot slot) const { return slot >> slots_shift_; }
  SizeClass ClassAt(Slot slot) const { return extents_[ExtentOf(slot)].size_class.load(std::memory_order_relaxed); }
  uint64_t CellBytesAt(Slot slot) const { return CellBytes(ClassAt(slot)); }

  // A cell of the class in kReserved, from an extent that has room; kNoSlot: none has.
  Slot Take(SizeClass size_class);
  // The cell, in kClaimed or kReserved, becomes kFree.
  void GiveBack(Slot slot, EntryState from);

  enum class Grown : uint8_t { kYes, kNoEmpty, kNoMemory };
  // Gives the class an extent that is empty, waiting for readers when it was another class's.
  Grown UseEmpty(SizeClass size_class);
  // Gives the class an extent fresh from the system.
  Grown UseNew(SizeClass size_class);
  uint32_t EmptyCount() const { return empty_count_.load(std::memory_order_relaxed); }
  bool HasEmpty() const { return EmptyCount() != 0; }
  // Returns every empty extent to the system; bytes.
  uint64_t ReleaseEmpty();

  // Extent `i` takes part in no more hand-outs until EndDrain, if the other extents of its class have room for what it
  // holds beside the `promised` cells of that class, which then rise by that. False: they have not, it is not in use, or it
  // is being drained already.
  bool BeginMoveOut(uint32_t i, std::array<uint64_t, kClassCount>& promised);
  // True: it was empty, and waits for its next use now.
  bool EndDrain(uint32_t i);

  // An extent that could not be emptied is not chosen again for a while.
  void NextAttempt() { attempts_.fetch_add(1, std::memory_order_relaxed); }
  void PassOver(uint32_t i);

  uint32_t extent_count() const { return extent_count_.load(std::memory_order_acquire); }
  struct View {
    bool in_use = false;  // and not being drained
    SizeClass size_class = 0;
    uint32_t used = 0;
    uint32_t fresh = 0;
    uint32_t cells = 0;
    uint64_t taken_order = 0;
    bool passed_over = false;
  };
  View Look(uint32_t i) const;
  // REQUIRES: the caller drains it.
  View LookDraining(uint32_t i) const;
  // Inside a ReadSection: the extent is in the use it was seen in, and its memory stays until the section ends.
  bool IsStill(uint32_t i, const View& view) const {
    return extents_[i].state.load(std::memory_order_acquire) == Extent::State::kInUse &&
           extents_[i].taken_order.load(std::memory_order_relaxed) == view.taken_order;
  }
  // Other extents of the class have room for what this one holds.
  bool CanMoveOut(const View& view) const {
    const uint64_t elsewhere = classes_[view.size_class].free_cells.load(std::memory_order_relaxed);
    return elsewhere >= uint64_t{view.cells - view.used} + view.used;
  }
  Slot CellSlot(uint32_t extent, SizeClass size_class, uint32_t cell) const {
    return static_cast<Slot>((extent * extent_bytes_ + kFirstCellOffset + cell * CellBytes(size_class)) / kGranuleBytes);
  }
  uint64_t committed_bytes() const { return committed_.load(std::memory_order_relaxed) * extent_bytes_; }

  // Extents, and the table of them.
  uint64_t mapped_bytes() const { return committed_bytes() + table_committed_; }

  // Every cell that was ever handed out; no other call may run.
  template <typename Visit>
  void ForEachCell(const Visit& visit) const {
    for (uint32_t i = 0; i < extent_count(); ++i) {
      if (extents_[i].state.load() == Extent::State::kAbsent) continue;
      for (uint32_t cell = 0; cell < extents_[i].fresh; ++cell) visit(CellSlot(i, extents_[i].size_class.load(), cell));
    }
  }
  void CheckInvariants() const;

 private:
  struct List {
    uint32_t head = kNoExtent, tail = kNoExtent;
  };
  struct alignas(64) Class {
    mutable std::mutex mutex;
    List with_room;
    std::atomic<uint64_t> free_cells{0};  // of extents that are in use and not being drained
  };

  void PushBack(List& list, uint32_t i);
  void Unlink(List& list, uint32_t i);
  void Install(uint32_t i, SizeClass size_class, bool same_class);
  uint32_t TakeAbsent();
  void Spare(uint32_t i);
  bool GrowTable(uint32_t count);

  Pages& pages_;
  const uint64_t extent_bytes_;
  const uint32_t slots_shift_;  // log2 of the slots of an extent
  std::array<uint32_t, kClassCount> cell_bytes_;
  std::byte* base_ = nullptr;
  uint64_t reserved_bytes_ = 0;
  Extent* extents_ = nullptr;  // one per extent of the reservation; its pages are committed as the count rises
  uint64_t table_bytes_ = 0, table_committed_ = 0;
  std::atomic<uint32_t> extent_count_{0};  // ever committed; those below may be absent again
  std::atomic<uint64_t> committed_{0};
  std::atomic<uint64_t> taken_{0};
  std::atomic<uint64_t> attempts_{0};

  mutable std::mutex spare_mutex_;  // guards the lists below and the growth of the table; may be taken inside a class's
  List empty_, absent_;
  std::atomic<uint32_t> empty_count_{0};

  std::array<Class, kClassCount> classes_;
};

}  // namespace weir::pool
