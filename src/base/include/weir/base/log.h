#pragma once
// Logging front: one line per message to standard error. Never pass prompt text, keys or tokens.
//
// Thread-safe. The library behind it stays inside this room; format the text before the call.

#include <string_view>

namespace weir {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };

// The least level that is written; kWarning at start.
void SetLogLevel(LogLevel level);

void Log(LogLevel level, std::string_view text);

}  // namespace weir
