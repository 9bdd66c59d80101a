#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "inspection.h"
#include "persistent_store.h"
#include "store_folder.h"

namespace weir {
namespace store {
namespace {

DatabaseOptions OptionsFor(const StoreOptions& options) {
  return {.read_only = options.read_only, .create = false, .sync = options.sync, .buffer_bytes = options.buffer_bytes};
}

// A database with no records, complete on disk.
Status MakeDatabase(const StoreOptions& options, const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return Unavailable(fmt::format("cannot remove {}: {}", path.string(), error.message()));
  DatabaseOptions create = OptionsFor(options);
  create.create = true;
  WEIR_ASSIGN(const std::unique_ptr<Database> database, Database::Open(path, create));
  WEIR_TRY(WriteKnown(*database, AllTotals(), Counters()));
  return database->Flush();
}

Result<std::unique_ptr<Store>> OpenForWriting(const StoreOptions& options) {
  WEIR_ASSIGN(StoreFolder folder, StoreFolder::Open(options));
  if (folder.is_new()) {
    WEIR_TRY(MakeDatabase(options, folder.database()));
    WEIR_TRY(folder.MarkReady());
  }
  WEIR_TRY(folder.FinishReplacing());
  WEIR_ASSIGN(const bool is_sealed, folder.CheckSeal());
  (void)is_sealed;
  WEIR_TRY(folder.RemoveSeal());
  OpenedDatabase opened;
  WEIR_ASSIGN(opened.database, Database::Open(folder.database(), OptionsFor(options)));
  WEIR_TRY(ReadKnown(*opened.database, opened.totals, opened.counters));
  return std::unique_ptr<Store>(std::make_unique<PersistentStore>(options, std::move(folder), std::move(opened)));
}

Result<std::unique_ptr<Store>> OpenForReading(const StoreOptions& options) {
  WEIR_ASSIGN(StoreFolder folder, StoreFolder::Open(options));
  OpenedDatabase opened;
  WEIR_ASSIGN(opened.database, Database::Open(folder.database(), OptionsFor(options)));
  WEIR_TRY(ReadKnown(*opened.database, opened.totals, opened.counters));
  return std::unique_ptr<Store>(std::make_unique<PersistentStore>(options, std::move(folder), std::move(opened)));
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
