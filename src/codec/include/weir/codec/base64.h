#pragma once
// Base64 text of bytes, and back (RFC 4648, both alphabets). Pure functions.

#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir {

// The standard alphabet with padding.
std::string Base64Of(std::string_view bytes);
// The alphabet that is safe in URLs and file names ('-' and '_'), without padding.
std::string Base64UrlOf(std::string_view bytes);

// Strict: the exact length with its padding, no white space, and no bits beyond the last byte. invalid_argument otherwise.
Result<std::string> ParseBase64(std::string_view text);
// Strict, without padding.
Result<std::string> ParseBase64Url(std::string_view text);

}  // namespace weir
