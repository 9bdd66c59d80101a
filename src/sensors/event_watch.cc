#include "event_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <string_view>
#include <utility>

namespace weir::sensors {
namespace {

// A change can be told after its content was read, so a few wakes for nothing are normal.
constexpr uint32_t kUnchangedWakesMax = 64;

// Descriptor of a regular file; -1: not to be had.
int OpenRegular(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return -1;
  struct stat status {};
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  close(file);
  return -1;
}

}  // namespace

bool EventWatch::Rearm(Watched& watched) {
  std::array<char, 512> bytes{};
  const ssize_t size = pread(watched.descriptor, bytes.data(), bytes.size(), 0);
  if (size < 0) return false;
  const std::string_view content(bytes.data(), static_cast<size_t>(size));
  watched.unchanged_wakes = content == watched.content ? watched.unchanged_wakes + 1 : 0;
  watched.content = content;
  return watched.unchanged_wakes <= kUnchangedWakesMax;
}

EventWatch::EventWatch() : interrupt_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

EventWatch::~EventWatch() {
  CloseAll();
  if (interrupt_ >= 0) close(interrupt_);
}

void EventWatch::CloseAll() {
  for (const Watched& watched : watched_) close(watched.descriptor);
  watched_.clear();
}

void EventWatch::Watch(std::vector<std::filesystem::path> files) {
  if (files == files_) return;
  CloseAll();
  files_ = std::move(files);
  for (const std::filesystem::path& path : files_) {
    Watched watched{OpenRegular(path), {}, 0};
    if (watched.descriptor < 0) continue;
    if (Rearm(watched)) {
      watched_.push_back(std::move(watched));
    } else {
      close(watched.descriptor);
    }
  }
}

Wake EventWatch::Wait(Duration timeout) {
  if (interrupt_ < 0) return Wake::kUnsupported;
  std::vector<pollfd> polled = {{interrupt_, POLLIN, 0}};
  for (const Watched& watched : watched_) polled.push_back({watched.descriptor, POLLPRI, 0});
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::max(timeout, Duration(0))).count();
  const int limited = static_cast<int>(std::min<int64_t>(ms, std::numeric_limits<int>::max()));
  const int ready = poll(polled.data(), polled.size(), limited);
  if (ready < 0) return Wake::kEvent;  // a signal: spurious, but whoever waits looks again
  if (ready == 0) return Wake::kTimeout;
  for (size_t i = polled.size() - 1; i >= 1; --i) {
    if (polled[i].revents == 0 || Rearm(watched_[i - 1])) continue;
    close(polled[i].fd);
    watched_.erase(watched_.begin() + static_cast<std::ptrdiff_t>(i) - 1);
  }
  if (polled[0].revents == 0) return Wake::kEvent;
  uint64_t count = 0;
  (void)!read(interrupt_, &count, sizeof(count));
  return Wake::kInterrupted;
}

void EventWatch::Interrupt() {
  const uint64_t one = 1;
  if (interrupt_ >= 0) (void)!write(interrupt_, &one, sizeof(one));
}

}  // namespace weir::sensors
