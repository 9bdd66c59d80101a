// Walking down the tree.

#include <algorithm>

#include "block_tree.h"

namespace weir {

using internal::HolderSet;

namespace {

constexpr uint32_t kShortRun = 2;  // blocks

// Out of line: the walk keeps its registers.
[[gnu::noinline]] void Push(std::vector<PrefixMatch::Level>& levels, PrefixMatch::Level level) { levels.push_back(level); }

}  // namespace

BlockIndex::Tree::RunId BlockIndex::Tree::Child(internal::RunTable::Probe& probe, RunId parent, uint64_t key) const {
  const RunId place = probe.Find(key, [&](RunId found) {
    const Run& run = runs_[found];
    return run.first == key && run.parent == parent && !run.IsGone();
  });
  return place == kNone ? kNone : runs_[place].name.load(std::memory_order_relaxed);
}

[[gnu::noinline]] uint32_t BlockIndex::Tree::MatchInside(const Run& run, std::span<const BlockKey> keys,
                                                         uint32_t count) const {
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
inline void BlockIndex::Tree::ReadAhead(const internal::RunTable::Probe& probe, std::span<const BlockKey> keys) const {
  constexpr size_t kSlotAhead = 24;
  constexpr size_t kRunAhead = 12;
  if (keys.size() <= kSlotAhead) return;
  probe.Prefetch(keys[kSlotAhead].low);
  const RunId guess = probe.Guess(keys[kRunAhead].low);
  if (guess != kNone) __builtin_prefetch(&runs_[guess]);
}

template <typename Confirms, typename OnRun>
inline uint32_t BlockIndex::Tree::WalkRuns(std::span<const BlockKey> keys, Confirms&& confirms, OnRun&& on_run) const {
  internal::RunTable::Probe probe(table_);
  const BlockKey* at = keys.data();
  const BlockKey* const end = at + keys.size();
  while (at != end) {
    const Run* run = nullptr;
    uint32_t length = 0;
    const RunId place = probe.Find(at->low, [&](RunId found) {
      run = &runs_[found];
      if (run->first != at->low) return false;
      // Pairs with the release of whoever marks it as gone.
      length = run->length_word.load(std::memory_order_acquire);
      return confirms(*run, (length & Run::kGone) != 0);
    });
    if (place == kNone) break;
    length &= ~Run::kGone;
    uint32_t inside = 1;  // the first key is known to match
    if (length > 1) {
      const auto count = static_cast<uint32_t>(std::min<size_t>(length, static_cast<size_t>(end - at)));
      if (count > 1) inside = MatchInside(*run, {at, end}, count);
    }
    at += inside;
    on_run(*run, inside, static_cast<uint32_t>(at - keys.data()));
    if (inside < length) break;
    if (length <= kShortRun) ReadAhead(probe, {at, end});
  }
  return static_cast<uint32_t>(at - keys.data());
}

BlockIndex::Tree::Place BlockIndex::Tree::Walk(std::span<const BlockKey> keys) const {
  Place place;
  place.blocks = WalkRuns(
      keys, [&](const Run& run, bool gone) { return run.parent == place.run && !gone; },
      [&](const Run& run, uint32_t inside, uint32_t) {
        place.run = run.name.load(std::memory_order_relaxed);
        place.inside = inside;
      });
  return place;
}

uint32_t BlockIndex::Tree::Find(std::span<const BlockKey> keys) const {
  const internal::ReaderGate::Pass pass(gate_);
  const uint32_t change = change_.load(std::memory_order_acquire);
  return WalkRuns(
      keys, [change](const Run& run, bool gone) { return !gone || !run.WentBefore(change); },
      [](const Run&, uint32_t, uint32_t) {});
}

// Scores fall out on the way up: whoever holds a run but not the next one of the chain stops at its end.
void BlockIndex::Tree::Find(std::span<const BlockKey> keys, PrefixMatch& match, uint32_t holders_max) const {
  const internal::ReaderGate::Pass pass(gate_);
  const uint32_t change = change_.load(std::memory_order_acquire);
  const bool calm = settled_.load(std::memory_order_acquire) == change;
  auto& levels = match.scratch.levels;
  levels.clear();
  match.holders.clear();
  match.more = false;
  std::fill(match.scratch.seen.begin(), match.scratch.seen.end(), 0);
  // Runs in a row with the same small holders and no others are one level.
  PrefixMatch::Level level;
  WalkRuns(
      keys, [change](const Run& run, bool gone) { return !gone || !run.WentBefore(change); },
      [&](const Run& run, uint32_t, uint32_t blocks) {
        const uint64_t small = run.holders.small();
        const Run* const with_large = run.holders.HasLarge() ? &run : nullptr;
        if (small != level.small || with_large != nullptr || level.run != nullptr) {
          if (level.blocks > 0) Push(levels, level);
          level.run = with_large;
          level.small = small;
        }
        level.blocks = blocks;
      });
  if (level.blocks > 0) levels.push_back(level);
  uint64_t seen_small = 0;
  HolderSet::SeenLarge seen_large{match.scratch.seen};
  for (size_t at = levels.size(); at-- > 0 && !match.more;) {
    const uint32_t blocks = levels[at].blocks;
    const auto list = [&](HolderId id) {
      match.more = match.holders.size() >= holders_max;
      if (!match.more) match.holders.push_back({id, blocks});
    };
    HolderSet::ForEachBit(levels[at].small & ~seen_small, 0, list);
    seen_small |= levels[at].small;
    if (levels[at].run == nullptr) continue;
    // The holders of a run are among those of the one above, but for a change that is under way.
    const auto nested = [&] { return calm && change_.load(std::memory_order_relaxed) == change; };
    static_cast<const Run*>(levels[at].run)->holders.CollectLarge(seen_large, nested, list, match.more);
  }
  match.blocks = match.holders.empty() ? 0 : match.holders.front().blocks;
}

}  // namespace weir
