#pragma once
// UTF-8: validation with the place of the first fault, and lossy repair.
//
// Well-formed means Unicode's table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. Pure functions.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

bool IsValidUtf8(std::string_view bytes);

// Where the first ill-formed sequence begins (the lead byte of a cut or broken sequence), or nothing when all is valid.
std::optional<size_t> FindInvalidUtf8(std::string_view bytes);

// Each maximal subpart of an ill-formed sequence becomes one U+FFFD, as the WHATWG decoder does; valid text is copied.
std::string ReplaceInvalidUtf8(std::string_view bytes);

// Whether there is nothing to read: only NUL and what Unicode calls White_Space. REQUIRES: valid.
bool IsBlankUtf8(std::string_view text);

// Appends one code point. REQUIRES: below 0x110000 and no surrogate.
void AppendUtf8(char32_t code_point, std::string& out);

}  // namespace weir
