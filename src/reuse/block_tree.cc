// Walking and changing the tree.

#include "block_tree.h"

#include <algorithm>
#include <cstring>

#include "weir/base/check.h"

namespace weir {

using internal::HolderSet;
using internal::MeteredAllocator;

namespace {

constexpr uint32_t kShortRun = 2;  // blocks

}  // namespace

BlockIndex::Tree::Tree(const BlockIndexOptions& options)
    : meter_(options.bytes_max), runs_(meter_), table_(meter_), holders_(MeteredAllocator<Holder>(meter_)) {
  meter_.Adopt(this);
}

BlockIndex::Tree::~Tree() {
  runs_.ForEach([this](RunId id) {
    runs_[id].holders.Clear(meter_);
    meter_.Free(runs_[id].inner);
  });
}

BlockIndex::Tree::RunId BlockIndex::Tree::Child(RunId parent, uint64_t key) const {
  return table_.Find(key, [&](RunId id) { return runs_[id].first == key && runs_[id].parent == parent; });
}

uint32_t BlockIndex::Tree::MatchInside(const Run& run, std::span<const BlockKey> keys, uint32_t count) const {
  if (run.key(count - 1) == keys[count - 1].low) return count;
  uint32_t low = 1;           // blocks known to match
  uint32_t high = count - 1;  // the block at `high` is known to differ
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (run.key(middle) == keys[middle].low) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Among short runs the next ones are likely to begin a few keys on: asks for their slots, then for themselves, ahead.
void BlockIndex::Tree::ReadAhead(std::span<const BlockKey> keys) const {
  constexpr size_t kSlotAhead = 24;
  constexpr size_t kRunAhead = 12;
  if (keys.size() <= kSlotAhead) return;
  table_.Prefetch(keys[kSlotAhead].low);
  const RunId guess = table_.Guess(keys[kRunAhead].low);
  if (guess != kNone) __builtin_prefetch(&runs_[guess]);
}

BlockIndex::Tree::Place BlockIndex::Tree::Walk(std::span<const BlockKey> keys) const {
  Place place;
  while (place.blocks < keys.size()) {
    const RunId id = Child(place.run, keys[place.blocks].low);
    if (id == kNone) break;
    const Run& run = runs_[id];
    const auto count = static_cast<uint32_t>(std::min<size_t>(run.length, keys.size() - place.blocks));
    place.inside = count == 1 ? 1 : MatchInside(run, keys.subspan(place.blocks), count);  // the first key is known to match
    place.blocks += place.inside;
    if (place.run == kNone) place.top = id;
    place.run = id;
    if (place.inside < run.length) break;
    if (run.length <= kShortRun) ReadAhead(keys.subspan(place.blocks));
  }
  return place;
}

bool BlockIndex::Tree::IsOnlyChild(RunId id) const {
  const Run& run = runs_[id];
  return run.parent != kNone && run.next == kNone && run.previous == kNone;
}

void BlockIndex::Tree::Link(RunId id, RunId parent) noexcept {
  RunId& head = parent == kNone ? first_root_ : runs_[parent].first_child;
  Run& run = runs_[id];
  run.parent = parent;
  run.previous = kNone;
  run.next = head;
  if (head != kNone) runs_[head].previous = id;
  head = id;
}

void BlockIndex::Tree::Unlink(RunId id) noexcept {
  const Run& run = runs_[id];
  if (run.next != kNone) runs_[run.next].previous = run.previous;
  if (run.previous != kNone) {
    runs_[run.previous].next = run.next;
  } else {
    (run.parent == kNone ? first_root_ : runs_[run.parent].first_child) = run.next;
  }
}

// `id` stands among the siblings where `of` stood.
void BlockIndex::Tree::TakePlace(RunId id, RunId of) noexcept {
  Run& run = runs_[id];
  const Run& old = runs_[of];
  run.parent = old.parent;
  run.next = old.next;
  run.previous = old.previous;
  if (run.next != kNone) runs_[run.next].previous = id;
  if (run.previous != kNone) {
    runs_[run.previous].next = id;
  } else {
    (run.parent == kNone ? first_root_ : runs_[run.parent].first_child) = id;
  }
}

// Room for the keys between the first and the last of `length`.
uint64_t* BlockIndex::Tree::NewInner(uint32_t length) {
  return length > 2 ? static_cast<uint64_t*>(meter_.Allocate((size_t{length} - 2) * sizeof(uint64_t))) : nullptr;
}

BlockIndex::Tree::RunId BlockIndex::Tree::NewRun(RunId parent, HolderId holder, std::span<const BlockKey> keys) {
  const auto length = static_cast<uint32_t>(keys.size());
  table_.Reserve(1);
  const RunId id = runs_.Allocate();
  Run& run = runs_[id];
  try {
    run.inner = NewInner(length);
    run.holders.Insert(holder, meter_);  // the first id needs no memory
  } catch (const std::bad_alloc&) {
    runs_.Free(id);
    throw;
  }
  for (uint32_t i = 1; i + 1 < length; ++i) run.inner[i - 1] = keys[i].low;
  run.first = keys.front().low;
  run.last = keys.back().low;
  run.length = length;
  Link(id, parent);
  table_.Insert(run.first, id);
  blocks_ += length;
  entries_ += length;
  holders_[holder].blocks += length;
  return id;
}

// Lengthens a run in place. REQUIRES: one holder, no children.
void BlockIndex::Tree::Append(Run& run, std::span<const BlockKey> keys) {
  const auto added = static_cast<uint32_t>(keys.size());
  const uint32_t length = run.length + added;
  const size_t inner_size = (size_t{length} - 2) * sizeof(uint64_t);
  const uint32_t old_inner = run.length > 2 ? run.length - 2 : 0;
  if (length > 2 && (run.inner == nullptr || malloc_usable_size(run.inner) < inner_size)) {
    // An eighth of room: chains that were extended once are extended again.
    uint64_t* const inner = NewInner(length + (run.inner == nullptr ? 0 : length / 8));
    if (old_inner > 0) std::memcpy(inner, run.inner, old_inner * sizeof(uint64_t));
    meter_.Free(run.inner);
    run.inner = inner;
  }
  uint32_t at = old_inner;
  if (run.length > 1) run.inner[at++] = run.last;
  for (uint32_t i = 0; i + 1 < added; ++i) run.inner[at++] = keys[i].low;
  run.last = keys.back().low;
  run.length = length;
  blocks_ += added;
  entries_ += added;
  run.holders.ForEach([&](HolderId id) { holders_[id].blocks += added; });
}

// Divides a run after `at` blocks; the part before is new and is returned, the part after keeps the number (and so every
// tail that names it stays right). REQUIRES: 0 < at < length.
BlockIndex::Tree::RunId BlockIndex::Tree::Split(RunId id, uint32_t at) {
  table_.Reserve(1);
  const RunId upper_id = runs_.Allocate();
  Run& upper = runs_[upper_id];
  Run& lower = runs_[id];
  const uint32_t rest = lower.length - at;
  uint64_t* rest_inner = nullptr;
  try {
    upper.holders = HolderSet::CopyOf(lower.holders, meter_);
    upper.inner = NewInner(at);
    rest_inner = NewInner(rest);
  } catch (const std::bad_alloc&) {
    upper.holders.Clear(meter_);
    meter_.Free(upper.inner);
    runs_.Free(upper_id);
    throw;
  }
  if (at > 2) std::memcpy(upper.inner, lower.inner, (size_t{at} - 2) * sizeof(uint64_t));
  if (rest > 2) std::memcpy(rest_inner, lower.inner + at, (size_t{rest} - 2) * sizeof(uint64_t));
  upper.first = lower.first;
  upper.last = lower.key(at - 1);
  upper.length = at;
  TakePlace(upper_id, id);
  table_.Replace(lower.first, id, upper_id);
  lower.first = lower.key(at);
  lower.length = rest;
  meter_.Free(lower.inner);
  lower.inner = rest_inner;
  Link(id, upper_id);
  table_.Insert(lower.first, id);
  return upper_id;
}

// Takes an empty leaf out of the tree.
void BlockIndex::Tree::Drop(RunId id) noexcept {
  Run& run = runs_[id];
  Unlink(id);
  table_.Erase(run.first, id);
  blocks_ -= run.length;
  run.holders.Clear(meter_);
  meter_.Free(run.inner);
  run.length = 0;
  runs_.Free(id);
}

// If this run and its one child have the same holders, the child takes over its blocks and its place.
bool BlockIndex::Tree::MergeIntoOnlyChild(RunId id) noexcept {
  Run& upper = runs_[id];
  const RunId child = upper.first_child;
  if (child == kNone || !IsOnlyChild(child) || upper.holders.count() == 0 ||
      runs_[child].holders.count() != upper.holders.count()) {
    return false;
  }
  Run& lower = runs_[child];
  const uint32_t length = upper.length + lower.length;
  uint64_t* inner = nullptr;
  try {
    inner = NewInner(length);
  } catch (const std::bad_alloc&) {
    fully_merged_ = false;
    return false;
  }
  uint64_t* out = inner;
  for (uint32_t i = 1; i < upper.length; ++i) *out++ = upper.key(i);
  for (uint32_t i = 0; i + 1 < lower.length; ++i) *out++ = lower.key(i);
  table_.Erase(lower.first, child);
  table_.Replace(upper.first, id, child);
  meter_.Free(lower.inner);
  lower.inner = inner;
  lower.first = upper.first;
  lower.length = length;
  TakePlace(child, id);
  upper.holders.Clear(meter_);
  meter_.Free(upper.inner);
  upper.length = 0;
  runs_.Free(id);
  return true;
}

// From `id` to the start of its chain: drops what nobody holds, merges what need not be apart.
void BlockIndex::Tree::Tidy(RunId id) noexcept {
  while (id != kNone) {
    const RunId parent = runs_[id].parent;
    if (runs_[id].holders.count() == 0 && runs_[id].first_child == kNone) {
      Drop(id);
    } else {
      MergeIntoOnlyChild(id);
    }
    id = parent;
  }
}

void BlockIndex::Tree::EraseHolder(RunId id, HolderId holder) noexcept {
  Run& run = runs_[id];
  run.holders.Erase(holder, meter_);
  entries_ -= run.length;
  holders_[holder].blocks -= run.length;
}

}  // namespace weir
