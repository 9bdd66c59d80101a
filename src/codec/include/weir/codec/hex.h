#pragma once
// Hexadecimal text of bytes, and back. Pure functions.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

// Two lower-case digits per byte.
std::string HexOf(std::span<const uint8_t> bytes);
std::string HexOf(std::string_view bytes);

// The bytes behind an even number of digits of either case. invalid_argument names the index of the first bad digit.
Result<std::string> ParseHex(std::string_view text);

}  // namespace weir
