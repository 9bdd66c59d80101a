#include "jinja_text.h"

#include <fmt/format.h>
#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <utility>

#include "jinja_value.h"
#include "weir/codec/utf8.h"

namespace weir::jinja_rendering {
namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsLetter(char c) { return IsUpper(c) || IsLower(c); }
char ToUpper(char c) { return IsLower(c) ? static_cast<char>(c - 32) : c; }
char ToLower(char c) { return IsUpper(c) ? static_cast<char>(c + 32) : c; }

// Where the character that ends before `end` begins. REQUIRES: end > 0.
size_t StartOfLast(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  return at;
}

bool IsLineEnd(char32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

// str.isprintable() for assigned characters: control, format, private, surrogate, and separators other than the blank.
bool IsPrintable(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kUnprintable[] = {
      {0x0000, 0x001f},   {0x007f, 0x00a0},   {0x00ad, 0x00ad},   {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},
      {0x070f, 0x070f},   {0x0890, 0x0891},   {0x08e2, 0x08e2},   {0x1680, 0x1680},   {0x180e, 0x180e},   {0x2000, 0x200f},
      {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},   {0xd800, 0xf8ff},   {0xfeff, 0xfeff},   {0xfff0, 0xfffb},
      {0xfffe, 0xffff},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
      {0xe0000, 0xe00ff}, {0xe01f0, 0x10ffff}};
  return std::none_of(std::begin(kUnprintable), std::end(kUnprintable),
                      [c](const auto& range) { return c >= range.first && c <= range.second; });
}

// The C library's mapping of single characters, in a locale that is always there.
locale_t UnicodeLocale() {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (kLocale == nullptr) Refuse("changing the case of text beyond ASCII (the C library has no C.UTF-8 locale)");
  return kLocale;
}
bool HasCase(char32_t c) {
  return towupper_l(static_cast<wint_t>(c), UnicodeLocale()) != static_cast<wint_t>(c) ||
         towlower_l(static_cast<wint_t>(c), UnicodeLocale()) != static_cast<wint_t>(c);
}

// Upper or lower case of one character beyond ASCII. Those whose full mapping is longer than one character, or depends
// on their neighbours, are refused (Unicode's SpecialCasing.txt).
char32_t MapCharacter(char32_t c, bool upper) {
  const bool special_upper = c == 0xdf || c == 0x149 || c == 0x1f0 || c == 0x390 || c == 0x3b0 || c == 0x587 ||
                             (c >= 0x1e96 && c <= 0x1e9a) || (c >= 0x1f50 && c <= 0x1fff) || (c >= 0xfb00 && c <= 0xfb17);
  const bool special_lower = c == 0x130 || c == 0x3a3;
  if (upper ? special_upper : special_lower) Refuse("changing the case of a character with a special mapping");
  return upper ? towupper_l(static_cast<wint_t>(c), UnicodeLocale()) : towlower_l(static_cast<wint_t>(c), UnicodeLocale());
}

}  // namespace

char32_t NextCodePoint(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(i < text.size() ? text[i] : 0));
  };
  const char32_t lead = byte(at);
  const size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t code_point = size == 1 ? lead : lead & (0x7fu >> size);
  for (size_t i = 1; i < size; ++i) code_point = (code_point << 6) | (byte(at + i) & 0x3f);
  at = std::min(at + size, text.size());
  return code_point;
}

size_t CountCodePoints(std::string_view text) { return CharactersBefore(text, text.size()); }

size_t CharactersBefore(std::string_view text, size_t byte) {
  return static_cast<size_t>(std::count_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(byte),
                                           [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool IsSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

std::string_view Strip(std::string_view text, Ends ends, std::optional<std::string_view> characters) {
  const auto goes = [&](size_t begin, size_t end) {
    size_t at = begin;
    if (!characters) return IsSpace(NextCodePoint(text, at));
    return characters->find(text.substr(begin, end - begin)) != std::string_view::npos;
  };
  if (ends != Ends::kRight) {
    while (!text.empty()) {
      size_t next = 0;
      NextCodePoint(text, next);
      if (!goes(0, next)) break;
      text.remove_prefix(next);
    }
  }
  if (ends != Ends::kLeft) {
    while (!text.empty()) {
      const size_t last = StartOfLast(text, text.size());
      if (!goes(last, text.size())) break;
      text.remove_suffix(text.size() - last);
    }
  }
  return text;
}

std::vector<std::string> Split(std::string_view text, std::optional<std::string_view> separator, int64_t splits_max) {
  std::vector<std::string> parts;
  if (separator) {
    if (separator->empty()) Fail("empty separator");
    for (size_t found; splits_max != 0 && (found = text.find(*separator)) != std::string_view::npos; --splits_max) {
      parts.emplace_back(text.substr(0, found));
      text.remove_prefix(found + separator->size());
    }
    parts.emplace_back(text);
    return parts;
  }
  for (text = Strip(text, Ends::kLeft, std::nullopt); !text.empty(); text = Strip(text, Ends::kLeft, std::nullopt)) {
    if (splits_max-- == 0) {
      parts.emplace_back(Strip(text, Ends::kRight, std::nullopt));
      break;
    }
    size_t end = 0;
    while (end < text.size()) {
      size_t next = end;
      if (IsSpace(NextCodePoint(text, next))) break;
      end = next;
    }
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return parts;
}

std::vector<std::string> SplitFromRight(std::string_view text, std::optional<std::string_view> separator,
                                        int64_t splits_max) {
  if (splits_max < 0) return Split(text, separator, -1);
  if (!separator) Refuse("rsplit() with a limit and no separator");
  if (separator->empty()) Fail("empty separator");
  std::vector<std::string> parts;
  for (size_t found; splits_max != 0 && (found = text.rfind(*separator)) != std::string_view::npos; --splits_max) {
    parts.emplace_back(text.substr(found + separator->size()));
    text = text.substr(0, found);
  }
  parts.emplace_back(text);
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t line_end = at;
    const char32_t c = NextCodePoint(text, at);
    if (!IsLineEnd(c)) continue;
    if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.emplace_back(text.substr(begin, (keep_ends ? at : line_end) - begin));
    begin = at;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

std::string ReplaceAll(std::string_view text, std::string_view from, std::string_view to, int64_t count) {
  std::string out;
  if (from.empty()) {
    for (size_t at = 0; count != 0; --count) {
      out += to;
      if (at >= text.size()) return out;
      const size_t begin = at;
      NextCodePoint(text, at);
      out += text.substr(begin, at - begin);
      if (count == 1) out += text.substr(at);
    }
    return out.empty() ? std::string(text) : out;
  }
  for (size_t found; count != 0 && (found = text.find(from)) != std::string_view::npos; --count) {
    out.append(text.substr(0, found)).append(to);
    text.remove_prefix(found + from.size());
  }
  return out.append(text);
}

std::string SliceCharacters(std::string_view text, int64_t start, int64_t stop, int64_t step) {
  std::vector<size_t> begins;
  for (size_t at = 0; at < text.size(); NextCodePoint(text, at)) begins.push_back(at);
  begins.push_back(text.size());
  if (step == 1) {
    if (start >= stop) return {};
    const size_t begin = begins[static_cast<size_t>(start)];
    return std::string(text.substr(begin, begins[static_cast<size_t>(stop)] - begin));
  }
  std::string out;
  for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
    const size_t begin = begins[static_cast<size_t>(i)];
    out += text.substr(begin, begins[static_cast<size_t>(i) + 1] - begin);
  }
  return out;
}

std::string MapCase(std::string_view text, CaseMapping mapping) {
  std::string out;
  bool inside_word = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = NextCodePoint(text, at);
    const bool upper = mapping == CaseMapping::kUpper || (mapping == CaseMapping::kCapitalize && begin == 0) ||
                       (mapping == CaseMapping::kTitle && !inside_word) ||
                       (mapping == CaseMapping::kSwap && c < 0x80 && IsLower(static_cast<char>(c)));
    if (c < 0x80) {
      const char ascii = static_cast<char>(c);
      out += upper ? ToUpper(ascii) : ToLower(ascii);
      inside_word = IsLetter(ascii);
      continue;
    }
    const bool is_plain = mapping == CaseMapping::kUpper || mapping == CaseMapping::kLower;
    if (!is_plain && HasCase(c)) Refuse("title and swapped case of letters beyond ASCII");
    AppendUtf8(is_plain ? MapCharacter(c, upper) : c, out);
    inside_word = false;
  }
  return out;
}

std::string TitleFilter(std::string_view text) {
  if (!IsAscii(text)) Refuse("changing the case of text beyond ASCII");
  std::string out(text);
  bool at_start = true;
  for (char& c : out) {
    c = at_start ? ToUpper(c) : ToLower(c);
    at_start = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || IsSpace(static_cast<unsigned char>(c));
  }
  return out;
}

std::string Indent(std::string_view text, std::string_view prefix, bool first, bool blank) {
  std::string source(text);
  source += '\n';
  std::vector<std::string> lines = SplitLines(source, false);
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    if (i > 0 && (blank || !lines[i].empty())) out += prefix;
    out += lines[i];
  }
  return first ? std::string(prefix) + out : out;
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string ReprOfText(std::string_view bytes) {
  const bool has_single = bytes.find('\'') != std::string_view::npos;
  const char quote = has_single && bytes.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < bytes.size();) {
    const size_t begin = at;
    const char32_t c = NextCodePoint(bytes, at);
    if (c == '\\' || c == static_cast<char32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (IsPrintable(c)) {
      out += bytes.substr(begin, at - begin);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return out += quote;
}

}  // namespace weir::jinja_rendering
