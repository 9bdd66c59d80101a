#include <fmt/format.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "admission.h"
#include "weir/store/store.h"

namespace weir {
namespace {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(const MemoryStoreOptions& options) : bytes_max_(options.bytes_max) {}

  Status Apply(const StoreBatch& batch) override {
    Status status = store::CheckBatch(batch);
    std::vector<Value> replaced;  // freed after the lock
    const std::lock_guard lock(mutex_);
    if (status) status = ApplyLocked(batch, replaced);
    ++(status ? stats_.applies : stats_.applies_failed);
    return status;
  }

  Result<std::optional<std::string>> Get(StoreTable table, const StoreKey& key) const override {
    gets_.fetch_add(1, std::memory_order_relaxed);
    Value value;
    {
      const std::lock_guard lock(mutex_);
      const auto found = records_.find({table, key});
      if (found != records_.end()) value = found->second;
    }
    if (value == nullptr) return std::optional<std::string>();
    return std::optional<std::string>(*value);
  }

  Status Scan(StoreTable table, const StoreVisitor& visit) const override {
    scans_.fetch_add(1, std::memory_order_relaxed);
    std::vector<std::pair<StoreKey, Value>> records;
    {
      const std::lock_guard lock(mutex_);
      records.reserve(stats_.of(table).records);
      for (auto at = records_.lower_bound({table, StoreKey()}); at != records_.end() && at->first.first == table; ++at) {
        records.emplace_back(at->first.second, at->second);
      }
    }
    for (const auto& [key, value] : records) WEIR_TRY(visit(key, *value));
    return {};
  }

  StoreStats stats() const override {
    const std::lock_guard lock(mutex_);
    StoreStats stats = stats_;
    stats.gets = gets_.load(std::memory_order_relaxed);
    stats.scans = scans_.load(std::memory_order_relaxed);
    return stats;
  }

  bool persistent() const override { return false; }

 private:
  using Value = std::shared_ptr<const std::string>;
  using Key = std::pair<StoreTable, StoreKey>;

  Status ApplyLocked(const StoreBatch& batch, std::vector<Value>& replaced) {
    // What the batch leaves of each key that it names.
    std::map<Key, Value> changed;
    for (const StoreBatch::Change& change : batch.changes()) {
      changed[{change.table, change.key}] = change.bytes ? std::make_shared<const std::string>(*change.bytes) : nullptr;
    }
    StoreStats after = stats_;
    for (const auto& [key, value] : changed) {
      StoreTableStats& table = after.tables[static_cast<size_t>(key.first) - 1];
      const auto found = records_.find(key);
      if (found != records_.end()) store::Uncount(found->second->size(), table, after);
      if (value != nullptr) store::Count(value->size(), table, after);
    }
    WEIR_TRY(store::CheckRoom(stats_.bytes, after.bytes, bytes_max_));
    replaced.reserve(changed.size());
    for (auto& [key, value] : changed) {
      const auto found = records_.find(key);
      if (found != records_.end()) replaced.push_back(found->second);
      if (value != nullptr) {
        records_[key] = std::move(value);
      } else if (found != records_.end()) {
        records_.erase(found);
      }
    }
    stats_ = after;
    return {};
  }

  const uint64_t bytes_max_;
  mutable std::atomic<uint64_t> gets_{0};
  mutable std::atomic<uint64_t> scans_{0};
  mutable std::mutex mutex_;
  std::map<Key, Value> records_;  // mutex_
  StoreStats stats_;              // mutex_
};

}  // namespace

std::unique_ptr<Store> NewMemoryStore(const MemoryStoreOptions& options) { return std::make_unique<MemoryStore>(options); }

}  // namespace weir
