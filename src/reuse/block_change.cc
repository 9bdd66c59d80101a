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

// Before anything that readers may notice: whoever sees it sees the new number too.
void BlockIndex::Tree::BeginChange() noexcept {
  change_.store(change_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

// False: memory was refused, and nothing is changed. What readers held back may be what was missing.
template <typename Change>
bool BlockIndex::Tree::AllOrNothing(Change&& change) {
  for (bool again = true;; again = false) {
    try {
      change();
      return true;
    } catch (const std::bad_alloc&) {
      limbo_.Collect();
      if (limbo_.IsEmpty() || !again) return false;
      limbo_.WaitForAll();
    }
  }
}

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
  std::erase_if(tails, [&](RunId id) { return !names_.IsLive(id) || !At(id).holders.Contains(holder); });
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
    for (; id != kNone && !At(id).holders.Contains(holder); id = At(id).parent) {
      Run& run = At(id);
      run.holders.Insert(holder, meter_, limbo_);
      entries_ += run.length();
      holders_[holder].blocks += run.length();
      top = id;
    }
  } catch (const std::bad_alloc&) {
    for (RunId undone = from; undone != id; undone = At(undone).parent) EraseHolder(undone, holder);
    throw;
  }
  return top;
}

// After a holder came to the runs from `id` up to `top`: any of them may now equal its parent.
void BlockIndex::Tree::MergeUpwards(RunId id, RunId top) noexcept {
  for (;;) {
    const RunId parent = At(id).parent;
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
    const Run& run = At(at);
    const bool held = run.holders.Contains(holder);
    if (held && rest.empty()) return;
    if (place.inside < run.length()) {
      at = Split(at, place.inside);
    } else if (held && run.first_child == kNone && run.holders.count() == 1) {
      Append(at, holder, rest);
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
  BeginChange();
  const bool added = AllOrNothing([&] { AddOrThrow(holder, keys); });
  if (is_new && added) holders_held_ += 1;
  if (is_new && !added) Remove(holder);
  Settle();
  return added ? Status() : Status(Refused());
}

// Cuts a leaf that one holder has. Throws std::bad_alloc.
void BlockIndex::Tree::Shorten(RunId id, HolderId holder, uint32_t length) {
  const Run& old = At(id);
  const uint32_t lost = old.length() - length;
  const RunId place = NewVersion(old);
  Run& run = runs_[place];
  run.last = old.key(length - 1);
  run.length_word.store(length, std::memory_order_relaxed);
  run.inner = old.inner;
  const size_t inner_size = length > 2 ? (size_t{length} - 2) * sizeof(uint64_t) : 0;
  if (old.inner != nullptr && malloc_usable_size(old.inner) > inner_size * 2) {
    try {
      run.inner = NewInner(length);
      if (run.inner != nullptr) std::memcpy(run.inner, old.inner, inner_size);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }
  Supersede(id, place, run.inner == old.inner ? kRun : kRunAndKeys);
  blocks_ -= lost;
  entries_ -= lost;
  holders_[holder].blocks -= lost;
}

// Takes the holder from `top` and from all below it. Goes through the tree by its links, deepest first, so that no run is
// dropped before its children.
void BlockIndex::Tree::EraseBelow(HolderId holder, RunId top) noexcept {
  const auto held_from = [&](RunId id) {
    while (id != kNone && !At(id).holders.Contains(holder)) id = At(id).next;
    return id;
  };
  const auto deepest = [&](RunId id) {
    for (RunId child = id; child != kNone; child = held_from(At(id).first_child)) id = child;
    return id;
  };
  RunId id = deepest(top);
  for (;;) {
    const RunId parent = At(id).parent;
    const RunId next = At(id).next;
    EraseHolder(id, holder);
    if (At(id).holders.count() == 0) {
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
  if (place.blocks <= keep || !At(place.run).holders.Contains(holder)) return;
  Holder& entry = HolderFor(holder);
  const Run& run = At(place.run);
  const uint32_t offset = place.inside - 1;
  if (offset > 0 && run.first_child == kNone && run.holders.count() == 1) {
    Shorten(place.run, holder, offset);
    return;
  }
  const RunId above = offset > 0 ? Split(place.run, offset) : run.parent;
  EraseBelow(holder, place.run);
  Tidy(above);
  if (above != kNone && names_.IsLive(above) && At(above).holders.Contains(holder)) entry.tails.push_back(above);
}

Status BlockIndex::Tree::Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep) {
  if (keep >= keys.size() || BlocksOf(holder) == 0) return {};
  BeginChange();
  const bool truncated = AllOrNothing([&] { TruncateOrThrow(holder, keys, keep); });
  if (BlocksOf(holder) == 0) {
    holders_held_ -= 1;
    Remove(holder);
  }
  Settle();
  return truncated ? Status() : Status(Refused());
}

void BlockIndex::Tree::Remove(HolderId holder) {
  BeginChange();
  if (holder < holders_.size()) {
    if (holders_[holder].blocks > 0) holders_held_ -= 1;
    Tails tails((MeteredAllocator<RunId>(meter_)));
    tails.swap(holders_[holder].tails);
    for (const RunId tail : tails) {
      if (!names_.IsLive(tail)) continue;
      for (RunId id = tail; id != kNone && At(id).holders.Contains(holder); id = At(id).parent) {
        EraseHolder(id, holder);
      }
    }
    for (const RunId tail : tails) {
      if (names_.IsLive(tail)) Tidy(tail);
    }
  }
  ShrinkHolders();
  Settle();
}

}  // namespace weir
