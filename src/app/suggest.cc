#include "suggest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace weir {
namespace {

char Lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

size_t AllowedEdits(std::string_view a, std::string_view b) {
  const size_t longer = std::max(a.size(), b.size());
  return std::max<size_t>(longer >= 4 ? 2 : 1, longer / 3);
}

}  // namespace

size_t EditDistance(std::string_view a, std::string_view b) {
  const size_t columns = b.size() + 1;
  std::vector<size_t> table((a.size() + 1) * columns);
  const auto at = [&](size_t i, size_t j) -> size_t& { return table[i * columns + j]; };
  for (size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t differs = Lower(a[i - 1]) == Lower(b[j - 1]) ? 0 : 1;
      size_t best = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + differs});
      if (i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) && Lower(a[i - 2]) == Lower(b[j - 1])) {
        best = std::min(best, at(i - 2, j - 2) + 1);
      }
      at(i, j) = best;
    }
  }
  return at(a.size(), b.size());
}

std::string Nearest(std::string_view name, std::span<const std::string> names) {
  constexpr size_t kLongest = 200;  // a longer word is no mistyped name
  if (name.empty() || name.size() > kLongest) return {};
  const std::string* best = nullptr;
  size_t best_distance = 0;
  for (const std::string& candidate : names) {
    const size_t distance = EditDistance(name, candidate);
    if (distance <= AllowedEdits(name, candidate) && (best == nullptr || distance < best_distance)) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best != nullptr) return *best;
  for (const std::string& candidate : names) {
    if (name.size() >= 2 && candidate.starts_with(name)) return candidate;
  }
  return {};
}

std::string SuggestionHint(std::string_view name, std::span<const std::string> names) {
  constexpr size_t kShortList = 12;
  if (const std::string near = Nearest(name, names); !near.empty()) return fmt::format("did you mean '{}'?", near);
  if (names.empty() || names.size() > kShortList) return {};
  return fmt::format("one of: {}", fmt::join(names, ", "));
}

}  // namespace weir
