#pragma once
// Near misses: the name that a mistyped one most likely meant.

#include <span>
#include <string>
#include <string_view>

namespace weir {

// Edits (insert, delete, replace, swap of neighbours) between two texts, case ignored. Optimal string alignment distance.
size_t EditDistance(std::string_view a, std::string_view b);

// The nearest of `names` within a third of its length (at least one edit, two from four letters), or one that `name`
// begins; empty when none is near. The first of equals wins.
std::string Nearest(std::string_view name, std::span<const std::string> names);

// "did you mean 'x'?", or "one of: a, b, c" when nothing is near and the list is short, else empty.
std::string SuggestionHint(std::string_view name, std::span<const std::string> names);

}  // namespace weir
