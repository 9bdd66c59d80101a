#pragma once
// Byte sizes as people write and read them.

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

// "64", "64K", "256MiB", "1.5G": binary multiples, an optional "B" or "iB"; invalid_argument otherwise or beyond 64 bits.
Result<uint64_t> ParseByteSize(std::string_view text);

// "512 B", "1.5 KiB", "12.0 MiB".
std::string FormatByteSize(uint64_t bytes);

}  // namespace weir
