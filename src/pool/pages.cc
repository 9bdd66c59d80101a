#include "pages.h"

#include <sys/mman.h>

#include "weir/base/check.h"

namespace weir::pool {
namespace {

constexpr uint64_t kHugePageBytes = 2u << 20;

class Kernel final : public PageSource {
 public:
  std::byte* Reserve(uint64_t bytes) override {
    // One huge page more, so that the part that is kept can be aligned; the rest goes back.
    void* raw = mmap(nullptr, bytes + kHugePageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    auto* start = static_cast<std::byte*>(raw);
    const auto address = reinterpret_cast<uintptr_t>(start);
    const uint64_t front = RoundUp(address, kHugePageBytes) - address;
    if (front != 0) munmap(start, front);
    munmap(start + front + bytes, kHugePageBytes - front);
    return start + front;
  }

  void Unreserve(std::byte* at, uint64_t bytes) override { Unmap(at, bytes); }

  bool Commit(std::byte* at, uint64_t bytes) override {
    if (mprotect(at, bytes, PROT_READ | PROT_WRITE) != 0) return false;
    // Misses of the TLB are most of the cost of a hit; refused quietly where the system has huge pages off.
    if (bytes >= kHugePageBytes) madvise(at, bytes, MADV_HUGEPAGE);
    return true;
  }

  void Decommit(std::byte* at, uint64_t bytes) override {
    // A fresh mapping in place: the pages and, under strict overcommit, the commit charge go back in one call.
    void* again = mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    // The kernel can refuse for want of a map entry; the pages must go back all the same.
    if (again == MAP_FAILED) WEIR_CHECK(madvise(at, bytes, MADV_DONTNEED) == 0, "cannot give back {} bytes", bytes);
  }

  std::byte* Map(uint64_t bytes) override {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    if (bytes >= 2 * kHugePageBytes) madvise(at, bytes, MADV_HUGEPAGE);
    return static_cast<std::byte*>(at);
  }

  void Unmap(std::byte* at, uint64_t bytes) override {
    if (munmap(at, bytes) == 0) return;
    // The kernel can refuse for want of a map entry; the pages must go back all the same.
    WEIR_CHECK(madvise(at, bytes, MADV_DONTNEED) == 0, "cannot give back {} bytes", bytes);
  }
};

}  // namespace

PageSource& KernelPages() {
  static Kernel kernel;
  return kernel;
}

}  // namespace weir::pool
