#pragma once
// BlockIndex::Tree: the radix tree behind BlockIndex.
//
// A run is a maximal stretch of blocks with one set of holders and no branch inside. The holders of a run are among those
// of its parent, since a holder holds a chain from its start. The tree is kept as short as possible: a run never has
// one child only with the same holders.
//
// Each holder keeps a list of *tails*: runs such that every run it holds is one of them or an ancestor of one. Entries
// may be out of date (a run that it no longer holds, or that it holds further down); they never do harm, because a removal
// walks upwards from each of them only while the holder is found there.

#include <vector>

#include "holder_set.h"
#include "metered_memory.h"
#include "run_slab.h"
#include "run_table.h"
#include "weir/reuse/block_index.h"

namespace weir {

class BlockIndex::Tree {
 public:
  explicit Tree(const BlockIndexOptions& options);
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree();

  Status Add(HolderId holder, std::span<const BlockKey> keys);
  Status Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep);
  void Remove(HolderId holder);

  uint32_t Find(std::span<const BlockKey> keys) const { return Walk(keys).blocks; }
  void Find(std::span<const BlockKey> keys, PrefixMatch& match) const;

  uint64_t BlocksOf(HolderId holder) const { return holder < holders_.size() ? holders_[holder].blocks : 0; }
  void VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const;
  BlockIndexStats stats() const;
  uint64_t bytes() const { return meter_.bytes(); }
  void CheckInvariants() const;

 private:
  using Run = internal::Run;
  using RunId = internal::RunId;
  static constexpr RunId kNone = internal::kNoRun;
  using Tails = std::vector<RunId, internal::MeteredAllocator<RunId>>;

  struct Holder {
    explicit Holder(internal::MemoryMeter& meter) : tails(internal::MeteredAllocator<RunId>(meter)) {}
    Tails tails;
    uint64_t blocks = 0;
    uint32_t tails_max = 16;  // grown beyond it, the list is cleaned
  };
  using Holders = std::vector<Holder, internal::MeteredAllocator<Holder>>;

  // Where a chain of keys ends in the tree.
  struct Place {
    RunId run = kNone;    // the deepest run with a matching block
    RunId top = kNone;    // the first run of the chain
    uint32_t inside = 0;  // matching blocks of `run`
    uint32_t blocks = 0;  // matching blocks in all
  };

  Place Walk(std::span<const BlockKey> keys) const;
  void ReadAhead(std::span<const BlockKey> keys) const;
  RunId Child(RunId parent, uint64_t key) const;
  // Blocks of the run, from its second on, that match; `count` is at most its length.
  uint32_t MatchInside(const Run& run, std::span<const BlockKey> keys, uint32_t count) const;
  bool IsOnlyChild(RunId id) const;

  // Building blocks of a change. Those that are not noexcept throw std::bad_alloc and leave the tree as it was.
  void AddOrThrow(HolderId holder, std::span<const BlockKey> keys);
  void TruncateOrThrow(HolderId holder, std::span<const BlockKey> keys, size_t keep);
  RunId NewRun(RunId parent, HolderId holder, std::span<const BlockKey> keys);
  void Append(Run& run, std::span<const BlockKey> keys);
  RunId Split(RunId id, uint32_t at);
  uint64_t* NewInner(uint32_t length);
  RunId Spread(HolderId holder, RunId from);
  void Link(RunId id, RunId parent) noexcept;
  void Unlink(RunId id) noexcept;
  void TakePlace(RunId id, RunId of) noexcept;
  void Drop(RunId id) noexcept;
  bool MergeIntoOnlyChild(RunId id) noexcept;
  void MergeUpwards(RunId id, RunId top) noexcept;
  void Tidy(RunId id) noexcept;
  void EraseHolder(RunId id, HolderId holder) noexcept;
  void EraseBelow(HolderId holder, RunId top) noexcept;
  void Shorten(Run& run, HolderId holder, uint32_t length) noexcept;

  // The holder's entry, with room for one more tail. Throws std::bad_alloc.
  Holder& HolderFor(HolderId holder);
  void CleanTails(HolderId holder) noexcept;
  void ShrinkHolders() noexcept;

  internal::MemoryMeter meter_;
  internal::RunSlab runs_;
  internal::RunTable table_;
  Holders holders_;
  RunId first_root_ = kNone;  // the runs that start chains, in a sibling list
  uint64_t blocks_ = 0;
  uint64_t entries_ = 0;
  uint64_t holders_held_ = 0;  // holders with blocks
  bool fully_merged_ = true;   // false once memory was refused for a merge
};

}  // namespace weir
