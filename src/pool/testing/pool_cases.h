#pragma once
// What the tests of a pool share: keys by number, values whose every byte says whose they are, pages that can be refused.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "pages.h"
#include "pool_internal.h"
#include "weir/pool/pool.h"

namespace weir {

inline PoolKey KeyOf(uint64_t number) { return {number * 0x9E3779B97F4A7C15u, number}; }

// Bytes that follow from key and version, so that a read of another entry's bytes shows.
inline std::vector<std::byte> ValueOf(uint64_t number, size_t size, uint64_t version = 0) {
  std::vector<std::byte> value(size);
  uint64_t state = number * 0x2545F4914F6CDD1Du + version;
  for (size_t i = 0; i < size; ++i) {
    if (i % 8 == 0) state = state * 6364136223846793005u + 1442695040888963407u;
    value[i] = static_cast<std::byte>(state >> (8 * (i % 8)));
  }
  return value;
}
inline bool Holds(const Pin& pin, uint64_t number, size_t size, uint64_t version = 0) {
  const std::vector<std::byte> value = ValueOf(number, size, version);
  return pin && pin.bytes().size() == size && (size == 0 || std::memcmp(pin.bytes().data(), value.data(), size) == 0);
}

// The kernel's pages, but refused from the n-th request on, or when n is reached alone.
class RefusingPages final : public pool::PageSource {
 public:
  void RefuseNext(uint64_t after, uint64_t count = std::numeric_limits<uint64_t>::max() / 2) {
    first_ = requests_.load() + after;
    last_ = first_ + count;
  }
  void RefuseNone() { first_ = std::numeric_limits<uint64_t>::max(); }
  uint64_t requests() const { return requests_.load(); }

  std::byte* Reserve(uint64_t bytes) override { return Refuse() ? nullptr : kernel_.Reserve(bytes); }
  void Unreserve(std::byte* at, uint64_t bytes) override { kernel_.Unreserve(at, bytes); }
  bool Commit(std::byte* at, uint64_t bytes) override {
    if (Refuse() || !kernel_.Commit(at, bytes)) return false;
    held_ += bytes;
    return true;
  }
  void Decommit(std::byte* at, uint64_t bytes) override { kernel_.Decommit(at, bytes), held_ -= bytes; }
  std::byte* Map(uint64_t bytes) override {
    std::byte* at = Refuse() ? nullptr : kernel_.Map(bytes);
    if (at != nullptr) held_ += bytes;
    return at;
  }
  void Unmap(std::byte* at, uint64_t bytes) override { kernel_.Unmap(at, bytes), held_ -= bytes; }

  // Bytes that are out now.
  uint64_t held_bytes() const { return held_.load(); }

 private:
  bool Refuse() {
    const uint64_t number = requests_.fetch_add(1);
    const bool refuse = number >= first_ && number < last_;
    return refuse;
  }

  pool::PageSource& kernel_ = pool::KernelPages();
  std::atomic<uint64_t> requests_{0}, held_{0};
  std::atomic<uint64_t> first_{std::numeric_limits<uint64_t>::max()}, last_{std::numeric_limits<uint64_t>::max()};
};

inline constexpr uint64_t kMiB = 1u << 20;

// A budget, and a policy that stays.
inline PoolOptions Small(uint64_t budget_bytes = 4 * kMiB) {
  PoolOptions options;
  options.budget_bytes = budget_bytes;
  options.adaptive = false;
  return options;
}

inline std::unique_ptr<Pool> MakePool(PoolOptions options) {
  auto pool = Pool::Create(std::move(options));
  EXPECT_TRUE(pool.has_value()) << (pool ? "" : pool.error().ToString());
  return std::move(pool).value();
}

}  // namespace weir
