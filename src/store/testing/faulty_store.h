#pragma once
// FaultyStore: a store whose n-th call of one kind fails, before or after it took effect.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "weir/store/store.h"

namespace weir::testing {

enum class StoreCall : uint8_t { kApply, kGet, kScan };
enum class FaultTime : uint8_t {
  kBefore,  // nothing happened
  kAfter,   // it took effect, and an error came back all the same: an acknowledgement that was lost
};

struct StoreFault {
  StoreCall call = StoreCall::kApply;
  uint64_t index = 0;  // among calls of that kind, from 0
  Error error;
  FaultTime time = FaultTime::kBefore;
  bool forever = false;  // that call and every later one
};

// Thread-safe; borrows the store beneath.
class FaultyStore final : public Store {
 public:
  explicit FaultyStore(Store& store) : store_(&store) {}

  void Add(StoreFault fault) {
    const std::lock_guard lock(mutex_);
    faults_.push_back(std::move(fault));
  }
  // No faults from now on.
  void Heal() {
    const std::lock_guard lock(mutex_);
    faults_.clear();
  }
  uint64_t calls(StoreCall call) const {
    const std::lock_guard lock(mutex_);
    return calls_[static_cast<size_t>(call)];
  }

  Status Apply(const StoreBatch& batch) override {
    const std::optional<StoreFault> fault = Next(StoreCall::kApply);
    if (fault && fault->time == FaultTime::kBefore) return fault->error;
    Status status = store_->Apply(batch);
    if (fault) return fault->error;
    return status;
  }
  Result<std::optional<std::string>> Get(StoreTable table, const StoreKey& key) const override {
    if (const std::optional<StoreFault> fault = Next(StoreCall::kGet)) return fault->error;
    return store_->Get(table, key);
  }
  Status Scan(StoreTable table, const StoreVisitor& visit) const override {
    const std::optional<StoreFault> fault = Next(StoreCall::kScan);
    if (fault && fault->time == FaultTime::kBefore) return fault->error;
    Status status = store_->Scan(table, visit);
    if (fault) return fault->error;
    return status;
  }
  StoreStats stats() const override { return store_->stats(); }
  bool persistent() const override { return store_->persistent(); }

 private:
  std::optional<StoreFault> Next(StoreCall call) const {
    const std::lock_guard lock(mutex_);
    const uint64_t index = calls_[static_cast<size_t>(call)]++;
    for (const StoreFault& fault : faults_) {
      if (fault.call == call && (fault.index == index || (fault.forever && index > fault.index))) return fault;
    }
    return std::nullopt;
  }

  Store* store_;
  mutable std::mutex mutex_;
  mutable uint64_t calls_[3] = {0, 0, 0};  // mutex_
  std::vector<StoreFault> faults_;         // mutex_
};

}  // namespace weir::testing
