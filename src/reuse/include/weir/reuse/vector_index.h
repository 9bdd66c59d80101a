#pragma once
// VectorIndex: the owners whose vectors are most like a given one, by cosine.
//
// A small index compares every vector and is exact. Beyond VectorOptions::flat_max distinct vectors it is a navigable graph
// (Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World
// Graphs", 2018): hnswlib decides the links, each vector is inserted once, and readers walk a copy of the links. That is
// approximate in one way only: a hit may be missing and the next best stand in its place. With the default options, of the
// ten best among 20,000 vectors of 384 dimensions (`weir bench vectors`) 99.9 % are found when they gather around themes as
// texts do, 95 % of random ones of 32 independent dimensions; of random ones of all 384, which no model gives, 27 %.
// Similarities are always those of the vectors themselves, and k owners are found whenever there are so many (the threshold
// then applies): when the links lead to fewer, all vectors are compared.
//
// Owners with equal vectors share one: it is held, linked and compared once. A removed owner is never given and takes
// nobody's place in an answer; its vector serves as a step on the way until the graph is replaced.
//
// Semantic likeness is a hint and never reuse: nothing here is added to exact, moved or near commonality.
//
// Thread rule: every const member in any number of threads, beside one that changes; Add and Remove take turns. A reader
// never waits for a writer: it holds no lock, and links change under it one at a time. Find gives what was here before it
// began and stays; of what comes or goes meanwhile it may give some.
// Cost: Add links one vector. When vectors that nobody owns outnumber half of the others, a new graph is made of the live
// ones, four at each Add or Remove, and takes the old one's place; only then does their memory come back. A removal costs
// so up to two insertions over time. An index of at most flat_max vectors is compacted at once, an empty one is freed.
// Memory: beside 4 bytes a dimension about 430 bytes a vector and 100 an owner; 330 more while a new graph grows.
// Bounded by bytes_max; bytes() is what the allocator handed out, but for what an insertion needs for its duration and some
// blocks of hnswlib's that are counted by their usual size (a few hundred bytes at most).

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "weir/base/result.h"

namespace weir {

// Chosen by the caller. Any number but the largest.
using VectorOwner = uint32_t;

inline constexpr uint32_t kVectorDimensionsMax = 1u << 16;
inline constexpr uint32_t kVectorsMax = 1u << 30;  // distinct ones

struct VectorOptions {
  uint32_t dimensions = 0;          // 1 to kVectorDimensionsMax
  uint64_t bytes_max = UINT64_MAX;  // at least 4,096
  uint32_t flat_max = 1024;         // distinct vectors; up to here all are compared
  uint32_t links = 16;              // of a vector in each layer, twice as many in the lowest; 4 to 64
  uint32_t ef_construction = 128;   // candidates kept while a vector's links are chosen; 8 to 4,096
  uint32_t ef_search = 64;          // candidates kept by a look-up, at least k; 1 to 65,536
  uint64_t seed = 1;                // of the graph's layers
  bool portable_only = false;       // no instruction set beyond the base one; for tests

  Status Validate() const;
};

struct VectorFindOptions {
  uint32_t k = 10;                                    // owners; 1 to 65,536
  float threshold = -1;                               // the least similarity, -1 to 1
  std::optional<VectorOwner> exclude = std::nullopt;  // an owner that does not count

  Status Validate() const;
};

struct VectorHit {
  VectorOwner owner = 0;
  float similarity = 0;  // cosine, -1 to 1
  friend bool operator==(const VectorHit&, const VectorHit&) = default;
};

// Reuse one object for many look-ups: its memory stays.
struct VectorMatches {
  std::vector<VectorHit> hits;  // most similar first; of equal ones the least owner
  uint64_t compared = 0;        // vectors
  bool exact = false;           // all were compared
};

struct VectorStats {
  uint64_t owners = 0;
  uint64_t vectors = 0;    // distinct ones with an owner
  uint64_t ownerless = 0;  // kept as steps on the way
  uint64_t linked = 0;     // of both; the rest is compared one by one
  uint64_t rebuilds = 0;   // times a new graph, or a compacted list, took the old one's place
  uint64_t bytes = 0;
};

class VectorIndex {
 public:
  // REQUIRES: options.Validate().
  explicit VectorIndex(const VectorOptions& options);
  VectorIndex(VectorIndex&&) noexcept;
  VectorIndex& operator=(VectorIndex&&) noexcept;
  ~VectorIndex();

  // Copies the vector, of any length but zero. already_exists; exhausted: bytes_max or the machine's memory;
  // invalid_argument: another number of dimensions, a component that is not finite, or all of them zero. All or nothing.
  Status Add(VectorOwner owner, std::span<const float> vector);
  // False when it is not here. Never fails for want of memory.
  bool Remove(VectorOwner owner);

  // invalid_argument: as of Add, or options out of range; exhausted: the machine's memory.
  Status Find(std::span<const float> vector, const VectorFindOptions& options, VectorMatches& matches) const;

  uint32_t dimensions() const;
  VectorStats stats() const;
  uint64_t bytes() const;
  // Stops the process when a rule of the structure does not hold. Linear in the index; for tests.
  void CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace weir
