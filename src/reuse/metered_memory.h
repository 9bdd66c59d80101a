#pragma once
// MemoryMeter: counts every byte that one index has from the allocator, and refuses beyond its limit.
//
// Sizes are those of the allocator's blocks (malloc_usable_size), so the sum is what the process really gave. A refusal
// is a std::bad_alloc, whoever refuses, and never leaves the room. One thread at a time, but bytes() may be read by any.

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace weir::internal {

class MemoryMeter {
 public:
  explicit MemoryMeter(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  MemoryMeter(const MemoryMeter&) = delete;
  MemoryMeter& operator=(const MemoryMeter&) = delete;

  // Throws std::bad_alloc.
  void* Allocate(size_t size) {
    Admit(size);
    void* block = ::operator new(size);
    Count(malloc_usable_size(block));
    return block;
  }
  void Free(void* block) noexcept {
    if (block == nullptr) return;
    Count(-malloc_usable_size(block));
    ::operator delete(block);
  }
  // The same for blocks that start on a cache line.
  void* AllocateLines(size_t size) {
    Admit(size);
    void* block = ::operator new(size, kLine);
    Count(malloc_usable_size(block));
    return block;
  }
  void FreeLines(void* block) noexcept {
    if (block == nullptr) return;
    Count(-malloc_usable_size(block));
    ::operator delete(block, kLine);
  }
  // Counts a block that was not allocated here (the index object itself), or none.
  void Adopt(void* block) { Count(malloc_usable_size(block)); }
  // Counts it no more.
  void Disown(void* block) noexcept { Count(-malloc_usable_size(block)); }
  // Bytes whose block nobody can name; negative ones come back.
  void Count(uint64_t change) { bytes_.store(bytes() + change, std::memory_order_relaxed); }
  // Throws std::bad_alloc when `size` more bytes are beyond the limit.
  void Admit(size_t size) const {
    if (size > bytes_max_ || bytes() > bytes_max_ - size) throw std::bad_alloc();
  }

  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::align_val_t kLine{64};

  uint64_t bytes_max_;
  std::atomic<uint64_t> bytes_{0};
};

// For standard containers.
template <typename T>
class MeteredAllocator {
 public:
  using value_type = T;

  explicit MeteredAllocator(MemoryMeter& meter) : meter_(&meter) {}
  template <typename U>
  MeteredAllocator(const MeteredAllocator<U>& other) : meter_(other.meter()) {}  // NOLINT(google-explicit-constructor)

  T* allocate(size_t count) { return static_cast<T*>(meter_->Allocate(count * sizeof(T))); }
  void deallocate(T* block, size_t) noexcept { meter_->Free(block); }
  MemoryMeter* meter() const { return meter_; }
  friend bool operator==(const MeteredAllocator& a, const MeteredAllocator& b) { return a.meter_ == b.meter_; }

 private:
  MemoryMeter* meter_;
};

}  // namespace weir::internal
