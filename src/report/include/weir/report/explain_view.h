#pragma once
// An explanation of a prefix break for people and programs. Pure functions; results hold prompt text: do not log them.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/advice/explain.h"
#include "weir/codec/json.h"
#include "weir/report/text.h"
#include "weir/tokens/context.h"

namespace weir {

// {"divergence":{"token","block","byte","segment","a_text","b_text","cause",...} or null,"lost_tokens","fix":{...} or
// null,"prefix_tokens",...}. byte and segment are those of a.
Json ExplanationJson(const Explanation& explanation, std::string_view a, std::string_view b);

// Where the two part, both texts with the place marked, the cause, the loss and the fix.
std::string DrawExplanation(const Explanation& explanation, std::string_view a, std::string_view b, const TextStyle& style);

// [{"kept":[...],"broken":[...],"lost_tokens","explanation":{...}}]. `names` are the contexts' names, in their order.
Json BreaksJson(std::span<const GroupBreak> breaks, std::span<const std::string> names);

// Every break, the costliest first.
std::string DrawBreaks(std::span<const GroupBreak> breaks, std::span<const std::string> names, const TextStyle& style);

}  // namespace weir
