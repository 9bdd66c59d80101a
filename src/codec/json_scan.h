#pragma once
// The plain recursive JSON reader behind Json::Parse: slower than the SIMD one, but it says where and why a text is no
// JSON, and it reads integers beyond 64 bits. Private to this room.

#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir::internal {

// As Json::Parse; the message names byte, line and column. Adds to `folded` the members that had another of their name.
Result<Json> ScanJson(std::string_view text, size_t& folded);

// Of members with one name keeps the first place and the last value. How many went.
size_t FoldDuplicates(Json::Object& object);

// True when some \u escape is half of a surrogate pair without its other half.
bool HasLoneSurrogateEscape(std::string_view text);

}  // namespace weir::internal
