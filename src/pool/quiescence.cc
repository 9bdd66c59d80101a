#include "quiescence.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sanitizer.h"
#include "weir/base/check.h"

namespace weir::pool {
namespace {

constinit std::atomic<ReaderRecord*> all_records{nullptr};
constinit std::atomic<uint32_t> record_count{0};

long Membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

// Returns the record to the registry when its thread ends.
struct RecordOwner {
  ~RecordOwner() {
    if (internal::tls_reader == nullptr) return;
    internal::tls_reader->taken.store(false, std::memory_order_release);
    internal::tls_reader = nullptr;
  }
};

}  // namespace

namespace internal {

constinit thread_local ReaderRecord* tls_reader = nullptr;
constinit std::atomic<bool> readers_need_fence{true};

namespace {
// Runs before main, so that no section can begin in one mode and be waited for in the other.
const bool registered = [] {
#if !defined(WEIR_THREAD_SANITIZER)
  if (Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0) {
    readers_need_fence.store(false, std::memory_order_relaxed);
  }
#endif
  return true;
}();
}  // namespace

void FullFence() {
#if defined(WEIR_THREAD_SANITIZER)
  static constinit std::atomic<uint32_t> order{0};
  order.fetch_add(1, std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

ReaderRecord& RegisterReader() {
  static thread_local RecordOwner owner;
  (void)owner;
  for (ReaderRecord* record = all_records.load(std::memory_order_acquire); record != nullptr; record = record->next) {
    bool free = false;
    // Pairs with the release in ~RecordOwner: what the last owner counted is seen by this one.
    if (!record->taken.load(std::memory_order_relaxed) &&
        record->taken.compare_exchange_strong(free, true, std::memory_order_acquire)) {
      return *(tls_reader = record);
    }
  }
  auto* record = new ReaderRecord;
  record->taken.store(true, std::memory_order_relaxed);
  record->number = record_count.fetch_add(1, std::memory_order_relaxed);
  record->next = all_records.load(std::memory_order_relaxed);
  while (!all_records.compare_exchange_weak(record->next, record, std::memory_order_acq_rel)) {
  }
  return *(tls_reader = record);
}

}  // namespace internal

void WaitForReaders() {
  if (internal::readers_need_fence.load(std::memory_order_relaxed)) {
    internal::FullFence();
  } else {
    WEIR_CHECK(Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0, "membarrier failed after it was registered");
  }
  for (ReaderRecord* record = all_records.load(std::memory_order_acquire); record != nullptr; record = record->next) {
    const uint64_t seen = record->sections.load(std::memory_order_seq_cst);
    if (seen % 2 == 0) continue;
    // Sections are a few cache misses long; only a reader that was preempted inside one makes this yield.
    while (record->sections.load(std::memory_order_acquire) == seen) sched_yield();
  }
}

}  // namespace weir::pool
