#include "limbo.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace weir::internal {

bool Limbo::MakeRoom() noexcept {
  if (size_ < capacity_) return true;
  Collect();
  if (size_ < capacity_) return true;
  if (size_ >= kItemsMax) return false;
  try {
    auto* const larger = static_cast<Retired*>(meter_.Allocate(size_t{capacity_} * 2 * sizeof(Retired)));
    std::copy_n(items_, size_, larger);
    if (items_ != in_place_) meter_.Free(items_);
    items_ = larger;
    capacity_ *= 2;
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

void Limbo::Retire(uint64_t what, uint32_t kind, uint64_t bytes) noexcept {
  const auto kibibytes = static_cast<uint32_t>(bytes >> 10);
  if (!MakeRoom()) WaitForAll();
  items_[size_++] = {what, kind, kibibytes};
  kibibytes_ += kibibytes;
  if (kibibytes_ > kKibibytesMax) WaitForAll();
}

void Limbo::ReleaseFirst(uint32_t count) noexcept {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Retired retired = items_[i];
    if (release_(owner_, retired)) {
      kibibytes_ -= retired.kibibytes;
    } else {
      items_[kept++] = retired;
    }
  }
  std::copy(items_ + count, items_ + size_, items_ + kept);
  size_ -= count - kept;
  watched_ = 0;
  if (size_ > 0 || items_ == in_place_) return;
  meter_.Free(items_);
  items_ = in_place_;
  capacity_ = kInPlace;
}

void Limbo::Collect() noexcept {
  while (size_ > 0) {
    if (gate_.IsEmpty()) {
      ReleaseFirst(size_);
      continue;
    }
    if (watched_ == 0) {
      watched_ = size_;
      gate_.Watch();
    }
    if (!gate_.AllHaveLeft()) return;
    ReleaseFirst(watched_);
  }
}

void Limbo::WaitForAll() noexcept {
  for (uint32_t round = 0;; ++round) {
    Collect();
    if (size_ == 0) return;
    if (round < 16) {
      std::this_thread::yield();
    } else {  // a long reader, or one that does not run
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
}

}  // namespace weir::internal
