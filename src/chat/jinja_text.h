#pragma once
// Python's str methods that chat templates use, on UTF-8. Internal to `chat`; pure functions.
//
// Character classes beyond ASCII, and case mappings that change the number of characters, are refused by name.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::jinja_rendering {

// Reads the code point at `at` and moves behind it. REQUIRES: at < text.size(); text is UTF-8.
char32_t NextCodePoint(std::string_view text, size_t& at);
size_t CountCodePoints(std::string_view text);
// str.isspace() of one character.
bool IsSpace(char32_t code_point);

// Which ends strip() and its kin work on.
enum class Ends { kLeft, kRight, kBoth };
// `characters` absent: white space.
std::string_view Strip(std::string_view text, Ends ends, std::optional<std::string_view> characters);

// str.split(separator, splits_max); no separator: at runs of white space. splits_max < 0: no limit.
std::vector<std::string> Split(std::string_view text, std::optional<std::string_view> separator, int64_t splits_max);
std::vector<std::string> SplitFromRight(std::string_view text, std::optional<std::string_view> separator,
                                        int64_t splits_max);
std::vector<std::string> SplitLines(std::string_view text, bool keep_ends);

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to, int64_t count);
// Characters [start, stop) in steps; already clamped as Python's slice.indices() does.
std::string SliceCharacters(std::string_view text, int64_t start, int64_t stop, int64_t step);

// Byte offset to number of characters before it.
size_t CharactersBefore(std::string_view text, size_t byte);

enum class CaseMapping { kUpper, kLower, kTitle, kCapitalize, kSwap };
std::string MapCase(std::string_view text, CaseMapping mapping);
// Jinja's |title: words begin after white space, '-' and opening brackets.
std::string TitleFilter(std::string_view text);
// Jinja's |indent.
std::string Indent(std::string_view text, std::string_view prefix, bool first, bool blank);
// Jinja's |escape.
std::string EscapeHtml(std::string_view text);

}  // namespace weir::jinja_rendering
