#pragma once
// SlotRing: a queue of slots in one array, from which any slot leaves in O(1) without a look at its neighbours.
//
// A slot's position is the running number of its push; the array holds the window [oldest, newest] of these numbers, and a
// slot that leaves from the middle is a hole until the window has passed it. Growing keeps the positions, so no entry is
// touched. When holes fill much of the window, the slots close up and are told their new positions: amortised O(1).
//
// Invariants: the oldest cell of a non-empty ring is no hole. An empty ring holds at most one page.
// Threads: belongs to whoever guards it.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "eviction_link.h"
#include "pages.h"
#include "weir/base/check.h"

namespace weir::pool {

class SlotRing {
 public:
  bool empty() const { return live_ == 0; }
  uint32_t size() const { return live_; }
  uint64_t mapped_bytes() const { return cells_.mapped_bytes(); }

  // REQUIRES: not empty.
  Slot front() const { return cells_[head_]; }
  // What lies `distance` pushes behind the front; kNoSlot: a hole, or beyond the newest.
  Slot Ahead(uint32_t distance) const { return distance < span_ ? cells_[IndexOf(distance)] : kNoSlot; }

  // Makes room for one more. `moved(slot, position)` is called for every slot whose position changes.
  // False: no memory; nothing changed.
  template <typename Moved>
  bool Reserve(Pages& pages, Moved&& moved) {
    if (span_ < capacity()) return true;
    if (live_ < capacity() - capacity() / 4) return CloseUp(moved), true;
    const uint64_t wanted = std::max<uint64_t>(kCellsMin, capacity() + uint64_t{capacity()} / 4);
    if (Resize(pages, wanted, moved, /*close_up=*/false)) return true;
    if (live_ == capacity()) return false;
    return CloseUp(moved), true;
  }

  // REQUIRES: room (Reserve, or a pop since the ring was full). The slot's position.
  uint32_t Push(Slot slot) {
    cells_[IndexOf(span_)] = slot;
    ++live_;
    return oldest_ + span_++;
  }

  // REQUIRES: not empty.
  void PopFront() {
    cells_[head_] = kNoSlot;
    --live_;
    SkipHoles();
  }

  // REQUIRES: `position` holds a slot.
  void Remove(uint32_t position) {
    cells_[IndexOf(position - oldest_)] = kNoSlot;
    --live_;
    if (position == oldest_ || live_ == 0) SkipHoles();
  }

  void Replace(uint32_t position, Slot slot) { cells_[IndexOf(position - oldest_)] = slot; }
  bool Holds(uint32_t position, Slot slot) const {
    return position - oldest_ < span_ && cells_[IndexOf(position - oldest_)] == slot;
  }
  // How much of the window lies before it: 0 for the oldest, towards 1 for the newest.
  double DepthOf(uint32_t position) const { return static_cast<double>(position - oldest_) / span_; }
  bool IsFront(uint32_t position) const { return position == oldest_; }

  // Gives memory back after many slots left. May not succeed for want of memory; then it stays large.
  template <typename Moved>
  void Shrink(Pages& pages, Moved&& moved) {
    if (capacity() <= kCellsMin || live_ >= capacity() / 2) return;
    if (live_ == 0) {
      cells_ = PagedArray<Slot>();
      head_ = span_ = 0;
    } else {
      const uint64_t cells = uint64_t{live_} + live_ / 4;
      if (RoundUp(cells * sizeof(Slot), kPageBytes) * 4 > cells_.mapped_bytes() * 3) return;
      Resize(pages, cells, moved, /*close_up=*/true);
    }
  }

  // An empty ring gives up its last page as well.
  void ReleaseIfEmpty() {
    if (live_ != 0) return;
    cells_ = PagedArray<Slot>();
    head_ = span_ = 0;
  }

  // Oldest first.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    for (uint32_t i = 0; i < span_; ++i) {
      if (const Slot slot = cells_[IndexOf(i)]; slot != kNoSlot) visit(slot, oldest_ + i);
    }
  }

  void CheckInvariants() const {
    uint32_t live = 0;
    ForEach([&](Slot, uint32_t) { ++live; });
    WEIR_CHECK(live == live_, "{} slots in the ring, {} counted", live, live_);
    WEIR_CHECK(span_ <= capacity(), "window of {} in {} cells", span_, capacity());
    WEIR_CHECK(live_ == 0 ? span_ == 0 : front() != kNoSlot, "a hole at the front, {} live", live_);
  }

 private:
  static constexpr uint64_t kCellsMin = kPageBytes / sizeof(Slot);

  uint32_t capacity() const { return static_cast<uint32_t>(cells_.size()); }
  uint32_t IndexOf(uint32_t offset) const {
    const uint64_t index = uint64_t{head_} + offset;
    return static_cast<uint32_t>(index < cells_.size() ? index : index - cells_.size());
  }

  void SkipHoles() {
    if (live_ == 0) {
      oldest_ += span_;
      head_ = span_ = 0;
      return;
    }
    while (cells_[head_] == kNoSlot) {
      if (++head_ == capacity()) head_ = 0;
      ++oldest_;
      --span_;
    }
  }

  template <typename Moved>
  void CloseUp(Moved&& moved) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < span_; ++i) {
      const Slot slot = cells_[IndexOf(i)];
      if (slot == kNoSlot) continue;
      if (i != kept) {
        cells_[IndexOf(i)] = kNoSlot;
        cells_[IndexOf(kept)] = slot;
        moved(slot, oldest_ + kept);
      }
      ++kept;
    }
    span_ = kept;
  }

  template <typename Moved>
  bool Resize(Pages& pages, uint64_t cells, Moved&& moved, bool close_up) {
    PagedArray<Slot> fresh;
    if (!fresh.Allocate(pages, cells)) return false;
    if (close_up) CloseUp(moved);
    const uint32_t first = std::min(span_, capacity() - head_);
    if (span_ != 0) {
      std::memcpy(fresh.data(), cells_.data() + head_, uint64_t{first} * sizeof(Slot));
      std::memcpy(fresh.data() + first, cells_.data(), uint64_t{span_ - first} * sizeof(Slot));
    }
    cells_.swap(fresh);
    head_ = 0;
    return true;
  }

  PagedArray<Slot> cells_;
  uint32_t head_ = 0;    // index of the oldest cell
  uint32_t oldest_ = 0;  // its position
  uint32_t span_ = 0;    // cells from the oldest to the newest, holes included
  uint32_t live_ = 0;
};

}  // namespace weir::pool
