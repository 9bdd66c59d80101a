// The three changes of the index: Add, Truncate, Remove, and the list of each holder's tails.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "block_tree.h"

namespace weir {

using internal::MeteredAllocator;

namespace {

constexpr uint32_t kTailsAtFirst = 4;
constexpr uint32_t kTailsBeforeCleaning = 16;

Error Refused() { return Exhausted("the block index may not grow", "raise its byte budget or remove holders"); }

}  // namespace

BlockIndex::Tree::Holder& BlockIndex::Tree::HolderFor(HolderId holder) {
  if (holder >= holders_.size()) holders_.resize(size_t{holder} + 1, Holder(meter_));
  Holder& entry = holders_[holder];
  if (entry.tails.size() == entry.tails.capacity()) {
    if (entry.tails.size() >= entry.tails_max) {
      CleanTails(holder);
      entry.tails_max = std::max<uint32_t>(kTailsBeforeCleaning, static_cast<uint32_t>(entry.tails.size()) * 2);
    }
    if (entry.tails.size() == entry.tails.capacity()) {
      entry.tails.reserve(entry.tails.size() + entry.tails.size() / 4 + kTailsAtFirst);
    }
  }
  return entry;
}

void BlockIndex::Tree::CleanTails(HolderId holder) noexcept {
  Tails& tails = holders_[holder].tails;
  std::sort(tails.begin(), tails.end());
  tails.erase(std::unique(tails.begin(), tails.end()), tails.end());
  std::erase_if(tails, [&](RunId id) { return !runs_.IsLive(id) || !runs_[id].holders.Contains(holder); });
}

void BlockIndex::Tree::ShrinkHolders() noexcept {
  while (!holders_.empty() && holders_.back().blocks == 0) holders_.pop_back();
  if (holders_.size() * 4 > holders_.capacity()) return;
  try {
    Holders exact(std::make_move_iterator(holders_.begin()), std::make_move_iterator(holders_.end()),
                  holders_.get_allocator());
    holders_.swap(exact);
  } catch (const std::bad_alloc&) {  // the larger one stays
  }
}

// `holder` now holds `from` and all above it. Returns the topmost run that it did not hold before, kNone if there is none.
BlockIndex::Tree::RunId BlockIndex::Tree::Spread(HolderId holder, RunId from) {
  RunId top = kNone;
  RunId id = from;
  try {
    for (; id != kNone && !runs_[id].holders.Contains(holder); id = runs_[id].parent) {
      Run& run = runs_[id];
      run.holders.Insert(holder, meter_);
      entries_ += run.length;
      holders_[holder].blocks += run.length;
      top = id;
    }
  } catch (const std::bad_alloc&) {
    for (RunId undone = from; undone != id; undone = runs_[undone].parent) EraseHolder(undone, holder);
    throw;
  }
  return top;
}

// After a holder came to the runs from `id` up to `top`: any of them may now equal its parent.
void BlockIndex::Tree::MergeUpwards(RunId id, RunId top) noexcept {
  for (;;) {
    const RunId parent = runs_[id].parent;
    if (parent == kNone) return;
    const bool last = id == top;
    const bool merged = IsOnlyChild(id) && MergeIntoOnlyChild(parent);
    if (last) return;
    if (!merged) {
      id = parent;
    } else if (parent == top) {
      top = id;
    }
  }
}

void BlockIndex::Tree::AddOrThrow(HolderId holder, std::span<const BlockKey> keys) {
  Holder& entry = HolderFor(holder);
  const Place place = Walk(keys);
  RunId at = place.run;
  const std::span<const BlockKey> rest = keys.subspan(place.blocks);
  if (at != kNone) {
    Run& run = runs_[at];
    const bool held = run.holders.Contains(holder);
    if (held && rest.empty()) return;
    if (place.inside < run.length) {
      at = Split(at, place.inside);
    } else if (held && run.first_child == kNone && run.holders.count() == 1) {
      Append(run, rest);
      return;
    }
  }
  RunId fresh = kNone;
  RunId top = kNone;
  try {
    if (!rest.empty()) fresh = NewRun(at, holder, rest);
    top = Spread(holder, at);
  } catch (const std::bad_alloc&) {
    if (fresh != kNone) EraseHolder(fresh, holder);
    Tidy(fresh != kNone ? fresh : at);
    throw;
  }
  entry.tails.push_back(fresh != kNone ? fresh : at);
  if (top != kNone) MergeUpwards(at, top);
}

Status BlockIndex::Tree::Add(HolderId holder, std::span<const BlockKey> keys) {
  if (holder >= kHoldersMax) {
    return InvalidArgument(fmt::format("holder {} is not below {}", holder, kHoldersMax), "use small, dense ids");
  }
  if (keys.empty()) return {};
  if (keys.size() > UINT32_MAX / 2) return InvalidArgument(fmt::format("a chain of {} blocks", keys.size()));
  const bool is_new = BlocksOf(holder) == 0;
  try {
    AddOrThrow(holder, keys);
  } catch (const std::bad_alloc&) {
    if (is_new) Remove(holder);
    return Refused();
  }
  if (is_new) ++holders_held_;
  return {};
}

// Cuts a leaf that one holder has.
void BlockIndex::Tree::Shorten(Run& run, HolderId holder, uint32_t length) noexcept {
  const uint32_t lost = run.length - length;
  run.last = run.key(length - 1);
  run.length = length;
  blocks_ -= lost;
  entries_ -= lost;
  holders_[holder].blocks -= lost;
  const size_t inner_size = length > 2 ? (size_t{length} - 2) * sizeof(uint64_t) : 0;
  if (run.inner == nullptr || malloc_usable_size(run.inner) <= inner_size * 2) return;
  try {
    uint64_t* const exact = NewInner(length);
    if (exact != nullptr) std::memcpy(exact, run.inner, inner_size);
    meter_.Free(run.inner);
    run.inner = exact;
  } catch (const std::bad_alloc&) {  // the larger one stays
  }
}

// Takes the holder from `top` and from all below it. Goes through the tree by its links, deepest first, so that no run is
// dropped before its children.
void BlockIndex::Tree::EraseBelow(HolderId holder, RunId top) noexcept {
  const auto held_from = [&](RunId id) {
    while (id != kNone && !runs_[id].holders.Contains(holder)) id = runs_[id].next;
    return id;
  };
  const auto deepest = [&](RunId id) {
    for (RunId child = id; child != kNone; child = held_from(runs_[id].first_child)) id = child;
    return id;
  };
  RunId id = deepest(top);
  for (;;) {
    const RunId parent = runs_[id].parent;
    const RunId next = runs_[id].next;
    EraseHolder(id, holder);
    if (runs_[id].holders.count() == 0) {
      Drop(id);
    } else {
      MergeIntoOnlyChild(id);
    }
    if (id == top) return;
    const RunId sibling = held_from(next);
    id = sibling != kNone ? deepest(sibling) : parent;
  }
}

void BlockIndex::Tree::TruncateOrThrow(HolderId holder, std::span<const BlockKey> keys, size_t keep) {
  const Place place = Walk(keys.first(keep + 1));
  if (place.blocks <= keep || !runs_[place.run].holders.Contains(holder)) return;
  Holder& entry = HolderFor(holder);
  Run& run = runs_[place.run];
  const uint32_t offset = place.inside - 1;
  if (offset > 0 && run.first_child == kNone && run.holders.count() == 1) {
    Shorten(run, holder, offset);
    return;
  }
  const RunId above = offset > 0 ? Split(place.run, offset) : run.parent;
  EraseBelow(holder, place.run);
  Tidy(above);
  if (above != kNone && runs_.IsLive(above) && runs_[above].holders.Contains(holder)) entry.tails.push_back(above);
}

Status BlockIndex::Tree::Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep) {
  if (keep >= keys.size() || BlocksOf(holder) == 0) return {};
  try {
    TruncateOrThrow(holder, keys, keep);
  } catch (const std::bad_alloc&) {
    return Refused();
  }
  if (BlocksOf(holder) == 0) {
    --holders_held_;
    Remove(holder);
  }
  return {};
}

void BlockIndex::Tree::Remove(HolderId holder) {
  if (holder < holders_.size()) {
    if (holders_[holder].blocks > 0) --holders_held_;
    Tails tails((MeteredAllocator<RunId>(meter_)));
    tails.swap(holders_[holder].tails);
    for (const RunId tail : tails) {
      if (!runs_.IsLive(tail)) continue;
      for (RunId id = tail; id != kNone && runs_[id].holders.Contains(holder); id = runs_[id].parent) {
        EraseHolder(id, holder);
      }
    }
    for (const RunId tail : tails) {
      if (runs_.IsLive(tail)) Tidy(tail);
    }
  }
  ShrinkHolders();
}

}  // namespace weir
