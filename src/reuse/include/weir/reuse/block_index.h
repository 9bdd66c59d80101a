#pragma once
// BlockIndex: who holds which prefix, in blocks. Chains of block keys to holders, as a compressed radix tree.
//
// A holder (an agent's context, a replica) holds any number of chains; of each it holds every block from the first on.
// Since a block key stands for the whole history of its block (weir/tokens/block_keys.h), one equal key means that
// everything before it is equal too: a run of blocks is compared by its last key, a partly equal run is searched by
// halving, and the next run is found by its first key alone. A look-up touches a few cache lines per run, not per block.
//
// Keys are stored as 64 of their 128 bits (BlockKey::low): 8 bytes a block. A look-up asks at most once a run for one of
// N runs and then at most log2(run) keys of it: the chance of one false answer is below (N + 32) * R / 2^64 for a
// prompt of R runs, 1e-12 at a million runs. Whoever reuses state on the strength of an answer verifies the tokens.
//
// Thread rule: any member from any thread. Find, stats and bytes never wait for a writer, whatever it does (growth
// included); a PrefixMatch is one thread's. The others take turns. A Find tells of each holder at least what it held when
// the Find began and still holds when it ends, and nothing that it did not hold at some moment in between. Moving or
// destroying the index needs it to itself.
// Memory: 8 bytes a distinct block, about 85 a run, 4 for each chain end of a holder, and the sets of holders (8 bytes for
// ids below 64 or up to two ids, else an array or a bitmap). Bounded by BlockIndexOptions::bytes_max; bytes() is exactly
// what the allocator handed out, and removing everything returns everything. What Finds that run may still look at is freed
// after they have ended, by the next change, and counts until then (at most 8 MiB and one table).

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/block_keys.h"

namespace weir {

// Chosen by the caller, best small and dense: an id costs 48 bytes up to the largest in use.
using HolderId = uint32_t;
inline constexpr HolderId kHoldersMax = 1u << 24;

struct HolderBlocks {
  HolderId holder = 0;
  uint32_t blocks = 0;  // leading blocks of the prompt that it holds
  friend bool operator==(const HolderBlocks&, const HolderBlocks&) = default;
};

// Reuse one object for many look-ups: its memory stays.
struct PrefixMatch {
  uint32_t blocks = 0;                // the longest prefix that anyone holds
  std::vector<HolderBlocks> holders;  // all that hold the first block; most blocks first, then by id
  bool more = false;                  // others hold the first block, none of them more blocks than the last one listed

  // The look-up's own.
  struct Level {
    const void* run = nullptr;
    uint64_t small = 0;
    uint32_t blocks = 0;
  };
  struct {
    std::vector<Level> levels;
    std::vector<uint64_t> seen;
  } scratch = {};
};

// A run of blocks that the same holders hold and in which no chain branches.
struct BlockGroup {
  uint32_t level = 0;        // runs above it
  uint32_t first_block = 0;  // position in the chain
  uint32_t blocks = 0;
  uint32_t children = 0;              // runs that go on from its end
  std::span<const HolderId> holders;  // ascending; valid during the visit
};

struct BlockIndexOptions {
  uint64_t bytes_max = UINT64_MAX;
};

struct BlockIndexStats {
  uint64_t blocks = 0;   // distinct
  uint64_t entries = 0;  // (block, holder) pairs
  uint64_t runs = 0;
  uint64_t holders = 0;  // with at least one block
  uint64_t bytes = 0;
};

class BlockIndex {
 public:
  explicit BlockIndex(const BlockIndexOptions& options = {});
  BlockIndex(BlockIndex&&) noexcept;
  BlockIndex& operator=(BlockIndex&&) noexcept;
  ~BlockIndex();

  // `holder` now holds this chain too (a longer version of a chain it holds extends it). All or nothing.
  // exhausted: bytes_max or the machine's memory; invalid_argument: holder >= kHoldersMax.
  Status Add(HolderId holder, std::span<const BlockKey> keys);
  // `holder` loses block keys[keep] and every block that comes after it on any of its chains; nothing when it does not
  // hold that block. exhausted: a run had to be divided and could not be; nothing changed then.
  Status Truncate(HolderId holder, std::span<const BlockKey> keys, size_t keep);
  // Forgets the holder. Costs time in its own runs only.
  void Remove(HolderId holder);

  // Blocks of the longest prefix of `keys` that anyone holds.
  uint32_t Find(std::span<const BlockKey> keys) const;
  // The same, with the score of every holder, or of `holders_max` with the most blocks: time then does not grow with the
  // holders. Which of those with as many blocks as the last one is not defined.
  void Find(std::span<const BlockKey> keys, PrefixMatch& match, uint32_t holders_max = UINT32_MAX) const;

  // Distinct blocks that the holder holds.
  uint64_t BlocksOf(HolderId holder) const;
  // Runs in depth-first order, children after their parent in no fixed order. False from `visit` skips what is below.
  // Changes wait until it is over; `visit` makes none and asks only what never waits.
  void VisitGroups(const std::function<bool(const BlockGroup&)>& visit) const;

  BlockIndexStats stats() const;
  // Bytes that the allocator handed out for this index, its own object included.
  uint64_t bytes() const;
  // Stops the process when a rule of the structure does not hold. Linear in the index; for tests.
  void CheckInvariants() const;

 private:
  class Tree;
  std::unique_ptr<Tree> tree_;
};

}  // namespace weir
