#pragma once
// HugeVector: a std::vector whose large blocks ask the system for huge pages, for tables that are probed at random.

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

namespace weir::bpe {

template <typename T>
struct HugeAllocator {
  using value_type = T;
  static constexpr size_t kHugePage = size_t{2} << 20;  // bytes

  HugeAllocator() = default;
  template <typename Other>
  HugeAllocator(const HugeAllocator<Other>&) {}  // NOLINT(google-explicit-constructor)

  T* allocate(size_t count) {
    if (count > SIZE_MAX / 4 / sizeof(T)) throw std::bad_alloc();
    const size_t bytes = count * sizeof(T);
    const bool is_large = bytes >= kHugePage;
    const size_t alignment = is_large ? kHugePage : 64;
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* const block = std::aligned_alloc(alignment, rounded);
    if (block == nullptr) throw std::bad_alloc();
    if (is_large) ::madvise(block, rounded, MADV_HUGEPAGE);  // only advice: a refusal costs speed, nothing else
    return static_cast<T*>(block);
  }
  void deallocate(T* block, size_t) { std::free(block); }
  friend bool operator==(const HugeAllocator&, const HugeAllocator&) { return true; }
};

template <typename T>
using HugeVector = std::vector<T, HugeAllocator<T>>;

}  // namespace weir::bpe
