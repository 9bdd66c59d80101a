#pragma once
// VectorLinker: hnswlib, which decides the links of a graph. The writer's own; readers see copies of the links.
//
// Nodes are numbered as they are inserted and never removed. Holds references to vectors, not vectors.
// Thread rule: one thread.

#include <cstdint>
#include <memory>
#include <span>

#include "metered_memory.h"
#include "vector_dot.h"
#include "weir/reuse/vector_index.h"

namespace weir::internal {

class VectorLinker {
 public:
  // Throws std::bad_alloc. `size` is the padded number of dimensions.
  VectorLinker(MemoryMeter& meter, const VectorOptions& options, VectorDot dot, uint32_t size);
  VectorLinker(const VectorLinker&) = delete;
  VectorLinker& operator=(const VectorLinker&) = delete;
  ~VectorLinker();

  // Room for one more. Throws std::bad_alloc; nothing has changed then.
  void Reserve();
  // The vector is borrowed until the linker is gone. REQUIRES: room. False: the memory was refused, and nothing but the
  // destructor may be called any more.
  bool Insert(const float* vector);

  uint32_t size() const;
  uint32_t LevelOf(uint32_t node) const;
  // REQUIRES: level <= LevelOf(node).
  std::span<const uint32_t> LinksOf(uint32_t node, uint32_t level) const;
  // Where every search begins, in the highest level. REQUIRES: size() > 0.
  uint32_t entry() const;

 private:
  class Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace weir::internal
