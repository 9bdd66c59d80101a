#pragma once
// WEIR_CHECK(condition, format, values...): stops the process when our own code broke a rule; on in all builds.
//
// Never for bytes from a user, a file or a peer: those are a Result. The text uses {} for values.

#include <sstream>
#include <string>
#include <string_view>

namespace weir::internal {

// Prints place, condition and text to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, std::string_view text);

inline void AppendFormatted(std::ostringstream& out, std::string_view format) { out << format; }
template <typename First, typename... Rest>
void AppendFormatted(std::ostringstream& out, std::string_view format, const First& first, const Rest&... rest) {
  const size_t hole = format.find("{}");
  out << format.substr(0, hole);
  if (hole == std::string_view::npos) return;
  out << first;
  AppendFormatted(out, format.substr(hole + 2), rest...);
}

inline std::string CheckText() { return {}; }
template <typename... Values>
std::string CheckText(std::string_view format, const Values&... values) {
  std::ostringstream out;
  AppendFormatted(out, format, values...);
  return out.str();
}

}  // namespace weir::internal

#define WEIR_CHECK(condition, ...) \
  (static_cast<bool>(condition)    \
       ? static_cast<void>(0)      \
       : ::weir::internal::CheckFailed(__FILE__, __LINE__, #condition, ::weir::internal::CheckText(__VA_ARGS__)))
