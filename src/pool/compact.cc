// Moving entries together, so that extents become empty without anything being lost.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "core.h"
#include "quiescence.h"
#include "sweep.h"
#include "weir/base/check.h"

namespace weir::pool {

// Under the shard's lock: the entry's copy takes its place everywhere. False: pinned, or no cell to go to.
bool Core::MoveLocked(Shard& shard, uint64_t hash, Slot slot, SizeClass size_class) {
  Entry* from = extents_.At(slot);
  if (from->word.load(std::memory_order_acquire) != WordOf(EntryState::kLive)) return false;
  const Slot target = extents_.Take(size_class);
  if (target == kNoSlot) return false;
  Entry* to = extents_.At(target);
  // Copied while it can still be read and pinned; an entry's bytes never change.
  const uint64_t unused = from->slack >= kBodyResource ? 0 : from->slack;
  std::memcpy(to->body(), from->body(), extents_.CellBytes(size_class) - kHeaderBytes - unused);
  to->set_key(from->key());
  to->slack = from->slack;
  if (!from->Claim()) {
    to->slack = 0;
    extents_.GiveBack(target, EntryState::kReserved);
    return false;
  }
  to->last_use_tick.store(from->last_use_tick.load(std::memory_order_relaxed), std::memory_order_relaxed);
  from->link.MoveTo(to->link);
  shard.queues.Relocate(slot, target);
  to->Change(EntryState::kReserved, EntryState::kLive);
  shard.table.load(std::memory_order_relaxed)->Replace(hash, slot, target);
  from->slack = 0;  // what the body held lives on in the copy
  extents_.GiveBack(slot, EntryState::kClaimed);
  return true;
}

// Moves the entries of an extent that is being drained into free cells of its class elsewhere. True: it is empty.
bool Core::MoveOut(uint32_t extent) {
  const Extents::View view = extents_.LookDraining(extent);
  std::array<Candidate, kBatch> batch;
  uint64_t moved = 0;
  for (uint32_t cell = 0; cell < view.fresh;) {
    uint32_t count = 0;
    {
      ReadSection section;
      for (; cell < view.fresh && count < kBatch; ++cell) {
        const Slot slot = extents_.CellSlot(extent, view.size_class, cell);
        const Entry* entry = extents_.At(slot);
        if (entry->state() != EntryState::kLive) continue;
        const PoolKey key = entry->key();
        const Hashed place = Place(key);
        if (const IndexTable* table = place.shard.table.load(std::memory_order_acquire)) table->PrefetchHome(place.hash);
        batch[count++] = {slot, key, place.hash};
      }
    }
    for (uint32_t i = 0; i < count; ++i) {
      Shard& shard = ShardOf(batch[i].hash);
      std::lock_guard lock(shard.mutex);
      if (FindLocked(shard, batch[i].key, batch[i].hash) != batch[i].slot) continue;
      moved += MoveLocked(shard, batch[i].hash, batch[i].slot, view.size_class);
    }
  }
  counters_.Add(Count::kMoved, moved);
  return extents_.EndDrain(extent);
}

// Closes the extent to new entries, if what it holds can move elsewhere (Extents::BeginMoveOut) and nothing in it is held.
bool Core::Close(uint32_t extent, std::array<uint64_t, kClassCount>& promised) {
  if (!extents_.BeginMoveOut(extent, promised)) return false;
  const Extents::View view = extents_.LookDraining(extent);
  if (!IsHeld(extent, view)) return true;
  promised[view.size_class] -= std::min<uint64_t>(promised[view.size_class], view.used);
  extents_.EndDrain(extent);
  return false;
}

// A pin or a writer would keep the extent, as it was seen, from becoming empty.
bool Core::IsHeld(uint32_t extent, const Extents::View& view) const {
  ReadSection section;
  if (!extents_.IsStill(extent, view)) return true;
  for (uint32_t cell = 0; cell < view.fresh; ++cell) {
    const uint32_t word =
        extents_.At(extents_.CellSlot(extent, view.size_class, cell))->word.load(std::memory_order_acquire);
    const EntryState state = StateOf(word);
    if (state == EntryState::kReserved || state == EntryState::kDetached) return true;
    if (state == EntryState::kLive && (word & kPinMask) != 0) return true;
  }
  return false;
}

// The extent with the fewest entries, of those that were not passed over lately; one whose entries can move first.
// kNoExtent: none.
uint32_t Core::SparsestExtent(bool& moves) const {
  uint32_t best = kNoExtent;
  uint64_t best_used = 0;
  moves = false;
  for (uint32_t i = 0; i < extents_.extent_count(); ++i) {
    const Extents::View view = extents_.Look(i);
    if (!view.in_use || view.passed_over) continue;
    const bool can_move = extents_.CanMoveOut(view);
    const uint64_t used_bytes = view.used * extents_.CellBytes(view.size_class);
    if (best == kNoExtent || (can_move && !moves) || (can_move == moves && used_bytes < best_used)) {
      best = i, best_used = used_bytes, moves = can_move;
    }
  }
  return best;
}

// For an insert that needs a whole extent: the sparsest one's entries move into the holes of its class, or are dropped when
// these do not suffice. False: what was tried is held.
bool Core::EmptySparsestExtent() {
  constexpr int kTries = 16;
  extents_.NextAttempt();
  for (int tries = 0; tries < kTries && !extents_.HasEmpty(); ++tries) {
    bool moves = false;
    const uint32_t extent = SparsestExtent(moves);
    if (extent == kNoExtent) break;
    std::array<uint64_t, kClassCount> promised{};
    if (moves) {
      if (!Close(extent, promised) || !MoveOut(extent)) extents_.PassOver(extent);
      continue;
    }
    if (IsHeld(extent, extents_.Look(extent))) {
      extents_.PassOver(extent);
      continue;
    }
    Reclaimed done;
    Sweep sweep;
    sweep.wanted_bytes = std::numeric_limits<uint64_t>::max();
    sweep.done = &done;
    DropFrom(extent, sweep);
    CountEvicted(done.entries, done.bytes_accounted);
    if (!extents_.HasEmpty()) extents_.PassOver(extent);
  }
  return extents_.HasEmpty();
}

// Empties as many of the first `visited` extents as are still wanted, those with the fewest entries first. All of them are
// closed to new entries before the first entry moves, so that none moves twice.
void Core::MoveTogether(Sweep& sweep, uint32_t visited) {
  Reclaimed& done = *sweep.done;
  Ranked* const ranked = sweep.ranked.data();
  for (uint32_t i = 0; i < visited; ++i) {
    const Extents::View view = extents_.Look(ranked[i].extent);
    ranked[i].worth = view.in_use ? static_cast<double>(view.used) / view.cells : std::numeric_limits<double>::infinity();
  }
  std::sort(ranked, ranked + visited);
  std::array<uint64_t, kClassCount> promised{};
  uint64_t short_bytes = sweep.wanted_bytes - done.bytes_released;
  short_bytes -= std::min(short_bytes, extents_.EmptyCount() * extents_.extent_bytes());
  uint32_t closed = 0;
  for (uint32_t i = 0; i < visited && std::isfinite(ranked[i].worth) && short_bytes != 0; ++i) {
    if (!Close(ranked[i].extent, promised)) continue;
    ranked[closed++].extent = ranked[i].extent;
    short_bytes -= std::min(short_bytes, extents_.extent_bytes());
  }
  for (uint32_t i = 0; i < closed; ++i) {
    done.deadline_reached |= clock_.Now() >= sweep.deadline;
    if (done.deadline_reached) {
      extents_.EndDrain(ranked[i].extent);
    } else {
      MoveOut(ranked[i].extent);
    }
    if (extents_.EmptyCount() >= kExtentsPerRelease) done.bytes_released += extents_.ReleaseEmpty();
  }
}

// What pins and Keep::kAlways hold, whole. Visits every entry under its shard's lock.
uint64_t Core::HeldBytes() const {
  uint64_t held = 0;
  for (uint32_t i = 0; i < shard_count_; ++i) {
    std::lock_guard lock(shards_[i].mutex);
    const IndexTable* table = shards_[i].table.load(std::memory_order_relaxed);
    if (table == nullptr) continue;
    table->ForEach([&](Slot slot) {
      const Entry* entry = extents_.At(slot);
      const bool pinned = (entry->word.load(std::memory_order_relaxed) & kPinMask) != 0;
      if (pinned || entry->link.price_class() >= kPriceClassNever) held += ChargeOf(slot).total();
    });
  }
  return held;
}

uint64_t Core::CountPinned() const {
  uint64_t pinned = 0;
  for (uint32_t i = 0; i < extents_.extent_count(); ++i) {
    const Extents::View view = extents_.Look(i);
    if (!view.in_use) continue;
    ReadSection section;
    if (!extents_.IsStill(i, view)) continue;
    for (uint32_t cell = 0; cell < view.fresh; ++cell) {
      const uint32_t word = extents_.At(extents_.CellSlot(i, view.size_class, cell))->word.load(std::memory_order_acquire);
      pinned += StateOf(word) == EntryState::kLive && (word & kPinMask) != 0;
    }
  }
  return pinned;
}

}  // namespace weir::pool
