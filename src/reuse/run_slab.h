#pragma once
// Slab: things by 32-bit number, in chunks of 64 that go back to the allocator when the last one of a chunk is freed.
// RunSlab holds the runs of a block index, one cache line each.
//
// Thread rule: operator[] of a number that the reader got from a RunTable inside a Pass, by any number of threads; the rest
// by one writer. Nothing ever moves but the directory, which is replaced when it grows.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <new>

#include "holder_set.h"
#include "limbo.h"
#include "metered_memory.h"

namespace weir::internal {

using RunId = uint32_t;
inline constexpr RunId kNoRun = UINT32_MAX;

// A run of blocks. Its first and last key stand here; the keys between them are an array of `length - 2` (or null).
// What readers look at stays as it was when they first could see it, but for the holders and for the mark of having gone.
// A change of the keys makes a new Run of the same name.
struct alignas(64) Run {
  static constexpr uint32_t kGone = 1u << 31;

  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t* inner = nullptr;
  HolderSet holders;
  std::atomic<uint32_t> length_word{0};  // with kGone: part of a longer run since the change that name tells
  std::atomic<RunId> name{kNoRun};
  // The writer's. Names, not places.
  RunId parent = kNoRun;
  RunId first_child = kNoRun;
  RunId next = kNoRun;  // siblings, in a list without order
  RunId previous = kNoRun;

  uint32_t length() const { return length_word.load(std::memory_order_relaxed) & ~kGone; }
  // For the writer.
  bool IsGone() const { return (length_word.load(std::memory_order_relaxed) & kGone) != 0; }
  // Whether a reader that came when `change` was the latest came after it had gone. REQUIRES: it is seen to be gone.
  bool WentBefore(uint32_t change) const { return static_cast<int32_t>(change - name.load(std::memory_order_relaxed)) >= 0; }
  uint64_t key(uint32_t i) const { return i == 0 ? first : i + 1 == length() ? last : inner[i - 1]; }
};
static_assert(sizeof(Run) == 64);

template <typename T>
class Slab {
 public:
  // `limbo` frees blocks of `meter`.
  Slab(MemoryMeter& meter, Limbo& limbo) : meter_(meter), limbo_(limbo) {}
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() {
    for (uint32_t i = 0; i < chunks_; ++i) meter_.FreeLines(ChunkOf(i)->things);
    meter_.Free(directory_.load(std::memory_order_relaxed));
  }

  T& operator[](RunId id) { return At(id); }
  const T& operator[](RunId id) const { return At(id); }
  bool IsLive(RunId id) const {
    const Chunk* const chunk = id / kChunk < chunks_ ? ChunkOf(id / kChunk) : nullptr;
    return chunk != nullptr && (chunk->used >> (id % kChunk) & 1) != 0;
  }
  uint32_t count() const { return count_.load(std::memory_order_relaxed); }

  // A fresh one. Throws std::bad_alloc.
  RunId Allocate() {
    while (open_ < chunks_ && ChunkOf(open_)->used == UINT64_MAX) ++open_;
    if (open_ >= kNoRun / kChunk) throw std::bad_alloc();
    if (open_ == chunks_) AddChunk();
    Chunk& chunk = *ChunkOf(open_);
    if (chunk.things == nullptr) chunk.things = static_cast<T*>(meter_.AllocateLines(sizeof(T) * kChunk));
    const auto place = static_cast<uint32_t>(std::countr_one(chunk.used));
    chunk.used |= uint64_t{1} << place;
    new (&chunk.things[place]) T();
    count_.store(count() + 1, std::memory_order_relaxed);
    return static_cast<RunId>(open_ * kChunk + place);
  }

  // REQUIRES: no reader can know of it.
  void Free(RunId id) noexcept {
    Chunk& chunk = *ChunkOf(id / kChunk);
    chunk.used &= ~(uint64_t{1} << (id % kChunk));
    count_.store(count() - 1, std::memory_order_relaxed);
    open_ = std::min<uint32_t>(open_, id / kChunk);
    if (chunk.used != 0) return;
    meter_.FreeLines(chunk.things);
    chunk.things = nullptr;
    while (chunks_ > 0 && ChunkOf(chunks_ - 1)->things == nullptr) --chunks_;
    open_ = std::min(open_, chunks_);
  }

  // Takes a smaller directory when much of this one is empty and memory allows.
  void Shrink() noexcept {
    if (chunks_ * 4 > capacity_ || capacity_ == 0) return;
    try {
      Resize(chunks_);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }

  template <typename F>
  void ForEach(F&& f) const {
    for (uint64_t id = 0; id < uint64_t{chunks_} * kChunk; ++id) {
      if (IsLive(static_cast<RunId>(id))) f(static_cast<RunId>(id));
    }
  }

 private:
  static constexpr uint32_t kChunk = 64;
  struct Chunk {
    T* things = nullptr;
    uint64_t used = 0;
  };

  // Pairs with the release in Resize.
  Chunk* ChunkOf(uint32_t chunk) const { return directory_.load(std::memory_order_acquire) + chunk; }
  T& At(RunId id) const { return ChunkOf(id / kChunk)->things[id % kChunk]; }

  void AddChunk() {
    if (chunks_ == capacity_) Resize(capacity_ + capacity_ / 2 + 2);
    ++chunks_;
  }
  void Resize(uint32_t capacity) {
    Chunk* const old = directory_.load(std::memory_order_relaxed);
    Chunk* fresh = nullptr;
    if (capacity > 0) {
      fresh = static_cast<Chunk*>(meter_.Allocate(capacity * sizeof(Chunk)));
      std::uninitialized_copy_n(old, chunks_, fresh);
      std::uninitialized_fill_n(fresh + chunks_, capacity - chunks_, Chunk());
    }
    directory_.store(fresh, std::memory_order_release);
    if (old != nullptr) limbo_.Retire(reinterpret_cast<uint64_t>(old), 0, capacity_ * sizeof(Chunk));
    capacity_ = capacity;
  }

  MemoryMeter& meter_;
  Limbo& limbo_;
  std::atomic<Chunk*> directory_{nullptr};
  uint32_t capacity_ = 0;
  uint32_t chunks_ = 0;
  uint32_t open_ = 0;  // no chunk before it has room
  std::atomic<uint32_t> count_{0};
};

using RunSlab = Slab<Run>;
using NameSlab = Slab<RunId>;

}  // namespace weir::internal
