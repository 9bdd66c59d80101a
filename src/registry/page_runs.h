#pragma once
// PageRuns: memory for what is held a while and must never move, that goes back to the system page by page.
//
// Records lie in runs of whole pages inside arenas of 64 MiB, so that letting one go returns exactly its pages, wherever
// it lies, without a mapping of its own for each; malloc would keep most of them. A run that is too long for an arena gets a
// mapping. Costs half a page a record on average. Letting go needs no memory. Thread-safe.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace weir::registry {

class PageRuns {
 public:
  PageRuns() = default;
  PageRuns(const PageRuns&) = delete;
  PageRuns& operator=(const PageRuns&) = delete;
  ~PageRuns();

  // `bytes` of memory, aligned to a page; empty when the system gives none. REQUIRES: bytes > 0.
  std::span<std::byte> Take(size_t bytes);
  // REQUIRES: what Take() returned, and nobody looks at it any more.
  void GiveBack(std::span<std::byte> run);

  // What a run of that size occupies.
  static uint64_t RoundedBytes(size_t bytes) { return (uint64_t{bytes} + kPageBytes - 1) / kPageBytes * kPageBytes; }
  // Pages in runs now.
  uint64_t bytes() const;

 private:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint32_t kArenaPages = 16384;
  struct Arena {
    std::byte* at = nullptr;
    uint32_t free_pages = kArenaPages;
    uint32_t search_from = 0;  // every page before it is taken
    uint64_t taken[kArenaPages / 64] = {};

    // The first of `pages` free pages in a row; kArenaPages: there are none.
    uint32_t FindFree(uint32_t pages) const;
    void Mark(uint32_t first, uint32_t pages, bool is_taken);
  };

  std::byte* TakeFromArenas(uint32_t pages);

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Arena>> arenas_;  // guarded by mutex_, as all below
  uint64_t taken_bytes_ = 0;
};

}  // namespace weir::registry
