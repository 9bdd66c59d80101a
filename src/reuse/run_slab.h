#pragma once
// RunSlab: the runs of a block index by 32-bit number, one cache line each, in chunks of 64 that go back to the allocator
// when the last run of a chunk is freed.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "holder_set.h"
#include "metered_memory.h"

namespace weir::internal {

using RunId = uint32_t;
inline constexpr RunId kNoRun = UINT32_MAX;

// A run of blocks. Its first and last key stand here; the keys between them are an array of `length - 2` (or null).
struct alignas(64) Run {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t* inner = nullptr;
  HolderSet holders;
  uint32_t length = 0;  // 0: not in use
  RunId parent = kNoRun;
  RunId first_child = kNoRun;
  RunId next = kNoRun;  // siblings, in a list without order
  RunId previous = kNoRun;

  uint64_t key(uint32_t i) const { return i == 0 ? first : i + 1 == length ? last : inner[i - 1]; }
};
static_assert(sizeof(Run) == 64);

class RunSlab {
 public:
  explicit RunSlab(MemoryMeter& meter) : meter_(meter), chunks_(MeteredAllocator<Chunk>(meter)) {}
  RunSlab(const RunSlab&) = delete;
  RunSlab& operator=(const RunSlab&) = delete;
  ~RunSlab() {
    for (const Chunk& chunk : chunks_) meter_.FreeLines(chunk.runs);
  }

  Run& operator[](RunId id) { return chunks_[id / kChunk].runs[id % kChunk]; }
  const Run& operator[](RunId id) const { return chunks_[id / kChunk].runs[id % kChunk]; }
  bool IsLive(RunId id) const {
    return id / kChunk < chunks_.size() && (chunks_[id / kChunk].used >> (id % kChunk) & 1) != 0;
  }
  uint32_t count() const { return count_; }

  // A fresh run. Throws std::bad_alloc.
  RunId Allocate() {
    while (open_ < chunks_.size() && chunks_[open_].used == UINT64_MAX) ++open_;
    if (open_ == kNoRun / kChunk) throw std::bad_alloc();
    if (open_ == chunks_.size()) chunks_.push_back({});
    Chunk& chunk = chunks_[open_];
    if (chunk.runs == nullptr) chunk.runs = static_cast<Run*>(meter_.AllocateLines(sizeof(Run) * kChunk));
    const uint32_t place = static_cast<uint32_t>(std::countr_one(chunk.used));
    chunk.used |= uint64_t{1} << place;
    new (&chunk.runs[place]) Run();
    ++count_;
    return static_cast<RunId>(open_ * kChunk + place);
  }

  void Free(RunId id) noexcept {
    Chunk& chunk = chunks_[id / kChunk];
    chunk.used &= ~(uint64_t{1} << (id % kChunk));
    --count_;
    open_ = std::min<size_t>(open_, id / kChunk);
    if (chunk.used != 0) return;
    meter_.FreeLines(chunk.runs);
    chunk.runs = nullptr;
    while (!chunks_.empty() && chunks_.back().runs == nullptr) chunks_.pop_back();
    open_ = std::min(open_, chunks_.size());
    if (chunks_.size() * 4 <= chunks_.capacity()) ShrinkDirectory();
  }

  template <typename F>
  void ForEach(F&& f) const {
    for (RunId id = 0; id < chunks_.size() * kChunk; ++id) {
      if (IsLive(id)) f(id);
    }
  }

 private:
  static constexpr RunId kChunk = 64;
  struct Chunk {
    Run* runs = nullptr;
    uint64_t used = 0;
  };
  using Chunks = std::vector<Chunk, MeteredAllocator<Chunk>>;

  void ShrinkDirectory() noexcept {
    try {
      Chunks exact(chunks_.begin(), chunks_.end(), chunks_.get_allocator());
      chunks_.swap(exact);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }

  MemoryMeter& meter_;
  Chunks chunks_;
  size_t open_ = 0;  // no chunk before it has room
  uint32_t count_ = 0;
};

}  // namespace weir::internal
