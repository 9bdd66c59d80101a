#pragma once
// The vectors of a vector index and who owns them.
//
// A row is one distinct vector; its owners are a list in ascending order, which readers walk while the writer changes it.
// A row without owners is dead. Rows are held by graphs, at times by two, and freed with the last one that holds them.

#include <atomic>
#include <cstdint>

#include "weir/reuse/vector_index.h"

namespace weir::internal {

struct VectorRow;

struct VectorOwnership {
  std::atomic<VectorOwnership*> next{nullptr};
  VectorRow* row = nullptr;
  VectorOwner owner = 0;
};

// The components follow in memory, on a cache line of their own.
struct alignas(64) VectorRow {
  std::atomic<VectorOwnership*> first{nullptr};
  // The writer's.
  uint64_t hash = 0;
  uint64_t graph = 0;   // the number of the newest graph that holds it
  uint32_t node = 0;    // there
  uint32_t graphs = 0;  // that hold it

  float* components() { return reinterpret_cast<float*>(this + 1); }
  const float* components() const { return reinterpret_cast<const float*>(this + 1); }
  // Nobody's: null. Pairs with the releases in Core::Attach and Detach.
  const VectorOwnership* FirstBut(const VectorOwner* excluded) const {
    const VectorOwnership* ownership = first.load(std::memory_order_acquire);
    if (ownership != nullptr && excluded != nullptr && ownership->owner == *excluded) {
      ownership = ownership->next.load(std::memory_order_acquire);
    }
    return ownership;
  }
};
static_assert(sizeof(VectorRow) == 64);

}  // namespace weir::internal
