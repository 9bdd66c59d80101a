#include "database.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <cstdarg>
#include <vector>

#include "table_check.h"
#include "weir/base/file.h"
#include "weir/base/log.h"

namespace weir::store {
namespace {

constexpr std::array<const char*, kFamilies> kFamilyNames = {"default", "records", "directory", "aside"};

// RocksDB writes no log files of its own: its errors go to ours.
class ErrorLog final : public rocksdb::Logger {
 public:
  ErrorLog() : Logger(rocksdb::InfoLogLevel::ERROR_LEVEL) {}
  using Logger::Logv;
  void Logv(const char* format, va_list values) override {
    std::array<char, 512> line;
    const int length = std::vsnprintf(line.data(), line.size(), format, values);
    if (length > 0) Log(LogLevel::kWarning, fmt::format("store: {}", line.data()));
  }
};

// After a full disk RocksDB looks for room every few seconds, and is busy meanwhile. Here it does not: the next write
// resumes, also when what failed was work in the background, without which writes would soon wait for ever.
class ResumedByWrites final : public rocksdb::EventListener {
 public:
  // `failed` is set when something failed.
  explicit ResumedByWrites(std::shared_ptr<std::atomic<bool>> failed) : failed_(std::move(failed)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status*) override { *failed_ = true; }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* resume) override { *resume = false; }

 private:
  std::shared_ptr<std::atomic<bool>> failed_;
};

// The file system, but for tables whose end is damaged: those do not open.
class CheckedTables final : public rocksdb::FileSystemWrapper {
 public:
  CheckedTables() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "WeirCheckedTables"; }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = target()->NewRandomAccessFile(path, options, file, context);
    if (!status.ok() || !path.ends_with(".sst")) return status;
    const Result<MappedFile> table = MappedFile::Open(path);
    if (!table) return rocksdb::IOStatus::IOError(table.error().ToString());
    if (IsTableEndSound(table->bytes())) return status;
    file->reset();
    return rocksdb::IOStatus::Corruption("the end of a table is damaged", path);
  }
};

// Every option that differs from RocksDB's own, and why.
rocksdb::DBOptions DatabaseWide(const DatabaseOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions wide;
  wide.env = env;
  wide.create_if_missing = options.create;
  wide.create_missing_column_families = options.create;
  wide.error_if_exists = options.create;
  wide.paranoid_checks = true;
  wide.info_log = std::make_shared<ErrorLog>();
  wide.max_background_jobs = 2;
  wide.max_file_opening_threads = 1;  // there are few tables
  // All families are written out together: a log is done with as soon as the records in it are.
  wide.atomic_flush = true;
  // Its own recovery would flush beside the one that Apply begins, which its assertions do not allow.
  wide.max_bgerror_resume_count = 0;
  // log_check.h looks at the logs first, and cuts off what a crash tore; whatever is still wrong then is damage. A reader
  // beside a writer may meet a record that is being written.
  wide.wal_recovery_mode = options.beside_writer ? rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords
                                                 : rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  // The store flushes before it closes, and says so in its seal.
  wide.avoid_flush_during_shutdown = true;
  wide.max_bgerror_resume_count = 0;
  wide.max_manifest_file_size = 1 << 20;
  wide.manifest_preallocation_size = 64 << 10;
  wide.skip_stats_update_on_db_open = true;
  wide.stats_dump_period_sec = 0;
  wide.stats_persist_period_sec = 0;
  return wide;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Families(const DatabaseOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_cache = rocksdb::NewLRUCache(options.buffer_bytes / 2, 2);
  // Indexes and filters count against the cache, so that memory does not grow with the number of records.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // A block ends with the record that fills it: a record of more than this has a block of its own.
  table.block_size = 4096;
  rocksdb::ColumnFamilyOptions family;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  family.compression = rocksdb::kNoCompression;
  family.write_buffer_size = options.buffer_bytes;
  family.max_write_buffer_number = 3;
  family.target_file_size_base = 4 * options.buffer_bytes;
  family.max_bytes_for_level_base = 16 * options.buffer_bytes;
  family.level_compaction_dynamic_level_bytes = true;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : kFamilyNames) families.emplace_back(name, family);
  return families;
}

Error ErrorOf(const std::filesystem::path& folder, std::string_view action, const rocksdb::Status& status) {
  const std::string message = fmt::format("cannot {} the store in {}: {}", action, folder.string(), status.ToString());
  if (status.IsNoSpace()) {
    return Exhausted(message, "free some disk space; the store then goes on by itself");
  }
  if (status.IsCorruption() || status.IsPathNotFound()) {
    return Corrupt(message, "open the store again, which repairs what can be repaired; if that fails, restore a copy of it");
  }
  return Unavailable(message, "see that the disk and its permissions are in order");
}

rocksdb::Slice SliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

// Family numbers are those that RocksDB gives out in the order of their making.
struct WriteSet::Batch {
  rocksdb::WriteBatch batch;
};

WriteSet::WriteSet() : batch_(std::make_unique<Batch>()) {}
WriteSet::WriteSet(WriteSet&&) noexcept = default;
WriteSet& WriteSet::operator=(WriteSet&&) noexcept = default;
WriteSet::~WriteSet() = default;
uint64_t WriteSet::bytes() const { return batch_->batch.GetDataSize(); }

namespace {
// A write batch wants handles only for their numbers.
class NumberedFamily final : public rocksdb::ColumnFamilyHandle {
 public:
  explicit NumberedFamily(Family family) : family_(family) {}
  const std::string& GetName() const override { return name_; }
  uint32_t GetID() const override { return static_cast<uint32_t>(family_); }
  rocksdb::Status GetDescriptor(rocksdb::ColumnFamilyDescriptor* descriptor) override {
    *descriptor = {};
    return rocksdb::Status::NotSupported();
  }
  const rocksdb::Comparator* GetComparator() const override { return rocksdb::BytewiseComparator(); }

 private:
  Family family_;
  std::string name_;
};
}  // namespace

void WriteSet::Put(Family family, std::string_view key, std::string_view head, std::string_view bytes) {
  NumberedFamily numbered(family);
  const rocksdb::Slice key_parts[] = {SliceOf(key)};
  const rocksdb::Slice value_parts[] = {SliceOf(head), SliceOf(bytes)};
  const rocksdb::Status status =
      batch_->batch.Put(&numbered, rocksdb::SliceParts(key_parts, 1), rocksdb::SliceParts(value_parts, 2));
  WEIR_CHECK(status.ok(), "a write batch refuses a record: {}", status.ToString());
  ++changes_;
}

void WriteSet::Erase(Family family, std::string_view key) {
  NumberedFamily numbered(family);
  const rocksdb::Status status = batch_->batch.Delete(&numbered, SliceOf(key));
  WEIR_CHECK(status.ok(), "a write batch refuses a key: {}", status.ToString());
  ++changes_;
}

struct Database::Handle {
  std::filesystem::path folder;
  bool sync = true;
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(std::make_shared<CheckedTables>());
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  std::unique_ptr<rocksdb::DB> db;
  bool log_failed = false;  // the last write failed; for the one thread that writes
  // Something failed: the next write resumes first. RocksDB shares it.
  std::shared_ptr<std::atomic<bool>> failed = std::make_shared<std::atomic<bool>>(false);

  rocksdb::ColumnFamilyHandle* of(Family family) const { return families[static_cast<size_t>(family)]; }
  Error Failed(std::string_view action, const rocksdb::Status& status) const {
    *failed = true;
    Error error = ErrorOf(folder, action, status);
    error.code =
        status.IsNoSpace() ? ErrorCode::kUnavailable : error.code;  // no budget of ours: the caller sent nothing wrong
    if (status.severity() >= rocksdb::Status::kFatalError) error.hint = "open the store again when the disk is in order";
    return error;
  }
  ~Handle() {
    if (db == nullptr) return;
    for (rocksdb::ColumnFamilyHandle* family : families) (void)db->DestroyColumnFamilyHandle(family);
    (void)db->Close();
  }
};

class Database::Snapshot {
 public:
  explicit Snapshot(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() { db_->ReleaseSnapshot(snapshot_); }
  const rocksdb::Snapshot* get() const { return snapshot_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
};

void Database::SnapshotGone::operator()(Snapshot* snapshot) const { delete snapshot; }

namespace {

class RocksCursor final : public Database::Cursor {
 public:
  RocksCursor(std::filesystem::path folder, std::unique_ptr<rocksdb::Iterator> iterator)
      : folder_(std::move(folder)), iterator_(std::move(iterator)) {}
  void Seek(std::string_view key) override { iterator_->Seek(SliceOf(key)); }
  void Next() override { iterator_->Next(); }
  Database::Place place() const override {
    if (iterator_->Valid()) return Database::Place::kAt;
    const rocksdb::Status status = iterator_->status();
    if (status.ok()) return Database::Place::kEnd;
    return status.IsCorruption() ? Database::Place::kDamaged : Database::Place::kFailed;
  }
  std::string_view key() const override { return {iterator_->key().data(), iterator_->key().size()}; }
  std::string_view value() const override { return {iterator_->value().data(), iterator_->value().size()}; }
  Error error() const override { return ErrorOf(folder_, "read", iterator_->status()); }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

Database::Database(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::Open(const std::filesystem::path& folder, const DatabaseOptions& options) {
  auto handle = std::make_unique<Handle>();
  handle->folder = folder;
  handle->sync = options.sync;
  rocksdb::DB* db = nullptr;
  rocksdb::DBOptions wide = DatabaseWide(options, handle->env.get());
  wide.listeners.push_back(std::make_shared<ResumedByWrites>(handle->failed));
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = Families(options);
  const rocksdb::Status status = options.read_only
                                     ? rocksdb::DB::OpenForReadOnly(wide, folder.string(), families, &handle->families, &db)
                                     : rocksdb::DB::Open(wide, folder.string(), families, &handle->families, &db);
  handle->db.reset(db);
  if (!status.ok()) return ErrorOf(folder, "open", status);
  for (size_t i = 0; i < kFamilies; ++i) {
    if (handle->families[i]->GetID() == i) continue;
    return Corrupt(fmt::format("the database in {} has other families of keys than a store", folder.string()));
  }
  return std::unique_ptr<Database>(new Database(std::move(handle)));
}

Status Database::Write(WriteSet& changes) {
  // Cleared before it is tried, so that what fails meanwhile is not forgotten.
  if (handle_->failed->exchange(false)) {
    const rocksdb::Status resumed = handle_->db->Resume();
    if (!resumed.ok()) return handle_->Failed("go on writing to", resumed);
  }
  if (handle_->log_failed) {
    // Resuming begins a new log only when there is something to flush; the old one takes nothing more.
    rocksdb::WriteOptions without_log;
    without_log.disableWAL = true;
    rocksdb::Status status = handle_->db->Put(without_log, handle_->of(Family::kTotals), "resumed", "");
    rocksdb::FlushOptions at_once;
    at_once.allow_write_stall = true;
    if (status.ok()) status = handle_->db->Flush(at_once, handle_->families);
    if (!status.ok()) return handle_->Failed("go on writing to", status);
    handle_->log_failed = false;
  }
  rocksdb::WriteOptions options;
  options.sync = handle_->sync;
  const rocksdb::Status status = handle_->db->Write(options, &changes.batch_->batch);
  handle_->log_failed = !status.ok();
  if (!status.ok()) return handle_->Failed("write to", status);
  return {};
}

Result<Read> Database::Get(Family family, std::string_view key, const Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot != nullptr ? snapshot->get() : nullptr;
  // A cache as small as ours keeps directories, indexes and filters; records are in the page cache.
  options.fill_cache = family != Family::kRecords;
  Read read;
  const rocksdb::Status status = handle_->db->Get(options, handle_->of(family), SliceOf(key), &read.bytes);
  if (status.ok()) {
    read.found = Found::kThere;
  } else if (status.IsCorruption()) {
    read = {Found::kDamaged, {}};
  } else if (!status.IsNotFound()) {
    return ErrorOf(handle_->folder, "read", status);
  }
  return read;
}

Database::SnapshotPtr Database::TakeSnapshot() const { return SnapshotPtr(new Snapshot(handle_->db.get())); }

std::unique_ptr<Database::Cursor> Database::NewCursor(Family family, const Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot != nullptr ? snapshot->get() : nullptr;
  options.fill_cache = false;
  return std::make_unique<RocksCursor>(
      handle_->folder, std::unique_ptr<rocksdb::Iterator>(handle_->db->NewIterator(options, handle_->of(family))));
}

Status Database::Flush() {
  const rocksdb::Status status = handle_->db->Flush(rocksdb::FlushOptions(), handle_->families);
  if (!status.ok()) return ErrorOf(handle_->folder, "flush", status);
  return {};
}

uint64_t Database::DiskBytes() const {
  uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(handle_->folder, ignored)) {
    const uint64_t size = entry.file_size(ignored);
    if (!ignored) bytes += size;
  }
  return bytes;
}

}  // namespace weir::store

#if defined(__SANITIZE_THREAD__)
// The library is not built with the sanitizer, which therefore does not see its locks.
extern "C" const char* __tsan_default_suppressions() {
  return "race:librocksdb.so\ncalled_from_lib:librocksdb.so\ndeadlock:librocksdb.so\n";
}
#endif
