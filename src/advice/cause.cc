// The cause of a break, judged by what differs. The tests run from the most specific evidence to the least.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json_text.h"
#include "prompt_break.h"
#include "text_forms.h"
#include "volatile_fields.h"

namespace weir {
namespace {

// Longer regions are judged by their beginning only where that is sound, else they are content.
constexpr uint32_t kRegionBytesMax = 1u << 18;
// How far around the break JSON is looked for.
constexpr uint32_t kWindowBytes = 1u << 20;
// Text that must agree behind a number before it counts as a counter, unless its line ends first.
constexpr size_t kAgreeingBytesMin = 16;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Part of the segment around the break, at most kWindowBytes to each side, in whole characters.
Range WindowOf(const Context& context, uint32_t byte) {
  const std::string_view text = context.text();
  Range window = SegmentAtByte(context, byte).bytes;
  if (byte - window.begin > kWindowBytes) window.begin = byte - kWindowBytes;
  if (window.end - byte > kWindowBytes) window.end = byte + kWindowBytes;
  while (window.begin < window.end && IsContinuation(text[window.begin])) ++window.begin;
  while (window.end > byte && window.end < text.size() && IsContinuation(text[window.end])) --window.end;
  return window;
}

// The line around the break, bounded; fields are looked for here. Starts equally far in front of the break in both texts.
Range LineOf(std::string_view text, uint32_t byte) {
  constexpr uint32_t kReach = 2048;
  Range line = {byte, byte};
  while (line.begin > 0 && byte - line.begin < kReach && text[line.begin - 1] != '\n') --line.begin;
  while (line.end < text.size() && line.end - byte < kReach && text[line.end] != '\n') ++line.end;
  return line;
}

std::optional<VolatileField> FieldAt(std::string_view text, uint32_t byte) {
  const Range line = LineOf(text, byte);
  for (VolatileField field : FindVolatileFields(text.substr(line.begin, line.size()))) {
    field.begin += line.begin;
    field.end += line.begin;
    if (field.begin <= byte && byte <= field.end) return field;
  }
  return std::nullopt;
}

std::string_view LettersAt(std::string_view text, uint32_t byte) {
  const auto is_letter = [&](uint32_t i) { return (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z'; };
  uint32_t begin = byte;
  while (begin > 0 && byte - begin < 16 && is_letter(begin - 1)) --begin;
  uint32_t end = byte;
  while (end < text.size() && end - byte < 16 && is_letter(end)) ++end;
  return text.substr(begin, end - begin);
}

// Whether the texts go on alike behind two fields, to the end of the line or for some time.
bool AgreeBehind(std::string_view a, uint32_t at_a, std::string_view b, uint32_t at_b) {
  for (size_t agreed = 0;; ++agreed, ++at_a, ++at_b) {
    const bool end_a = at_a >= a.size() || a[at_a] == '\n';
    const bool end_b = at_b >= b.size() || b[at_b] == '\n';
    if (end_a || end_b) return end_a && end_b;
    if (a[at_a] != b[at_b]) return false;
    if (agreed >= kAgreeingBytesMin) return true;
  }
}

std::optional<Judgement> JudgeFields(const PromptBreak& at) {
  const std::string_view x = at.a->text();
  const std::string_view y = at.b->text();
  if (IsCalendarName(LettersAt(x, at.byte_a)) && IsCalendarName(LettersAt(y, at.byte_b))) {
    return Judgement{BreakCause::kTimestamp, "both texts name a day or a month here, different ones"};
  }
  const std::optional<VolatileField> a = FieldAt(x, at.byte_a);
  const std::optional<VolatileField> b = FieldAt(y, at.byte_b);
  if (!a || !b || at.byte_a - a->begin != at.byte_b - b->begin) return std::nullopt;
  if (a->kind == VolatileKind::kTimestamp && b->kind == VolatileKind::kTimestamp) {
    return Judgement{BreakCause::kTimestamp, "both texts hold a date or time here, with different values"};
  }
  const bool has_id = a->kind == VolatileKind::kId || b->kind == VolatileKind::kId;
  const bool has_time = a->kind == VolatileKind::kTimestamp || b->kind == VolatileKind::kTimestamp;
  if (has_id && !has_time && (a->kind == b->kind || a->end - a->begin == b->end - b->begin)) {
    return Judgement{BreakCause::kUuid, "both texts hold an identifier here, different ones"};
  }
  if (a->kind == VolatileKind::kNumber && b->kind == VolatileKind::kNumber && AgreeBehind(x, a->end, y, b->end)) {
    return Judgement{BreakCause::kCounter, "a number differs and the text around it is the same"};
  }
  return std::nullopt;
}

// A short passage with a date or an identifier that only one of the texts has; both go on alike behind it.
std::optional<Judgement> JudgeInsertion(const PromptBreak& at) {
  constexpr size_t kPassageBytesMax = 200;
  const std::string_view a = at.TextA(at.region_a);
  const std::string_view b = at.TextB(at.region_b);
  if (at.runs.empty() || CollapseBlanks(a).empty() == CollapseBlanks(b).empty()) return std::nullopt;
  const std::string_view passage = CollapseBlanks(a).empty() ? b : a;
  if (passage.size() > kPassageBytesMax) return std::nullopt;
  for (const VolatileField& field : FindVolatileFields(passage)) {
    if (field.kind == VolatileKind::kTimestamp) {
      return Judgement{BreakCause::kTimestamp, "only one of the texts holds a date or time here"};
    }
    if (field.kind == VolatileKind::kId) {
      return Judgement{BreakCause::kUuid, "only one of the texts holds an identifier here"};
    }
  }
  return std::nullopt;
}

struct JsonValues {
  std::vector<Json> values;
  std::optional<size_t> at;  // the one that holds the break
};

JsonValues JsonAround(const Context& context, uint32_t byte) {
  const Range window = WindowOf(context, byte);
  const std::string_view text = context.text().substr(window.begin, window.size());
  JsonValues found;
  for (const JsonSpan& span : FindJsonSpans(text)) {
    Result<Json> value = Json::Parse(text.substr(span.begin, span.end - span.begin));
    if (!value) continue;
    if (window.begin + span.begin <= byte && byte < window.begin + span.end) found.at = found.values.size();
    found.values.push_back(*std::move(value));
  }
  return found;
}

// Arrays of tool definitions by name; everything else as it is. Expects sorted keys.
Json SortedTools(const Json& value) {
  if (value.is_object()) {
    Json::Object out;
    for (const auto& [key, member] : value.as_object()) out.emplace_back(key, SortedTools(member));
    return Json(std::move(out));
  }
  if (!value.is_array()) return value;
  Json::Array out;
  for (const Json& item : value.as_array()) out.push_back(SortedTools(item));
  const bool are_tools =
      out.size() > 1 && std::all_of(out.begin(), out.end(), [](const Json& item) { return ToolName(item).has_value(); });
  if (are_tools) {
    std::stable_sort(out.begin(), out.end(), [](const Json& p, const Json& q) { return *ToolName(p) < *ToolName(q); });
  }
  return Json(std::move(out));
}

std::optional<Judgement> JudgeJson(const PromptBreak& at) {
  const JsonValues a = JsonAround(*at.a, at.byte_a);
  const JsonValues b = JsonAround(*at.b, at.byte_b);
  if (!a.at || !b.at) return std::nullopt;
  const Json x = SortedByKey(a.values[*a.at]);
  const Json y = SortedByKey(b.values[*b.at]);
  if (x == y) {
    if (a.values[*a.at] == b.values[*b.at]) {  // same order too
      if (CollapseBlanks(at.TextA(at.words_a)) == CollapseBlanks(at.TextB(at.words_b))) return std::nullopt;
      return Judgement{BreakCause::kUnicodeForm, "equal JSON values, written with other escapes"};
    }
    return Judgement{BreakCause::kJsonKeyOrder, "equal JSON values, with their members in another order"};
  }
  if (SortedTools(x) == SortedTools(y)) {
    return Judgement{BreakCause::kToolOrder, "the same tool definitions, listed in another order"};
  }
  // One definition after the other, as many templates write them.
  const auto tools_of = [](const JsonValues& all) {
    std::vector<std::string> tools;
    for (const Json& value : all.values) {
      if (ToolName(value)) tools.push_back(SortedByKey(value).Dump());
    }
    std::sort(tools.begin(), tools.end());
    return tools;
  };
  if (ToolName(x) && ToolName(y)) {
    const std::vector<std::string> tools = tools_of(a);
    if (tools.size() > 1 && tools == tools_of(b)) {
      return Judgement{BreakCause::kToolOrder, "the same tool definitions, listed in another order"};
    }
  }
  return std::nullopt;
}

// With one character of the common text on each side, so that blanks at the edges have neighbours.
std::string_view WithNeighbours(std::string_view text, Range bytes) {
  if (bytes.begin > 0) --bytes.begin;
  if (bytes.end < text.size()) ++bytes.end;
  while (bytes.begin > 0 && IsContinuation(text[bytes.begin])) --bytes.begin;
  while (bytes.end < text.size() && IsContinuation(text[bytes.end])) ++bytes.end;
  return text.substr(bytes.begin, bytes.size());
}

// Both texts have a special-token mark or a role line where they part.
bool BreaksInScaffold(const PromptBreak& at) {
  const auto in_mark = [](std::string_view text, uint32_t byte) {
    constexpr uint32_t kReach = 48;
    for (uint32_t begin = byte;; --begin) {
      const size_t size = MarkSize(text.substr(begin));
      if (size > 0 && begin + size > byte) return true;
      if (begin == 0 || byte - begin >= kReach) return false;
    }
  };
  const auto is_role_line = [](std::string_view text, uint32_t byte) {
    const Range line = LineOf(text, byte);
    const std::string_view whole = text.substr(line.begin, line.size());
    const size_t colon = whole.find(':');
    return IsScaffold(whole) ||
           (colon != std::string_view::npos && byte <= line.begin + colon && IsScaffold(whole.substr(0, colon + 1)));
  };
  const auto is_scaffold = [&](std::string_view text, uint32_t byte) {
    return in_mark(text, byte) || is_role_line(text, byte);
  };
  return is_scaffold(at.a->text(), at.byte_a) && is_scaffold(at.b->text(), at.byte_b);
}

std::optional<Judgement> JudgeForms(const PromptBreak& at) {
  if (at.region_a.size() > kRegionBytesMax || at.region_b.size() > kRegionBytesMax) return std::nullopt;
  const std::string_view a = WithNeighbours(at.a->text(), at.words_a);
  const std::string_view b = WithNeighbours(at.b->text(), at.words_b);
  if (CollapseBlanks(a) == CollapseBlanks(b)) {
    return Judgement{BreakCause::kWhitespace, "the texts are the same but for blanks and line ends"};
  }
  if (CollapseBlanks(FoldCharacters(a)) == CollapseBlanks(FoldCharacters(b))) {
    return Judgement{BreakCause::kUnicodeForm, "the same characters in another Unicode form, or look-alikes of them"};
  }
  return std::nullopt;
}

// Role markers and separators differ, or one text lacks them; or both texts part inside one.
std::optional<Judgement> JudgeScaffold(const PromptBreak& at) {
  if (at.region_a.size() <= kRegionBytesMax && at.region_b.size() <= kRegionBytesMax) {
    const auto scaffold_or_blank = [](std::string_view text) { return CollapseBlanks(text).empty() || IsScaffold(text); };
    if (scaffold_or_blank(at.TextA(at.words_a)) && scaffold_or_blank(at.TextB(at.words_b))) {
      return Judgement{BreakCause::kTemplate, "role markers or separators differ, the text around them does not"};
    }
  }
  if (!BreaksInScaffold(at)) return std::nullopt;
  return Judgement{BreakCause::kTemplate, "role markers or separators differ here, as from two templates"};
}

std::optional<Judgement> JudgeCase(const PromptBreak& at) {
  if (at.region_a.size() > kRegionBytesMax || at.region_b.size() > kRegionBytesMax) return std::nullopt;
  const auto folded = [](std::string_view text) { return LowerCase(CollapseBlanks(FoldCharacters(text))); };
  if (folded(at.TextA(at.words_a)) != folded(at.TextB(at.words_b))) return std::nullopt;
  return Judgement{BreakCause::kLetterCase, "the texts are the same but for upper and lower case"};
}

}  // namespace

Judgement JudgeCause(const PromptBreak& at) {
  if (at.a->text() == at.b->text()) {
    return {BreakCause::kTemplate, "the texts are equal, but special tokens were added to one of them"};
  }
  if (at.byte_a == at.a->text().size() || at.byte_b == at.b->text().size()) {
    return {BreakCause::kEnd, "one prompt ends here and the other goes on"};
  }
  if (std::optional<Judgement> judged = JudgeJson(at)) return *judged;
  if (std::optional<Judgement> judged = JudgeFields(at)) return *judged;
  if (std::optional<Judgement> judged = JudgeInsertion(at)) return *judged;
  if (std::optional<Judgement> judged = JudgeForms(at)) return *judged;
  if (std::optional<Judgement> judged = JudgeScaffold(at)) return *judged;
  if (std::optional<Judgement> judged = JudgeCase(at)) return *judged;
  return {BreakCause::kContent, "the texts say different things from here on"};
}

}  // namespace weir
