#include "vector_graph.h"

#include <algorithm>
#include <new>

#include "weir/base/check.h"

namespace weir::internal {

VectorGraph::~VectorGraph() {
  DropLinker();
  Directory* const directory = directory_.load(std::memory_order_relaxed);
  if (directory == nullptr) return;
  for (uint32_t node = 0; node < linked(); ++node) {
    meter_.Free(NodeAt(directory, node)->upper.load(std::memory_order_relaxed));
  }
  for (uint32_t chunk = 0; chunk < directory->chunks; ++chunk) meter_.Free(directory->at[chunk]);
  meter_.Free(directory);
}

void VectorGraph::Reserve(Limbo& limbo, uint32_t retired_kind) {
  if (linker_ != nullptr) linker_->Reserve();
  const uint32_t node = size();
  Directory* directory = directory_.load(std::memory_order_relaxed);
  if (directory == nullptr || (directory->chunks == directory->capacity && node / kChunk == directory->chunks)) {
    const uint32_t capacity = directory == nullptr ? 4 : directory->capacity + directory->capacity / 2;
    auto* const larger = static_cast<Directory*>(meter_.Allocate(sizeof(Directory) + capacity * sizeof(char*)));
    larger->chunks = directory == nullptr ? 0 : directory->chunks;
    larger->capacity = capacity;
    if (directory != nullptr) std::copy_n(directory->at, directory->chunks, larger->at);
    // Pairs with the acquire in Moment.
    directory_.store(larger, std::memory_order_release);
    if (directory != nullptr) limbo.Retire(reinterpret_cast<uint64_t>(directory), retired_kind, capacity * sizeof(char*));
    directory = larger;
  }
  if (node / kChunk < directory->chunks) return;
  auto* const chunk = static_cast<char*>(meter_.Allocate(kChunk * NodeBytes()));
  for (uint32_t i = 0; i < kChunk; ++i) {
    Node* const fresh = new (chunk + i * NodeBytes()) Node();
    ClearList(fresh->lowest, 2 * links_);
  }
  // No reader looks at this place, nor at the number of chunks, before size_ says that there is a node.
  directory->at[directory->chunks++] = chunk;
}

void VectorGraph::ClearList(Link* list, uint32_t links) noexcept {
  new (list) Link(0);
  for (uint32_t i = 1; i <= links; ++i) new (&list[i]) Link(kNoNode);
}

void VectorGraph::Append(VectorRow* row) noexcept {
  const uint32_t node = size();
  row->graph = number_;
  row->node = node;
  ++row->graphs;
  NodeAt(directory_.load(std::memory_order_relaxed), node)->row.store(row, std::memory_order_relaxed);
  size_.store(node + 1, std::memory_order_release);  // pairs with the acquire in Moment
}

void VectorGraph::StartLinking(const VectorOptions& options, VectorDot dot, uint32_t padded) {
  linker_ = std::make_unique<VectorLinker>(meter_, options, dot, padded);
  meter_.Adopt(linker_.get());
}

bool VectorGraph::LinkNext() noexcept {
  const uint32_t node = linked();
  Directory* const directory = directory_.load(std::memory_order_relaxed);
  try {
    linker_->Reserve();
  } catch (const std::bad_alloc&) {
    return false;
  }
  if (!linker_->Insert(NodeAt(directory, node)->row.load(std::memory_order_relaxed)->components())) {
    DropLinker();
    return false;
  }
  const uint32_t levels = linker_->LevelOf(node);
  if (levels > 0) {
    const size_t count = size_t{levels} * (links_ + 1);
    try {
      auto* const lists = static_cast<Link*>(meter_.Allocate(count * sizeof(Link)));
      for (uint32_t level = 0; level < levels; ++level) ClearList(lists + level * (links_ + 1), links_);
      NodeAt(directory, node)->upper.store(lists, std::memory_order_relaxed);
    } catch (const std::bad_alloc&) {
      DropLinker();
      return false;
    }
  }
  CopyNode(node);
  return true;
}

void VectorGraph::CopyList(uint32_t node, uint32_t level) noexcept {
  const std::span<const uint32_t> links = linker_->LinksOf(node, level);
  Node* const at = NodeAt(directory_.load(std::memory_order_relaxed), node);
  Link* const list = level == 0 ? at->lowest : ListOf(*at, level);
  for (size_t i = 0; i < links.size(); ++i) list[i + 1].store(links[i], std::memory_order_relaxed);
  list[0].store(static_cast<uint32_t>(links.size()), std::memory_order_relaxed);
}

void VectorGraph::CopyNode(uint32_t node) noexcept {
  const uint32_t levels = linker_->LevelOf(node);
  for (uint32_t level = 0; level <= levels; ++level) CopyList(node, level);
  for (uint32_t level = 0; level <= levels; ++level) {
    for (const uint32_t other : linker_->LinksOf(node, level)) CopyList(other, level);
  }
  // Now every way to the node is there. Pairs with the acquire in Moment: who sees it sees those, and who does not
  // compares the node by itself.
  linked_.store(node + 1, std::memory_order_release);
  const uint32_t entry = linker_->entry();
  entry_.store(uint64_t{linker_->LevelOf(entry)} << 32 | entry, std::memory_order_release);  // pairs with Moment
}

VectorRow* VectorGraph::RowOf(uint32_t node) const {
  return NodeAt(directory_.load(std::memory_order_relaxed), node)->row.load(std::memory_order_relaxed);
}

void VectorGraph::CheckInvariants() const {
  WEIR_CHECK(linked() <= size(), "{} of {} nodes are linked", linked(), size());
  const Directory* const directory = directory_.load(std::memory_order_relaxed);
  for (uint32_t node = 0; node < linked(); ++node) {
    const Node& at = *NodeAt(directory, node);
    const uint32_t count = at.lowest[0].load(std::memory_order_relaxed);
    WEIR_CHECK(count <= 2 * links_, "node {} has {} links", node, count);
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t link = at.lowest[i + 1].load(std::memory_order_relaxed);
      WEIR_CHECK(link < linked() && link != node, "node {} is linked with {}", node, link);
    }
    if (linker_ == nullptr) continue;
    for (uint32_t level = 0; level <= linker_->LevelOf(node); ++level) {
      const std::span<const uint32_t> links = linker_->LinksOf(node, level);
      const Link* const list = level == 0 ? at.lowest : ListOf(at, level);
      WEIR_CHECK(list[0].load(std::memory_order_relaxed) == links.size(), "node {}, level {}", node, level);
      for (size_t i = 0; i < links.size(); ++i) {
        WEIR_CHECK(list[i + 1].load(std::memory_order_relaxed) == links[i], "node {}, level {}", node, level);
      }
    }
  }
}

}  // namespace weir::internal
