#pragma once
// NFC: Unicode normalisation form C, with the data that the tokenizers' own normaliser has (Unicode 9): characters added
// since then stay as they are. Pure functions.

#include <string>
#include <string_view>

namespace weir {

// Canonically equal to `text`, in composed form. REQUIRES: valid UTF-8, below 4 GiB.
std::string ToNfc(std::string_view text);

}  // namespace weir
