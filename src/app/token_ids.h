#pragma once
// Token ids as people and programs write them.

#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// Decimal ids separated by blanks, commas or brackets ("1,2,3", "[1, 2]"). invalid_argument names the byte.
Result<std::vector<TokenId>> ParseTokenIds(std::string_view text);

}  // namespace weir
