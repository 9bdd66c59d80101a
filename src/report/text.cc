#include "weir/report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr std::string_view kEllipsis = "…";

struct Decoded {
  char32_t point = 0;
  size_t bytes = 1;
  bool valid = false;
};

Decoded DecodeAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return {};
  char32_t point = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    point = point << 6 | (byte(i) & 0x3f);
  }
  const char32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;  // below it: an overlong form
  if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return {};
  return {point, length, true};
}

struct PointRange {
  char32_t first;
  char32_t last;
};

// Marks that take no column: the blocks of combining marks in common use, joiners and variation selectors.
constexpr PointRange kZeroWidth[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},  {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0900, 0x0902},
    {0x093c, 0x093c}, {0x0941, 0x0948}, {0x0e31, 0x0e31},  {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x202a, 0x202e},  {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef}};

// East Asian wide and full-width characters, and emoji.
constexpr PointRange kWide[] = {
    {0x1100, 0x115f}, {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},   {0x2614, 0x2615},
    {0x2648, 0x2653}, {0x267f, 0x267f},   {0x2693, 0x2693},   {0x26a1, 0x26a1},   {0x26bd, 0x26be},   {0x26ce, 0x26ce},
    {0x26d4, 0x26d4}, {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},   {0x2753, 0x2755},
    {0x2795, 0x2797}, {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
    {0x4e00, 0x9fff}, {0xa000, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe4f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd}};

template <size_t kCount>
bool Contains(const PointRange (&ranges)[kCount], char32_t point) {
  const auto* after = std::upper_bound(std::begin(ranges), std::end(ranges), point,
                                       [](char32_t p, const PointRange& range) { return p < range.first; });
  return after != std::begin(ranges) && point <= std::prev(after)->last;
}

size_t PointWidth(char32_t point) {
  if (point < 0x300) return point < 0x20 ? 0 : 1;
  if (Contains(kZeroWidth, point)) return 0;
  return Contains(kWide, point) ? 2 : 1;
}

// The bytes of a colour sequence (ESC [ ... m) that begins at `at`, or 0.
size_t ColorSequence(std::string_view text, size_t at) {
  if (text.substr(at, 2) != "\x1b[") return 0;
  const size_t end = text.find('m', at);
  return end == std::string_view::npos ? 0 : end + 1 - at;
}

// Directional overrides and the C1 controls can disguise what a terminal shows.
bool MustEscape(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0x202a && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069) || point == 0x2028 || point == 0x2029;
}

std::string_view InkSequence(Ink ink) {
  switch (ink) {
    case Ink::kPlain: return "";
    case Ink::kBold: return "\x1b[1m";
    case Ink::kDim: return "\x1b[2m";
    case Ink::kRed: return "\x1b[31m";
    case Ink::kGreen: return "\x1b[32m";
    case Ink::kYellow: return "\x1b[33m";
    case Ink::kBlue: return "\x1b[34m";
    case Ink::kCyan: return "\x1b[36m";
  }
  return "";
}

}  // namespace

std::string Paint(const TextStyle& style, Ink ink, std::string_view text) {
  if (!style.color || ink == Ink::kPlain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", InkSequence(ink), text);
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (size_t at = 0; at < text.size();) {
    if (const size_t sequence = ColorSequence(text, at); sequence > 0) {
      at += sequence;
      continue;
    }
    const Decoded next = DecodeAt(text, at);
    width += next.valid ? PointWidth(next.point) : 1;
    at += next.bytes;
  }
  return width;
}

std::string FitWidth(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return {};
  size_t used = 0;
  size_t at = 0;
  while (at < text.size()) {
    const Decoded next = DecodeAt(text, at);
    const size_t columns = next.valid ? PointWidth(next.point) : 1;
    if (used + columns > width - 1) break;
    used += columns;
    at += next.bytes;
  }
  return std::string(text.substr(0, at)).append(kEllipsis);
}

std::string Visible(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Decoded next = DecodeAt(text, at);
    if (!next.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else if (next.point == '\n') {
      out += "\\n";
    } else if (next.point == '\t') {
      out += "\\t";
    } else if (next.point == '\r') {
      out += "\\r";
    } else if (MustEscape(next.point)) {
      out += next.point < 0x100 ? fmt::format("\\x{:02x}", static_cast<unsigned>(next.point))
                                : fmt::format("\\u{:04x}", static_cast<unsigned>(next.point));
    } else {
      out += text.substr(at, next.bytes);
    }
    at += next.bytes;
  }
  return out;
}

std::string_view WholeCharacters(std::string_view text, size_t begin, size_t bytes_max) {
  const auto inside = [&](size_t at) { return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  begin = std::min(begin, text.size());
  while (inside(begin)) ++begin;
  size_t end = std::min(text.size(), begin + std::min(bytes_max, text.size() - begin));
  while (end > begin && inside(end)) --end;
  return text.substr(begin, end - begin);
}

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "n/a";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (part > 0 && percent < 1) return "<1%";
  if (part < whole && percent > 99) return "99%";
  return fmt::format("{:.0f}%", percent);
}

std::string Counted(uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", Grouped(number), noun, number == 1 ? "" : "s");
}

std::string Bar(const TextStyle& style, Ink ink, double fraction, size_t width) {
  static constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const double clamped = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  auto eighths = static_cast<size_t>(std::lround(clamped * static_cast<double>(width) * 8));
  if (clamped > 0 && eighths == 0) eighths = 1;
  std::string filled;
  for (size_t i = 0; i < eighths / 8; ++i) filled += "█";
  filled += kEighths[eighths % 8];
  const size_t rest = width - std::min(width, (eighths + 7) / 8);
  std::string out = Paint(style, ink, filled);
  std::string empty;
  for (size_t i = 0; i < rest; ++i) empty += style.color ? "░" : "·";
  return out + Paint(style, Ink::kDim, empty);
}

std::string Wrapped(std::string_view text, size_t width, size_t indent) {
  std::string out;
  const std::string margin(indent, ' ');
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line;
    std::string_view paragraph = text.substr(begin, end - begin);
    while (!paragraph.empty()) {
      const size_t blank = std::min(paragraph.find(' '), paragraph.size());
      const std::string_view word = paragraph.substr(0, blank);
      if (!line.empty() && indent + DisplayWidth(line) + 1 + DisplayWidth(word) > width) {
        out += margin + line + '\n';
        line.clear();
      }
      if (!line.empty()) line += ' ';
      line += word;
      paragraph.remove_prefix(std::min(blank + 1, paragraph.size()));
    }
    out += line.empty() ? "\n" : margin + line + '\n';
    begin = end + 1;
  }
  return out;
}

void Table::AddRow(std::vector<std::string> cells) {
  WEIR_CHECK(cells.size() == columns_.size(), "{} cells for {} columns", cells.size(), columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Draw(const TextStyle& style, size_t indent) const {
  constexpr size_t kGap = 2;
  constexpr size_t kLeastFlexible = 8;
  std::vector<size_t> widths;
  size_t total = indent;
  for (size_t c = 0; c < columns_.size(); ++c) {
    size_t width = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c]));
    widths.push_back(width);
    total += width + (c > 0 ? kGap : 0);
  }
  for (size_t c = 0; c < columns_.size() && total > style.width; ++c) {
    if (!columns_[c].flexible) continue;
    const size_t over = std::min(total - style.width, widths[c] - std::min(widths[c], kLeastFlexible));
    widths[c] -= over;
    total -= over;
  }
  std::string out;
  const auto draw_row = [&](const std::vector<std::string>& cells) {
    std::string line(indent, ' ');
    for (size_t c = 0; c < cells.size(); ++c) {
      const bool too_wide = DisplayWidth(cells[c]) > widths[c];
      const std::string cell = too_wide ? FitWidth(cells[c], widths[c]) : cells[c];
      const std::string padding(widths[c] - DisplayWidth(cell), ' ');
      if (c > 0) line += std::string(kGap, ' ');
      line += columns_[c].align == Align::kRight ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  std::vector<std::string> titles;
  for (size_t c = 0; c < columns_.size(); ++c)
    titles.push_back(Paint(style, Ink::kDim, FitWidth(columns_[c].title, widths[c])));
  draw_row(titles);
  for (const auto& row : rows_) draw_row(row);
  return out;
}

}  // namespace weir
