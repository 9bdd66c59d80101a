#pragma once
// PersistentStore: Store on a database that was opened and found in order (opening.cc).

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "database.h"
#include "inspection.h"
#include "store_folder.h"
#include "totals.h"
#include "weir/store/store.h"

namespace weir::store {

class PersistentStore final : public Store {
 public:
  // `folder` holds the lock while the store lives; its seal is written when the store closes.
  PersistentStore(const StoreOptions& options, StoreFolder folder, OpenedDatabase opened);
  PersistentStore(const PersistentStore&) = delete;
  PersistentStore& operator=(const PersistentStore&) = delete;
  ~PersistentStore() override;

  Status Apply(const StoreBatch& batch) override;
  Result<std::optional<std::string>> Get(StoreTable table, const StoreKey& key) const override;
  Status Scan(StoreTable table, const StoreVisitor& visit) const override;
  StoreStats stats() const override;
  bool persistent() const override { return true; }

 private:
  struct Waiter;
  // What a group of batches changes, seen by the batches behind.
  using Overlay = std::map<EncodedKey, std::optional<DirectoryEntry>>;

  std::vector<Waiter*> TakeGroup();
  void ApplyGroup(std::span<Waiter* const> group);
  void WriteGroup(std::span<Waiter* const> group, bool& is_written);
  Status Stage(const Waiter& waiter, AllTotals& totals, Overlay& overlay, WriteSet& changes) const;
  Result<std::optional<DirectoryEntry>> Listed(const EncodedKey& key, const Overlay& group) const;
  // The record as the database and its directory have it, at one moment when `snapshot` is given.
  Result<std::optional<std::string>> Lookup(const EncodedKey& key, const Database::Snapshot* snapshot) const;

  const StoreOptions options_;
  StoreFolder folder_;
  std::unique_ptr<Database> database_;
  AllTotals totals_;  // written by the one group that is being applied

  mutable std::mutex mutex_;
  std::deque<Waiter*> queue_;  // mutex_; the first one leads
  AllTotals totals_seen_;      // mutex_; totals_ as of the last group
  uint64_t applies_ = 0;       // mutex_
  uint64_t applies_failed_ = 0;
  uint64_t syncs_ = 0;

  const Counters counters_;
  mutable std::atomic<uint64_t> gets_{0};
  mutable std::atomic<uint64_t> scans_{0};
  mutable std::atomic<uint64_t> unreadable_{0};
};

}  // namespace weir::store
