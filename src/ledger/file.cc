#include "file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "weir/base/file.h"

namespace weir::ledger {
namespace {

std::filesystem::path FolderOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

Status SyncFolder(const std::filesystem::path& path) {
  const std::filesystem::path folder = FolderOf(path);
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(folder, "open", errno);
  if (::fsync(fd.get()) != 0) return SystemError(folder, "sync", errno);
  return {};
}

// EINTR aside, stops at the first failure; what was written before it stays written.
Status WriteAll(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "write", errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Status TakeLock(const std::filesystem::path& path, Descriptor& lock) {
  const std::filesystem::path lock_path = path.string() + ".lock";
  lock = Descriptor(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.get() < 0) return SystemError(lock_path, "open", errno);
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return SystemError(lock_path, "lock", errno);
    return Unavailable(fmt::format("the ledger {} is in use", path.string()),
                       "another process writes it; stop that one or name another file");
  }
  return {};
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Error SystemError(const std::filesystem::path& path, std::string_view action, int number) {
  const std::string message = fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(number));
  if (number == ENOENT || number == ENOTDIR) return NotFound(message, "check the path");
  if (number == EISDIR) return InvalidArgument(message, "name a file, not a folder");
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) return Unavailable(message, "free some disk space");
  return Unavailable(message);
}

std::filesystem::path RotatedPath(const std::filesystem::path& path, uint32_t number) {
  return fmt::format("{}.{}", path.string(), number);
}

Result<std::vector<uint32_t>> RotatedNumbers(const std::filesystem::path& path) {
  const std::string prefix = path.filename().string() + ".";
  std::vector<uint32_t> numbers;
  std::error_code failure;
  std::filesystem::directory_iterator entry(FolderOf(path), failure);
  for (; !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || name.size() == prefix.size() || name[prefix.size()] == '0') continue;
    uint32_t number = 0;
    const auto parsed = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
    const bool is_number = parsed.ec == std::errc() && parsed.ptr == name.data() + name.size();
    if (is_number && number < kFilesMax) numbers.push_back(number);
  }
  if (failure) return SystemError(FolderOf(path), "read", failure.value());
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<LedgerFile> LedgerFile::Open(std::filesystem::path path, uint64_t bytes_max, uint32_t files_max) {
  LedgerFile file(std::move(path), bytes_max, files_max);
  // Asked first, so that a folder or a device does not get a lock file beside it.
  struct stat info {};
  if (::stat(file.path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return InvalidArgument(fmt::format("{} is not a regular file", file.path_.string()), "name a file for the ledger");
  }
  WEIR_TRY(TakeLock(file.path_, file.lock_));
  WEIR_TRY(file.OpenLive());
  return file;
}

Status LedgerFile::OpenLive() {
  const bool is_new = ::access(path_.c_str(), F_OK) != 0;
  live_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600));
  if (live_.get() < 0) return SystemError(path_, "open", errno);
  struct stat info {};
  if (::fstat(live_.get(), &info) != 0) return SystemError(path_, "read", errno);
  if (!S_ISREG(info.st_mode)) return InvalidArgument(fmt::format("{} is not a regular file", path_.string()));
  size_ = static_cast<uint64_t>(info.st_size);
  is_torn_ = false;
  return is_new ? SyncFolder(path_) : Status();
}

Result<uint64_t> LedgerFile::CutTornLine() {
  uint64_t whole = 0;
  const uint64_t before = size_;
  if (before > 0) {
    WEIR_ASSIGN(const MappedFile file, MappedFile::Open(path_));
    const size_t end = file.bytes().rfind('\n');
    whole = end == std::string_view::npos ? 0 : end + 1;
  }
  if (whole == before) return uint64_t{0};
  size_ = whole;
  WEIR_TRY(CutBack());
  return before - whole;
}

Result<std::string> LedgerFile::NewestLine() const {
  std::filesystem::path path = path_;
  if (size_ == 0) {
    WEIR_ASSIGN(const std::vector<uint32_t> numbers, RotatedNumbers(path_));
    if (numbers.empty()) return std::string();
    path = RotatedPath(path_, numbers.front());
  }
  WEIR_ASSIGN(const MappedFile file, MappedFile::Open(path));
  std::string_view bytes = file.bytes();
  if (!bytes.ends_with('\n')) {
    return Corrupt(fmt::format("{} ends within a line", path.string()), "see 'weir ledger verify'; move it away to go on");
  }
  bytes.remove_suffix(1);
  const size_t begin = bytes.rfind('\n');
  return std::string(bytes.substr(begin == std::string_view::npos ? 0 : begin + 1));
}

Status LedgerFile::CutBack() {
  if (::ftruncate(live_.get(), static_cast<off_t>(size_)) != 0) return SystemError(path_, "shorten", errno);
  if (::fdatasync(live_.get()) != 0) return SystemError(path_, "sync", errno);
  is_torn_ = false;
  return {};
}

// Other hands may remove or move the live file: then a new one goes on with the chain, and verification tells what is gone.
Status LedgerFile::ComeBack() {
  if (live_.get() < 0) return OpenLive();
  struct stat open_file {};
  struct stat named_file {};
  if (::fstat(live_.get(), &open_file) != 0) return SystemError(path_, "read", errno);
  if (::stat(path_.c_str(), &named_file) != 0) return errno == ENOENT ? OpenLive() : SystemError(path_, "read", errno);
  if (open_file.st_ino != named_file.st_ino || open_file.st_dev != named_file.st_dev) {
    return Unavailable(fmt::format("{} was replaced by another file", path_.string()), "move that one away");
  }
  if (is_torn_) return CutBack();
  size_ = static_cast<uint64_t>(open_file.st_size);
  return {};
}

Status LedgerFile::Write(std::string_view lines, size_t& written) {
  written = 0;
  WEIR_TRY(ComeBack());
  while (written < lines.size()) {
    const std::string_view rest = lines.substr(written);
    const uint64_t room = bytes_max_ > size_ ? bytes_max_ - size_ : 0;
    size_t fits = rest.size();
    if (fits > room) {
      const size_t end = room > 0 ? rest.rfind('\n', static_cast<size_t>(room - 1)) : std::string_view::npos;
      fits = end == std::string_view::npos ? 0 : end + 1;
    }
    if (fits == 0) {
      WEIR_TRY(Rotate());
      continue;
    }
    if (Status status = WriteAll(live_.get(), rest.substr(0, fits), path_); !status) {
      is_torn_ = true;
      (void)CutBack();  // tried again by the next call
      return status;
    }
    size_ += fits;
    written += fits;
  }
  return {};
}

Status LedgerFile::Sync() {
  if (live_.get() >= 0 && ::fdatasync(live_.get()) != 0) return SystemError(path_, "sync", errno);
  return {};
}

// Renames upwards only as far as the first free number, so that a hole left by a crash closes.
Status LedgerFile::MakeRoomForRotated() {
  WEIR_ASSIGN(const std::vector<uint32_t> numbers, RotatedNumbers(path_));
  const uint32_t highest = files_max_ - 1;
  uint32_t free = 1;
  for (const uint32_t number : numbers) {
    if (number == free) ++free;
  }
  const uint32_t kept = free > highest ? highest - 1 : highest;  // without a hole the highest gives way
  for (const uint32_t number : numbers) {
    if (number <= kept) continue;
    const std::filesystem::path oldest = RotatedPath(path_, number);
    if (::unlink(oldest.c_str()) != 0) return SystemError(oldest, "remove", errno);
    ++files_dropped_;
  }
  for (free = std::min(free, highest); free > 1; --free) {
    const std::filesystem::path from = RotatedPath(path_, free - 1);
    if (::rename(from.c_str(), RotatedPath(path_, free).c_str()) != 0) return SystemError(from, "rename", errno);
  }
  return {};
}

Status LedgerFile::Rotate() {
  WEIR_TRY(Sync());
  WEIR_TRY(MakeRoomForRotated());
  const std::filesystem::path rotated = RotatedPath(path_, 1);
  if (::rename(path_.c_str(), rotated.c_str()) != 0) return SystemError(path_, "rename", errno);
  live_ = Descriptor();
  size_ = 0;
  ++rotations_;
  return OpenLive();
}

}  // namespace weir::ledger
