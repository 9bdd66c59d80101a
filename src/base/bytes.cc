#include "weir/base/bytes.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace weir {

Result<uint64_t> ParseByteSize(std::string_view text) {
  const auto refuse = [&] {
    return InvalidArgument(fmt::format("'{}' is not a byte size", text), "write it like 64K, 256MiB or 1.5G");
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return refuse();
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  int shift = 0;
  if (!unit.empty()) {
    constexpr std::string_view kUnits = "KMGT";
    const size_t at = kUnits.find(static_cast<char>(unit.front() & ~0x20));
    if (at != std::string_view::npos) {
      shift = 10 * static_cast<int>(at + 1);
      unit.remove_prefix(1);
      if (unit == "iB" || unit == "ib" || unit == "i") unit = {};
    }
    if (unit == "B" || unit == "b") unit = {};
    if (!unit.empty()) return refuse();
  }
  const double bytes = std::ldexp(number, shift);
  if (bytes >= 0x1.0p64) return refuse();
  return static_cast<uint64_t>(bytes);
}

std::string FormatByteSize(uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kNames = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t name = 0;
  while (value >= 1023.95 && name + 1 < kNames.size()) {
    value /= 1024;
    ++name;
  }
  return fmt::format("{:.1f} {}", value, kNames[name]);
}

}  // namespace weir
