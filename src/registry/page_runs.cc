#include "page_runs.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

#include "weir/base/check.h"

namespace weir::registry {
namespace {

std::byte* Map(uint64_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

void Unmap(std::byte* at, uint64_t bytes) { WEIR_CHECK(munmap(at, bytes) == 0, "cannot unmap {} bytes", bytes); }

}  // namespace

PageRuns::~PageRuns() {
  WEIR_CHECK(taken_bytes_ == 0, "{} bytes are still held", taken_bytes_);
  for (const auto& arena : arenas_) Unmap(arena->at, kArenaPages * kPageBytes);
}

uint32_t PageRuns::Arena::FindFree(uint32_t pages) const {
  uint32_t run = 0;
  for (uint32_t page = search_from; page < kArenaPages;) {
    const uint64_t rest = taken[page / 64] >> (page % 64);
    const uint32_t left = 64 - page % 64;
    if ((rest & 1) == 0) {
      const uint32_t here = std::min<uint32_t>(left, rest == 0 ? left : static_cast<uint32_t>(std::countr_zero(rest)));
      run += here;
      page += here;
      if (run >= pages) return page - run;
    } else {
      run = 0;
      page += std::min<uint32_t>(left, static_cast<uint32_t>(std::countr_one(rest)));
    }
  }
  return kArenaPages;
}

void PageRuns::Arena::Mark(uint32_t first, uint32_t pages, bool is_taken) {
  for (uint32_t page = first; page < first + pages;) {
    const uint32_t here = std::min(64 - page % 64, first + pages - page);
    const uint64_t mask = (here == 64 ? ~uint64_t{0} : (uint64_t{1} << here) - 1) << (page % 64);
    WEIR_CHECK((taken[page / 64] & mask) == (is_taken ? 0 : mask), "page {} is taken or given back twice", page);
    taken[page / 64] ^= mask;
    page += here;
  }
  if (is_taken) {
    free_pages -= pages;
    if (first == search_from) search_from = first + pages;
  } else {
    free_pages += pages;
    search_from = std::min(search_from, first);
  }
}

std::byte* PageRuns::TakeFromArenas(uint32_t pages) {
  for (const auto& arena : arenas_) {
    if (arena->free_pages < pages) continue;
    const uint32_t first = arena->FindFree(pages);
    if (first == kArenaPages) continue;
    arena->Mark(first, pages, true);
    return arena->at + first * kPageBytes;
  }
  auto arena = std::make_unique<Arena>();
  arenas_.reserve(arenas_.size() + 1);
  arena->at = Map(kArenaPages * kPageBytes);
  if (arena->at == nullptr) return nullptr;
  arena->Mark(0, pages, true);
  arenas_.push_back(std::move(arena));
  return arenas_.back()->at;
}

std::span<std::byte> PageRuns::Take(size_t bytes) {
  const uint64_t rounded = RoundedBytes(bytes);
  const uint64_t pages = rounded / kPageBytes;
  const std::lock_guard lock(mutex_);
  std::byte* at = pages > kArenaPages ? Map(rounded) : TakeFromArenas(static_cast<uint32_t>(pages));
  if (at == nullptr) return {};
  taken_bytes_ += rounded;
  return {at, bytes};
}

void PageRuns::GiveBack(std::span<std::byte> run) {
  const uint64_t rounded = RoundedBytes(run.size());
  if (rounded > kArenaPages * kPageBytes) {
    Unmap(run.data(), rounded);
    const std::lock_guard lock(mutex_);
    taken_bytes_ -= rounded;
    return;
  }
  // Before the pages can be taken again.
  WEIR_CHECK(madvise(run.data(), rounded, MADV_DONTNEED) == 0, "cannot give back {} bytes", rounded);
  const std::lock_guard lock(mutex_);
  taken_bytes_ -= rounded;
  const auto holds = [&](const std::unique_ptr<Arena>& arena) {
    return run.data() >= arena->at && run.data() < arena->at + kArenaPages * kPageBytes;
  };
  const auto arena = std::find_if(arenas_.begin(), arenas_.end(), holds);
  WEIR_CHECK(arena != arenas_.end(), "a run of no arena");
  (*arena)->Mark(static_cast<uint32_t>(static_cast<uint64_t>(run.data() - (*arena)->at) / kPageBytes),
                 static_cast<uint32_t>(rounded / kPageBytes), false);
}

uint64_t PageRuns::bytes() const {
  const std::lock_guard lock(mutex_);
  return taken_bytes_;
}

}  // namespace weir::registry
