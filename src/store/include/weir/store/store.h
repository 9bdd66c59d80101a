#pragma once
// Store: durable records, small (10-40 KB is usual) and up to 256 MiB, in a few tables; in RocksDB, or in memory for tests
// and --ephemeral.
//
// A batch is applied whole or not at all. When Apply returns success, the batch survives a kill of the process and a loss
// of power. Every record carries a format version and a checksum over table, key and bytes; what fails it, what is older
// than what was acknowledged, and what a newer Weir wrote, is never handed out: it is set aside and counted. A directory
// of checksums, and a count and digest of that directory, stand apart from the records, so that what is lost or comes back
// from the dead is noticed and counted as missing. docs/store-format.md has the layout on disk.
//
// Threads: every method of a store from any thread. Concurrent Apply calls share one write and one sync. The caller owns
// the store; a persistent one is closed by its destructor.
//
// What cannot be told apart: after an unclean end, a log that somebody cut at the exact end of a record looks like one that
// ended there. A changed byte anywhere in it, the length of its last record included, is told apart from a torn write.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"

namespace weir {

// The numbers stand on disk and are never given to another table.
enum class StoreTable : uint8_t { kContext = 1, kWorkflow = 2, kSetting = 3, kEmbedding = 4 };
inline constexpr std::array kStoreTables = {StoreTable::kContext, StoreTable::kWorkflow, StoreTable::kSetting,
                                       StoreTable::kEmbedding};
std::string_view StoreTableName(StoreTable table);  // "context", "workflow", "setting", "embedding"

// A hash of a longer name; the record itself holds the name. Ordered by `high`, then `low`.
struct StoreKey {
  uint64_t high = 0;
  uint64_t low = 0;
  friend auto operator<=>(const StoreKey&, const StoreKey&) = default;
};

// A larger record is refused with invalid_argument.
inline constexpr uint64_t kStoreRecordBytesMax = uint64_t{256} << 20;
// What a record counts for beyond its own bytes: table, key, version and checksum.
inline constexpr uint64_t kStoreRecordOverheadBytes = 26;

// Changes that are applied together, in order: of two with one key the later holds. A value; one thread at a time.
class StoreBatch {
 public:
  struct Change {
    StoreTable table = StoreTable::kContext;
    StoreKey key;
    std::optional<std::string> bytes;  // nullopt: erase
  };

  void Put(StoreTable table, const StoreKey& key, std::string_view bytes);
  void PutString(StoreTable table, const StoreKey& key, std::string bytes);  // the same; takes a moved string as it is
  void Erase(StoreTable table, const StoreKey& key);                         // of an absent record: nothing happens
  void Clear();

  bool empty() const { return changes_.empty(); }
  size_t size() const { return changes_.size(); }
  // Of all records put, overhead included.
  uint64_t bytes() const { return bytes_; }
  std::span<const Change> changes() const { return changes_; }

 private:
  std::vector<Change> changes_;
  uint64_t bytes_ = 0;
};

struct StoreTableStats {
  uint64_t records = 0;
  uint64_t bytes = 0;  // of those records, overhead included
};

// The one set of counters of a store.
struct StoreStats {
  std::array<StoreTableStats, kStoreTables.size()> tables{};  // in the order of kStoreTables
  uint64_t bytes = 0;                                         // of all tables
  uint64_t disk_bytes = 0;                                    // files of the database now, logs included; 0 in memory
  // Since the store was opened.
  uint64_t applies = 0;  // batches acknowledged
  uint64_t applies_failed = 0;
  uint64_t syncs = 0;  // writes to the disk that carried them: fewer than applies where callers shared one
  uint64_t gets = 0;
  uint64_t scans = 0;
  uint64_t unreadable = 0;  // reads by Get and Scan that failed the check of the record
  // Since the store was made; kept with it.
  uint64_t set_aside = 0;      // records that are there and failed: kept where nothing reads them
  uint64_t missing = 0;        // acknowledged records that were gone
  uint64_t salvages = 0;       // times that a damaged database was replaced by what was intact in it
  uint64_t aside_folders = 0;  // damaged databases kept as aside-N in the store's folder; nothing reads them

  const StoreTableStats& of(StoreTable table) const { return tables[static_cast<size_t>(table) - 1]; }
};

// Called with each record; its bytes live during the call. An error ends the scan, which returns it.
using StoreVisitor = std::function<Status(const StoreKey& key, std::string_view bytes)>;

class Store {
 public:
  virtual ~Store() = default;

  // Whole or not at all; durable on success. On an error nothing of the batch is visible; after a failure of the disk it
  // may still be there, whole, when the store is next opened. An empty batch succeeds.
  //   invalid_argument  a record larger than kStoreRecordBytesMax, or a store opened read_only
  //   exhausted         bytes_max would be exceeded
  //   unavailable       the disk is full or failed: the store goes on when there is room again; where it cannot, the
  //                     hint says that it must be opened again
  //   corrupt           damage was met; the store must be opened again, which repairs it
  // Memory that is refused to this code is exhausted; refused inside RocksDB it ends the process, as a kill would.
  virtual Status Apply(const StoreBatch& batch) = 0;

  // The record's bytes; nullopt: there is none. corrupt: it was acknowledged and cannot be read, or fails its check.
  virtual Result<std::optional<std::string>> Get(StoreTable table, const StoreKey& key) const = 0;

  // Every intact record of the table as it was at one moment, keys ascending; others are skipped and counted. The
  // visitor may call Get and Apply of this store.
  virtual Status Scan(StoreTable table, const StoreVisitor& visit) const = 0;

  virtual StoreStats stats() const = 0;
  virtual bool persistent() const = 0;
};

struct StoreOptions {
  std::filesystem::path folder{};  // made when absent; one process may write to it
  // Beside a running writer: a consistent state as of the opening, with everything acknowledged before it.
  bool read_only = false;
  // false: an acknowledged batch survives a kill of the process but not a loss of power.
  bool sync = true;
  // Most bytes that records may hold, overhead included; 0: no limit. A batch that makes the store smaller always passes.
  uint64_t bytes_max = 0;
  // For RocksDB: write buffers of this size, and a block cache of half of it. It keeps at most three write buffers (one in
  // use, two on their way to disk), so memory is bounded by about four times this, plus the batches being applied.
  uint64_t buffer_bytes = uint64_t{8} << 20;

  Status Validate() const;
};

// Opens, or makes, the store in options.folder: checks every record (a corrupt one is set aside; a database with damage
// that would stop it later is replaced by what is intact in it, and kept as aside-N), at the speed of reading once.
//   invalid_argument  options, or a folder that holds something else than a store
//   unsupported       made by a newer Weir
//   unavailable       locked by another process (the message names the lock), no permission, a failing disk
//   exhausted         the disk is full
//   not_found         read_only, and there is no store
//   corrupt           damage for which records that were acknowledged could be lost silently; nothing is changed
Result<std::unique_ptr<Store>> OpenStore(const StoreOptions& options);

struct MemoryStoreOptions {
  uint64_t bytes_max = 0;  // as in StoreOptions
};
// The same in memory; nothing survives it.
std::unique_ptr<Store> NewMemoryStore(const MemoryStoreOptions& options = {});

}  // namespace weir
