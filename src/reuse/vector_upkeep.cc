// What a change of a vector index leaves to do: linking what waits, and replacing a graph that has grown stale.

#include <algorithm>

#include "vector_core.h"

namespace weir {

using internal::VectorGraph;
using internal::VectorRow;

namespace {

// How much one change does beside itself.
constexpr uint32_t kLinksAtOnce = 4;       // insertions
constexpr uint32_t kSkippedAtOnce = 4096;  // rows that nobody owns

}  // namespace

void VectorIndex::Core::Upkeep() noexcept {
  if (live_ == 0) {
    DropSuccessor();
    Serve(nullptr);
    rest_ = 0;
  } else {
    try {
      LinkWaiting(*serving());
      if (rest_ > 0) {
        --rest_;
      } else {
        if (successor_ == nullptr && IsStale()) BeginSuccessor();
        if (successor_ != nullptr) GrowSuccessor();
      }
    } catch (const std::bad_alloc&) {
      DropSuccessor();
      rest_ = live_ / 4 + 64;
    }
  }
  limbo_.Collect();
  ShrinkTables();
  Publish();
}

bool VectorIndex::Core::IsStale() const {
  const VectorGraph& graph = *serving();
  const uint64_t ownerless = graph.size() - live_;
  if (graph.size() <= options_.flat_max) return ownerless > live_ / 4 + 16;
  return ownerless > live_ / 2 + 64 || (graph.linked() > 0 && !graph.HasLinker());
}

// Throws std::bad_alloc.
void VectorIndex::Core::LinkWaiting(VectorGraph& graph) {
  if (!graph.HasLinker() && graph.linked() == 0 && graph.size() > options_.flat_max) {
    graph.StartLinking(options_, dot_, padded());
  }
  for (uint32_t i = 0; i < kLinksAtOnce && graph.HasLinker() && graph.linked() < graph.size(); ++i) {
    if (!graph.LinkNext()) return;
  }
}

VectorGraph* VectorIndex::Core::NewGraph() {
  meter_.Admit(sizeof(VectorGraph));
  auto* const graph = new VectorGraph(meter_, ++graphs_, options_.links);
  meter_.Adopt(graph);
  return graph;
}

// Throws std::bad_alloc.
void VectorIndex::Core::BeginSuccessor() {
  successor_ = NewGraph();
  next_ = 0;
  if (live_ > options_.flat_max) successor_->StartLinking(options_, dot_, padded());
}

// Throws std::bad_alloc. A successor without links is whole after one call.
void VectorIndex::Core::GrowSuccessor() {
  uint32_t links = 0;
  uint32_t skipped = 0;
  for (; next_ < serving()->size(); ++next_) {
    VectorRow* const row = serving()->RowOf(next_);
    if (row->first.load(std::memory_order_relaxed) == nullptr) {
      if (++skipped == kSkippedAtOnce) return;
      continue;
    }
    if (links == kLinksAtOnce) return;
    successor_->Reserve(limbo_, kBlock);
    successor_->Append(row);
    if (!successor_->HasLinker()) continue;
    ++links;
    if (!successor_->LinkNext()) {
      ++next_;
      throw std::bad_alloc();
    }
  }
  ++rebuilds_;
  Serve(std::exchange(successor_, nullptr));
}

void VectorIndex::Core::Serve(VectorGraph* graph) noexcept {
  VectorGraph* const old = serving();
  // Pairs with the acquire in Find. Whoever still searches the old one finds there all that has an owner.
  serving_.store(graph, std::memory_order_release);
  if (old == nullptr) return;
  old->DropLinker();
  limbo_.Retire(reinterpret_cast<uint64_t>(old), kGraph, old->BytesForReaders());
}

void VectorIndex::Core::DropSuccessor() noexcept {
  if (successor_ == nullptr) return;
  for (uint32_t node = 0; node < next_; ++node) {
    VectorRow* const row = serving()->RowOf(node);
    row->graph = serving()->number();
    row->node = node;
  }
  FreeGraph(std::exchange(successor_, nullptr));
}

void VectorIndex::Core::FreeGraph(VectorGraph* graph) noexcept {
  for (uint32_t node = 0; node < graph->size(); ++node) {
    VectorRow* const row = graph->RowOf(node);
    if (--row->graphs == 0) FreeRow(row);
  }
  meter_.Disown(graph);
  delete graph;
}

bool VectorIndex::Core::Release(void* core, internal::Retired& retired) noexcept {
  auto* const self = static_cast<Core*>(core);
  if (retired.kind == kGraph) {
    self->FreeGraph(reinterpret_cast<VectorGraph*>(retired.what));
  } else {
    self->meter_.Free(reinterpret_cast<void*>(retired.what));
  }
  return true;
}

void VectorIndex::Core::ShrinkTables() noexcept {
  const auto shrink = [](auto& table) {
    if (table.empty() ? table.bucket_count() == 1 : table.bucket_count() <= 8 * table.size() + 16) return;
    try {
      if (table.empty()) {
        std::remove_reference_t<decltype(table)>(table.get_allocator()).swap(table);
      } else {
        table.rehash(0);
      }
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  };
  shrink(owners_);
  shrink(rows_);
}

}  // namespace weir
