#pragma once
// JSON inside prompts: finding it, and rewriting it without changing its meaning or its formatting. Pure functions.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/codec/json.h"

namespace weir {

struct JsonSpan {  // bytes of one outermost JSON object or array that parses
  uint32_t begin = 0;
  uint32_t end = 0;
};

// Rising and disjoint. Arrays without an object inside ("[1]", "[x]") are prose and left out. Linear: gives up on what
// follows when a text with many unmatched brackets costs too much.
std::vector<JsonSpan> FindJsonSpans(std::string_view text);

struct JsonRewrite {
  bool sort_keys = false;   // members by key, at every depth; equal keys keep their order
  bool sort_tools = false;  // arrays of tool definitions, and definitions that follow each other, by tool name
  // Which spans to rewrite; null: all.
  std::function<bool(std::string_view span)> chosen;
};

// `text` with every JSON span rewritten: members and tools change places, the text between them stays where it is.
std::string RewriteJson(std::string_view text, const JsonRewrite& rewrite);

// Members sorted by key at every depth.
Json SortedByKey(const Json& value);

// The name of a tool definition ({"type":"function","function":{"name"...}} or {"name", "parameters" or a schema}).
std::optional<std::string> ToolName(const Json& value);

}  // namespace weir
