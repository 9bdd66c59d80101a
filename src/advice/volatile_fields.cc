#include "volatile_fields.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace weir {
namespace {

constexpr std::array<std::string_view, 19> kMonths = {
    "january",  "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december", "jan",   "feb",   "mar", "apr",  "jun",  "jul",    "aug"};
constexpr std::array<std::string_view, 5> kMoreMonths = {"sep", "sept", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 15> kWeekdays = {"monday",   "tuesday", "wednesday", "thursday", "friday",
                                                        "saturday", "sunday",  "mon",       "tue",      "tues",
                                                        "wed",      "thu",     "fri",       "sat",      "sun"};
constexpr std::array<std::string_view, 14> kZones = {"utc", "gmt", "cet", "cest", "est", "edt", "pst",
                                                     "pdt", "mst", "mdt", "cst",  "cdt", "bst", "jst"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
// Bytes of characters beyond ASCII count as part of words.
bool IsWord(char c) { return IsDigit(c) || IsLetter(c) || c == '_' || (static_cast<unsigned char>(c) & 0x80) != 0; }

bool IsOneOf(std::string_view word, const auto& names) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return word.size() == name.size() && std::equal(word.begin(), word.end(), name.begin(), [](char x, char y) {
             return static_cast<char>(x | (IsLetter(x) ? 0x20 : 0)) == y;
           });
  });
}
bool IsMonth(std::string_view word) { return IsOneOf(word, kMonths) || IsOneOf(word, kMoreMonths); }

// Reads a text from a place onwards; each Take... moves on only when it succeeds.
class Reader {
 public:
  Reader(std::string_view text, size_t at) : text_(text), at_(at) {}

  size_t at() const { return at_; }
  void Move(size_t to) { at_ = to; }
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  bool Take(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  bool TakeOneOf(std::string_view characters) {
    if (at_ >= text_.size() || characters.find(text_[at_]) == std::string_view::npos) return false;
    ++at_;
    return true;
  }
  // A whole run of `least` to `most` digits; its value, or -1.
  int64_t TakeNumber(size_t least, size_t most) {
    size_t end = at_;
    int64_t value = 0;
    while (end < text_.size() && IsDigit(text_[end]) && end - at_ <= most) value = value * 10 + (text_[end++] - '0');
    if (end - at_ < least || end - at_ > most) return -1;
    at_ = end;
    return value;
  }
  // A whole run of letters.
  std::string_view TakeLetters() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsLetter(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  bool AtWordEnd() const { return at_ >= text_.size() || !IsWord(text_[at_]); }

 private:
  std::string_view text_;
  size_t at_;
};

// 10:32, 10:32:05.123, 10:32 AM, 07:03:24Z, 07:03 +02:00, 9 pm.
bool TakeTime(Reader& reader) {
  Reader r = reader;
  const int64_t hour = r.TakeNumber(1, 2);
  if (hour < 0 || hour > 24) return false;
  bool has_minutes = false;
  if (r.Peek() == ':' && IsDigit(r.Peek(1)) && IsDigit(r.Peek(2)) && !IsDigit(r.Peek(3))) {
    r.Take(":");
    if (r.TakeNumber(2, 2) > 59) return false;
    has_minutes = true;
    if (r.Peek() == ':' && IsDigit(r.Peek(1)) && IsDigit(r.Peek(2)) && !IsDigit(r.Peek(3))) {
      r.Take(":");
      if (r.TakeNumber(2, 2) > 60) return false;
      if ((r.Peek() == '.' || r.Peek() == ',') && IsDigit(r.Peek(1))) {
        r.TakeOneOf(".,");
        r.TakeNumber(1, 9);
      }
    }
    if (r.Peek() == ':' && IsHex(r.Peek(1))) return false;  // an address
  }
  Reader half = r;
  half.Take(" ");
  const bool has_half = half.TakeOneOf("aApP") && ((half.TakeOneOf("mM") && half.AtWordEnd()) ||
                                                   (half.Take(".") && half.TakeOneOf("mM") && half.Take(".")));
  if (has_half) r = half;
  if (!has_minutes && !has_half) return false;
  Reader zone = r;
  if (zone.Take("Z") && zone.AtWordEnd()) {
    r = zone;
  } else {
    zone = r;
    zone.Take(" ");
    Reader offset = zone;
    if (offset.TakeOneOf("+-") && offset.TakeNumber(2, 2) >= 0) {
      if (offset.Take(":") ? offset.TakeNumber(2, 2) >= 0 : true) r = offset;
    } else if (offset = zone; offset.TakeOneOf("+-") && offset.TakeNumber(4, 4) >= 0) {
      r = offset;
    } else if (offset = zone; IsOneOf(offset.TakeLetters(), kZones) && offset.AtWordEnd()) {
      r = offset;
    }
  }
  if (!r.AtWordEnd()) return false;
  reader = r;
  return true;
}

// 2026-11-24, 24/11/2026, 24.11.2026, 11/24/26.
bool TakeNumericDate(Reader& reader) {
  Reader r = reader;
  int64_t year = r.TakeNumber(4, 4);
  if (year >= 1900 && year <= 2199 && (r.Peek() == '-' || r.Peek() == '/' || r.Peek() == '.')) {
    const char separator = r.Peek();
    r.TakeOneOf("-/.");
    const int64_t month = r.TakeNumber(1, 2);
    if (month < 1 || month > 12 || r.Peek() != separator) return false;
    r.TakeOneOf("-/.");
    const int64_t day = r.TakeNumber(1, 2);
    if (day < 1 || day > 31) return false;
    reader = r;
    return true;
  }
  r = reader;
  const int64_t first = r.TakeNumber(1, 2);
  const char separator = r.Peek();
  if (first < 1 || first > 31 || !r.TakeOneOf("-/.")) return false;
  const int64_t second = r.TakeNumber(1, 2);
  if (second < 1 || second > 31 || std::min(first, second) > 12 || r.Peek() != separator) return false;
  r.TakeOneOf("-/.");
  year = separator == '/' && !IsDigit(r.Peek(2)) ? 2000 + r.TakeNumber(2, 2) : r.TakeNumber(4, 4);
  if (year < 1900 || year > 2199 || !r.AtWordEnd()) return false;
  reader = r;
  return true;
}

// 24 Nov 2026, 24-Nov-2026, November 24th, 2026, Nov 2026, Nov 24 07:03:24 UTC 2026 (asctime).
bool TakeWrittenDate(Reader& reader) {
  Reader r = reader;
  if (const int64_t day = r.TakeNumber(1, 2); day >= 1 && day <= 31) {
    if (!r.TakeOneOf(" -") || !IsMonth(r.TakeLetters())) return false;
    r.Take(".");
    r.Take(",");
    if (!r.TakeOneOf(" -") || r.TakeNumber(4, 4) < 1900) return false;
    reader = r;
    return true;
  }
  r = reader;
  if (!IsMonth(r.TakeLetters())) return false;
  r.Take(".");
  if (!r.TakeOneOf(" ")) return false;
  r.Take(" ");
  Reader month_year = r;
  if (const int64_t year = month_year.TakeNumber(4, 4); year >= 1900 && year <= 2199 && month_year.AtWordEnd()) {
    reader = month_year;
    return true;
  }
  const int64_t day = r.TakeNumber(1, 2);
  if (day < 1 || day > 31) return false;
  if (!r.Take("st") && !r.Take("nd") && !r.Take("rd")) r.Take("th");
  Reader clock = r;
  if (clock.Take(" ") && TakeTime(clock) && clock.Take(" ") && clock.TakeNumber(4, 4) >= 1900) {
    reader = clock;
    return true;
  }
  r.Take(",");
  if (!r.Take(" ") || r.TakeNumber(4, 4) < 1900 || !r.AtWordEnd()) return false;
  reader = r;
  return true;
}

// 1700000000 (s), 1700000000.123, 1700000000000 (ms), and micro- and nanoseconds; 20261124T070324Z.
bool TakeEpoch(Reader& reader) {
  Reader r = reader;
  if (const int64_t day = r.TakeNumber(8, 8);
      day >= 19000101 && day <= 21991231 && r.TakeOneOf("Tt") && (r.TakeNumber(6, 6) >= 0 || r.TakeNumber(4, 4) >= 0)) {
    r.TakeOneOf("Zz");
    if (r.AtWordEnd()) {
      reader = r;
      return true;
    }
  }
  int64_t scale = 1;
  for (const size_t digits : {10u, 13u, 16u, 19u}) {
    r = reader;
    const int64_t value = r.TakeNumber(digits, digits);
    if (value >= 1'000'000'000 * scale && value / scale < 2'200'000'000) {
      if (r.Peek() == '.' && IsDigit(r.Peek(1))) {
        r.Take(".");
        r.TakeNumber(1, 9);
      }
      if (!r.AtWordEnd() || r.Peek() == '-') return false;
      reader = r;
      return true;
    }
    scale *= 1000;
  }
  return false;
}

bool TakeTimestamp(Reader& reader) {
  Reader r = reader;
  Reader weekday = r;
  bool has_weekday = false;
  if (IsOneOf(weekday.TakeLetters(), kWeekdays)) {
    weekday.Take(".");
    weekday.Take(",");
    if (weekday.Take(" ")) {
      has_weekday = true;
      r = weekday;
    }
  }
  if (TakeNumericDate(r) || TakeWrittenDate(r)) {
    Reader clock = r;
    if (!clock.TakeOneOf("T") && !clock.Take(", ") && !clock.Take(" at ") && !clock.Take("  ")) clock.TakeOneOf(" _");
    if (clock.at() > r.at() && TakeTime(clock)) r = clock;
    if (!r.AtWordEnd()) return false;
    reader = r;
    return true;
  }
  if (has_weekday ? TakeTime(r) : (TakeTime(r) || TakeEpoch(r))) {
    reader = r;
    return true;
  }
  return false;
}

bool TakeUuid(Reader& reader) {
  Reader r = reader;
  for (const int length : {8, 4, 4, 4, 12}) {
    if (length != 8 && !r.Take("-")) return false;
    for (int i = 0; i < length; ++i) {
      if (!IsHex(r.Peek())) return false;
      r.Move(r.at() + 1);
    }
  }
  if (!r.AtWordEnd()) return false;
  reader = r;
  return true;
}

// A word of ASCII letters and digits that no person would write: hexadecimal from 8 characters on, mixed from 12 on;
// 0x in front or a prefix such as "req_" belong to it.
bool TakeId(Reader& reader) {
  if (TakeUuid(reader)) return true;
  Reader r = reader;
  const size_t start = r.at();
  size_t part = start;  // the last part of the word, behind '_' or '-'
  size_t digits = 0;
  size_t letters = 0;
  bool hex = true;
  for (;; r.Move(r.at() + 1)) {
    const char c = r.Peek();
    if (IsDigit(c) || IsLetter(c)) {
      digits += IsDigit(c);
      letters += IsLetter(c);
      hex = hex && IsHex(c);
    } else if ((c == '_' || c == '-') && letters > 0 && digits == 0 && (IsDigit(r.Peek(1)) || IsLetter(r.Peek(1)))) {
      part = r.at() + 1;  // a prefix of letters only
      digits = letters = 0;
      hex = true;
    } else {
      break;
    }
  }
  if (!r.AtWordEnd()) return false;
  size_t length = r.at() - part;
  Reader zero_x(reader);
  zero_x.Move(part);
  if (zero_x.Take("0x") || zero_x.Take("0X")) {
    length -= 2;
    hex = length > 0;
    for (size_t i = 0; i < length; ++i) hex = hex && IsHex(zero_x.Peek(i));
    if (!hex) return false;
    if (length >= 6) {
      reader = r;
      return true;
    }
    return false;
  }
  const bool is_hex_id = hex && length >= 8 && digits >= 2 && letters >= 1;
  const bool is_mixed_id = length >= 12 && digits >= 3 && letters >= 2;
  const bool is_long_number = letters == 0 && length >= 15;
  if (!is_hex_id && !is_mixed_id && !is_long_number) return false;
  reader = r;
  return true;
}

// 3, 1,024, 2.5, 1.2.3
bool TakePlainNumber(Reader& reader) {
  Reader r = reader;
  if (!IsDigit(r.Peek())) return false;
  while (IsDigit(r.Peek()) || ((r.Peek() == '.' || r.Peek() == ',') && IsDigit(r.Peek(1)))) r.Move(r.at() + 1);
  reader = r;
  return true;
}

}  // namespace

bool IsCalendarName(std::string_view word) { return IsMonth(word) || IsOneOf(word, kWeekdays); }

std::vector<VolatileField> FindVolatileFields(std::string_view text) {
  std::vector<VolatileField> fields;
  const auto add = [&](VolatileKind kind, size_t begin, size_t end) {
    fields.push_back({kind, static_cast<uint32_t>(begin), static_cast<uint32_t>(end)});
  };
  size_t at = 0;
  while (at < text.size()) {
    if (!IsWord(text[at])) {
      ++at;
      continue;
    }
    Reader reader(text, at);
    if (IsDigit(text[at]) || IsLetter(text[at])) {
      if (TakeTimestamp(reader)) {
        add(VolatileKind::kTimestamp, at, reader.at());
        at = reader.at();
        continue;
      }
      if (TakeId(reader)) {
        add(VolatileKind::kId, at, reader.at());
        at = reader.at();
        continue;
      }
    }
    // A word that is no field: its digits are numbers of their own ("step3", "v2").
    while (at < text.size() && IsWord(text[at])) {
      reader.Move(at);
      if (TakePlainNumber(reader)) {
        add(VolatileKind::kNumber, at, reader.at());
        at = reader.at();
      } else {
        ++at;
      }
    }
  }
  return fields;
}

std::string MaskVolatileFields(std::string_view text) {
  std::string masked;
  size_t from = 0;
  for (const VolatileField& field : FindVolatileFields(text)) {
    masked.append(text.substr(from, field.begin - from));
    masked += field.kind == VolatileKind::kTimestamp ? '\x01' : '\x02';  // an id may be all digits
    from = field.end;
  }
  masked.append(text.substr(from));
  return masked;
}

}  // namespace weir
