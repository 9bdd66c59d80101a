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
//
// Readers walk down from first key to first key, through the table alone. To them a run's keys never change: the writer
// makes a new Run of the same name and puts it into the table in place of the old one, which stays until its readers have
// left. Dividing: the lower part is filed first, then the upper part takes the whole run's place. Joining: the whole takes
// the upper part's place, and the lower part stays filed for those who saw the upper one; readers that came later know by
// its mark that it has gone.

#include <atomic>
#include <mutex>
#include <vector>

#include "holder_set.h"
#include "limbo.h"
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

  // Held around every member but those for readers.
  std::mutex& changing() const { return changing_; }

  Status Add(HolderId holder, std::span<const BlockKey> keys);
  Status Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep);
  void Remove(HolderId holder);

  // For readers.
  uint32_t Find(std::span<const BlockKey> keys) const;
  void Find(std::span<const BlockKey> keys, PrefixMatch& match, uint32_t holders_max) const;
  BlockIndexStats stats() const;
  uint64_t bytes() const { return meter_.bytes(); }

  uint64_t BlocksOf(HolderId holder) const { return holder < holders_.size() ? holders_[holder].blocks : 0; }
  void VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const;
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
    RunId run = kNone;    // the deepest run with a matching block, by name
    uint32_t inside = 0;  // matching blocks of `run`
    uint32_t blocks = 0;  // matching blocks in all
  };
  // What becomes of a Run that readers find no more.
  enum Kind : uint32_t { kBlock, kRun, kRunAndKeys, kRunWithHolders, kGoneRun };

  // A relaxed counter with one writer.
  class Tally {
   public:
    operator uint64_t() const { return value_.load(std::memory_order_relaxed); }  // NOLINT(google-explicit-constructor)
    void operator+=(uint64_t more) { value_.store(*this + more, std::memory_order_relaxed); }
    void operator-=(uint64_t less) { value_.store(*this - less, std::memory_order_relaxed); }

   private:
    std::atomic<uint64_t> value_{0};
  };

  Run& At(RunId name) { return runs_[names_[name]]; }
  const Run& At(RunId name) const { return runs_[names_[name]]; }
  // Calls on_run(run, matching blocks in it, matching blocks in all) for each run of the chain that
  // confirms(run, whether it has gone) accepts.
  template <typename Confirms, typename OnRun>
  uint32_t WalkRuns(std::span<const BlockKey> keys, Confirms&& confirms, OnRun&& on_run) const;
  // For the writer.
  Place Walk(std::span<const BlockKey> keys) const;
  void ReadAhead(const internal::RunTable::Probe& probe, std::span<const BlockKey> keys) const;
  RunId Child(internal::RunTable::Probe& probe, RunId parent, uint64_t key) const;
  // Blocks of the run, from its second on, that match; `count` is at most its length.
  uint32_t MatchInside(const Run& run, std::span<const BlockKey> keys, uint32_t count) const;
  bool IsOnlyChild(RunId id) const;

  void BeginChange() noexcept;
  template <typename Change>
  bool AllOrNothing(Change&& change);

  // Building blocks of a change. Those that are not noexcept throw std::bad_alloc and leave the tree as it was.
  void AddOrThrow(HolderId holder, std::span<const BlockKey> keys);
  void TruncateOrThrow(HolderId holder, std::span<const BlockKey> keys, size_t keep);
  RunId NewRun(RunId parent, HolderId holder, std::span<const BlockKey> keys);
  void Append(RunId id, HolderId holder, std::span<const BlockKey> keys);
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
  void Shorten(RunId id, HolderId holder, uint32_t length);
  // A Run with the same links, name and holders. Throws std::bad_alloc.
  RunId NewVersion(const Run& of);
  // `fresh` takes the place of the run of this name, which goes.
  void Supersede(RunId name, RunId fresh, Kind old) noexcept;
  // Between the changes: memory goes back.
  void Settle() noexcept;
  static bool Release(void* tree, internal::Retired& retired) noexcept;

  // The holder's entry, with room for one more tail. Throws std::bad_alloc.
  Holder& HolderFor(HolderId holder);
  void CleanTails(HolderId holder) noexcept;
  void ShrinkHolders() noexcept;

  mutable std::mutex changing_;  // guards all but meter_ and gate_; readers look through the gate
  internal::MemoryMeter meter_;
  mutable internal::ReaderGate gate_;
  mutable internal::Limbo limbo_;
  internal::RunSlab runs_;
  internal::NameSlab names_;  // name to run
  internal::RunTable table_;
  // The number of the latest change, and of each joining of runs in it.
  std::atomic<uint32_t> change_{0};
  std::atomic<uint32_t> settled_{0};  // change_ after the latest change that is over
  Holders holders_;
  RunId first_root_ = kNone;  // the runs that start chains, in a sibling list
  Tally blocks_;
  Tally entries_;
  Tally holders_held_;        // holders with blocks
  bool fully_merged_ = true;  // false once memory was refused for a merge
};

}  // namespace weir
