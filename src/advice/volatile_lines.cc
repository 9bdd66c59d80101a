#include "volatile_lines.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "json_text.h"
#include "volatile_fields.h"

namespace weir {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }

// A line with its newline, or one of several sentences in a line with the blanks behind it.
struct Unit {
  size_t begin = 0;
  size_t end = 0;
  bool whole_line = true;
};

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (IsBlank(text.front()) || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (IsBlank(text.back()) || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

void AddSentences(std::string_view text, size_t begin, size_t end, std::vector<Unit>& units) {
  const size_t mark = units.size();
  size_t start = begin;
  for (size_t i = begin + 1; i + 1 < end; ++i) {
    if (text[i] != ' ' || !IsUpper(text[i + 1])) continue;
    const char before = text[i - 1];
    if (before != '.' && before != '!' && before != '?') continue;
    units.push_back({start, i + 1, false});
    start = i + 1;
  }
  units.push_back({start, end, start == begin});
  if (units.size() - mark > 1) units.back().whole_line = false;
}

std::vector<Unit> UnitsOf(std::string_view text) {
  const std::vector<JsonSpan> json = FindJsonSpans(text);
  std::vector<Unit> units;
  bool in_fence = false;
  size_t next_json = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    const std::string_view line = Trimmed(text.substr(begin, end - begin));
    while (next_json < json.size() && json[next_json].end <= begin) ++next_json;
    const bool in_json = next_json < json.size() && json[next_json].begin < end;
    const bool is_fence = line.starts_with("```") || line.starts_with("~~~");
    if (is_fence) in_fence = !in_fence;
    if (!in_fence && !is_fence && !in_json && !line.empty()) AddSentences(text, begin, end, units);
    begin = end;
  }
  return units;
}

// Empty when the unit has no field, or no word that says what the field is.
std::string MaskOf(std::string_view unit) {
  std::string mask = MaskVolatileFields(Trimmed(unit));
  const bool has_field = mask.find_first_of("\x01\x02") != std::string::npos;
  const bool has_word = std::any_of(mask.begin(), mask.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || IsUpper(c) || (static_cast<unsigned char>(c) & 0x80) != 0;
  });
  return has_field && has_word ? mask : std::string();
}

struct Seen {
  std::string first;     // the unit where it was seen first
  size_t last_text = 0;  // index + 1 of the last text that has it
  size_t texts = 0;      // texts that have it
  bool varies = false;   // not the same everywhere
  bool repeats = false;  // more than once in a text
};

}  // namespace

VolatileLines::VolatileLines(std::span<const std::string_view> texts) {
  std::unordered_map<std::string, Seen> seen;
  for (size_t i = 0; i < texts.size(); ++i) {
    for (const Unit& unit : UnitsOf(texts[i])) {
      const std::string_view raw = texts[i].substr(unit.begin, unit.end - unit.begin);
      std::string mask = MaskOf(raw);
      if (mask.empty()) continue;
      Seen& entry = seen[std::move(mask)];
      if (entry.texts == 0) {
        entry.first = Trimmed(raw);
      } else if (entry.first != Trimmed(raw)) {
        entry.varies = true;
      }
      if (entry.last_text == i + 1) {
        entry.repeats = true;
      } else {
        entry.last_text = i + 1;
        ++entry.texts;
      }
    }
  }
  for (auto& [mask, entry] : seen) {
    if (entry.texts >= 2 && entry.varies && !entry.repeats) masks_.insert(mask);
  }
}

VolatileLines::Split VolatileLines::Apply(std::string_view text) const {
  Split split;
  if (masks_.empty()) {
    split.stable = text;
    return split;
  }
  size_t from = 0;
  for (const Unit& unit : UnitsOf(text)) {
    const std::string_view raw = text.substr(unit.begin, unit.end - unit.begin);
    const std::string mask = MaskOf(raw);
    if (mask.empty() || !masks_.contains(mask)) continue;
    split.stable.append(text.substr(from, unit.begin - from));
    from = unit.end;
    if (!unit.whole_line && raw.ends_with('\n')) {  // the last sentence leaves the line end to the one before it
      while (!split.stable.empty() && IsBlank(split.stable.back())) split.stable.pop_back();
      split.stable += '\n';
    }
    split.volatiles.append(unit.whole_line ? raw : Trimmed(raw));
    if (!split.volatiles.ends_with('\n')) split.volatiles += '\n';
  }
  split.stable.append(text.substr(from));
  return split;
}

}  // namespace weir
