#pragma once
// One line of the log as bytes. Internal to `base`. Pure functions.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "weir/base/log.h"

namespace weir::internal {

struct LogLine {
  int64_t unix_ms = 0;
  LogLevel level = LogLevel::kInfo;
  std::string_view text;
  std::span<const LogField> fields;
  std::string_view trace_id;  // plain ASCII; empty: none
  std::string_view span_id;
};

// With its line feed, at most kLogLineBytesMax bytes.
std::string FormatLogLine(const LogLine& line, LogFormat format);

// The bytes of the well-formed UTF-8 sequence at the start of `text`, 0 if it is ill-formed. REQUIRES: not empty.
size_t Utf8SequenceSize(std::string_view text);

}  // namespace weir::internal
