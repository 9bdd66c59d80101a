#pragma once
// Quiescence: lets readers look at memory that a writer may take away, without a lock.
//
// A reader holds a ReadSection while it follows pointers that it found in shared memory. A writer unlinks the memory,
// calls WaitForReaders(), and may then unmap it: every reader that could have seen it has left. A section costs two plain
// stores to the thread's own cache line, because the writer pays for the ordering with membarrier(2) (Desnoyers et al.,
// "User-Level Implementations of Read-Copy Update", 2012); where the kernel refuses that call, sections take a full fence.
//
// Sections do not nest, and run no user code; who waits for readers holds no lock. One registry serves the process: threads,
// not pools, are what is waited for.

#include <atomic>
#include <cstdint>

namespace weir::pool {

struct alignas(64) ReaderRecord {
  std::atomic<uint64_t> sections{0};  // odd: inside one
  std::atomic<bool> taken{false};
  uint32_t number = 0;           // of this record, from 0; one thread at a time owns it
  ReaderRecord* next = nullptr;  // records are never freed
};

namespace internal {
extern constinit thread_local ReaderRecord* tls_reader;
ReaderRecord& RegisterReader();  // this thread's record, kept until the thread ends
extern constinit std::atomic<bool> readers_need_fence;
void FullFence();
}  // namespace internal

inline ReaderRecord& ThisReader() {
  ReaderRecord* record = internal::tls_reader;
  return record != nullptr ? *record : internal::RegisterReader();
}

// This thread's record, or null when it has none yet or its sections need a fence.
inline ReaderRecord* QuickReader() {
  ReaderRecord* record = internal::tls_reader;
  return internal::readers_need_fence.load(std::memory_order_relaxed) ? nullptr : record;
}

class ReadSection {
 public:
  // `record` is what QuickReader() returned, not null.
  explicit ReadSection(ReaderRecord& record) : record_(record) {
    record_.sections.store(record_.sections.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  ReadSection() : record_(ThisReader()) {
    const uint64_t odd = record_.sections.load(std::memory_order_relaxed) + 1;
    // Pairs with the barrier in WaitForReaders: either the writer sees this section, or the section sees the unlinking.
    record_.sections.store(odd, std::memory_order_relaxed);
    if (internal::readers_need_fence.load(std::memory_order_relaxed)) {
      internal::FullFence();
    } else {
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
  }
  ~ReadSection() {
    // Pairs with the acquire load in WaitForReaders.
    record_.sections.store(record_.sections.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  ReadSection(const ReadSection&) = delete;
  ReadSection& operator=(const ReadSection&) = delete;

  ReaderRecord& record() { return record_; }

 private:
  ReaderRecord& record_;
};

// Returns when every section that was open at the call has ended. REQUIRES: the caller is in none.
void WaitForReaders();

}  // namespace weir::pool
