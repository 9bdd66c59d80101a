// Reading the index, and the public front.

#include "weir/reuse/block_index.h"

#include <algorithm>
#include <utility>

#include "block_tree.h"

namespace weir {

// Scores fall out on the way up: whoever holds a run but not the next one of the chain stops at its end.
void BlockIndex::Tree::Find(std::span<const BlockKey> keys, PrefixMatch& match) const {
  const Place place = Walk(keys);
  match.blocks = place.blocks;
  match.holders.resize(place.top == kNone ? 0 : runs_[place.top].holders.count());
  if (place.top == kNone) return;
  HolderBlocks* out = match.holders.data();
  const HolderBlocks* const end = out + match.holders.size();
  uint32_t blocks = place.blocks;
  const Run* run = &runs_[place.run];
  run->holders.ForEach([&](HolderId id) { *out++ = {id, blocks}; });
  blocks -= place.inside;
  while (out != end) {  // the topmost run has them all
    const Run& upper = runs_[run->parent];
    if (upper.holders.count() != run->holders.count()) {
      upper.holders.ForEachOutside(run->holders, [&](HolderId id) { *out++ = {id, blocks}; });
    }
    blocks -= upper.length;
    run = &upper;
  }
}

void BlockIndex::Tree::VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const {
  std::vector<HolderId> holders;
  BlockGroup group;
  RunId id = first_root_;
  while (id != kNone) {
    const Run& run = runs_[id];
    holders.clear();
    run.holders.ForEach([&](HolderId holder) { holders.push_back(holder); });
    group.holders = holders;
    group.blocks = run.length;
    group.children = 0;
    for (RunId child = run.first_child; child != kNone; child = runs_[child].next) ++group.children;
    if (visit(group) && run.first_child != kNone) {
      ++group.level;
      group.first_block += run.length;
      id = run.first_child;
      continue;
    }
    while (id != kNone && runs_[id].next == kNone) {
      id = runs_[id].parent;
      if (id == kNone) break;
      --group.level;
      group.first_block -= runs_[id].length;
    }
    if (id != kNone) id = runs_[id].next;
  }
}

BlockIndexStats BlockIndex::Tree::stats() const {
  return {.blocks = blocks_, .entries = entries_, .runs = runs_.count(), .holders = holders_held_, .bytes = meter_.bytes()};
}

BlockIndex::BlockIndex(const BlockIndexOptions& options) : tree_(std::make_unique<Tree>(options)) {}
BlockIndex::BlockIndex(BlockIndex&&) noexcept = default;
BlockIndex& BlockIndex::operator=(BlockIndex&&) noexcept = default;
BlockIndex::~BlockIndex() = default;

Status BlockIndex::Add(HolderId holder, std::span<const BlockKey> keys) { return tree_->Add(holder, keys); }
Status BlockIndex::Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep) {
  return tree_->Truncate(holder, keys, keep);
}
void BlockIndex::Remove(HolderId holder) { tree_->Remove(holder); }
uint32_t BlockIndex::Find(std::span<const BlockKey> keys) const { return tree_->Find(keys); }
void BlockIndex::Find(std::span<const BlockKey> keys, PrefixMatch& match) const { tree_->Find(keys, match); }
uint64_t BlockIndex::BlocksOf(HolderId holder) const { return tree_->BlocksOf(holder); }
void BlockIndex::VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const { tree_->VisitGroups(visit); }
BlockIndexStats BlockIndex::stats() const { return tree_->stats(); }
uint64_t BlockIndex::bytes() const { return tree_->bytes(); }
void BlockIndex::CheckInvariants() const { tree_->CheckInvariants(); }

}  // namespace weir
