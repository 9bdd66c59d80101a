#pragma once
// Limbo: what a writer took out of the readers' reach, until those that may still look at it have left.
//
// Thread rule: the writer's. Never fails: when it may not grow, or holds too much, it waits for the readers instead, so its
// memory is bounded. With nobody inside it is empty after every Collect.

#include <cstdint>

#include "metered_memory.h"
#include "reader_gate.h"

namespace weir::internal {

struct Retired {
  uint64_t what = 0;  // the owner's: an address or a number
  uint32_t kind = 0;  // the owner's
  uint32_t kibibytes = 0;
};

class Limbo {
 public:
  // Frees it; false: it was only unlinked now (and may have become another kind), and must stay for those inside now.
  // Retires nothing.
  using Release = bool (*)(void* owner, Retired& retired) noexcept;

  Limbo(MemoryMeter& meter, ReaderGate& gate, Release release, void* owner)
      : meter_(meter), gate_(gate), release_(release), owner_(owner) {}
  Limbo(const Limbo&) = delete;
  Limbo& operator=(const Limbo&) = delete;
  // REQUIRES: no reader is inside.
  ~Limbo() { Collect(); }

  void Retire(uint64_t what, uint32_t kind, uint64_t bytes) noexcept;
  // Frees what may be freed by now. Never waits.
  void Collect() noexcept;
  void WaitForAll() noexcept;
  bool IsEmpty() const { return size_ == 0; }

 private:
  static constexpr uint32_t kInPlace = 16;
  static constexpr uint32_t kItemsMax = 1u << 14;
  static constexpr uint64_t kKibibytesMax = 8 << 10;

  bool MakeRoom() noexcept;
  void ReleaseFirst(uint32_t count) noexcept;

  MemoryMeter& meter_;
  ReaderGate& gate_;
  Release release_;
  void* owner_;
  Retired in_place_[kInPlace];
  Retired* items_ = in_place_;
  uint32_t size_ = 0;
  uint32_t capacity_ = kInPlace;
  uint32_t watched_ = 0;  // of the first items: the gate watches the readers that they wait for
  uint64_t kibibytes_ = 0;
};

}  // namespace weir::internal
