#include "output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir {
namespace {
constexpr size_t kBufferBytes = 1 << 16;
}

void Output::Write(std::string_view bytes) {
  if (failure_ != 0) return;
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) WriteOut();
}

void Output::WriteOut() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      failure_ = errno;
      break;
    }
    rest.remove_prefix(static_cast<size_t>(written));
  }
  buffer_.clear();
}

Status Output::Flush() {
  if (failure_ == 0) WriteOut();
  if (failure_ == 0) return {};
  return Unavailable(fmt::format("cannot write to standard output: {}", std::strerror(failure_)));
}

bool Output::reader_gone() const { return failure_ == EPIPE; }

}  // namespace weir
