#pragma once
// VectorGraph: what readers see of a vector index: rows by number, and the links of those that are linked.
//
// Nodes are appended and linked in the order of their numbers, so [0, linked) is searched along the links and
// [linked, size) one by one. Links are copied from the linker after each insertion: only the lists of the new node and of
// those that it is linked with have changed.
//
// Thread rule: const members marked so inside a Pass of the gate, by any number of threads; everything else by one writer.
// A reader that meets a list while it is rewritten sees a mix of its old and new links, all of them nodes that are there.

#include <atomic>
#include <cstdint>
#include <memory>

#include "limbo.h"
#include "metered_memory.h"
#include "vector_linker.h"
#include "vector_rows.h"

namespace weir::internal {

class VectorGraph {
 public:
  using Link = std::atomic<uint32_t>;

  // Takes the place of the directory that was: the owner retires it.
  struct Directory;

  VectorGraph(MemoryMeter& meter, uint64_t number, uint32_t links) : meter_(meter), links_(links), number_(number) {}
  VectorGraph(const VectorGraph&) = delete;
  VectorGraph& operator=(const VectorGraph&) = delete;
  // REQUIRES: no reader is inside. The rows are the owner's to release first.
  ~VectorGraph();

  // One moment of the graph, for one look-up. For readers.
  class Moment {
   public:
    explicit Moment(const VectorGraph& graph);
    uint32_t size() const { return size_; }
    uint32_t linked() const { return linked_; }
    // REQUIRES: linked() > 0.
    uint32_t entry() const { return static_cast<uint32_t>(entry_); }
    uint32_t top_level() const { return static_cast<uint32_t>(entry_ >> 32); }
    const VectorRow& Row(uint32_t node) const;
    void Prefetch(uint32_t node) const;
    // The links of a node that are nodes of this moment; f(node).
    template <typename F>
    void ForEachLink(uint32_t node, uint32_t level, F&& f) const;

   private:
    const VectorGraph& graph_;
    uint64_t entry_;
    uint32_t linked_;
    uint32_t size_;
    const Directory* directory_;
  };

  // Room for one more node, and for its links if there is a linker. Throws std::bad_alloc; nothing has changed then.
  // What readers may still look at is retired to `limbo` as a block of the meter.
  void Reserve(Limbo& limbo, uint32_t retired_kind);
  // REQUIRES: room.
  void Append(VectorRow* row) noexcept;
  // From now on nodes are linked. Throws std::bad_alloc.
  void StartLinking(const VectorOptions& options, VectorDot dot, uint32_t padded);
  // Links the first that is not. False: refused; if that broke the linker, it is gone. REQUIRES: a linker, linked() <
  // size().
  bool LinkNext() noexcept;
  void DropLinker() noexcept {
    meter_.Disown(linker_.get());
    linker_.reset();
  }
  bool HasLinker() const { return linker_ != nullptr; }

  uint64_t number() const { return number_; }
  uint64_t BytesForReaders() const { return size_t{size()} * NodeBytes(); }
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }
  uint32_t linked() const { return linked_.load(std::memory_order_relaxed); }
  VectorRow* RowOf(uint32_t node) const;
  // What the linker says and what readers see are the same. For the writer.
  void CheckInvariants() const;

 private:
  static constexpr uint32_t kChunk = 64;  // nodes
  static constexpr uint32_t kNoNode = UINT32_MAX;

  struct Node {
    std::atomic<VectorRow*> row{nullptr};
    std::atomic<Link*> upper{nullptr};  // by level from 1: a list of `links_` links
    Link lowest[];                      // a list of twice as many
  };

  // A list is a count and as many links; the rest is kNoNode or nodes that stood there before.
  size_t NodeBytes() const { return (sizeof(Node) + (1 + 2 * links_) * sizeof(Link) + 7) / 8 * 8; }
  Node* NodeAt(const Directory* directory, uint32_t node) const;
  Link* ListOf(const Node& node, uint32_t level) const {
    return node.upper.load(std::memory_order_relaxed) + (level - 1) * (links_ + 1);
  }
  static void ClearList(Link* list, uint32_t links) noexcept;
  void CopyList(uint32_t node, uint32_t level) noexcept;
  void CopyNode(uint32_t node) noexcept;

  MemoryMeter& meter_;
  const uint32_t links_;
  const uint64_t number_;
  std::unique_ptr<VectorLinker> linker_;
  std::atomic<uint64_t> entry_{0};  // top level << 32 | node
  std::atomic<uint32_t> linked_{0};
  std::atomic<uint32_t> size_{0};
  std::atomic<Directory*> directory_{nullptr};
};

struct VectorGraph::Directory {
  uint32_t chunks = 0;
  uint32_t capacity = 0;
  char* at[];
};

inline VectorGraph::Node* VectorGraph::NodeAt(const Directory* directory, uint32_t node) const {
  return reinterpret_cast<Node*>(directory->at[node / kChunk] + node % kChunk * NodeBytes());
}

// In this order: the node that entry_ names is below linked_, what is linked is below size_, and the directory holds all
// of that. Each pairs with the release that wrote it, which came after the releases of what is read later here.
inline VectorGraph::Moment::Moment(const VectorGraph& graph)
    : graph_(graph),
      entry_(graph.entry_.load(std::memory_order_acquire)),
      linked_(graph.linked_.load(std::memory_order_acquire)),
      size_(graph.size_.load(std::memory_order_acquire)),
      directory_(graph.directory_.load(std::memory_order_acquire)) {}

inline const VectorRow& VectorGraph::Moment::Row(uint32_t node) const {
  // Set before size_ was.
  return *graph_.NodeAt(directory_, node)->row.load(std::memory_order_relaxed);
}

inline void VectorGraph::Moment::Prefetch(uint32_t node) const { __builtin_prefetch(graph_.NodeAt(directory_, node)); }

template <typename F>
void VectorGraph::Moment::ForEachLink(uint32_t node, uint32_t level, F&& f) const {
  const Node& at = *graph_.NodeAt(directory_, node);
  const Link* const list = level == 0 ? at.lowest : graph_.ListOf(at, level);
  // Relaxed, these and all that is read of a node: it was written before linked_ passed the node, and a link that names
  // no such node is passed over. A count and links of two moments make a list of nodes of this level all the same.
  const uint32_t count = list[0].load(std::memory_order_relaxed);
  for (uint32_t i = 1; i <= count; ++i) {
    const uint32_t link = list[i].load(std::memory_order_relaxed);
    if (link < linked_) f(link);
  }
}

}  // namespace weir::internal
