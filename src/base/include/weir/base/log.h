#pragma once
// Logging front: one line per message to standard error, as text for people or as JSON for collectors. Never pass prompt
// text, keys or tokens.
//
// Thread-safe. A line is valid UTF-8, at most kLogLineBytesMax bytes with its line feed, and leaves in one write, so that
// lines of threads and of processes on one pipe do not mix. Whatever the text holds, it stays one line: control characters
// are escaped, broken UTF-8 becomes U+FFFD. What does not fit is cut and the line says so. If standard error is a pipe that
// nobody empties, lines are dropped and counted instead of holding up the caller.

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace weir {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// kText: `2026-01-31T09:08:07.123Z warning the text key=value name="two words" trace_id=...`.
// kJson: `{"time":"2026-01-31T09:08:07.123Z","level":"warning","message":"the text","key":1,"trace_id":"..."}`; a number
// that JSON cannot say is null.
enum class LogFormat { kText, kJson };

// The most that a pipe takes whole (PIPE_BUF).
inline constexpr size_t kLogLineBytesMax = 4096;

// The least level that is written; kWarning at start.
void SetLogLevel(LogLevel level);
// Whether a message of this level would be written: ask before an expensive text.
bool IsLogged(LogLevel level);
// kText at start.
void SetLogFormat(LogFormat format);

// Borrows text.
class LogValue {
 public:
  LogValue(std::string_view text) : value_(text) {}
  LogValue(const char* text) : value_(std::string_view(text)) {}
  LogValue(const std::string& text) : value_(std::string_view(text)) {}
  LogValue(std::same_as<bool> auto value) : value_(value) {}
  LogValue(double value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) LogValue(T value) {
    if constexpr (std::signed_integral<T>) {
      value_ = int64_t{value};
    } else {
      value_ = uint64_t{value};
    }
  }

  const auto& value() const { return value_; }

 private:
  std::variant<bool, int64_t, uint64_t, double, std::string_view> value_;
};

// Borrowed for the call. Keys are ours, snake_case, each once in a line; a key that the line itself uses (time, level,
// message, trace_id, span_id, truncated) gets an underscore at its end. Members in order; those that do not fit are left
// out.
struct LogField {
  std::string_view key;
  LogValue value;
};

void Log(LogLevel level, std::string_view text);
void Log(LogLevel level, std::string_view text, std::span<const LogField> fields);
void Log(LogLevel level, std::string_view text, std::initializer_list<LogField> fields);

// Lines that standard error did not take, since the start.
uint64_t LogLinesDropped();

// While it lives, lines of this thread carry these ids (32 and 16 hexadecimal digits, as in a traceparent header; anything
// else counts as none). Scopes nest: the inner one holds. Belongs to the thread that made it.
class LogScope {
 public:
  LogScope(std::string_view trace_id, std::string_view span_id);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  // Empty: none.
  std::string_view trace_id() const { return {trace_id_.data(), trace_size_}; }
  std::string_view span_id() const { return {span_id_.data(), span_size_}; }
  // The innermost of this thread, or null.
  static const LogScope* Current();

 private:
  const LogScope* const outer_;
  std::array<char, 32> trace_id_{};
  std::array<char, 16> span_id_{};
  size_t trace_size_ = 0;
  size_t span_size_ = 0;
};

}  // namespace weir
