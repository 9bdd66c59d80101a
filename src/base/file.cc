#include "weir/base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace weir {
namespace {

Error SystemError(const std::filesystem::path& path, std::string_view action, int number) {
  const std::string message = fmt::format("cannot {} {}: {}", action, path.string(), std::strerror(number));
  if (number == ENOENT) return NotFound(message, "check the path");
  if (number == EISDIR) return InvalidArgument(message, "name a file, not a folder");
  if (number == ENOSPC || number == EDQUOT) return Unavailable(message, "free some disk space and run it again");
  return Unavailable(message);
}

// Owns a file descriptor; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

Status WriteAll(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "write", errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

}  // namespace

Result<std::string> ReadFile(const std::filesystem::path& path, uint64_t bytes_max) {
  const bool is_input = path == "-";
  Descriptor fd(is_input ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return SystemError(path, "read", errno);
  if (S_ISDIR(info.st_mode)) return SystemError(path, "read", EISDIR);
  const uint64_t size_expected = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  const Error too_large = Exhausted(fmt::format("{} is larger than {} bytes", path.string(), bytes_max));
  if (size_expected > bytes_max) return too_large;
  constexpr uint64_t kChunkBytes = 1 << 18;
  std::string text;
  for (;;) {
    const size_t size_before = text.size();
    // The whole file and one byte more, so that a small file takes no more memory than it is long; then in chunks.
    const size_t wanted = static_cast<size_t>(size_before < size_expected ? size_expected - size_before + 1
                                              : size_before == size_expected && size_expected > 0 ? 1
                                                                                                  : kChunkBytes);
    text.resize(size_before + wanted);
    const ssize_t got = ::read(fd.get(), text.data() + size_before, wanted);
    text.resize(size_before + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, "read", errno);
    if (got == 0) return text;
    if (text.size() > bytes_max) return too_large;
  }
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes, uint32_t mode) {
  std::string temporary = path.string() + ".XXXXXX";
  Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "create", errno);
  Status status = WriteAll(fd.get(), bytes, path);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (status && ::fchmod(fd.get(), mode & ~mask) != 0) status = SystemError(path, "write", errno);
  if (status && ::fsync(fd.get()) != 0) status = SystemError(path, "write", errno);
  if (fd.Close() != 0 && status) status = SystemError(path, "write", errno);
  if (status && ::rename(temporary.c_str(), path.c_str()) != 0) status = SystemError(path, "write", errno);
  if (!status) ::unlink(temporary.c_str());
  return status;
}

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return SystemError(path, "open", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return SystemError(path, "read", errno);
  if (S_ISDIR(info.st_mode)) return SystemError(path, "read", EISDIR);
  if (info.st_size == 0) return MappedFile(std::string_view());
  const size_t size = static_cast<size_t>(info.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) return SystemError(path, "map", errno);
  return MappedFile(std::string_view(static_cast<const char*>(address), size));
}

void MappedFile::LetPagesGo() const {
  if (!bytes_.empty()) ::madvise(const_cast<char*>(bytes_.data()), bytes_.size(), MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace weir
