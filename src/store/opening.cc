// Opening a store: folder, logs, database, inspection, and the replacement of a database with damage.

#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <utility>

#include "inspection.h"
#include "log_check.h"
#include "persistent_store.h"
#include "store_folder.h"
#include "weir/base/file.h"
#include "weir/base/log.h"

namespace weir {
namespace store {
namespace {

namespace fs = std::filesystem;

constexpr int kReadingTries = 50;

DatabaseOptions OptionsFor(const StoreOptions& options) {
  return {.read_only = options.read_only, .create = false, .sync = options.sync, .buffer_bytes = options.buffer_bytes};
}

// A new database, in place of whatever is left of an earlier attempt.
Result<std::unique_ptr<Database>> MakeDatabase(const StoreOptions& options, const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) fs::create_directory(path, error);
  if (error) return Unavailable(fmt::format("cannot make {}: {}", path.string(), error.message()));
  DatabaseOptions create = OptionsFor(options);
  create.create = true;
  return Database::Open(path, create);
}

Status MakeEmpty(const StoreOptions& options, const fs::path& path) {
  WEIR_ASSIGN(const std::unique_ptr<Database> database, MakeDatabase(options, path));
  WEIR_TRY(WriteKnown(*database, AllTotals(), Counters()));
  return database->Flush();
}

Status CheckOneLog(const fs::path& path, bool cut) {
  const Result<std::string> log = ReadFile(path);
  // A writer beside us is done with it.
  if (!log && log.error().code == ErrorCode::kNotFound) return {};
  if (!log) return log.error();
  const LogCheck check = CheckLog(*log);
  if (check.state == LogState::kDamaged) {
    return Corrupt(
        fmt::format("{} is damaged at byte {}: what was written from there on could be lost", path.string(), check.found_at),
        "restore the store from a copy; or move its folder away to begin with an empty one");
  }
  if (check.state == LogState::kWhole || !cut) return {};
  std::error_code error;
  fs::resize_file(path, check.whole_bytes, error);
  if (error) return Unavailable(fmt::format("cannot cut {}: {}", path.string(), error.message()));
  return {};
}

// `cut`: torn writes are cut off logs of writes, so that RocksDB need not be told to be lenient.
Status CheckLogs(const fs::path& database, bool cut) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(database, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".log")) WEIR_TRY(CheckOneLog(entry.path(), cut));
    if (name.starts_with("MANIFEST-")) WEIR_TRY(CheckOneLog(entry.path(), false));
  }
  if (error) return Unavailable(fmt::format("cannot read {}: {}", database.string(), error.message()));
  return {};
}

// What is intact becomes the database; the damaged one is kept beside it.
Status Salvage(const StoreOptions& options, StoreFolder& folder, std::unique_ptr<Database> damaged, Counters& counters) {
  ++counters.salvages;
  Log(LogLevel::kWarning,
      fmt::format("store: the database in {} has damage; keeping what is intact", folder.path().string()));
  {
    WEIR_ASSIGN(const std::unique_ptr<Database> replacement, MakeDatabase(options, folder.replacement()));
    WEIR_TRY(CopyIntact(*damaged, *replacement, counters));
  }
  damaged.reset();
  return folder.Replace();
}

// Inspects the database before anything writes to it: neither a repair nor a merge of its tables meets unknown damage.
Result<OpenedDatabase> InspectAndOpen(const StoreOptions& options, StoreFolder& folder) {
  DatabaseOptions reading = OptionsFor(options);
  reading.read_only = true;
  WEIR_ASSIGN(std::unique_ptr<Database> inspected, Database::Open(folder.database(), reading));
  WEIR_ASSIGN(Inspection found, Inspect(*inspected));
  OpenedDatabase opened{nullptr, found.totals, found.counters};
  if (found.damaged) {
    WEIR_TRY(Salvage(options, folder, std::move(inspected), opened.counters));
  } else {
    inspected.reset();
  }
  WEIR_ASSIGN(opened.database, Database::Open(folder.database(), OptionsFor(options)));
  if (found.changed && !found.damaged) WEIR_TRY(opened.database->Write(found.repairs));
  if (found.changed) {
    Log(LogLevel::kWarning, fmt::format("store: {}: {} records set aside and {} missing since it was made",
                                        folder.path().string(), found.counters.set_aside, found.counters.missing));
  }
  return opened;
}

Result<std::unique_ptr<Store>> OpenForWriting(const StoreOptions& options) {
  WEIR_ASSIGN(StoreFolder folder, StoreFolder::Open(options));
  if (folder.is_new()) {
    WEIR_TRY(MakeEmpty(options, folder.database()));
    WEIR_TRY(folder.MarkReady());
  }
  WEIR_TRY(folder.FinishReplacing());
  WEIR_ASSIGN(const bool is_sealed, folder.CheckSeal());
  if (!is_sealed) WEIR_TRY(CheckLogs(folder.database(), true));
  WEIR_TRY(folder.RemoveSeal());
  WEIR_ASSIGN(OpenedDatabase opened, InspectAndOpen(options, folder));
  return std::unique_ptr<Store>(std::make_unique<PersistentStore>(options, std::move(folder), std::move(opened)));
}

// Changes whenever a writer installs or removes a file of the database.
std::string Mark(const fs::path& database) {
  struct stat folder {};
  if (::stat(database.c_str(), &folder) != 0) return {};
  const Result<std::string> current = ReadFile(database / "CURRENT", 4096);
  std::string name = current ? *current : std::string();
  while (!name.empty() && name.back() == '\n') name.pop_back();
  std::error_code ignored;
  const uint64_t size = name.empty() ? 0 : fs::file_size(database / name, ignored);
  return fmt::format("{} {} {}", folder.st_ino, name, size);
}

Result<OpenedDatabase> OpenBesideWriter(const StoreOptions& options, const StoreFolder& folder) {
  WEIR_ASSIGN(const bool is_sealed, folder.CheckSeal());
  if (!is_sealed) WEIR_TRY(CheckLogs(folder.database(), false));
  DatabaseOptions reading = OptionsFor(options);
  reading.beside_writer = true;
  OpenedDatabase opened;
  WEIR_ASSIGN(opened.database, Database::Open(folder.database(), reading));
  WEIR_TRY(ReadKnown(opened));
  return opened;
}

Result<std::unique_ptr<Store>> OpenForReading(const StoreOptions& options) {
  WEIR_ASSIGN(StoreFolder folder, StoreFolder::Open(options));
  for (int tries = 1;; ++tries) {
    const std::string before = Mark(folder.database());
    Result<OpenedDatabase> opened = OpenBesideWriter(options, folder);
    const bool still = before == Mark(folder.database());
    if (opened && still) {
      return std::unique_ptr<Store>(std::make_unique<PersistentStore>(options, std::move(folder), *std::move(opened)));
    }
    if (!opened && still && tries > 1) return std::move(opened).error();
    if (tries == kReadingTries) {
      return Unavailable(fmt::format("the store in {} changes faster than it can be opened", options.folder.string()),
                         "try again when its writer is less busy");
    }
  }
}

}  // namespace
}  // namespace store

Status StoreOptions::Validate() const {
  if (folder.empty()) return InvalidArgument("a store needs a folder");
  if (buffer_bytes < (uint64_t{64} << 10) || buffer_bytes > (uint64_t{1} << 30)) {
    return InvalidArgument(fmt::format("buffer_bytes of a store is {}, not between 64 KiB and 1 GiB", buffer_bytes));
  }
  return {};
}

Result<std::unique_ptr<Store>> OpenStore(const StoreOptions& options) {
  WEIR_TRY(options.Validate());
  return options.read_only ? store::OpenForReading(options) : store::OpenForWriting(options);
}

}  // namespace weir
