#include "extents.h"

#include <algorithm>
#include <bit>
#include <new>

#include "quiescence.h"
#include "weir/base/check.h"

namespace weir::pool {

Extents::Extents(Pages& pages, uint64_t extent_bytes)
    : pages_(pages),
      extent_bytes_(extent_bytes),
      slots_shift_(static_cast<uint32_t>(std::countr_zero(extent_bytes / kGranuleBytes))) {
  for (SizeClass c = 0; c < kClassCount; ++c) cell_bytes_[c] = static_cast<uint32_t>(kHeaderBytes + ClassValueBytes(c));
}

Extents::~Extents() {
  for (uint32_t i = 0; i < extent_count(); ++i) {
    if (extents_[i].state.load() != Extent::State::kAbsent) pages_.Decommit(base_ + i * extent_bytes_, extent_bytes_);
  }
  if (base_ != nullptr) pages_.Unreserve(base_, reserved_bytes_);
  if (table_committed_ != 0) pages_.Decommit(reinterpret_cast<std::byte*>(extents_), table_committed_);
  if (extents_ != nullptr) pages_.Unreserve(reinterpret_cast<std::byte*>(extents_), table_bytes_);
}

bool Extents::Reserve(uint64_t most_bytes) {
  const uint64_t least = 64 * extent_bytes_;
  for (uint64_t bytes = std::max(RoundUp(most_bytes, extent_bytes_), least); bytes >= least;
       bytes = bytes / 2 / extent_bytes_ * extent_bytes_) {
    base_ = pages_.Reserve(bytes);
    if (base_ == nullptr) continue;
    reserved_bytes_ = bytes;
    table_bytes_ = RoundUp(bytes / extent_bytes_ * sizeof(Extent), kPageBytes);
    extents_ = reinterpret_cast<Extent*>(pages_.Reserve(table_bytes_));
    return extents_ != nullptr;
  }
  return false;
}

void Extents::PushBack(List& list, uint32_t i) {
  Extent& extent = extents_[i];
  extent.listed = true;
  extent.previous = list.tail;
  extent.next = kNoExtent;
  (list.tail == kNoExtent ? list.head : extents_[list.tail].next) = i;
  list.tail = i;
}

void Extents::Unlink(List& list, uint32_t i) {
  Extent& extent = extents_[i];
  (extent.previous == kNoExtent ? list.head : extents_[extent.previous].next) = extent.next;
  (extent.next == kNoExtent ? list.tail : extents_[extent.next].previous) = extent.previous;
  extent.listed = false;
}

Slot Extents::Take(SizeClass size_class) {
  Class& owner = classes_[size_class];
  if (owner.free_cells.load(std::memory_order_relaxed) == 0) return kNoSlot;
  std::lock_guard lock(owner.mutex);
  const uint32_t i = owner.with_room.head;
  if (i == kNoExtent) return kNoSlot;
  Extent& extent = extents_[i];
  Slot slot = extent.free_head;
  if (slot != kNoSlot) {
    Entry* entry = At(slot);
    extent.free_head = entry->link.position;
    entry->Change(EntryState::kFree, EntryState::kReserved);
  } else {
    slot = CellSlot(i, size_class, extent.fresh++);
    // Nobody can have seen this cell: its memory is new, or its readers were waited for.
    new (At(slot)) Entry;
    At(slot)->word.store(WordOf(EntryState::kReserved), std::memory_order_relaxed);
  }
  owner.free_cells.fetch_sub(1, std::memory_order_relaxed);
  if (++extent.used == extent.cells) Unlink(owner.with_room, i);
  return slot;
}

void Extents::GiveBack(Slot slot, EntryState from) {
  const uint32_t i = ExtentOf(slot);
  Extent& extent = extents_[i];
  Class& owner = classes_[extent.size_class.load(std::memory_order_relaxed)];
  std::lock_guard lock(owner.mutex);
  Entry* entry = At(slot);
  entry->link.position = extent.free_head;
  extent.free_head = slot;
  entry->Change(from, EntryState::kFree);
  --extent.used;
  if (extent.draining) return;
  owner.free_cells.fetch_add(1, std::memory_order_relaxed);
  if (!extent.listed) PushBack(owner.with_room, i);
  if (extent.used != 0) return;
  Unlink(owner.with_room, i);
  owner.free_cells.fetch_sub(extent.cells, std::memory_order_relaxed);
  Spare(i);
}

// REQUIRES: the extent is on no list, and the lock of its class is held.
void Extents::Spare(uint32_t i) {
  std::lock_guard lock(spare_mutex_);
  extents_[i].state.store(Extent::State::kEmpty, std::memory_order_release);
  PushBack(empty_, i);
  empty_count_.fetch_add(1, std::memory_order_relaxed);
}

void Extents::Install(uint32_t i, SizeClass size_class, bool same_class) {
  Class& owner = classes_[size_class];
  std::lock_guard lock(owner.mutex);
  Extent& extent = extents_[i];
  extent.size_class.store(size_class, std::memory_order_relaxed);
  extent.taken_order.store(taken_.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
  extent.state.store(Extent::State::kInUse, std::memory_order_release);
  extent.draining = false;
  extent.passed_until = 0;
  if (!same_class) {
    extent.fresh = 0;
    extent.free_head = kNoSlot;
    extent.cells = static_cast<uint32_t>((extent_bytes_ - kFirstCellOffset) / CellBytes(size_class));
  }
  owner.free_cells.fetch_add(extent.cells, std::memory_order_relaxed);
  PushBack(owner.with_room, i);
}

Extents::Grown Extents::UseEmpty(SizeClass size_class) {
  uint32_t i = kNoExtent;
  bool same_class = false;
  {
    std::lock_guard lock(spare_mutex_);
    if (empty_.head == kNoExtent) return Grown::kNoEmpty;
    i = empty_.head;
    for (uint32_t at = empty_.head, steps = 0; at != kNoExtent && steps < 16; at = extents_[at].next, ++steps) {
      if (extents_[at].size_class.load(std::memory_order_relaxed) == size_class) {
        i = at;
        break;
      }
    }
    same_class = extents_[i].size_class.load(std::memory_order_relaxed) == size_class;
    Unlink(empty_, i);
    empty_count_.fetch_sub(1, std::memory_order_relaxed);
  }
  if (!same_class) WaitForReaders();
  Install(i, size_class, same_class);
  return Grown::kYes;
}

// REQUIRES: spare_mutex_. Pages of the table for `count` extents.
bool Extents::GrowTable(uint32_t count) {
  const uint64_t needed = RoundUp(count * sizeof(Extent), kPageBytes);
  if (needed <= table_committed_) return true;
  auto* table = reinterpret_cast<std::byte*>(extents_);
  if (!pages_.Commit(table + table_committed_, needed - table_committed_)) return false;
  table_committed_ = needed;
  return true;
}

// REQUIRES: spare_mutex_. The number of an extent without memory; kNoExtent: the reservation is used up.
uint32_t Extents::TakeAbsent() {
  if (absent_.head != kNoExtent) {
    const uint32_t i = absent_.head;
    Unlink(absent_, i);
    return i;
  }
  const uint32_t i = extent_count();
  if ((i + 1) * extent_bytes_ > reserved_bytes_ || !GrowTable(i + 1)) return kNoExtent;
  new (&extents_[i]) Extent;
  extent_count_.store(i + 1, std::memory_order_release);
  return i;
}

Extents::Grown Extents::UseNew(SizeClass size_class) {
  uint32_t i = kNoExtent;
  {
    std::lock_guard lock(spare_mutex_);
    i = TakeAbsent();
    if (i == kNoExtent) return Grown::kNoMemory;
    if (!pages_.Commit(base_ + i * extent_bytes_, extent_bytes_)) {
      PushBack(absent_, i);
      return Grown::kNoMemory;
    }
    committed_.fetch_add(1, std::memory_order_relaxed);
  }
  Install(i, size_class, false);
  return Grown::kYes;
}

uint64_t Extents::ReleaseEmpty() {
  List leaving;
  {
    std::lock_guard lock(spare_mutex_);
    if (empty_.head == kNoExtent) return 0;
    leaving = empty_;
    empty_ = List{};
    empty_count_.store(0, std::memory_order_relaxed);
  }
  WaitForReaders();
  uint64_t bytes = 0;
  while (leaving.head != kNoExtent) {
    const uint32_t i = leaving.head;
    Unlink(leaving, i);
    pages_.Decommit(base_ + i * extent_bytes_, extent_bytes_);
    bytes += extent_bytes_;
    committed_.fetch_sub(1, std::memory_order_relaxed);
    std::lock_guard lock(spare_mutex_);
    extents_[i].state.store(Extent::State::kAbsent, std::memory_order_release);
    PushBack(absent_, i);
  }
  return bytes;
}

bool Extents::BeginMoveOut(uint32_t i, std::array<uint64_t, kClassCount>& promised) {
  Extent& extent = extents_[i];
  if (extent.state.load(std::memory_order_acquire) != Extent::State::kInUse) return false;
  Class& owner = classes_[extent.size_class.load(std::memory_order_relaxed)];
  std::lock_guard lock(owner.mutex);
  // It may have been emptied, and even taken by another class, before the lock was held.
  if (extent.state.load(std::memory_order_relaxed) != Extent::State::kInUse || extent.draining) return false;
  if (&classes_[extent.size_class.load(std::memory_order_relaxed)] != &owner) return false;
  const uint64_t own = extent.cells - extent.used;
  uint64_t& cells_promised = promised[extent.size_class.load(std::memory_order_relaxed)];
  if (owner.free_cells.load(std::memory_order_relaxed) < own + extent.used + cells_promised) return false;
  cells_promised += extent.used;
  extent.draining = true;
  owner.free_cells.fetch_sub(own, std::memory_order_relaxed);
  if (extent.listed) Unlink(owner.with_room, i);
  return true;
}

bool Extents::EndDrain(uint32_t i) {
  Extent& extent = extents_[i];
  Class& owner = classes_[extent.size_class.load(std::memory_order_relaxed)];
  std::lock_guard lock(owner.mutex);
  WEIR_CHECK(extent.draining, "extent {} is not being drained", i);
  extent.draining = false;
  if (extent.used == 0) {
    Spare(i);
    return true;
  }
  owner.free_cells.fetch_add(extent.cells - extent.used, std::memory_order_relaxed);
  if (extent.used != extent.cells) PushBack(owner.with_room, i);
  return false;
}

void Extents::PassOver(uint32_t i) {
  constexpr uint64_t kAttempts = 64;
  Class& owner = classes_[extents_[i].size_class.load(std::memory_order_relaxed)];
  std::lock_guard lock(owner.mutex);
  extents_[i].passed_until = attempts_.load(std::memory_order_relaxed) + kAttempts;
}

Extents::View Extents::Look(uint32_t i) const {
  const Extent& extent = extents_[i];
  if (extent.state.load(std::memory_order_acquire) != Extent::State::kInUse) return {};
  const SizeClass size_class = extent.size_class.load(std::memory_order_relaxed);
  std::lock_guard lock(classes_[size_class].mutex);
  if (extent.state.load(std::memory_order_relaxed) != Extent::State::kInUse) return {};
  if (extent.size_class.load(std::memory_order_relaxed) != size_class) return {};
  const bool passed_over = extent.passed_until > attempts_.load(std::memory_order_relaxed);
  return {!extent.draining, size_class, extent.used, extent.fresh, extent.cells, extent.taken_order, passed_over};
}

Extents::View Extents::LookDraining(uint32_t i) const {
  const Extent& extent = extents_[i];
  const SizeClass size_class = extent.size_class.load(std::memory_order_relaxed);
  std::lock_guard lock(classes_[size_class].mutex);
  return {false, size_class, extent.used, extent.fresh, extent.cells, extent.taken_order, false};
}

void Extents::CheckInvariants() const {
  uint64_t committed = 0;
  std::array<uint64_t, kClassCount> free{};
  for (uint32_t i = 0; i < extent_count(); ++i) {
    const Extent& extent = extents_[i];
    const Extent::State state = extent.state.load();
    if (state == Extent::State::kAbsent) continue;
    ++committed;
    uint32_t used = 0;
    for (uint32_t cell = 0; cell < extent.fresh; ++cell) {
      const Entry* entry = At(CellSlot(i, extent.size_class.load(), cell));
      used += entry->state() != EntryState::kFree;
    }
    WEIR_CHECK(used == extent.used, "extent {}: {} cells out, counted {}", i, used, extent.used);
    uint32_t freed = 0;
    for (Slot slot = extent.free_head; slot != kNoSlot; slot = At(slot)->link.position) ++freed;
    WEIR_CHECK(freed + used == extent.fresh, "extent {}: {} freed and {} used of {}", i, freed, used, extent.fresh);
    if (state == Extent::State::kEmpty) {
      WEIR_CHECK(used == 0, "extent {} is spare with {} cells out", i, used);
    } else {
      WEIR_CHECK(!extent.draining, "extent {} is still being drained", i);
      WEIR_CHECK(extent.listed == (used < extent.cells), "extent {}: listed {}, used {}", i, extent.listed, used);
      free[extent.size_class.load()] += extent.cells - used;
    }
  }
  WEIR_CHECK(committed == committed_.load(), "{} extents, counted {}", committed, committed_.load());
  for (uint32_t c = 0; c < kClassCount; ++c) {
    WEIR_CHECK(free[c] == classes_[c].free_cells.load(), "class {}: {} free cells, counted {}", c, free[c],
               classes_[c].free_cells.load());
  }
}

}  // namespace weir::pool
