#pragma once
// The definitions behind counted_new.h. Included by one source file of a test binary, which replaces operator new there.

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "counted_new.h"

namespace weir::testing {
namespace {

std::atomic<uint64_t> handed_out = 0;
int64_t refuse_after = -1;  // set only while one thread runs
bool refused = false;

void* Give(size_t size, size_t alignment) {
  if (refuse_after == 0) {
    refuse_after = -1;
    refused = true;
    throw std::bad_alloc();
  }
  if (refuse_after > 0) --refuse_after;
  void* const block = alignment == 0 ? std::malloc(size == 0 ? 1 : size) : std::aligned_alloc(alignment, size);
  if (block == nullptr) throw std::bad_alloc();
  handed_out += malloc_usable_size(block);
  return block;
}

void Take(void* block) {
  if (block != nullptr) handed_out -= malloc_usable_size(block);
  std::free(block);
}

}  // namespace

uint64_t BytesHandedOut() { return handed_out; }
void RefuseAllocationAfter(int64_t successes) {
  refuse_after = successes;
  refused = false;
}
bool AllocationWasRefused() { return refused; }

}  // namespace weir::testing

void* operator new(size_t size) { return weir::testing::Give(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return weir::testing::Give(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  try {
    return weir::testing::Give(size, 0);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  try {
    return weir::testing::Give(size, static_cast<size_t>(alignment));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
// Sanitizers have array forms of their own.
void* operator new[](size_t size) { return weir::testing::Give(size, 0); }
void operator delete[](void* block) noexcept { weir::testing::Take(block); }
void operator delete[](void* block, size_t) noexcept { weir::testing::Take(block); }
void operator delete(void* block) noexcept { weir::testing::Take(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { weir::testing::Take(block); }
void operator delete(void* block, size_t) noexcept { weir::testing::Take(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { weir::testing::Take(block); }
void operator delete(void* block, std::align_val_t) noexcept { weir::testing::Take(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { weir::testing::Take(block); }
