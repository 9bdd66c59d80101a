#include "line_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace weir {
namespace {
constexpr size_t kReadBytes = 1 << 16;
}

Result<LineReader> LineReader::Open(const std::filesystem::path& path) {
  if (path == "-") return LineReader(STDIN_FILENO, "standard input");
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const std::string message = fmt::format("cannot read {}: {}", path.string(), std::strerror(errno));
    return errno == ENOENT ? NotFound(message) : Unavailable(message);
  }
  LineReader reader(descriptor, path.string());
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    return InvalidArgument(fmt::format("{} is a folder", path.string()), "give a file");
  }
  return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, STDIN_FILENO)),
      name_(std::move(other.name_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      scanned_(other.scanned_),
      ended_(other.ended_) {}

LineReader::~LineReader() {
  if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
}

Result<std::optional<std::string_view>> LineReader::Next(size_t bytes_max, const std::function<void()>& before_wait) {
  while (true) {
    const size_t end = buffer_.find('\n', scanned_);
    if (end != std::string::npos) {
      const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
      begin_ = scanned_ = end + 1;
      return std::optional(line);
    }
    if (ended_) {
      if (begin_ == buffer_.size()) return std::optional<std::string_view>();
      const std::string_view line = std::string_view(buffer_).substr(begin_);
      begin_ = scanned_ = buffer_.size();
      return std::optional(line);
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    scanned_ = buffer_.size();
    if (scanned_ > bytes_max) return Exhausted(fmt::format("{}: a line longer than {} bytes", name_, bytes_max));
    before_wait();
    buffer_.resize(scanned_ + kReadBytes);
    ssize_t got = 0;
    do {
      got = ::read(descriptor_, buffer_.data() + scanned_, kReadBytes);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return Unavailable(fmt::format("cannot read {}: {}", name_, std::strerror(errno)));
    buffer_.resize(scanned_ + static_cast<size_t>(got));
    ended_ = got == 0;
  }
}

}  // namespace weir
