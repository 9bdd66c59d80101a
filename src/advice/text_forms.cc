#include "text_forms.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "weir/codec/utf8.h"
#include "weir/tokens/nfc.h"

namespace weir {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsWord(char c) { return IsLetter(c) || (c >= '0' && c <= '9') || (static_cast<unsigned char>(c) & 0x80) != 0; }

// Look-alikes and their plain spelling, by code point; an empty spelling drops the character.
constexpr std::pair<char32_t, const char*> kPlainSpellings[] = {
    {0x00A0, " "}, {0x00AD, ""},   {0x00B2, "2"},  {0x00B3, "3"},  {0x00B4, "'"},   {0x00B9, "1"},   {0x0405, "S"},
    {0x0406, "I"}, {0x0408, "J"},  {0x0410, "A"},  {0x0412, "B"},  {0x0415, "E"},   {0x041A, "K"},   {0x041C, "M"},
    {0x041D, "H"}, {0x041E, "O"},  {0x0420, "P"},  {0x0421, "C"},  {0x0422, "T"},   {0x0425, "X"},   {0x0430, "a"},
    {0x0435, "e"}, {0x043E, "o"},  {0x0440, "p"},  {0x0441, "c"},  {0x0443, "y"},   {0x0445, "x"},   {0x0455, "s"},
    {0x0456, "i"}, {0x0458, "j"},  {0x200B, ""},   {0x200C, ""},   {0x200D, ""},    {0x2010, "-"},   {0x2011, "-"},
    {0x2012, "-"}, {0x2013, "-"},  {0x2014, "-"},  {0x2015, "-"},  {0x2018, "'"},   {0x2019, "'"},   {0x201A, "'"},
    {0x201B, "'"}, {0x201C, "\""}, {0x201D, "\""}, {0x201E, "\""}, {0x201F, "\""},  {0x2022, "*"},   {0x2026, "..."},
    {0x202F, " "}, {0x2032, "'"},  {0x2033, "\""}, {0x205F, " "},  {0x2060, ""},    {0x2122, "TM"},  {0x2212, "-"},
    {0x3000, " "}, {0xFB00, "ff"}, {0xFB01, "fi"}, {0xFB02, "fl"}, {0xFB03, "ffi"}, {0xFB04, "ffl"}, {0xFE0E, ""},
    {0xFE0F, ""},  {0xFEFF, ""},
};

// Null: keep the character.
const char* PlainSpelling(char32_t c) {
  if (c >= 0x2000 && c <= 0x200A) return " ";
  const auto found = std::lower_bound(std::begin(kPlainSpellings), std::end(kPlainSpellings), c,
                                      [](const auto& entry, char32_t value) { return entry.first < value; });
  return found != std::end(kPlainSpellings) && found->first == c ? found->second : nullptr;
}

constexpr std::array<std::string_view, 11> kMarks = {"[INST]",      "[/INST]", "<<SYS>>", "<</SYS>>",        "<s>",
                                                     "</s>",        "<bos>",   "<eos>",   "<start_of_turn>", "<end_of_turn>",
                                                     "[TOOL_CALLS]"};
constexpr std::array<std::string_view, 15> kRoles = {"system", "user",  "assistant",   "tool",         "developer",
                                                     "human",  "ai",    "instruction", "instructions", "response",
                                                     "input",  "model", "bot",         "output",       "tools"};

bool IsRole(std::string_view word) {
  const std::string lower = LowerCase(word);
  return std::find(kRoles.begin(), kRoles.end(), lower) != kRoles.end();
}

}  // namespace

CodePoint FirstCodePoint(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0 && text.size() >= 2) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0 && text.size() >= 3) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  if (text.size() >= 4) {
    return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
  }
  return {0xFFFD, text.size()};
}

std::string CollapseBlanks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (!IsBlank(text[i])) {
      out += text[i++];
      continue;
    }
    while (i < text.size() && IsBlank(text[i])) ++i;
    if (!out.empty() && i < text.size() && IsWord(out.back()) && IsWord(text[i])) out += ' ';
  }
  return out;
}

std::string TrimTrailingBlanks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto trim = [&] {
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool carriage_return = text[i] == '\r';
    if (!carriage_return && text[i] != '\n') {
      out += text[i];
      continue;
    }
    if (carriage_return && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    trim();
    out += '\n';
  }
  trim();
  return out;
}

std::string ComposeCharacters(std::string_view text) { return ToNfc(text); }

std::string FoldCharacters(std::string_view text) {
  const std::string composed = ToNfc(text);
  std::string out;
  for (size_t i = 0; i < composed.size();) {
    const CodePoint c = FirstCodePoint(std::string_view(composed).substr(i));
    if (c.value < 0x80) {
      out += composed[i];
    } else if (c.value >= 0xFF01 && c.value <= 0xFF5E) {
      out += static_cast<char>(c.value - 0xFF01 + '!');
    } else if (const char* plain = PlainSpelling(c.value)) {
      out += plain;
    } else {
      out.append(composed, i, c.bytes);
    }
    i += c.bytes;
  }
  return out;
}

std::string LowerCase(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = FirstCodePoint(text.substr(i));
    char32_t lower = c.value;
    if (c.value >= 'A' && c.value <= 'Z') {
      lower = c.value + 32;
    } else if ((c.value >= 0xC0 && c.value <= 0xDE && c.value != 0xD7) || (c.value >= 0x391 && c.value <= 0x3A9) ||
               (c.value >= 0x410 && c.value <= 0x42F)) {
      lower = c.value + 32;
    } else if (c.value >= 0x400 && c.value <= 0x40F) {
      lower = c.value + 80;
    }
    if (lower == c.value) {
      out.append(text.substr(i, c.bytes));
    } else {
      AppendUtf8(lower, out);
    }
    i += c.bytes;
  }
  return out;
}

size_t MarkSize(std::string_view text) {
  for (const std::string_view mark : kMarks) {
    if (text.starts_with(mark)) return mark.size();
  }
  constexpr size_t kMarkBytesMax = 48;
  // <|name|> and DeepSeek's full-width bars <｜name｜>.
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<|", "|>"},
                                    std::pair<std::string_view, std::string_view>{"<\xEF\xBD\x9C", "\xEF\xBD\x9C>"}}) {
    if (!text.starts_with(open)) continue;
    const size_t end = text.substr(0, kMarkBytesMax).find(close, open.size());
    if (end == std::string_view::npos) continue;
    const std::string_view name = text.substr(open.size(), end - open.size());
    if (!name.empty() && name.find_first_of(" \n\t<>") == std::string_view::npos) return end + close.size();
  }
  return 0;
}

bool IsScaffold(std::string_view text) {
  bool has_mark = false;
  bool after_mark = false;
  for (size_t i = 0; i < text.size();) {
    if (IsBlank(text[i])) {
      ++i;
      continue;
    }
    if (const size_t mark = MarkSize(text.substr(i)); mark > 0) {
      i += mark;
      has_mark = after_mark = true;
      continue;
    }
    size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    if (std::string_view("#-=*_~+").find(text[i]) != std::string_view::npos && end - i >= 2) {
      i = end;
      has_mark = after_mark = true;
      continue;
    }
    end = i;
    while (end < text.size() && IsLetter(text[end])) ++end;
    if (end == i || !IsRole(text.substr(i, end - i))) return false;
    const bool has_colon = end < text.size() && text[end] == ':';
    if (!has_colon && !after_mark) return false;
    has_mark = true;
    after_mark = false;
    i = end + (has_colon ? 1 : 0);
  }
  return has_mark;
}

std::string_view WithoutScaffoldTail(std::string_view text) {
  while (!text.empty()) {
    if (IsBlank(text.back())) {
      text.remove_suffix(1);
      continue;
    }
    const char last = text.back();
    if (last != '>' && last != ']') break;
    const size_t begin = text.find_last_of(last == '>' ? '<' : '[');
    if (begin == std::string_view::npos) break;
    size_t from = begin;  // "<<SYS>>" opens twice
    if (from > 0 && text[from - 1] == text[from]) --from;
    if (MarkSize(text.substr(from)) == text.size() - from) {
      text = text.substr(0, from);
    } else if (MarkSize(text.substr(begin)) == text.size() - begin) {
      text = text.substr(0, begin);
    } else {
      break;
    }
  }
  return text;
}

}  // namespace weir
