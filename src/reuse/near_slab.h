#pragma once
// NearSlab: rows by 32-bit number in chunks of 64, which go back to the allocator when their last row is freed.
//
// Thread rule: that of its owner, but for the directory of chunks: a large one is made aside, and only its exchange needs
// the readers out (`exclude` returns an object that keeps them out while it lives).

#include <algorithm>
#include <bit>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

#include "metered_memory.h"

namespace weir::internal {

template <typename Row>
class NearSlab {
 public:
  explicit NearSlab(MemoryMeter& meter) : meter_(meter), chunks_(MeteredAllocator<Chunk>(meter)) {}
  NearSlab(const NearSlab&) = delete;
  NearSlab& operator=(const NearSlab&) = delete;
  ~NearSlab() {
    for (const Chunk& chunk : chunks_) meter_.Free(chunk.rows);
  }

  Row& operator[](uint32_t id) { return chunks_[id / kChunk].rows[id % kChunk]; }
  const Row& operator[](uint32_t id) const { return chunks_[id / kChunk].rows[id % kChunk]; }
  bool Holds(uint32_t id) const {
    return id / kChunk < chunks_.size() && (chunks_[id / kChunk].used >> (id % kChunk) & 1) != 0;
  }

  // Room for row `id` in the directory. Throws std::bad_alloc.
  template <typename Exclude>
  void ReserveDirectory(uint32_t id, Exclude&& exclude) {
    const size_t wanted = size_t{id} / kChunk + 1;
    if (wanted > chunks_.capacity()) ExchangeDirectory(std::max(wanted, chunks_.size() + chunks_.size() / 4 + 2), exclude);
  }
  // A fresh row. REQUIRES: room in the directory, and the id is free. Throws std::bad_alloc.
  Row& Make(uint32_t id) {
    if (id / kChunk >= chunks_.size()) chunks_.resize(size_t{id} / kChunk + 1);
    Chunk& chunk = chunks_[id / kChunk];
    if (chunk.rows == nullptr) chunk.rows = static_cast<Row*>(meter_.Allocate(sizeof(Row) * kChunk));
    chunk.used |= uint64_t{1} << (id % kChunk);
    return *new (&chunk.rows[id % kChunk]) Row();
  }
  // The least free id; not taken yet.
  uint32_t FreeId() {
    while (open_ < chunks_.size() && chunks_[open_].used == UINT64_MAX) ++open_;
    const uint64_t used = open_ < chunks_.size() ? chunks_[open_].used : 0;
    return static_cast<uint32_t>(open_ * kChunk) + static_cast<uint32_t>(std::countr_one(used));
  }
  void Free(uint32_t id) noexcept {
    Chunk& chunk = chunks_[id / kChunk];
    chunk.used &= ~(uint64_t{1} << (id % kChunk));
    open_ = std::min<size_t>(open_, id / kChunk);
    if (chunk.used != 0) return;
    meter_.Free(std::exchange(chunk.rows, nullptr));
    while (!chunks_.empty() && chunks_.back().rows == nullptr) chunks_.pop_back();
    open_ = std::min(open_, chunks_.size());
  }
  template <typename Exclude>
  void ShrinkDirectory(Exclude&& exclude) noexcept {
    if (chunks_.size() * 4 > chunks_.capacity() || chunks_.capacity() == 0) return;
    try {
      ExchangeDirectory(chunks_.size(), exclude);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }

  template <typename F>
  void ForEach(F&& f) const {
    for (size_t at = 0; at < chunks_.size(); ++at) {
      for (uint64_t used = chunks_[at].used; used != 0; used &= used - 1) {
        f(static_cast<uint32_t>(at * kChunk) + static_cast<uint32_t>(std::countr_zero(used)));
      }
    }
  }

 private:
  static constexpr uint32_t kChunk = 64;
  struct Chunk {
    Row* rows = nullptr;
    uint64_t used = 0;
  };
  using Chunks = std::vector<Chunk, MeteredAllocator<Chunk>>;

  template <typename Exclude>
  void ExchangeDirectory(size_t capacity, Exclude& exclude) {
    Chunks fresh(chunks_.get_allocator());
    fresh.reserve(capacity);
    fresh.assign(chunks_.begin(), chunks_.end());
    const auto readers_out = exclude();
    chunks_.swap(fresh);
  }

  MemoryMeter& meter_;
  Chunks chunks_;
  size_t open_ = 0;  // no chunk before it has room
};

}  // namespace weir::internal
