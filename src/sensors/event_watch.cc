#include "event_watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace weir::sensors {
namespace {

// A change can be told after its content was read, so a few wakes for nothing are normal.
constexpr uint32_t kUnchangedWakesMax = 64;
// As long as the kernel's own pause between two notes about one file.
constexpr Duration kMarksQuiet = std::chrono::milliseconds(10);

// Descriptor of a regular file; -1: not to be had.
int OpenRegular(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) return -1;
  struct stat status {};
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) return file;
  close(file);
  return -1;
}

// An eventfd that the kernel signals when the group's use passes the mark; -1: it will not.
int OpenMark(const UsageMark& mark) {
  const int usage = OpenRegular(mark.folder / "memory.usage_in_bytes");
  if (usage < 0) return -1;
  int event = -1;
  const int control = open((mark.folder / "cgroup.event_control").c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status {};
  if (control >= 0 && fstat(control, &status) == 0 && S_ISREG(status.st_mode)) {
    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const std::string request = fmt::format("{} {} {}", event, usage, mark.bytes);
    if (event >= 0 && write(control, request.data(), request.size()) != static_cast<ssize_t>(request.size())) {
      close(event);
      event = -1;
    }
  }
  if (control >= 0) close(control);
  close(usage);
  return event;
}

}  // namespace

bool EventWatch::Rearm(Watched& watched) {
  if (watched.is_mark) {
    uint64_t count = 0;
    return read(watched.descriptor, &count, sizeof(count)) >= 0 || errno == EAGAIN;
  }
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

void EventWatch::Watch(std::vector<std::filesystem::path> files, std::vector<UsageMark> marks) {
  if (files == files_ && marks == marks_) return;
  CloseAll();
  files_ = std::move(files);
  marks_ = std::move(marks);
  const auto add = [&](int descriptor, bool is_mark) {
    Watched watched{descriptor, is_mark, {}, 0};
    if (descriptor < 0) return;
    if (Rearm(watched)) {
      watched_.push_back(std::move(watched));
    } else {
      close(descriptor);
    }
  };
  for (const std::filesystem::path& path : files_) add(OpenRegular(path), false);
  for (const UsageMark& mark : marks_) add(OpenMark(mark), true);
}

// The kernel limits how often a file tells, but not how often use passes a mark.
Wake EventWatch::Wait(Duration timeout) {
  if (interrupt_ < 0) return Wake::kUnsupported;
  timeout = std::max(timeout, Duration(0));
  const Duration quiet = marks_quiet_until_ - SteadyClock().Now();
  if (quiet > Duration(0)) {
    const Wake wake = Poll(std::min(timeout, quiet), false);
    if (wake != Wake::kTimeout || timeout <= quiet) return wake;
    timeout -= quiet;
  }
  return Poll(timeout, true);
}

Wake EventWatch::Poll(Duration timeout, bool with_marks) {
  std::vector<pollfd> polled = {{interrupt_, POLLIN, 0}};
  for (const Watched& watched : watched_) {
    const int descriptor = with_marks || !watched.is_mark ? watched.descriptor : -1;  // poll() passes over the latter
    polled.push_back({descriptor, static_cast<short>(watched.is_mark ? POLLIN : POLLPRI), 0});
  }
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  const int limited = static_cast<int>(std::min<int64_t>(ms, std::numeric_limits<int>::max()));
  const int ready = poll(polled.data(), polled.size(), limited);
  if (ready < 0) return Wake::kEvent;  // a signal: spurious, but whoever waits looks again
  if (ready == 0) return Wake::kTimeout;
  for (size_t i = polled.size() - 1; i >= 1; --i) {
    if (polled[i].revents == 0) continue;
    if (watched_[i - 1].is_mark) marks_quiet_until_ = SteadyClock().Now() + kMarksQuiet;
    if (Rearm(watched_[i - 1])) continue;
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
