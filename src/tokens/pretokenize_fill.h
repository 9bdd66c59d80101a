#pragma once
// Fill: the piece ends of one text from a boundary on, by one pattern's scanner and one instruction set.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "pretokenize_rules.h"

namespace weir::pretokenize {

// As Pretokenizer::Next, with the cursor's byte.
using Fill = size_t (*)(std::string_view text, size_t& at, std::span<uint32_t> ends);

Fill ScalarFill(Family family);
// Null where the compiler knows no such instructions; to be called only where the processor has them.
Fill Avx2Fill(Family family);
Fill Avx512Fill(Family family);
bool HasAvx2();
bool HasAvx512();

}  // namespace weir::pretokenize
