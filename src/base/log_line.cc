#include "log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <iterator>
#include <utility>

namespace weir::internal {
namespace {

constexpr size_t kTextBytesMax = 2048;    // of the message, escaped
constexpr size_t kValueBytesMax = 512;    // of one field's text, escaped
constexpr size_t kKeyBytesMax = 64;       // of one field's key, escaped
constexpr size_t kTailBytes = 160;        // both ids, the mark of a cut and the end
constexpr std::string_view kCut = "...";  // closes what was cut

enum class Quoting { kNone, kQuoted };  // kQuoted: inside quotes, so quotes and backslashes are escaped as well

// Appends `text` escaped, at most `bytes_max` bytes; false: it was cut.
bool AppendEscaped(std::string& out, std::string_view text, size_t bytes_max, Quoting quoting) {
  const size_t start = out.size();
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const size_t size = Utf8SequenceSize(text);
    std::array<char, 8> escape{};
    std::string_view piece = text.substr(0, std::max<size_t>(size, 1));
    const auto say = [&](unsigned code_point) {
      const auto end = fmt::format_to_n(escape.data(), escape.size(), "\\u{:04x}", code_point);
      piece = {escape.data(), end.size};
    };
    if (size == 0) {
      piece = "\xEF\xBF\xBD";
    } else if (byte == '\n') {
      piece = "\\n";
    } else if (byte == '\t') {
      piece = "\\t";
    } else if (byte == '\r') {
      piece = "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      say(byte);
    } else if (byte == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      say(static_cast<unsigned char>(text[1]));  // C1 controls: terminals obey them as well
    } else if (quoting == Quoting::kQuoted && byte == '"') {
      piece = "\\\"";
    } else if (quoting == Quoting::kQuoted && byte == '\\') {
      piece = "\\\\";
    }
    // The mark must fit behind every piece that is not the last.
    const bool is_last = text.size() == std::max<size_t>(size, 1);
    if (out.size() - start + piece.size() + (is_last ? 0 : kCut.size()) > bytes_max) {
      out += kCut;
      return false;
    }
    out += piece;
    text.remove_prefix(std::max<size_t>(size, 1));
  }
  return true;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
    case LogLevel::kOff: return "off";
  }
  return "error";
}

void AppendTime(std::string& out, int64_t unix_ms) {
  const time_t seconds = static_cast<time_t>(unix_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, unix_ms % 1000);
}

bool IsReserved(std::string_view key) {
  constexpr std::array<std::string_view, 6> kReserved = {"time", "level", "message", "trace_id", "span_id", "truncated"};
  return std::ranges::find(kReserved, key) != kReserved.end();
}

// Whether a value in the text form needs quotes to be read back.
bool NeedsQuotes(std::string_view text) {
  return text.empty() || std::ranges::any_of(text, [](char c) {
           return static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '\\' ||
                  static_cast<unsigned char>(c) >= 0x7F;
         });
}

bool AppendText(std::string& out, std::string_view text, bool quoted) {
  if (!quoted) return AppendEscaped(out, text, kValueBytesMax, Quoting::kNone);
  out += '"';
  const bool is_whole = AppendEscaped(out, text, kValueBytesMax, Quoting::kQuoted);
  out += '"';
  return is_whole;
}

bool AppendValue(std::string& out, const LogValue& value, LogFormat format) {
  if (const auto* text = std::get_if<std::string_view>(&value.value())) {
    return AppendText(out, *text, format == LogFormat::kJson || NeedsQuotes(*text));
  }
  const auto* number = std::get_if<double>(&value.value());
  if (number != nullptr && format == LogFormat::kJson && !std::isfinite(*number)) {
    out += "null";
    return true;
  }
  std::visit([&](const auto& plain) { fmt::format_to(std::back_inserter(out), "{}", plain); }, value.value());
  return true;
}

// One member or key=value pair with what separates it from those before; false: something was cut.
bool AppendField(std::string& out, const LogField& field, LogFormat format) {
  const bool is_json = format == LogFormat::kJson;
  out += is_json ? ",\"" : " ";
  bool is_whole = AppendEscaped(out, field.key, kKeyBytesMax, is_json ? Quoting::kQuoted : Quoting::kNone);
  if (IsReserved(field.key)) out += '_';
  out += is_json ? "\":" : "=";
  is_whole &= AppendValue(out, field.value, format);
  return is_whole;
}

}  // namespace

size_t Utf8SequenceSize(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  const size_t size = lead >= 0xC2 && lead < 0xE0   ? 2
                      : lead >= 0xE0 && lead < 0xF0 ? 3
                      : lead >= 0xF0 && lead < 0xF5 ? 4
                                                    : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) >= 0xA0) || (lead == 0xF0 && at(1) < 0x90) ||
      (lead == 0xF4 && at(1) >= 0x90)) {
    return 0;
  }
  return size;
}

std::string FormatLogLine(const LogLine& line, LogFormat format) {
  const bool is_json = format == LogFormat::kJson;
  std::string out;
  out.reserve(256 + line.text.size());
  if (is_json) out += "{\"time\":\"";
  AppendTime(out, line.unix_ms);
  out += is_json ? "\",\"level\":\"" : " ";
  out += LevelName(line.level);
  out += is_json ? "\",\"message\":\"" : " ";
  bool is_whole = AppendEscaped(out, line.text, kTextBytesMax, is_json ? Quoting::kQuoted : Quoting::kNone);
  if (is_json) out += '"';
  for (const LogField& field : line.fields) {
    const size_t before = out.size();
    is_whole &= AppendField(out, field, format);
    if (out.size() <= kLogLineBytesMax - kTailBytes) continue;
    out.resize(before);
    is_whole = false;
    break;
  }
  for (const auto& [key, id] : {std::pair("trace_id", line.trace_id), std::pair("span_id", line.span_id)}) {
    if (!id.empty()) out += is_json ? fmt::format(",\"{}\":\"{}\"", key, id) : fmt::format(" {}={}", key, id);
  }
  if (!is_whole) out += is_json ? ",\"truncated\":true" : " truncated=true";
  out += is_json ? "}\n" : "\n";
  return out;
}

}  // namespace weir::internal
