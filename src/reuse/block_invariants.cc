// The rules of the block tree, checked one by one.

#include <algorithm>
#include <utility>

#include "block_tree.h"
#include "weir/base/check.h"

namespace weir {

void BlockIndex::Tree::CheckInvariants() const {
  limbo_.WaitForAll();
  internal::RunTable::Probe probe(table_);
  uint64_t runs = 0;
  uint64_t blocks = 0;
  uint64_t entries = 0;
  std::vector<uint64_t> blocks_of(holders_.size(), 0);
  std::vector<std::pair<HolderId, RunId>> tails;
  for (HolderId holder = 0; holder < holders_.size(); ++holder) {
    for (const RunId tail : holders_[holder].tails) tails.emplace_back(holder, tail);
  }
  std::sort(tails.begin(), tails.end());

  names_.ForEach([&](RunId id) {
    const Run& run = At(id);
    WEIR_CHECK(run.length() > 0, "run {} is empty", id);
    WEIR_CHECK(run.holders.count() > 0, "nobody holds run {}", id);
    WEIR_CHECK(Child(probe, run.parent, run.first) == id, "run {} is not found by its first key", id);
    WEIR_CHECK(run.length() > 1 || run.first == run.last, "run {} of one block has two keys", id);
    const RunId head = run.parent == kNone ? first_root_ : At(run.parent).first_child;
    WEIR_CHECK(run.previous == kNone ? head == id : At(run.previous).next == id, "run {} is not in its list", id);
    WEIR_CHECK(run.next == kNone || At(run.next).previous == id, "the list breaks after run {}", id);
    uint32_t counted = 0;
    run.holders.ForEach([&](HolderId holder) {
      ++counted;
      blocks_of.at(holder) += run.length();
      WEIR_CHECK(run.holders.Contains(holder), "run {} lists holder {} but does not find it", id, holder);
      WEIR_CHECK(run.parent == kNone || At(run.parent).holders.Contains(holder), "run {} has holder {}, its parent not", id,
                 holder);
      bool further = false;
      for (RunId child = run.first_child; child != kNone && !further; child = At(child).next) {
        further = At(child).holders.Contains(holder);
      }
      WEIR_CHECK(further || std::binary_search(tails.begin(), tails.end(), std::pair(holder, id)),
                 "holder {} ends in run {}, which is not among its tails", holder, id);
    });
    WEIR_CHECK(counted == run.holders.count(), "run {} counts {} holders, has {}", id, run.holders.count(), counted);
    if (fully_merged_ && IsOnlyChild(id)) {
      WEIR_CHECK(At(run.parent).holders.count() != run.holders.count(), "run {} should be one with its parent", id);
    }
    ++runs;
    blocks += run.length();
    entries += uint64_t{run.length()} * run.holders.count();
  });
  WEIR_CHECK(runs == runs_.count() && runs == names_.count() && runs == table_.count(),
             "{} runs, {} counted, {} named, {} filed", runs, runs_.count(), names_.count(), table_.count());
  WEIR_CHECK(blocks == blocks_ && entries == entries_, "{} blocks and {} entries, counted {} and {}", blocks, entries,
             uint64_t{blocks_}, uint64_t{entries_});
  uint64_t held = 0;
  for (HolderId holder = 0; holder < holders_.size(); ++holder) {
    WEIR_CHECK(blocks_of[holder] == holders_[holder].blocks, "holder {} has {} blocks, counted {}", holder,
               blocks_of[holder], holders_[holder].blocks);
    held += blocks_of[holder] > 0 ? 1 : 0;
  }
  WEIR_CHECK(held == holders_held_, "{} holders, counted {}", held, uint64_t{holders_held_});
}

}  // namespace weir
