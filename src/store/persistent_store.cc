#include "persistent_store.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "admission.h"
#include "walk.h"
#include "weir/base/log.h"

namespace weir::store {
namespace {

// A group stops growing here, so that a small batch does not wait for many large ones.
constexpr uint64_t kGroupBytesMax = uint64_t{4} << 20;

}  // namespace

// A batch that waits to be applied; lives on the stack of its caller.
struct PersistentStore::Waiter {
  struct Change {
    EncodedKey key;
    std::optional<DirectoryEntry> entry;  // nullopt: erase
  };

  explicit Waiter(const StoreBatch& from) : batch(&from) {
    changes.reserve(from.size());
    for (const StoreBatch::Change& change : from.changes()) {
      Change& added = changes.emplace_back(Change{EncodeKey(change.table, change.key), std::nullopt});
      if (change.bytes) added.entry = {RecordChecksum(added.key, *change.bytes), change.bytes->size()};
    }
  }

  const StoreBatch* batch;
  std::vector<Change> changes;
  Status status;
  bool done = false;                // the store's mutex_
  std::condition_variable changed;  // done, or first in the queue
};

PersistentStore::PersistentStore(const StoreOptions& options, StoreFolder folder, OpenedDatabase opened)
    : options_(options),
      folder_(std::move(folder)),
      database_(std::move(opened.database)),
      totals_(opened.totals),
      totals_seen_(opened.totals),
      counters_(opened.counters) {}

PersistentStore::~PersistentStore() {
  if (options_.read_only) return;
  Status status = database_->Flush();
  database_.reset();
  if (status) status = folder_.WriteSeal();
  // Nothing is lost by it: the next opening reads the log instead.
  if (!status) Log(LogLevel::kWarning, fmt::format("store: not closed in order: {}", status.error().ToString()));
}

Status PersistentStore::Apply(const StoreBatch& batch) {
  Status status = CheckBatch(batch);
  if (status && options_.read_only) {
    status = InvalidArgument(fmt::format("the store in {} is open for reading only", options_.folder.string()));
  }
  if (!status || batch.empty()) {
    const std::lock_guard lock(mutex_);
    ++(status ? applies_ : applies_failed_);
    return status;
  }
  Waiter waiter(batch);
  std::unique_lock lock(mutex_);
  queue_.push_back(&waiter);
  waiter.changed.wait(lock, [&] { return waiter.done || queue_.front() == &waiter; });
  if (waiter.done) return std::move(waiter.status);

  std::vector<Waiter*> company;
  Waiter* const alone = &waiter;
  std::span<Waiter* const> group(&alone, 1);
  try {
    company = TakeGroup();
    group = company;
  } catch (const std::bad_alloc&) {
    // Those behind take their own turn.
  }
  lock.unlock();
  ApplyGroup(group);
  lock.lock();
  totals_seen_ = totals_;
  for (Waiter* member : group) {
    queue_.pop_front();
    ++(member->status ? applies_ : applies_failed_);
    if (member == &waiter) continue;
    member->done = true;
    member->changed.notify_one();
  }
  if (!queue_.empty()) queue_.front()->changed.notify_one();
  return std::move(waiter.status);
}

// REQUIRES: mutex_ is held, and the queue is not empty.
std::vector<PersistentStore::Waiter*> PersistentStore::TakeGroup() {
  std::vector<Waiter*> group;
  uint64_t bytes = 0;
  for (Waiter* waiter : queue_) {
    bytes += waiter->batch->bytes();
    if (!group.empty() && bytes > kGroupBytesMax) break;
    group.push_back(waiter);
  }
  return group;
}

// Whatever happens, every member has an answer afterwards.
void PersistentStore::ApplyGroup(std::span<Waiter* const> group) {
  bool is_written = false;
  try {
    WriteGroup(group, is_written);
  } catch (const std::bad_alloc&) {
    // Nothing behind the write needs memory. The text fits a string without any.
    if (is_written) return;
    for (Waiter* waiter : group) {
      if (waiter->status) waiter->status = Error{ErrorCode::kExhausted, "no memory", ""};
    }
  }
}

void PersistentStore::WriteGroup(std::span<Waiter* const> group, bool& is_written) {
  WriteSet changes;
  AllTotals totals = totals_;
  Overlay overlay;
  for (Waiter* waiter : group) waiter->status = Stage(*waiter, totals, overlay, changes);
  if (changes.changes() == 0) return;
  for (const StoreTable table : kStoreTables) {
    if (Of(totals, table) == Of(totals_, table)) continue;
    changes.Put(Family::kTotals, TotalsKey(table), EncodeTotals(table, Of(totals, table)));
  }
  const Status written = database_->Write(changes);
  is_written = written.has_value();
  if (written) totals_ = totals;
  for (Waiter* waiter : group) {
    if (waiter->status && !written) waiter->status = written;
  }
  const std::lock_guard lock(mutex_);
  ++syncs_;
}

// Adds one batch to the group, or leaves the group as it was.
Status PersistentStore::Stage(const Waiter& waiter, AllTotals& totals, Overlay& overlay, WriteSet& changes) const {
  AllTotals totals_after = totals;
  Overlay mine;
  std::vector<bool> has_effect;
  for (const Waiter::Change& change : waiter.changes) {
    const auto found = mine.find(change.key);
    std::optional<DirectoryEntry> before;
    if (found != mine.end()) {
      before = found->second;
    } else {
      WEIR_ASSIGN(before, Listed(change.key, overlay));
    }
    Totals& table = totals_after[static_cast<size_t>(change.key[0]) - 1];
    if (before) table.Remove(change.key, *before);
    if (change.entry) table.Add(change.key, *change.entry);
    has_effect.push_back(before || change.entry);
    mine[change.key] = change.entry;
  }
  uint64_t bytes_before = 0, bytes_after = 0;
  for (const Totals& table : totals) bytes_before += table.bytes;
  for (const Totals& table : totals_after) bytes_after += table.bytes;
  WEIR_TRY(CheckRoom(bytes_before, bytes_after, options_.bytes_max));

  for (size_t i = 0; i < waiter.changes.size(); ++i) {
    if (!has_effect[i]) continue;
    const auto& [key, entry] = waiter.changes[i];
    if (entry) {
      const auto head = EnvelopeHead(entry->checksum);
      changes.Put(Family::kRecords, View(key), {head.data(), head.size()}, *waiter.batch->changes()[i].bytes);
      changes.Put(Family::kDirectory, View(key), EncodeEntry(*entry));
    } else {
      changes.Erase(Family::kRecords, View(key));
      changes.Erase(Family::kDirectory, View(key));
    }
  }
  for (auto& [key, entry] : mine) overlay[key] = entry;
  totals = totals_after;
  return {};
}

Result<std::optional<DirectoryEntry>> PersistentStore::Listed(const EncodedKey& key, const Overlay& group) const {
  const auto found = group.find(key);
  if (found != group.end()) return found->second;
  WEIR_ASSIGN(const Read read, database_->Get(Family::kDirectory, View(key)));
  if (read.found == Found::kAbsent) return std::optional<DirectoryEntry>();
  const std::optional<DirectoryEntry> entry = read.found == Found::kThere ? DecodeEntry(read.bytes) : std::nullopt;
  if (entry) return entry;
  return Corrupt(fmt::format("the directory of the store in {} is damaged", options_.folder.string()),
                 "open the store again, which repairs it");
}

Result<std::optional<std::string>> PersistentStore::Get(StoreTable table, const StoreKey& key) const {
  gets_.fetch_add(1, std::memory_order_relaxed);
  const EncodedKey encoded = EncodeKey(table, key);
  Result<std::optional<std::string>> record = Lookup(encoded, nullptr);
  if (record || record.error().code != ErrorCode::kCorrupt) return record;
  // A write between the two reads looks like damage; at one moment it does not.
  const Database::SnapshotPtr snapshot = database_->TakeSnapshot();
  record = Lookup(encoded, snapshot.get());
  if (!record && record.error().code == ErrorCode::kCorrupt) unreadable_.fetch_add(1, std::memory_order_relaxed);
  return record;
}

Result<std::optional<std::string>> PersistentStore::Lookup(const EncodedKey& key, const Database::Snapshot* snapshot) const {
  WEIR_ASSIGN(const Read listed, database_->Get(Family::kDirectory, View(key), snapshot));
  WEIR_ASSIGN(Read record, database_->Get(Family::kRecords, View(key), snapshot));
  if (listed.found == Found::kAbsent && record.found == Found::kAbsent) return std::optional<std::string>();
  const std::optional<OpenedRecord> opened = record.found == Found::kThere ? OpenEnvelope(key, record.bytes) : std::nullopt;
  const bool is_listed = listed.found == Found::kThere && opened &&
                         DecodeEntry(listed.bytes) == DirectoryEntry{opened->checksum, opened->bytes.size()};
  // What the directory cannot be asked about is handed out when it is intact.
  if (is_listed || (listed.found == Found::kDamaged && opened)) {
    record.bytes.erase(0, kEnvelopeBytes);
    return std::optional<std::string>(std::move(record.bytes));
  }
  return Corrupt(fmt::format("a record of the store in {} fails its check", options_.folder.string()),
                 "open the store again, which sets it aside");
}

Status PersistentStore::Scan(StoreTable table, const StoreVisitor& visit) const {
  scans_.fetch_add(1, std::memory_order_relaxed);
  const Database::SnapshotPtr snapshot = database_->TakeSnapshot();
  const auto step = [&](const WalkStep& at) -> Status {
    if (at.finding == Finding::kIntact) return visit(at.store_key, at.bytes);
    unreadable_.fetch_add(1, std::memory_order_relaxed);
    return {};
  };
  auto outcome = Walk(*database_, snapshot.get(), table, step);
  if (!outcome) return std::move(outcome).error();
  return {};
}

StoreStats PersistentStore::stats() const {
  StoreStats stats;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < kStoreTables.size(); ++i) stats.tables[i] = {totals_seen_[i].records, totals_seen_[i].bytes};
    stats.applies = applies_;
    stats.applies_failed = applies_failed_;
    stats.syncs = syncs_;
  }
  for (const StoreTableStats& table : stats.tables) stats.bytes += table.bytes;
  stats.disk_bytes = database_->DiskBytes();
  stats.gets = gets_.load(std::memory_order_relaxed);
  stats.scans = scans_.load(std::memory_order_relaxed);
  stats.unreadable = unreadable_.load(std::memory_order_relaxed);
  stats.set_aside = counters_.set_aside;
  stats.missing = counters_.missing;
  stats.salvages = counters_.salvages;
  stats.aside_folders = folder_.AsideFolders();
  return stats;
}

}  // namespace weir::store
