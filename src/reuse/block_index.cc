// Reading the index, and the public front.

#include "weir/reuse/block_index.h"

#include <algorithm>
#include <utility>

#include "block_tree.h"

namespace weir {

void BlockIndex::Tree::VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const {
  std::vector<HolderId> holders;
  BlockGroup group;
  RunId id = first_root_;
  while (id != kNone) {
    const Run& run = At(id);
    holders.clear();
    run.holders.ForEach([&](HolderId holder) { holders.push_back(holder); });
    group.holders = holders;
    group.blocks = run.length();
    group.children = 0;
    for (RunId child = run.first_child; child != kNone; child = At(child).next) ++group.children;
    if (visit(group) && run.first_child != kNone) {
      ++group.level;
      group.first_block += run.length();
      id = run.first_child;
      continue;
    }
    while (id != kNone && At(id).next == kNone) {
      id = At(id).parent;
      if (id == kNone) break;
      --group.level;
      group.first_block -= At(id).length();
    }
    if (id != kNone) id = At(id).next;
  }
}

BlockIndexStats BlockIndex::Tree::stats() const {
  return {.blocks = blocks_, .entries = entries_, .runs = names_.count(), .holders = holders_held_, .bytes = meter_.bytes()};
}

BlockIndex::BlockIndex(const BlockIndexOptions& options) : tree_(std::make_unique<Tree>(options)) {}
BlockIndex::BlockIndex(BlockIndex&&) noexcept = default;
BlockIndex& BlockIndex::operator=(BlockIndex&&) noexcept = default;
BlockIndex::~BlockIndex() = default;

Status BlockIndex::Add(HolderId holder, std::span<const BlockKey> keys) {
  const std::lock_guard lock(tree_->changing());
  return tree_->Add(holder, keys);
}
Status BlockIndex::Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep) {
  const std::lock_guard lock(tree_->changing());
  return tree_->Truncate(holder, keys, keep);
}
void BlockIndex::Remove(HolderId holder) {
  const std::lock_guard lock(tree_->changing());
  tree_->Remove(holder);
}
uint32_t BlockIndex::Find(std::span<const BlockKey> keys) const { return tree_->Find(keys); }
void BlockIndex::Find(std::span<const BlockKey> keys, PrefixMatch& match, uint32_t holders_max) const {
  tree_->Find(keys, match, holders_max);
}
uint64_t BlockIndex::BlocksOf(HolderId holder) const {
  const std::lock_guard lock(tree_->changing());
  return tree_->BlocksOf(holder);
}
void BlockIndex::VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const {
  const std::lock_guard lock(tree_->changing());
  tree_->VisitGroups(visit);
}
BlockIndexStats BlockIndex::stats() const { return tree_->stats(); }
uint64_t BlockIndex::bytes() const { return tree_->bytes(); }
void BlockIndex::CheckInvariants() const {
  const std::lock_guard lock(tree_->changing());
  tree_->CheckInvariants();
}

}  // namespace weir
