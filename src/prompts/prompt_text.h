#pragma once
// The segments of a prompt file. Internal to `prompts`; pure. The grammar is in prompt_reader.h.

#include <string>
#include <string_view>
#include <vector>

#include "weir/tokens/context.h"

namespace weir {

struct MarkedText {
  std::string text;               // without the marker lines
  std::vector<Segment> segments;  // empty when the file has no markers; `tokens` is not filled in
};

// REQUIRES: file_text.size() < 4 GiB.
MarkedText SplitSegments(std::string file_text);

// What a segment of that name is: "system", "developer", "tools", "user", "assistant", "tool" (also with a number behind:
// "user 2", "user-2"); anything else is text.
SegmentKind KindOfName(std::string_view name);

}  // namespace weir
