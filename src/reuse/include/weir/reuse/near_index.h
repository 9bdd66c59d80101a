#pragma once
// NearIndex: blocks that are nearly the same, wherever they stand: each within a Hamming radius of the other.
//
// A block of tokens has a 64-bit SimHash (Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002):
// every (token, place in the block) is a feature of 64 independent fair bits, and each bit of the hash is the majority of
// the features, so unrelated blocks differ in about 32 bits and one changed token of 16 moves about 6. The same tokens in
// another order have another hash. All hashes within the radius are found, none is missed: multi-index hashing (Norouzi,
// Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012) over four substrings of 16 bits; with
// 8 differing bits one substring differs in at most 2 (the first) or 1 (the others). Each candidate is verified.
//
// A near block is a hint and never reuse: a hit carries the tokens it stands for and how many of them differ from what was
// asked, and nothing here adds near blocks to exact or moved ones.
//
// Blocks of equal tokens are one text however many owners hold it, so a head that all share costs a query one candidate.
// Only full blocks count; a partial tail is dropped. What a look-up costs grows slower than the texts up to a million (the
// tables grow with them) and in proportion beyond.
//
// Thread rule: any member from any thread. Find and the counts never wait for a writer, whatever it does (growth included):
// they hold no lock; Add and Remove take turns, and CheckInvariants with them. Find gives everything near that was here
// before it began and stays; of a document that comes or goes meanwhile it may give some. Remove returns when nobody looks
// at the document any more: it waits for the Finds that run, and so does an Add that is refused. Moving or destroying the
// index needs it to itself.
// Memory: about 63 bytes a distinct text and 16 for each owner of it, in pieces of at most 8 KiB beside the directories;
// growth of the directories keeps both of them for its duration. Bounded by NearOptions::bytes_max; bytes() is exactly
// what the allocator handed out, and removing everything returns everything. What Finds that run may still look at is freed
// when they have ended, and counts until then (8 MiB at most, but for tables that were replaced as a whole).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// Chosen by the caller, best small and dense: 64 neighbouring ids share one piece of 2 KiB.
using NearOwner = uint32_t;
inline constexpr NearOwner kNearOwnersMax = 1u << 24;
inline constexpr uint32_t kNearRadiusMax = 8;  // bits

// The SimHash of a block. REQUIRES: 1 to 65,535 tokens. The same on every machine.
uint64_t NearHash(std::span<const TokenId> block);

struct NearOptions {
  uint32_t block_size = 16;         // tokens; 2 to 1,024
  uint64_t bytes_max = UINT64_MAX;  // at least 4,096
  bool portable_only = false;       // no instruction set beyond the base one; for tests

  Status Validate() const;
};

struct NearFindOptions {
  uint32_t radius = kNearRadiusMax;  // bits; 0 to kNearRadiusMax
  uint32_t hits_max = 16;            // the nearest; 1 to 65,536. Which of those at the last distance is not defined
  uint32_t holders_max = 8;          // owners named per hit; 1 to 4,096
  std::optional<NearOwner> exclude = std::nullopt;  // an owner whose blocks do not count
  std::optional<NearOwner> only = std::nullopt;     // the one owner whose blocks count

  Status Validate() const;
};

struct NearHolder {
  NearOwner owner = 0;
  uint32_t block = 0;  // the first of its blocks with these tokens
  friend bool operator==(const NearHolder&, const NearHolder&) = default;
};

struct NearHit {
  uint32_t distance = 0;       // bits between the hashes
  uint32_t tokens_differ = 0;  // places where the tokens differ; 0: the very same tokens, whatever came before them
  uint32_t holder_count = 0;   // named ones; at least 1
  bool more_holders = false;   // others hold it too
  uint32_t first_holder = 0;   // in NearMatches::holders
  uint32_t first_token = 0;    // in NearMatches::tokens
};

// Reuse one object for many look-ups: its memory stays. Owns copies, so it outlives what it found.
struct NearMatches {
  std::vector<NearHit> hits;  // nearest first; of those the fewest differing tokens, then the least owner and block
  std::vector<NearHolder> holders;
  std::vector<TokenId> tokens;
  uint64_t query_hash = 0;
  uint64_t candidates = 0;  // hashes compared
  bool full = false;        // hits_max was reached: there may be others within the radius

  std::span<const NearHolder> HoldersOf(const NearHit& hit) const {
    return std::span(holders).subspan(hit.first_holder, hit.holder_count);
  }
  std::span<const TokenId> TokensOf(const NearHit& hit, uint32_t block_size) const {
    return std::span(tokens).subspan(hit.first_token, block_size);
  }
};

struct NearStats {
  uint64_t texts = 0;    // distinct blocks
  uint64_t entries = 0;  // (text, owner) pairs
  uint64_t owners = 0;   // with or without blocks
  uint64_t bytes = 0;
};

class NearIndex {
 public:
  // REQUIRES: options.Validate().
  explicit NearIndex(const NearOptions& options = {});
  NearIndex(NearIndex&&) noexcept;
  NearIndex& operator=(NearIndex&&) noexcept;
  ~NearIndex();

  // The full blocks of `tokens`, which are borrowed: they must stay as they are until Remove returns or the index is gone.
  // already_exists; exhausted: bytes_max or the machine's memory; invalid_argument: the owner is not below kNearOwnersMax,
  // or 2^31 tokens or more. All or nothing.
  Status Add(NearOwner owner, std::span<const TokenId> tokens);
  // False when it is not here. Needs no memory.
  bool Remove(NearOwner owner);

  // What is near one block of block_size tokens. invalid_argument: another size, or options out of range; exhausted:
  // the machine's memory.
  Status Find(std::span<const TokenId> block, const NearFindOptions& options, NearMatches& matches) const;

  uint32_t block_size() const;
  NearStats stats() const;
  uint64_t bytes() const;
  // Stops the process when a rule of the structure does not hold. Linear in the index; for tests, beside no writer.
  void CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

struct NearPairsOptions {
  uint32_t radius = kNearRadiusMax;          // bits; 0 to kNearRadiusMax
  uint32_t neighbours_max = 1024;            // of one hash
  uint64_t pairs_max = uint64_t{1} << 23;    // over all hashes, each pair twice; 12 bytes each
  uint64_t comparisons_max = 4'000'000'000;  // about 0.5 ns each
  bool portable_only = false;                // as in NearOptions
};

// Which of many hashes are near which: `neighbours` of hash i are [first[i], first[i + 1]), in no fixed order.
struct NearPairs {
  std::vector<uint64_t> first;
  std::vector<uint32_t> neighbours;
  std::vector<bool> too_many;  // by hash: it has more than neighbours_max, and some are missing
  bool gave_up = false;        // pairs_max or comparisons_max was reached: nothing is known, the rest is empty

  std::span<const uint32_t> NeighboursOf(size_t hash) const {
    return std::span(neighbours).subspan(first[hash], first[hash + 1] - first[hash]);
  }
};

// All pairs within the radius at once, some ten times faster than as many look-ups. A pure function. invalid_argument:
// the radius, or 2^32 hashes or more; exhausted: the machine's memory.
Result<NearPairs> AllNearPairs(std::span<const uint64_t> hashes, const NearPairsOptions& options = {});

}  // namespace weir
