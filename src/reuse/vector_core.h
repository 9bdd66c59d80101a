#pragma once
// The inside of a vector index: owners, rows, the graph that readers search, and the one that is to take its place.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "limbo.h"
#include "metered_memory.h"
#include "reader_gate.h"
#include "vector_dot.h"
#include "vector_graph.h"
#include "vector_rows.h"
#include "weir/reuse/vector_index.h"

namespace weir {

class VectorIndex::Core {
 public:
  explicit Core(const VectorOptions& options);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  Status Add(VectorOwner owner, std::span<const float> vector);
  bool Remove(VectorOwner owner);
  // vector_find.cc
  Status Find(std::span<const float> vector, const VectorFindOptions& options, VectorMatches& matches) const;

  uint32_t dimensions() const { return options_.dimensions; }
  VectorStats stats() const;
  uint64_t bytes() const { return meter_.bytes(); }
  void CheckInvariants() const;

 private:
  template <typename Key, typename Value>
  using Table = std::unordered_map<Key, Value, std::hash<Key>, std::equal_to<Key>,
                                   internal::MeteredAllocator<std::pair<const Key, Value>>>;
  enum Kind : uint32_t { kBlock, kGraph };

  uint32_t padded() const {
    return (options_.dimensions + internal::kVectorPadding - 1) / internal::kVectorPadding * internal::kVectorPadding;
  }
  // The vector at length one, padded; invalid_argument. Throws std::bad_alloc.
  Result<std::vector<float>> Normalised(std::span<const float> vector) const;

  internal::VectorRow* EqualRow(uint64_t hash, std::span<const float> components) const;
  internal::VectorRow* NewRow(uint64_t hash, std::span<const float> components);
  void FreeRow(internal::VectorRow* row) noexcept;
  void AddOrThrow(VectorOwner owner, std::span<const float> components);
  static void Attach(internal::VectorOwnership* ownership) noexcept;
  static void Detach(internal::VectorOwnership* ownership) noexcept;

  // Upkeep (vector_upkeep.cc): a bounded piece of the work that is due. Never fails; what memory refuses is tried later.
  void Upkeep() noexcept;
  bool IsStale() const;
  void BeginSuccessor();
  void GrowSuccessor();
  void LinkWaiting(internal::VectorGraph& graph);
  void Serve(internal::VectorGraph* graph) noexcept;
  void DropSuccessor() noexcept;
  internal::VectorGraph* NewGraph();
  void FreeGraph(internal::VectorGraph* graph) noexcept;
  static bool Release(void* core, internal::Retired& retired) noexcept;
  void ShrinkTables() noexcept;
  void Publish() noexcept;

  internal::VectorGraph* serving() const { return serving_.load(std::memory_order_relaxed); }  // the writer's view

  const VectorOptions options_;
  const internal::VectorDot dot_;
  internal::MemoryMeter meter_;
  mutable internal::ReaderGate gate_;
  // Null: the index is empty. Its release pairs with the acquire in Find.
  std::atomic<internal::VectorGraph*> serving_{nullptr};

  mutable std::mutex changing_;  // guards everything below
  internal::Limbo limbo_;
  Table<VectorOwner, internal::VectorOwnership*> owners_;
  Table<uint64_t, internal::VectorRow*> rows_;  // by hash; of two different ones with one hash the later
  internal::VectorGraph* successor_ = nullptr;
  uint32_t next_ = 0;    // the first node of serving_ that is not considered for successor_
  uint64_t graphs_ = 0;  // made so far
  uint64_t live_ = 0;    // rows with an owner
  uint64_t rebuilds_ = 0;
  uint64_t rest_ = 0;  // changes until refused upkeep is tried again

  std::atomic<uint64_t> owners_shown_{0};
  std::atomic<uint64_t> live_shown_{0};
  std::atomic<uint64_t> size_shown_{0};
  std::atomic<uint64_t> linked_shown_{0};
  std::atomic<uint64_t> rebuilds_shown_{0};
};

}  // namespace weir
