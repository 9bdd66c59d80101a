// The building blocks of a change.

#include "block_tree.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "weir/base/check.h"

namespace weir {

using internal::HolderSet;
using internal::MeteredAllocator;

BlockIndex::Tree::Tree(const BlockIndexOptions& options)
    : meter_(options.bytes_max),
      limbo_(meter_, gate_, Release, this),
      runs_(meter_, limbo_),
      names_(meter_, limbo_),
      table_(meter_, limbo_),
      holders_(MeteredAllocator<Holder>(meter_)) {
  meter_.Adopt(this);
}

BlockIndex::Tree::~Tree() {
  limbo_.Collect();
  runs_.ForEach([this](RunId place) {
    runs_[place].holders.Clear(meter_);
    meter_.Free(runs_[place].inner);
  });
}

bool BlockIndex::Tree::Release(void* tree, internal::Retired& retired) noexcept {
  Tree& self = *static_cast<Tree*>(tree);
  if (retired.kind == kBlock) {
    self.meter_.Free(reinterpret_cast<void*>(retired.what));
    return true;
  }
  const auto place = static_cast<RunId>(retired.what);
  Run& run = self.runs_[place];
  if (retired.kind == kGoneRun) {  // whoever needed to find it has left; whoever came later may be looking at it
    self.table_.Erase(run.first, place);
    retired.kind = kRunAndKeys;
    return false;
  }
  if (retired.kind == kRunWithHolders) run.holders.Clear(self.meter_);
  if (retired.kind != kRun) self.meter_.Free(run.inner);
  self.runs_.Free(place);
  return true;
}

void BlockIndex::Tree::Settle() noexcept {
  limbo_.Collect();
  table_.Shrink();
  runs_.Shrink();
  names_.Shrink();
  limbo_.Collect();
  settled_.store(change_.load(std::memory_order_relaxed), std::memory_order_release);
}

bool BlockIndex::Tree::IsOnlyChild(RunId id) const {
  const Run& run = At(id);
  return run.parent != kNone && run.next == kNone && run.previous == kNone;
}

void BlockIndex::Tree::Link(RunId id, RunId parent) noexcept {
  RunId& head = parent == kNone ? first_root_ : At(parent).first_child;
  Run& run = At(id);
  run.parent = parent;
  run.previous = kNone;
  run.next = head;
  if (head != kNone) At(head).previous = id;
  head = id;
}

void BlockIndex::Tree::Unlink(RunId id) noexcept {
  const Run& run = At(id);
  if (run.next != kNone) At(run.next).previous = run.previous;
  if (run.previous != kNone) {
    At(run.previous).next = run.next;
  } else {
    (run.parent == kNone ? first_root_ : At(run.parent).first_child) = run.next;
  }
}

// `id` stands among the siblings where `of` stood.
void BlockIndex::Tree::TakePlace(RunId id, RunId of) noexcept {
  Run& run = At(id);
  const Run& old = At(of);
  run.parent = old.parent;
  run.next = old.next;
  run.previous = old.previous;
  if (run.next != kNone) At(run.next).previous = id;
  if (run.previous != kNone) {
    At(run.previous).next = id;
  } else {
    (run.parent == kNone ? first_root_ : At(run.parent).first_child) = id;
  }
}

// Room for the keys between the first and the last of `length`.
uint64_t* BlockIndex::Tree::NewInner(uint32_t length) {
  return length > 2 ? static_cast<uint64_t*>(meter_.Allocate((size_t{length} - 2) * sizeof(uint64_t))) : nullptr;
}

BlockIndex::Tree::RunId BlockIndex::Tree::NewRun(RunId parent, HolderId holder, std::span<const BlockKey> keys) {
  const auto length = static_cast<uint32_t>(keys.size());
  table_.Reserve(1);
  const RunId id = names_.Allocate();
  RunId place = kNone;
  try {
    place = runs_.Allocate();
    runs_[place].inner = NewInner(length);
  } catch (const std::bad_alloc&) {
    if (place != kNone) runs_.Free(place);
    names_.Free(id);
    throw;
  }
  Run& run = runs_[place];
  for (uint32_t i = 1; i + 1 < length; ++i) run.inner[i - 1] = keys[i].low;
  run.first = keys.front().low;
  run.last = keys.back().low;
  run.length_word.store(length, std::memory_order_relaxed);
  run.name.store(id, std::memory_order_relaxed);
  run.holders.Insert(holder, meter_, limbo_);  // the first id needs no memory
  names_[id] = place;
  Link(id, parent);
  table_.Insert(run.first, place);
  blocks_ += length;
  entries_ += length;
  holders_[holder].blocks += length;
  return id;
}

BlockIndex::Tree::RunId BlockIndex::Tree::NewVersion(const Run& of) {
  const RunId place = runs_.Allocate();
  Run& run = runs_[place];
  run.first = of.first;
  run.last = of.last;
  run.holders = of.holders;
  run.name.store(of.name.load(std::memory_order_relaxed), std::memory_order_relaxed);
  run.parent = of.parent;
  run.first_child = of.first_child;
  run.next = of.next;
  run.previous = of.previous;
  return place;
}

void BlockIndex::Tree::Supersede(RunId name, RunId fresh, Kind old) noexcept {
  const RunId place = std::exchange(names_[name], fresh);
  table_.Replace(runs_[place].first, place, fresh);
  limbo_.Retire(place, old, old == kRun ? 0 : uint64_t{runs_[place].length()} * sizeof(uint64_t));
}

// REQUIRES: one holder, no children.
void BlockIndex::Tree::Append(RunId id, HolderId holder, std::span<const BlockKey> keys) {
  const Run& old = At(id);
  const auto added = static_cast<uint32_t>(keys.size());
  const uint32_t old_length = old.length();
  const uint32_t length = old_length + added;
  const size_t inner_size = length > 2 ? (size_t{length} - 2) * sizeof(uint64_t) : 0;
  const uint32_t old_inner = old_length > 2 ? old_length - 2 : 0;
  const RunId place = NewVersion(old);
  Run& run = runs_[place];
  run.inner = old.inner;
  // Keys behind those that readers know of may be written in place, if nobody may still know of a longer run here.
  limbo_.Collect();
  if (length > 2 && (old.inner == nullptr || malloc_usable_size(old.inner) < inner_size || !limbo_.IsEmpty())) {
    try {
      // An eighth of room: chains that were extended once are extended again.
      run.inner = NewInner(length + (old.inner == nullptr ? 0 : length / 8));
    } catch (const std::bad_alloc&) {
      runs_.Free(place);
      throw;
    }
    if (old_inner > 0) std::memcpy(run.inner, old.inner, old_inner * sizeof(uint64_t));
  }
  uint32_t at = old_inner;
  if (old_length > 1) run.inner[at++] = old.last;
  for (uint32_t i = 0; i + 1 < added; ++i) run.inner[at++] = keys[i].low;
  run.last = keys.back().low;
  run.length_word.store(length, std::memory_order_relaxed);
  Supersede(id, place, run.inner == old.inner ? kRun : kRunAndKeys);
  blocks_ += added;
  entries_ += added;
  holders_[holder].blocks += added;
}

// Divides a run after `at` blocks; the part before is new and is returned, the part after keeps the name (and so every
// tail that has it stays right). REQUIRES: 0 < at < length.
BlockIndex::Tree::RunId BlockIndex::Tree::Split(RunId id, uint32_t at) {
  table_.Reserve(1);
  const Run& old = At(id);
  const uint32_t rest = old.length() - at;
  const RunId upper_id = names_.Allocate();
  RunId upper_place = kNone;
  RunId lower_place = kNone;
  try {
    upper_place = NewVersion(old);
    runs_[upper_place].holders = HolderSet();  // until it has its own
    lower_place = NewVersion(old);
    runs_[upper_place].holders = HolderSet::CopyOf(old.holders, meter_);
    runs_[upper_place].inner = NewInner(at);
    runs_[lower_place].inner = NewInner(rest);
  } catch (const std::bad_alloc&) {
    if (upper_place != kNone) {
      runs_[upper_place].holders.Clear(meter_);
      meter_.Free(runs_[upper_place].inner);
      runs_.Free(upper_place);
    }
    if (lower_place != kNone) runs_.Free(lower_place);
    names_.Free(upper_id);
    throw;
  }
  Run& upper = runs_[upper_place];
  Run& lower = runs_[lower_place];
  if (at > 2) std::memcpy(upper.inner, old.inner, (size_t{at} - 2) * sizeof(uint64_t));
  if (rest > 2) std::memcpy(lower.inner, old.inner + at, (size_t{rest} - 2) * sizeof(uint64_t));
  upper.last = old.key(at - 1);
  upper.length_word.store(at, std::memory_order_relaxed);
  upper.name.store(upper_id, std::memory_order_relaxed);
  lower.first = old.key(at);
  lower.length_word.store(rest, std::memory_order_relaxed);
  names_[upper_id] = upper_place;
  upper.first_child = kNone;
  TakePlace(upper_id, id);
  const RunId old_place = std::exchange(names_[id], lower_place);
  Link(id, upper_id);
  // The lower part is found before the whole is no more.
  table_.Insert(lower.first, lower_place);
  table_.Replace(upper.first, old_place, upper_place);
  limbo_.Retire(old_place, kRunAndKeys, uint64_t{at + rest} * sizeof(uint64_t));
  return upper_id;
}

// Takes an empty leaf out of the tree.
void BlockIndex::Tree::Drop(RunId id) noexcept {
  const Run& run = At(id);
  const uint32_t length = run.length();
  Unlink(id);
  table_.Erase(run.first, names_[id]);
  blocks_ -= length;
  limbo_.Retire(names_[id], kRunWithHolders, uint64_t{length} * sizeof(uint64_t));
  names_.Free(id);
}

// If this run and its one child have the same holders, the child takes over its blocks and its place.
bool BlockIndex::Tree::MergeIntoOnlyChild(RunId id) noexcept {
  const Run& upper = At(id);
  const RunId child = upper.first_child;
  if (child == kNone || !IsOnlyChild(child) || upper.holders.count() == 0 ||
      At(child).holders.count() != upper.holders.count()) {
    return false;
  }
  Run& lower = At(child);
  const uint32_t length = upper.length() + lower.length();
  RunId place = kNone;
  try {
    place = NewVersion(lower);
    runs_[place].inner = NewInner(length);
  } catch (const std::bad_alloc&) {
    if (place != kNone) runs_.Free(place);
    fully_merged_ = false;
    return false;
  }
  Run& whole = runs_[place];
  uint64_t* out = whole.inner;
  for (uint32_t i = 1; i < upper.length(); ++i) *out++ = upper.key(i);
  for (uint32_t i = 0; i + 1 < lower.length(); ++i) *out++ = lower.key(i);
  whole.first = upper.first;
  whole.length_word.store(length, std::memory_order_relaxed);
  const RunId upper_place = names_[id];
  const RunId lower_place = std::exchange(names_[child], place);
  TakePlace(child, id);
  table_.Replace(upper.first, upper_place, place);
  // Those who came before and saw the upper part still find the lower one; to those who come now it is gone.
  const uint32_t change = change_.load(std::memory_order_relaxed) + 1;
  change_.store(change, std::memory_order_release);
  lower.name.store(change, std::memory_order_relaxed);
  lower.length_word.store(lower.length() | Run::kGone, std::memory_order_release);
  names_.Free(id);
  limbo_.Retire(upper_place, kRunWithHolders, uint64_t{upper.length()} * sizeof(uint64_t));
  limbo_.Retire(lower_place, kGoneRun, uint64_t{length} * sizeof(uint64_t));
  return true;
}

// From `id` to the start of its chain: drops what nobody holds, merges what need not be apart.
void BlockIndex::Tree::Tidy(RunId id) noexcept {
  while (id != kNone) {
    const RunId parent = At(id).parent;
    if (At(id).holders.count() == 0 && At(id).first_child == kNone) {
      Drop(id);
    } else {
      MergeIntoOnlyChild(id);
    }
    id = parent;
  }
}

void BlockIndex::Tree::EraseHolder(RunId id, HolderId holder) noexcept {
  Run& run = At(id);
  run.holders.Erase(holder, meter_, limbo_);
  entries_ -= run.length();
  holders_[holder].blocks -= run.length();
}

}  // namespace weir
