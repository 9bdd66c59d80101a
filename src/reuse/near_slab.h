#pragma once
// NearSlab: rows by 32-bit number in chunks of 64, which go back to the allocator when their last row is freed.
//
// Thread rule: operator[] of a number that the reader came by inside a Pass of the gate, and Find of any number, by any
// number of threads; the rest by one writer. Rows never move; the directory of chunks is replaced when it grows. Rows are
// made once, with their chunk, and then used again and again: Free calls Row::Reset, which must leave alone what a reader
// that came by Find looks at.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <new>
#include <utility>

#include "limbo.h"
#include "metered_memory.h"

namespace weir::internal {

template <typename Row>
class NearSlab {
 public:
  // `limbo` frees blocks of `meter` for the kind 0.
  NearSlab(MemoryMeter& meter, Limbo& limbo) : meter_(meter), limbo_(limbo) {}
  NearSlab(const NearSlab&) = delete;
  NearSlab& operator=(const NearSlab&) = delete;
  ~NearSlab() {
    Directory* const directory = directory_.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < chunks_; ++i) meter_.Free(directory->at[i].rows.load(std::memory_order_relaxed));
    meter_.Free(directory);
  }

  Row& operator[](uint32_t id) { return At(id); }
  const Row& operator[](uint32_t id) const { return At(id); }
  // Null, a row in use, or one that is not.
  const Row* Find(uint32_t id) const {
    const Directory* const directory = directory_.load(std::memory_order_acquire);
    if (directory == nullptr || id / kChunk >= directory->capacity) return nullptr;
    const Row* const rows = directory->at[id / kChunk].rows.load(std::memory_order_acquire);
    return rows == nullptr ? nullptr : rows + id % kChunk;
  }

  // The writer's.
  bool Holds(uint32_t id) const { return id / kChunk < chunks_ && (ChunkOf(id / kChunk).used >> (id % kChunk) & 1) != 0; }
  // A row as Reset leaves it. REQUIRES: the id is free. Throws std::bad_alloc.
  Row& Make(uint32_t id) {
    const uint32_t at = id / kChunk;
    if (at >= capacity()) ExchangeDirectory(std::max(at + 1, chunks_ + chunks_ / 4 + 2));
    Chunk& chunk = ChunkOf(at);
    Row* rows = chunk.rows.load(std::memory_order_relaxed);
    if (rows == nullptr) {
      rows = static_cast<Row*>(meter_.Allocate(sizeof(Row) * kChunk));
      for (uint32_t i = 0; i < kChunk; ++i) new (&rows[i]) Row();
      chunk.rows.store(rows, std::memory_order_release);  // pairs with the acquire in Find and At
    }
    chunks_ = std::max(chunks_, at + 1);
    chunk.used |= uint64_t{1} << (id % kChunk);
    return rows[id % kChunk];
  }
  // The least free id; not taken yet.
  uint32_t FreeId() {
    while (open_ < chunks_ && ChunkOf(open_).used == UINT64_MAX) ++open_;
    const uint64_t used = open_ < chunks_ ? ChunkOf(open_).used : 0;
    return open_ * kChunk + static_cast<uint32_t>(std::countr_one(used));
  }
  // REQUIRES: whoever came by this id is gone; others may come by Find.
  void Free(uint32_t id) noexcept {
    Chunk& chunk = ChunkOf(id / kChunk);
    At(id).Reset();
    chunk.used &= ~(uint64_t{1} << (id % kChunk));
    open_ = std::min(open_, id / kChunk);
    if (chunk.used != 0) return;
    Row* const rows = chunk.rows.load(std::memory_order_relaxed);
    chunk.rows.store(nullptr, std::memory_order_release);
    limbo_.Retire(reinterpret_cast<uint64_t>(rows), 0, sizeof(Row) * kChunk);
    while (chunks_ > 0 && ChunkOf(chunks_ - 1).rows.load(std::memory_order_relaxed) == nullptr) --chunks_;
    open_ = std::min(open_, chunks_);
  }
  void ShrinkDirectory() noexcept {
    if (chunks_ * 4 > capacity() || capacity() == 0) return;
    try {
      ExchangeDirectory(chunks_);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }

  template <typename F>
  void ForEach(F&& f) const {
    for (uint32_t at = 0; at < chunks_; ++at) {
      for (uint64_t used = ChunkOf(at).used; used != 0; used &= used - 1) {
        f(at * kChunk + static_cast<uint32_t>(std::countr_zero(used)));
      }
    }
  }

 private:
  static constexpr uint32_t kChunk = 64;
  struct Chunk {
    std::atomic<Row*> rows{nullptr};
    uint64_t used = 0;  // the writer's
  };
  struct Directory {
    uint32_t capacity;
    Chunk at[];
  };

  uint32_t capacity() const {
    const Directory* const directory = directory_.load(std::memory_order_relaxed);
    return directory == nullptr ? 0 : directory->capacity;
  }
  Chunk& ChunkOf(uint32_t at) const { return directory_.load(std::memory_order_relaxed)->at[at]; }
  // A reader that came by the id sees a directory that has its chunk: that was published before the id was. Acquire, for
  // what is in the directory: pairs with the release in ExchangeDirectory.
  Row& At(uint32_t id) const {
    return directory_.load(std::memory_order_acquire)->at[id / kChunk].rows.load(std::memory_order_acquire)[id % kChunk];
  }

  void ExchangeDirectory(uint32_t capacity) {
    Directory* const old = directory_.load(std::memory_order_relaxed);
    Directory* fresh = nullptr;
    if (capacity > 0) {
      fresh = static_cast<Directory*>(meter_.Allocate(sizeof(Directory) + capacity * sizeof(Chunk)));
      fresh->capacity = capacity;
      for (uint32_t i = 0; i < capacity; ++i) {
        Chunk& chunk = *new (&fresh->at[i]) Chunk();
        if (i >= chunks_) continue;
        chunk.rows.store(old->at[i].rows.load(std::memory_order_relaxed), std::memory_order_relaxed);
        chunk.used = old->at[i].used;
      }
    }
    directory_.store(fresh, std::memory_order_release);
    if (old != nullptr) limbo_.Retire(reinterpret_cast<uint64_t>(old), 0, old->capacity * sizeof(Chunk));
  }

  MemoryMeter& meter_;
  Limbo& limbo_;
  std::atomic<Directory*> directory_{nullptr};
  uint32_t chunks_ = 0;  // beyond them nothing is here
  uint32_t open_ = 0;    // no chunk before it has room
};

}  // namespace weir::internal
