#pragma once
// From the marks of a rendering to the segments of a prompt. Internal to `chat`; pure.

#include <string_view>
#include <vector>

#include "jinja_interpreter.h"
#include "weir/codec/json.h"
#include "weir/tokens/context.h"

namespace weir {

// `prompt_end` is where the generation prompt begins (text_size: there is none). REQUIRES: messages is an array of
// objects; text_size < 4 GiB.
std::vector<Segment> SegmentsOf(const jinja_rendering::Interpreter& rendering, const Json& messages, size_t text_size,
                                size_t prompt_end);

}  // namespace weir
