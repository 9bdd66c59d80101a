#pragma once
// Turns a regular expression as Hugging Face `tokenizers` reads it (Oniguruma, Ruby syntax, Unicode 16) into one that
// PCRE2 matches the same way.
//
// Every class becomes an explicit list of code points, since the two engines know different versions of Unicode. What
// could match differently is refused: back references, look-behind, anchors other than $ and \z, word boundaries,
// \w, POSIX brackets, scripts, options other than (?i:...) on ASCII text, and expressions that match the empty text.

#include <string>
#include <string_view>

#include "weir/base/result.h"

namespace weir::pretokenize {

// unsupported: names the construct and its byte in the pattern; invalid_argument: not a well-formed expression.
Result<std::string> TranslateToPcre2(std::string_view pattern);

}  // namespace weir::pretokenize
