#include "weir/base/log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string>

#include "log_line.h"

namespace weir {
namespace {

std::atomic<LogLevel> least_level{LogLevel::kWarning};
std::atomic<LogFormat> log_format{LogFormat::kText};
std::atomic<uint64_t> lines_dropped{0};

thread_local const LogScope* current_scope = nullptr;

// Between asking whether there is room and writing no other thread of ours may take that room.
std::mutex write_mutex;
uint64_t drops_reported = 0;  // under write_mutex

int64_t UnixMilliseconds() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

// Whether a write of one line goes through without waiting. A pipe that polls writable has room for PIPE_BUF bytes; one
// that nobody reads any more reports an error, and writing would raise SIGPIPE.
bool HasRoom() {
  pollfd ask{STDERR_FILENO, POLLOUT, 0};
  int answers = 0;
  do {
    answers = ::poll(&ask, 1, 0);
  } while (answers < 0 && errno == EINTR);
  return answers > 0 && (ask.revents & POLLOUT) != 0 && (ask.revents & (POLLERR | POLLNVAL)) == 0;
}

bool WriteWhole(std::string_view line) {
  if (!HasRoom()) return false;
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    line.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

void WriteLine(std::string_view line, LogFormat format) {
  const std::lock_guard lock(write_mutex);
  const uint64_t dropped = lines_dropped.load(std::memory_order_relaxed);
  if (dropped > drops_reported) {
    const LogField count{"lines", dropped - drops_reported};
    const internal::LogLine note{.unix_ms = UnixMilliseconds(),
                                 .level = LogLevel::kWarning,
                                 .text = "log: standard error did not take all lines",
                                 .fields = {&count, 1},
                                 .trace_id = {},
                                 .span_id = {}};
    if (WriteWhole(internal::FormatLogLine(note, format))) drops_reported = dropped;
  }
  if (!WriteWhole(line)) lines_dropped.fetch_add(1, std::memory_order_relaxed);
}

bool IsHexadecimal(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
}

}  // namespace

void SetLogLevel(LogLevel level) { least_level.store(level, std::memory_order_relaxed); }

bool IsLogged(LogLevel level) { return level != LogLevel::kOff && level >= least_level.load(std::memory_order_relaxed); }

void SetLogFormat(LogFormat format) { log_format.store(format, std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view text) { Log(level, text, std::span<const LogField>()); }

void Log(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  Log(level, text, std::span(fields.begin(), fields.size()));
}

void Log(LogLevel level, std::string_view text, std::span<const LogField> fields) {
  if (!IsLogged(level)) return;
  const LogFormat format = log_format.load(std::memory_order_relaxed);
  const LogScope* scope = LogScope::Current();
  const internal::LogLine line{.unix_ms = UnixMilliseconds(),
                               .level = level,
                               .text = text,
                               .fields = fields,
                               .trace_id = scope != nullptr ? scope->trace_id() : std::string_view(),
                               .span_id = scope != nullptr ? scope->span_id() : std::string_view()};
  WriteLine(internal::FormatLogLine(line, format), format);
}

uint64_t LogLinesDropped() { return lines_dropped.load(std::memory_order_relaxed); }

LogScope::LogScope(std::string_view trace_id, std::string_view span_id) : outer_(current_scope) {
  if (trace_id.size() == trace_id_.size() && IsHexadecimal(trace_id)) {
    trace_size_ = trace_id.copy(trace_id_.data(), trace_id_.size());
  }
  if (span_id.size() == span_id_.size() && IsHexadecimal(span_id)) {
    span_size_ = span_id.copy(span_id_.data(), span_id_.size());
  }
  current_scope = this;
}

LogScope::~LogScope() { current_scope = outer_; }

const LogScope* LogScope::Current() { return current_scope; }

}  // namespace weir
