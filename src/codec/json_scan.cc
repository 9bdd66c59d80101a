#include "json_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "weir/codec/utf8.h"

namespace weir::internal {
namespace {

constexpr size_t kLinearMembersMax = 16;  // above it duplicates are found by hashing

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hexadecimal digits at the front.
std::optional<uint32_t> HexQuad(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    const int digit = HexDigit(text[i]);
    if (digit < 0) return std::nullopt;
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  return value;
}

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

// The low half that must follow a high one: \uDC00 to \uDFFF at the front.
std::optional<uint32_t> LowHalf(std::string_view text) {
  if (text.substr(0, 2) != "\\u") return std::nullopt;
  const std::optional<uint32_t> unit = HexQuad(text.substr(2));
  return unit && IsLowSurrogate(*unit) ? unit : std::nullopt;
}

class Scanner {
 public:
  Scanner(std::string_view text, size_t& folded) : text_(text), folded_(folded) {}

  Result<Json> Run() {
    Json value;
    SkipSpace();
    if (!Value(value, 0)) return Fault();
    SkipSpace();
    if (at_ != text_.size()) {
      Fail("something stands after the value");
      return Fault();
    }
    return value;
  }

 private:
  // Every member returns false after Fail(), with at_ on the offending byte.
  bool Fail(const char* reason) {
    reason_ = reason;
    return false;
  }

  Error Fault() const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t newline = before.rfind('\n');
    const size_t column = newline == std::string_view::npos ? at_ + 1 : at_ - newline;
    return InvalidArgument(fmt::format("not JSON at byte {} (line {}, column {}): {}", at_, line, column, reason_));
  }

  bool Ended() const { return at_ == text_.size(); }
  char Peek() const { return Ended() ? '\0' : text_[at_]; }

  void SkipSpace() {
    while (!Ended() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }

  bool Value(Json& out, size_t depth) {
    if (Ended()) return Fail("the text ends where a value is due");
    switch (text_[at_]) {
      case '{': return Object(out, depth);
      case '[': return Array(out, depth);
      case '"': {
        std::string text;
        if (!String(text)) return false;
        out = Json(std::move(text));
        return true;
      }
      case 't': return Word("true", Json(true), out);
      case 'f': return Word("false", Json(false), out);
      case 'n': return Word("null", Json(), out);
      default: return Number(out);
    }
  }

  bool Word(std::string_view word, Json value, Json& out) {
    if (text_.substr(at_, word.size()) != word) return Fail("no value begins like this");
    at_ += word.size();
    out = std::move(value);
    return true;
  }

  bool Array(Json& out, size_t depth) {
    if (depth == Json::kDepthMax) return Fail("nested too deep");
    ++at_;
    Json::Array items;
    SkipSpace();
    if (Peek() == ']') return ++at_, out = Json(std::move(items)), true;
    while (true) {
      SkipSpace();
      if (!Value(items.emplace_back(), depth + 1)) return false;
      SkipSpace();
      if (Ended()) return Fail("the text ends inside an array");
      const char next = text_[at_];
      if (next != ',' && next != ']') return Fail("',' or ']' is due");
      ++at_;
      if (next == ']') break;
    }
    out = Json(std::move(items));
    return true;
  }

  bool Object(Json& out, size_t depth) {
    if (depth == Json::kDepthMax) return Fail("nested too deep");
    ++at_;
    Json::Object members;
    SkipSpace();
    if (Peek() == '}') return ++at_, out = Json(std::move(members)), true;
    while (true) {
      SkipSpace();
      if (Ended()) return Fail("the text ends inside an object");
      if (text_[at_] != '"') return Fail("a member name in quotes is due");
      Json::Member& member = members.emplace_back(std::string(), Json());
      if (!String(member.first)) return false;
      SkipSpace();
      if (Peek() != ':') return Fail("':' is due");
      ++at_;
      SkipSpace();
      if (!Value(member.second, depth + 1)) return false;
      SkipSpace();
      if (Ended()) return Fail("the text ends inside an object");
      const char next = text_[at_];
      if (next != ',' && next != '}') return Fail("',' or '}' is due");
      ++at_;
      if (next == '}') break;
    }
    folded_ += FoldDuplicates(members);
    out = Json(std::move(members));
    return true;
  }

  bool String(std::string& out) {
    ++at_;
    while (true) {
      const size_t begin = at_;
      while (!Ended() && text_[at_] != '"' && text_[at_] != '\\' && static_cast<unsigned char>(text_[at_]) >= 0x20) ++at_;
      out.append(text_.substr(begin, at_ - begin));
      if (Ended()) return Fail("the text ends inside a string");
      if (text_[at_] == '"') return ++at_, true;
      if (text_[at_] != '\\') return Fail("a control character in a string must be escaped");
      if (!Escape(out)) return false;
    }
  }

  bool Escape(std::string& out) {
    const std::string_view rest = text_.substr(at_ + 1);
    if (rest.empty()) return Fail("the text ends inside a string");
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kValues = "\"\\/\b\f\n\r\t";
    if (const size_t name = kNames.find(rest[0]); name != std::string_view::npos) {
      out.push_back(kValues[name]);
      at_ += 2;
      return true;
    }
    if (rest[0] != 'u') return Fail("unknown escape");
    const std::optional<uint32_t> unit = HexQuad(rest.substr(1));
    if (!unit) return Fail("four hexadecimal digits are due after \\u");
    if (IsLowSurrogate(*unit)) return Fail("lone low surrogate");
    if (!IsHighSurrogate(*unit)) {
      AppendUtf8(*unit, out);
      at_ += 6;
      return true;
    }
    const std::optional<uint32_t> low = LowHalf(rest.substr(5));
    if (!low) return Fail("lone high surrogate");
    AppendUtf8(0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00), out);
    at_ += 12;
    return true;
  }

  bool Number(Json& out) {
    const size_t begin = at_;
    const auto digits = [&] {
      const size_t first = at_;
      while (Peek() >= '0' && Peek() <= '9') ++at_;
      return at_ > first;
    };
    bool integral = true;
    if (Peek() == '-') ++at_;
    if (Peek() == '0') {
      ++at_;
    } else if (!digits()) {
      return Fail(at_ == begin ? "no value begins like this" : "a digit is due");
    }
    if (Peek() == '.') {
      ++at_;
      integral = false;
      if (!digits()) return Fail("a digit is due");
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      integral = false;
      if (Peek() == '+' || Peek() == '-') ++at_;
      if (!digits()) return Fail("a digit is due");
    }
    return NumberValue(text_.substr(begin, at_ - begin), integral, begin, out);
  }

  bool NumberValue(std::string_view text, bool integral, size_t begin, Json& out) {
    const char* end = text.data() + text.size();
    if (integral) {
      int64_t narrow = 0;
      if (std::from_chars(text.data(), end, narrow).ec == std::errc()) return out = Json(narrow), true;
      uint64_t wide = 0;
      if (text[0] != '-' && std::from_chars(text.data(), end, wide).ec == std::errc()) return out = Json(wide), true;
    }
    double value = 0;
    const std::errc fault = std::from_chars(text.data(), end, value).ec;
    if (fault == std::errc::result_out_of_range) value = UnderflowOrInfinity(text);
    if (!std::isfinite(value)) return at_ = begin, Fail("a number beyond the range of a double");
    out = Json(value);
    return true;
  }

  // from_chars reports both ends of the range alike; strtod tells them apart.
  static double UnderflowOrInfinity(std::string_view text) { return std::strtod(std::string(text).c_str(), nullptr); }

  std::string_view text_;
  size_t& folded_;
  size_t at_ = 0;
  const char* reason_ = "";
};

}  // namespace

Result<Json> ScanJson(std::string_view text, size_t& folded) {
  if (const std::optional<size_t> fault = FindInvalidUtf8(text)) {
    return InvalidArgument(fmt::format("not JSON: invalid UTF-8 at byte {}", *fault));
  }
  return Scanner(text, folded).Run();
}

size_t FoldDuplicates(Json::Object& object) {
  if (object.size() < 2) return 0;
  const size_t before = object.size();
  size_t kept = 0;
  const auto keep = [&](size_t i) {
    if (i != kept) object[kept] = std::move(object[i]);
    ++kept;
  };
  if (object.size() <= kLinearMembersMax) {
    for (size_t i = 0; i < object.size(); ++i) {
      const auto end = object.begin() + static_cast<std::ptrdiff_t>(kept);
      const auto same = std::find_if(object.begin(), end, [&](const Json::Member& m) { return m.first == object[i].first; });
      if (same == end) {
        keep(i);
      } else {
        same->second = std::move(object[i].second);
      }
    }
  } else {
    std::unordered_map<std::string, size_t> place;
    place.reserve(object.size());
    for (size_t i = 0; i < object.size(); ++i) {
      const auto [entry, fresh] = place.try_emplace(object[i].first, kept);
      if (fresh) {
        keep(i);
      } else {
        object[entry->second].second = std::move(object[i].second);
      }
    }
  }
  object.erase(object.begin() + static_cast<std::ptrdiff_t>(kept), object.end());
  return before - kept;
}

bool HasLoneSurrogateEscape(std::string_view text) {
  size_t at = 0;
  while (true) {
    at = text.find('\\', at);
    if (at == std::string_view::npos || at + 1 >= text.size()) return false;
    const std::optional<uint32_t> unit = text[at + 1] == 'u' ? HexQuad(text.substr(at + 2)) : std::nullopt;
    if (!unit) {
      at += 2;
    } else if (IsHighSurrogate(*unit)) {
      if (!LowHalf(text.substr(at + 6))) return true;
      at += 12;
    } else if (IsLowSurrogate(*unit)) {
      return true;
    } else {
      at += 6;
    }
  }
}

}  // namespace weir::internal
