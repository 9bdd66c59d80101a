#pragma once
// Database: RocksDB as far as the store needs it, and the only place that knows its options and its status codes.
//
// Four families of keys, so that one damaged block never takes away both a record and what is known about it.
// Threads: reads from any thread, writes from one at a time; Open, Close and the destructor from one. Cursors and snapshots
// go before it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir::store {

enum class Family : uint8_t {
  kTotals,     // count and digest of the directory, counters
  kRecords,    // key -> envelope and bytes
  kDirectory,  // key -> checksum and length of the record
  kAside,      // key -> a record that was set aside, as it was
};
inline constexpr size_t kFamilies = 4;

struct DatabaseOptions {
  bool read_only = false;
  bool beside_writer = false;  // the end of the log may be in the middle of being written
  bool create = false;         // it must not exist yet
  bool sync = true;
  uint64_t buffer_bytes = uint64_t{8} << 20;
};

// Changes that are written together.
class WriteSet {
 public:
  WriteSet();
  WriteSet(WriteSet&&) noexcept;
  WriteSet& operator=(WriteSet&&) noexcept;
  ~WriteSet();

  void Put(Family family, std::string_view key, std::string_view head, std::string_view bytes = {});
  void Erase(Family family, std::string_view key);
  size_t changes() const { return changes_; }
  uint64_t bytes() const;

 private:
  friend class Database;
  struct Batch;
  std::unique_ptr<Batch> batch_;
  size_t changes_ = 0;
};

enum class Found : uint8_t { kThere, kAbsent, kDamaged };
struct Read {
  Found found = Found::kAbsent;
  std::string bytes{};
};

class Database {
 public:
  // Everything as it was at one moment.
  class Snapshot;
  struct SnapshotGone {
    void operator()(Snapshot* snapshot) const;
  };
  using SnapshotPtr = std::unique_ptr<Snapshot, SnapshotGone>;

  enum class Place : uint8_t { kAt, kEnd, kDamaged, kFailed };
  // Walks one family in the order of its keys. After kDamaged only Seek to a later key is of use.
  class Cursor {
   public:
    virtual ~Cursor() = default;
    virtual void Seek(std::string_view key) = 0;
    virtual void Next() = 0;  // REQUIRES: place() == kAt
    virtual Place place() const = 0;
    virtual std::string_view key() const = 0;    // REQUIRES: place() == kAt; until the next move
    virtual std::string_view value() const = 0;  // likewise
    virtual Error error() const = 0;             // REQUIRES: place() == kFailed or kDamaged
  };

  static Result<std::unique_ptr<Database>> Open(const std::filesystem::path& folder, const DatabaseOptions& options);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  // By one thread at a time. After a failure of the disk the next write first tries to get the database going again.
  Status Write(WriteSet& changes);
  // An error: the disk did not answer.
  Result<Read> Get(Family family, std::string_view key, const Snapshot* snapshot = nullptr) const;
  SnapshotPtr TakeSnapshot() const;
  // `snapshot` null: as of now. The cursor borrows it.
  std::unique_ptr<Cursor> NewCursor(Family family, const Snapshot* snapshot) const;

  // Everything to tables, so that the log is empty.
  Status Flush();
  uint64_t DiskBytes() const;

 private:
  struct Handle;
  explicit Database(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace weir::store
