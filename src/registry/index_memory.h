#pragma once
// IndexMemory: the registry's indexes as the broker sees them: memory that counts and that nothing can be taken from by
// itself, since index entries go with their contexts. Internal to `registry`. Thread-safe.

#include <functional>
#include <limits>
#include <string>

#include "weir/pool/reclaimable.h"

namespace weir::registry {

class IndexMemory final : public Reclaimable {
 public:
  // `bytes` says what they hold; `set_budget` takes what they may hold.
  IndexMemory(std::string name, uint64_t budget_bytes, std::function<uint64_t()> bytes,
              std::function<void(uint64_t)> set_budget)
      : name_(std::move(name)), budget_bytes_(budget_bytes), bytes_(std::move(bytes)), set_budget_(std::move(set_budget)) {}

  std::string_view name() const override { return name_; }
  PoolStats Stats() const override {
    PoolStats stats;
    stats.name = name();
    stats.budget_bytes = budget_bytes_.load(std::memory_order_relaxed);
    stats.mapped_bytes = stats.entry_bytes = bytes_();
    return stats;
  }
  double PricePerByte() const override { return std::numeric_limits<double>::infinity(); }
  Reclaimed Reclaim(uint64_t, TimePoint) override { return {}; }
  Reclaimed DropIdle(Duration, uint64_t, TimePoint) override { return {}; }
  void SetBudget(uint64_t bytes) override {
    budget_bytes_.store(bytes, std::memory_order_relaxed);
    set_budget_(bytes);
  }

 private:
  const std::string name_;
  std::atomic<uint64_t> budget_bytes_;
  const std::function<uint64_t()> bytes_;
  const std::function<void(uint64_t)> set_budget_;
};

}  // namespace weir::registry
