#pragma once
// StoreFolder: the files of a store around its database: lock, marker, seal, and databases that are replaced.
//
//   STORE    marker: what the folder is, and the format of the store
//   lock     locked by the process that writes
//   seal     written when the store is closed: what the database's files looked like then; gone while it is open
//   db/      the database
//   new/     a database that is being made to replace db/; complete when db/ is gone
//   aside-N/ databases with damage that were replaced
//
// Move-only; gives the lock back when it goes. One thread at a time.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "weir/base/result.h"
#include "weir/store/store.h"

namespace weir::store {

inline constexpr uint32_t kStoreFormat = 1;

class StoreFolder {
 public:
  // Makes the folder and its marker where there is none, unless read_only. Fails as OpenStore does.
  static Result<StoreFolder> Open(const StoreOptions& options);
  StoreFolder(StoreFolder&& other) noexcept
      : folder_(std::move(other.folder_)), lock_(std::exchange(other.lock_, -1)), is_new_(other.is_new_) {}
  StoreFolder& operator=(StoreFolder&&) = delete;
  ~StoreFolder();

  // It was never finished: nothing in it was acknowledged.
  bool is_new() const { return is_new_; }
  std::filesystem::path database() const { return folder_ / "db"; }
  std::filesystem::path replacement() const { return folder_ / "new"; }
  const std::filesystem::path& path() const { return folder_; }

  // The database is made: from now on it has to be there.
  Status MarkReady();

  // corrupt: the seal is intact and the database's files are not what they were when it was written. true: sealed.
  Result<bool> CheckSeal() const;
  Status RemoveSeal();
  // REQUIRES: the database is closed.
  Status WriteSeal();

  // Ends what a process began and did not finish: throws away an incomplete replacement, or puts a complete one in place.
  // corrupt: there is no database.
  Status FinishReplacing();
  // Puts the complete replacement() in place of database(), which becomes an aside-N. In an order that FinishReplacing ends.
  Status Replace();
  uint64_t AsideFolders() const;

 private:
  StoreFolder(std::filesystem::path folder, int lock, bool is_new)
      : folder_(std::move(folder)), lock_(lock), is_new_(is_new) {}
  Status WriteMarker(std::string_view state);

  std::filesystem::path folder_;
  int lock_ = -1;
  bool is_new_ = false;
};

// What the database's files look like: names and sizes, and hashes of those that say which the others are.
std::string DescribeDatabase(const std::filesystem::path& database);

// Makes names in a folder durable.
Status SyncFolder(const std::filesystem::path& folder);

}  // namespace weir::store
