#include "weir/reuse/vector_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "vector_core.h"
#include "weir/base/check.h"

namespace weir {

using internal::VectorGraph;
using internal::VectorOwnership;
using internal::VectorRow;

namespace {

Error Refused() { return Exhausted("the vector index may not grow", "raise its byte budget or remove owners"); }

// Equal vectors have equal hashes: normalised ones have no negative zeros.
uint64_t HashOf(std::span<const float> components) {
  uint64_t hash = components.size();
  for (const float component : components) {
    uint32_t bits = 0;
    std::memcpy(&bits, &component, sizeof(bits));
    hash = (hash ^ bits) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 29;
  }
  return hash;
}

Status Within(std::string_view name, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return InvalidArgument(fmt::format("{}: {} is not from {} to {}", name, value, least, most));
}

}  // namespace

Status VectorOptions::Validate() const {
  WEIR_TRY(Within("dimensions", dimensions, 1, kVectorDimensionsMax));
  WEIR_TRY(Within("bytes_max", bytes_max, 4096, UINT64_MAX));
  WEIR_TRY(Within("flat_max", flat_max, 0, kVectorsMax));
  WEIR_TRY(Within("links", links, 4, 64));
  WEIR_TRY(Within("ef_construction", ef_construction, 8, 4096));
  return Within("ef_search", ef_search, 1, 65'536);
}

Status VectorFindOptions::Validate() const {
  WEIR_TRY(Within("k", k, 1, 65'536));
  if (threshold >= -1 && threshold <= 1) return {};
  return InvalidArgument(fmt::format("a threshold of {} is not a cosine", threshold), "give one from -1 to 1");
}

VectorIndex::Core::Core(const VectorOptions& options)
    : options_(options),
      dot_(options.portable_only ? internal::VectorDotPortable : internal::FastestVectorDot()),
      meter_(options.bytes_max),
      limbo_(meter_, gate_, Release, this),
      owners_(0, std::hash<VectorOwner>(), std::equal_to<VectorOwner>(),
              internal::MeteredAllocator<std::pair<const VectorOwner, VectorOwnership*>>(meter_)),
      rows_(0, std::hash<uint64_t>(), std::equal_to<uint64_t>(),
            internal::MeteredAllocator<std::pair<const uint64_t, VectorRow*>>(meter_)) {
  meter_.Adopt(this);
}

VectorIndex::Core::~Core() {
  for (const auto& [owner, ownership] : owners_) meter_.Free(ownership);
  DropSuccessor();
  Serve(nullptr);
  limbo_.WaitForAll();
}

Result<std::vector<float>> VectorIndex::Core::Normalised(std::span<const float> vector) const {
  if (vector.size() != options_.dimensions) {
    return InvalidArgument(fmt::format("a vector of {} dimensions, not {}", vector.size(), options_.dimensions),
                           "vectors of one index come from one model");
  }
  double square = 0;
  for (size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) return InvalidArgument(fmt::format("component {} is not a finite number", i));
    square += static_cast<double>(vector[i]) * static_cast<double>(vector[i]);
  }
  if (square == 0) return InvalidArgument("a vector of zeros has no direction");
  const double scale = 1 / std::sqrt(square);
  std::vector<float> components(padded());
  // Adding 0 turns a negative zero into a positive one.
  for (size_t i = 0; i < vector.size(); ++i)
    components[i] = static_cast<float>(static_cast<double>(vector[i]) * scale) + 0.f;
  return components;
}

// In a graph that readers search, and not to be left behind by the one that takes its place.
VectorRow* VectorIndex::Core::EqualRow(uint64_t hash, std::span<const float> components) const {
  const auto found = rows_.find(hash);
  if (found == rows_.end()) return nullptr;
  VectorRow* const row = found->second;
  if (row->graph < serving()->number() || !std::ranges::equal(components, std::span(row->components(), components.size()))) {
    return nullptr;
  }
  const bool stays = row->first.load(std::memory_order_relaxed) != nullptr || successor_ == nullptr ||
                     row->graph == successor_->number() || row->node >= next_;
  return stays ? row : nullptr;
}

VectorRow* VectorIndex::Core::NewRow(uint64_t hash, std::span<const float> components) {
  auto* const row = new (meter_.AllocateLines(sizeof(VectorRow) + components.size_bytes())) VectorRow();
  row->hash = hash;
  std::ranges::copy(components, row->components());
  return row;
}

void VectorIndex::Core::FreeRow(VectorRow* row) noexcept {
  const auto found = rows_.find(row->hash);
  if (found != rows_.end() && found->second == row) rows_.erase(found);
  meter_.FreeLines(row);
}

// The owners of a row ascend. The releases pair with the acquires of those who walk along them.
void VectorIndex::Core::Attach(VectorOwnership* ownership) noexcept {
  std::atomic<VectorOwnership*>* place = &ownership->row->first;
  VectorOwnership* next = place->load(std::memory_order_relaxed);
  while (next != nullptr && next->owner < ownership->owner) {
    place = &next->next;
    next = place->load(std::memory_order_relaxed);
  }
  ownership->next.store(next, std::memory_order_relaxed);
  place->store(ownership, std::memory_order_release);
}

// A reader that stands on it finds its way on: what follows is freed no sooner than it.
void VectorIndex::Core::Detach(VectorOwnership* ownership) noexcept {
  std::atomic<VectorOwnership*>* place = &ownership->row->first;
  while (place->load(std::memory_order_relaxed) != ownership) place = &place->load(std::memory_order_relaxed)->next;
  place->store(ownership->next.load(std::memory_order_relaxed), std::memory_order_release);
}

// Throws std::bad_alloc; nothing has changed then.
void VectorIndex::Core::AddOrThrow(VectorOwner owner, std::span<const float> components) {
  const uint64_t hash = HashOf(components);
  if (serving() == nullptr) Serve(NewGraph());
  VectorRow* row = EqualRow(hash, components);
  const bool is_new = row == nullptr;
  VectorOwnership* ownership = nullptr;
  try {
    ownership = new (meter_.Allocate(sizeof(VectorOwnership))) VectorOwnership();
    ownership->owner = owner;
    owners_.emplace(owner, ownership);
    if (is_new) {
      row = NewRow(hash, components);
      serving()->Reserve(limbo_, kBlock);
      rows_.insert_or_assign(hash, row);
    }
  } catch (const std::bad_alloc&) {
    if (is_new && row != nullptr) meter_.FreeLines(row);
    owners_.erase(owner);
    meter_.Free(ownership);
    throw;
  }
  ownership->row = row;
  live_ += row->first.load(std::memory_order_relaxed) == nullptr ? 1 : 0;
  Attach(ownership);
  if (is_new) serving()->Append(row);
}

Status VectorIndex::Core::Add(VectorOwner owner, std::span<const float> vector) {
  if (owner == UINT32_MAX) return InvalidArgument(fmt::format("owner {} is out of range", owner));
  try {
    WEIR_ASSIGN(const std::vector<float> components, Normalised(vector));
    const std::lock_guard lock(changing_);
    if (owners_.contains(owner)) {
      return Error{ErrorCode::kAlreadyExists, fmt::format("owner {} is in the vector index", owner), ""};
    }
    try {
      if (serving() != nullptr && serving()->size() >= kVectorsMax) throw std::bad_alloc();
      AddOrThrow(owner, components);
    } catch (const std::bad_alloc&) {
      limbo_.WaitForAll();  // what readers held back may be what was missing
      try {
        AddOrThrow(owner, components);
      } catch (const std::bad_alloc&) {
        if (owners_.empty()) Serve(nullptr);
        limbo_.Collect();
        ShrinkTables();
        Publish();
        return Refused();
      }
    }
    Upkeep();
    return {};
  } catch (const std::bad_alloc&) {
    return Refused();
  }
}

bool VectorIndex::Core::Remove(VectorOwner owner) {
  const std::lock_guard lock(changing_);
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return false;
  VectorOwnership* const ownership = found->second;
  owners_.erase(found);
  Detach(ownership);
  live_ -= ownership->row->first.load(std::memory_order_relaxed) == nullptr ? 1 : 0;
  limbo_.Retire(reinterpret_cast<uint64_t>(ownership), kBlock, sizeof(VectorOwnership));
  Upkeep();
  return true;
}

VectorStats VectorIndex::Core::stats() const {
  VectorStats stats;
  stats.owners = owners_shown_.load(std::memory_order_relaxed);
  stats.vectors = live_shown_.load(std::memory_order_relaxed);
  const uint64_t size = size_shown_.load(std::memory_order_relaxed);
  stats.ownerless = size > stats.vectors ? size - stats.vectors : 0;
  stats.linked = linked_shown_.load(std::memory_order_relaxed);
  stats.rebuilds = rebuilds_shown_.load(std::memory_order_relaxed);
  stats.bytes = bytes();
  return stats;
}

void VectorIndex::Core::Publish() noexcept {
  owners_shown_.store(owners_.size(), std::memory_order_relaxed);
  live_shown_.store(live_, std::memory_order_relaxed);
  size_shown_.store(serving() == nullptr ? 0 : serving()->size(), std::memory_order_relaxed);
  linked_shown_.store(serving() == nullptr ? 0 : serving()->linked(), std::memory_order_relaxed);
  rebuilds_shown_.store(rebuilds_, std::memory_order_relaxed);
}

void VectorIndex::Core::CheckInvariants() const {
  const std::lock_guard lock(changing_);
  const VectorGraph* const graph = serving();
  WEIR_CHECK((graph == nullptr) == owners_.empty(), "{} owners", owners_.size());
  if (graph == nullptr) return;
  graph->CheckInvariants();
  if (successor_ != nullptr) successor_->CheckInvariants();
  uint64_t live = 0;
  uint64_t owners = 0;
  for (uint32_t node = 0; node < graph->size(); ++node) {
    const VectorRow& row = *graph->RowOf(node);
    WEIR_CHECK(row.graph >= graph->number() && row.graphs >= 1, "node {} is of graph {}", node, row.graph);
    const VectorOwnership* ownership = row.first.load(std::memory_order_relaxed);
    live += ownership != nullptr ? 1 : 0;
    const bool carried = successor_ != nullptr && row.graph == successor_->number();
    WEIR_CHECK(ownership == nullptr || successor_ == nullptr || carried || node >= next_, "node {} is left behind", node);
    for (; ownership != nullptr; ownership = ownership->next.load(std::memory_order_relaxed)) {
      ++owners;
      const auto found = owners_.find(ownership->owner);
      WEIR_CHECK(found != owners_.end() && found->second == ownership, "owner {}", ownership->owner);
      WEIR_CHECK(ownership->row == &row, "owner {} is with another vector", ownership->owner);
      const VectorOwnership* const next = ownership->next.load(std::memory_order_relaxed);
      WEIR_CHECK(next == nullptr || next->owner > ownership->owner, "owner {} is before a lesser one", ownership->owner);
    }
  }
  WEIR_CHECK(live == live_, "{} live vectors, counted {}", live, live_);
  WEIR_CHECK(owners == owners_.size(), "{} owners, counted {}", owners, owners_.size());
}

VectorIndex::VectorIndex(const VectorOptions& options) {
  const Status valid = options.Validate();
  WEIR_CHECK(valid.has_value(), "{}", valid.has_value() ? std::string() : valid.error().ToString());
  core_ = std::make_unique<Core>(options);
}
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;
VectorIndex::~VectorIndex() = default;

Status VectorIndex::Add(VectorOwner owner, std::span<const float> vector) { return core_->Add(owner, vector); }
bool VectorIndex::Remove(VectorOwner owner) { return core_->Remove(owner); }
Status VectorIndex::Find(std::span<const float> vector, const VectorFindOptions& options, VectorMatches& matches) const {
  WEIR_TRY(options.Validate());
  return core_->Find(vector, options, matches);
}

uint32_t VectorIndex::dimensions() const { return core_->dimensions(); }
VectorStats VectorIndex::stats() const { return core_->stats(); }
uint64_t VectorIndex::bytes() const { return core_->bytes(); }
void VectorIndex::CheckInvariants() const { core_->CheckInvariants(); }

}  // namespace weir
