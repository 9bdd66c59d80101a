#pragma once
// A layout proposal for people and programs. Pure functions; results hold prompt text: do not log them.

#include <cstdint>
#include <string>

#include "weir/advice/layout.h"
#include "weir/codec/json.h"
#include "weir/report/text.h"

namespace weir {

// {"order":[names],"normalisations":[{"name","pieces",...}],"reusable_tokens":{"before","after"},...}. `normalisations`
// are those of the proposal; the others that were tried are in "not_applied".
Json LayoutJson(const LayoutReport& report, uint64_t cache_tokens);

// Bars before and after, the order, what each change gains, the calls and an example.
std::string DrawLayout(const LayoutReport& report, uint64_t cache_tokens, const TextStyle& style);

}  // namespace weir
