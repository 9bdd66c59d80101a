#include "store_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include "weir/base/file.h"
#include "weir/base/log.h"
#include "weir/codec/xxh3.h"

namespace weir::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "weir-store ";
constexpr std::string_view kRestore = "restore the folder from a copy, or move it away to begin with an empty store";

Error FolderError(std::string_view action, const fs::path& path, int number) {
  const std::string message = fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(number));
  if (number == ENOSPC || number == EDQUOT) return Exhausted(message, "free some disk space");
  return Unavailable(message, "see that the folder exists, belongs to this user and can be written");
}

// The text, and a line that checks it.
std::string Checked(std::string text) { return text + fmt::format("{:016x}\n", Xxh3_64(text)); }
// Empty: it fails its check.
std::string_view Uncheck(std::string_view text) {
  constexpr size_t kCheckBytes = 17;
  if (text.size() < kCheckBytes) return {};
  const std::string_view body = text.substr(0, text.size() - kCheckBytes);
  return Checked(std::string(body)) == text ? body : std::string_view();
}

struct Marker {
  bool exists = false;
  bool ready = false;
};

Result<Marker> ReadMarker(const fs::path& folder) {
  const fs::path path = folder / "STORE";
  Result<std::string> text = ReadFile(path, 4096);
  if (!text && text.error().code == ErrorCode::kNotFound) return Marker{};
  if (!text && text.error().code != ErrorCode::kExhausted) return text.error();
  if (!text || !text->starts_with(kMagic)) {
    return InvalidArgument(fmt::format("{} is not the marker of a Weir store", path.string()), "name another folder");
  }
  const std::string_view body = Uncheck(*text);
  uint32_t format = 0;
  const char* const digits = body.data() + kMagic.size();
  if (body.size() <= kMagic.size() || std::from_chars(digits, body.data() + body.size(), format).ec != std::errc()) {
    return Corrupt(fmt::format("{} fails its check", path.string()), std::string(kRestore));
  }
  if (format > kStoreFormat) {
    return Unsupported(
        fmt::format("the store in {} has format {}; this Weir knows up to {}", folder.string(), format, kStoreFormat),
        "open it with a newer Weir");
  }
  return Marker{true, body.ends_with(" ready\n")};
}

// Without a marker a folder may become a store only if nothing else is in it.
Status CheckUnused(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name == "lock" || name.starts_with("STORE.")) continue;
    return InvalidArgument(fmt::format("{} is not a Weir store: it holds {}", folder.string(), name),
                           "name an empty folder, or one that does not exist yet");
  }
  if (error) return FolderError("read", folder, error.value());
  return {};
}

// A descriptor of the lock file, locked.
Result<int> Lock(const fs::path& folder) {
  const fs::path path = folder / "lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return FolderError("open", path, errno);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int number = errno;
  ::close(fd);
  if (number != EWOULDBLOCK) return FolderError("lock", path, number);
  return Unavailable(
      fmt::format("the store in {} is in use: {} is locked by another process", folder.string(), path.string()),
      "stop that process, or open the store for reading only");
}

bool IsHashed(std::string_view name) { return name == "CURRENT" || name.starts_with("MANIFEST-") || name.ends_with(".log"); }

}  // namespace

Status SyncFolder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FolderError("open", folder, errno);
  const int result = ::fsync(fd);
  const int number = errno;
  ::close(fd);
  if (result != 0) return FolderError("sync", folder, number);
  return {};
}

std::string DescribeDatabase(const fs::path& database) {
  std::vector<std::string> lines;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(database, error)) {
    const std::string name = entry.path().filename().string();
    const bool is_table = name.ends_with(".sst");
    if (!is_table && !IsHashed(name)) continue;
    std::error_code ignored;
    uint64_t hash = 0;
    if (!is_table) {
      const Result<std::string> bytes = ReadFile(entry.path());
      hash = bytes ? Xxh3_64(*bytes) : 0;
    }
    lines.push_back(fmt::format("{} {} {:016x}\n", name, entry.file_size(ignored), hash));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

Result<StoreFolder> StoreFolder::Open(const StoreOptions& options) {
  const fs::path& folder = options.folder;
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    return InvalidArgument(fmt::format("{} is not a folder", folder.string()), "name a folder for the store");
  }
  if (options.read_only) {
    WEIR_ASSIGN(const Marker marker, ReadMarker(folder));
    if (!marker.ready) {
      if (fs::exists(status) && !marker.exists) WEIR_TRY(CheckUnused(folder));
      return NotFound(fmt::format("there is no store in {}", folder.string()), "check the path");
    }
    return StoreFolder(folder, -1, false);
  }
  fs::create_directories(folder, error);
  if (error) return FolderError("make", folder, error.value());
  WEIR_ASSIGN(Marker marker, ReadMarker(folder));
  if (!marker.exists) WEIR_TRY(CheckUnused(folder));
  WEIR_ASSIGN(const int lock, Lock(folder));
  StoreFolder opened(folder, lock, false);
  // Another process may have made it meanwhile.
  WEIR_ASSIGN(marker, ReadMarker(folder));
  opened.is_new_ = !marker.ready;
  if (!marker.exists) WEIR_TRY(opened.WriteMarker("creating"));
  return opened;
}

StoreFolder::~StoreFolder() {
  if (lock_ >= 0) ::close(lock_);
}

Status StoreFolder::WriteMarker(std::string_view state) {
  WEIR_TRY(WriteFileAtomically(folder_ / "STORE", Checked(fmt::format("{}{} {}\n", kMagic, kStoreFormat, state))));
  WEIR_TRY(SyncFolder(folder_));
  const fs::path parent = fs::absolute(folder_).lexically_normal().parent_path();
  return SyncFolder(parent.empty() ? "/" : parent);
}

Status StoreFolder::MarkReady() {
  WEIR_TRY(WriteMarker("ready"));
  is_new_ = false;
  return {};
}

Result<bool> StoreFolder::CheckSeal() const {
  const Result<std::string> text = ReadFile(folder_ / "seal", uint64_t{64} << 20);
  if (!text && text.error().code == ErrorCode::kNotFound) return false;
  if (!text) return text.error();
  const std::string_view body = Uncheck(*text);
  if (body.empty()) {
    Log(LogLevel::kWarning, fmt::format("store: the seal of {} fails its check; opening it without", folder_.string()));
    return false;
  }
  if (body == DescribeDatabase(database())) return true;
  return Corrupt(fmt::format("files in {} are not what they were when the store was closed", database().string()),
                 std::string(kRestore));
}

Status StoreFolder::RemoveSeal() {
  const fs::path seal = folder_ / "seal";
  if (::unlink(seal.c_str()) != 0 && errno != ENOENT) return FolderError("remove", seal, errno);
  return SyncFolder(folder_);
}

Status StoreFolder::WriteSeal() {
  WEIR_TRY(WriteFileAtomically(folder_ / "seal", Checked(DescribeDatabase(database()))));
  return SyncFolder(folder_);
}

Status StoreFolder::FinishReplacing() {
  std::error_code error;
  const bool has_replacement = fs::exists(replacement(), error);
  if (fs::exists(database(), error)) {
    if (has_replacement) fs::remove_all(replacement(), error);
    if (error) return FolderError("remove", replacement(), error.value());
    return {};
  }
  if (!has_replacement) {
    return Corrupt(fmt::format("the store in {} has no database: {} is gone", folder_.string(), database().string()),
                   std::string(kRestore));
  }
  fs::rename(replacement(), database(), error);
  if (error) return FolderError("rename", replacement(), error.value());
  return SyncFolder(folder_);
}

Status StoreFolder::Replace() {
  std::error_code error;
  fs::path aside;
  for (uint64_t n = 1; aside.empty() || fs::exists(aside, error); ++n) aside = folder_ / fmt::format("aside-{}", n);
  fs::rename(database(), aside, error);
  if (error) return FolderError("rename", database(), error.value());
  WEIR_TRY(SyncFolder(folder_));
  return FinishReplacing();
}

uint64_t StoreFolder::AsideFolders() const {
  uint64_t count = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    count += entry.path().filename().string().starts_with("aside-") ? 1 : 0;
  }
  return count;
}

}  // namespace weir::store
