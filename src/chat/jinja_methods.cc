// Methods of str, list, tuple and dict.

#include <fmt/format.h>

#include <algorithm>

#include "jinja_operations.h"
#include "jinja_text.h"

namespace weir::jinja_rendering {
namespace {

bool OneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value TextList(std::vector<std::string> parts, const Value& from) {
  List list;
  list.items.reserve(parts.size());
  for (std::string& part : parts) list.items.push_back(Derived(std::move(part), from));
  return list;
}

std::optional<std::string_view> OptionalText(const Value* value) {
  if (value == nullptr || value->is_none()) return std::nullopt;
  return TextOf(*value, "the argument");
}

bool StartsOrEndsWith(std::string_view text, const Value& affix, bool start) {
  if (affix.is_tuple()) {
    return std::any_of(affix.items().begin(), affix.items().end(),
                       [&](const Value& item) { return StartsOrEndsWith(text, item, start); });
  }
  const std::string& part = TextOf(affix, start ? "startswith first arg" : "endswith first arg");
  return start ? text.starts_with(part) : text.ends_with(part);
}

// str.format() for "{}", "{0}" and "{name}" without conversions or format specifications.
Value FormatBraces(const Value& format, const Arguments& arguments) {
  const std::string& text = format.bytes();
  std::string out;
  Origin origin = format.origin();
  size_t next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
    } else if (c == '}') {
      Fail("Single '}' encountered in format string");
    } else if (c == '{') {
      const size_t end = text.find('}', i);
      if (end == std::string::npos) Fail("expected '}' before end of string");
      const std::string field = text.substr(i + 1, end - i - 1);
      const Value* value = nullptr;
      const bool is_index = std::all_of(field.begin(), field.end(), [](char d) { return d >= '0' && d <= '9'; });
      if (is_index) {
        const size_t index = field.empty() ? next++ : std::stoul(field);
        if (index < arguments.positional.size()) value = &arguments.positional[index];
      } else {
        if (field.find_first_of(":!.[{") != std::string::npos) Refuse("format() fields with a specification");
        for (const auto& [name, named] : arguments.named) {
          if (name == field) value = &named;
        }
      }
      if (value == nullptr) Fail("format(): an argument is missing");
      value->AppendStr(out);
      origin = Join(origin, value->origin());
      i = end;
    } else {
      out += c;
    }
  }
  return Value(std::move(out), origin);
}

Value Pad(const Value& value, std::string_view name, const Parameters& given) {
  const size_t width = static_cast<size_t>(std::clamp<int64_t>(ToInt64(given.Get(0, "width")), 0, 1 << 20));
  const std::string fill = name == "zfill" ? "0" : given.TextOr(1, "fillchar", " ");
  const std::string& text = value.bytes();
  const size_t count = CountCodePoints(text);
  if (count >= width) return value;
  const size_t total = width - count;
  size_t left = 0;
  if (name == "rjust" || name == "zfill") left = total;
  if (name == "center") left = total / 2 + (total & width & 1);
  std::string before, after;
  for (size_t i = 0; i < total; ++i) (i < left ? before : after) += fill;
  if (name == "zfill" && (text.starts_with('-') || text.starts_with('+'))) {
    return Derived(text.substr(0, 1) + before + text.substr(1), value);
  }
  return Derived(before + text + after, value);
}

bool Classify(std::string_view text, std::string_view name) {
  if (name == "isspace") return !text.empty() && Strip(text, Ends::kBoth, std::nullopt).empty();
  bool cased = false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) Refuse(fmt::format("{}() of text beyond ASCII", name));
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    const bool digit = c >= '0' && c <= '9';
    cased |= upper || lower;
    if (name == "isdigit" || name == "isnumeric" || name == "isdecimal") {
      if (!digit) return false;
    } else if (name == "isalpha") {
      if (!upper && !lower) return false;
    } else if (name == "isalnum") {
      if (!upper && !lower && !digit) return false;
    } else if ((name == "isupper" && lower) || (name == "islower" && upper)) {
      return false;
    }
  }
  return name == "isupper" || name == "islower" ? cased : !text.empty();
}

Value Partition(const Value& value, const std::string& separator, bool from_right) {
  if (separator.empty()) Fail("empty separator");
  const std::string& text = value.bytes();
  const size_t found = from_right ? text.rfind(separator) : text.find(separator);
  if (found == std::string::npos) {
    const Value empty = Derived("", value);
    return Value::Tuple(from_right ? std::vector<Value>{empty, empty, value} : std::vector<Value>{value, empty, empty});
  }
  return Value::Tuple({Derived(text.substr(0, found), value), Derived(separator, value),
                       Derived(text.substr(found + separator.size()), value)});
}

Value JoinText(const Value& separator, const Value& list) {
  std::string out;
  Origin origin = separator.origin();
  bool first = true;
  for (const Value& item : Iterate(list)) {
    if (!first) out += separator.bytes();
    first = false;
    out += TextOf(item, "sequence item");
    origin = Join(origin, item.origin());
  }
  return Value(std::move(out), origin);
}

Value FindText(const Value& value, std::string_view name, const Parameters& given) {
  given.Check(1);
  const std::string& text = value.bytes();
  const std::string& part = TextOf(given.Get(0, "sub"), "the argument");
  if (name == "count") {
    if (part.empty()) return CountCodePoints(text) + 1;
    size_t count = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
    return count;
  }
  const size_t found = name[0] == 'r' ? text.rfind(part) : text.find(part);
  if (found == std::string::npos) {
    if (name == "index" || name == "rindex") Fail("substring not found");
    return -1;
  }
  return CharactersBefore(text, found);
}

Value CallTextMethod(const Value& value, std::string_view name, Arguments& arguments) {
  const Parameters given(name, arguments);
  const std::string& text = value.bytes();
  if (value.is_markup() && OneOf(name, {"replace", "join", "format"})) Refuse(fmt::format("{}() of a safe string", name));
  if (OneOf(name, {"strip", "lstrip", "rstrip"})) {
    given.Check(1);
    const Ends ends = name == "strip" ? Ends::kBoth : name == "lstrip" ? Ends::kLeft : Ends::kRight;
    return Derived(std::string(Strip(text, ends, OptionalText(given.Find(0, "")))), value);
  }
  if (name == "split" || name == "rsplit") {
    given.Check(2, {"sep", "maxsplit"});
    const auto separator = OptionalText(given.Find(0, "sep"));
    const int64_t splits_max = given.Int(1, "maxsplit", -1);
    return TextList(name == "split" ? Split(text, separator, splits_max) : SplitFromRight(text, separator, splits_max),
                    value);
  }
  if (name == "splitlines") return TextList(SplitLines(text, given.Flag(0, "keepends", false)), value);
  if (name == "startswith" || name == "endswith") {
    given.Check(1);
    return StartsOrEndsWith(text, given.Get(0, "prefix"), name == "startswith");
  }
  if (name == "replace") {
    given.Check(3, {"count"});
    const Value& to = given.Get(1, "new");
    return Value(ReplaceAll(text, TextOf(given.Get(0, "old"), "replace() argument 1"), TextOf(to, "replace() argument 2"),
                            given.Int(2, "count", -1)),
                 Join(value.origin(), to.origin()));
  }
  if (name == "upper") return Derived(MapCase(text, CaseMapping::kUpper), value);
  if (name == "lower" || name == "casefold") return Derived(MapCase(text, CaseMapping::kLower), value);
  if (name == "title") return Derived(MapCase(text, CaseMapping::kTitle), value);
  if (name == "capitalize") return Derived(MapCase(text, CaseMapping::kCapitalize), value);
  if (name == "swapcase") return Derived(MapCase(text, CaseMapping::kSwap), value);
  if (name == "format") return FormatBraces(value, arguments);
  if (name == "join") return JoinText(value, given.Get(0, "iterable"));
  if (OneOf(name, {"find", "rfind", "index", "rindex", "count"})) return FindText(value, name, given);
  if (name == "removeprefix") {
    const std::string& part = TextOf(given.Get(0, "prefix"), "the argument");
    return text.starts_with(part) ? Derived(text.substr(part.size()), value) : value;
  }
  if (name == "removesuffix") {
    const std::string& part = TextOf(given.Get(0, "suffix"), "the argument");
    return text.ends_with(part) ? Derived(text.substr(0, text.size() - part.size()), value) : value;
  }
  if (name == "partition" || name == "rpartition") {
    return Partition(value, TextOf(given.Get(0, "sep"), "the argument"), name == "rpartition");
  }
  if (OneOf(name, {"ljust", "rjust", "center", "zfill"})) return Pad(value, name, given);
  return Classify(text, name);
}

Value CallListMethod(const Value& value, std::string_view name, Arguments& arguments) {
  const Parameters given(name, arguments);
  if (name == "copy") return value;
  if (name != "count" && name != "index") {
    Fail(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, value.type_name()));
  }
  given.Check(1);
  size_t count = 0;
  for (size_t i = 0; i < value.items().size(); ++i) {
    if (!Equal(value.items()[i], given.Get(0, "value"))) continue;
    if (name == "index") return i;
    ++count;
  }
  if (name == "index") Fail("value is not in list");
  return count;
}

Value CallDictMethod(const Value& value, std::string_view name, Arguments& arguments) {
  const Parameters given(name, arguments);
  if (name == "get") {
    given.Check(2);
    const Value* found = FindMember(value.dict(), given.Get(0, "key"));
    if (found != nullptr) return *found;
    const Value* otherwise = given.Find(1, "default");
    return otherwise != nullptr ? *otherwise : Value(None());
  }
  if (name == "copy") return value;
  if (!OneOf(name, {"keys", "values", "items"})) {
    Fail(fmt::format("access to attribute '{}' of 'dict' object is unsafe.", name));
  }
  given.Check(0);
  List list;
  list.kind = ListKind::kView;
  for (const auto& [key, member] : value.dict().members) {
    list.items.push_back(name == "keys" ? key : name == "values" ? member : Value::Tuple({key, member}));
  }
  return list;
}

}  // namespace

bool HasMethod(const Value& value, std::string_view name) {
  if (value.is_text()) {
    return OneOf(name,
                 {"strip",        "lstrip",  "rstrip",  "split",   "rsplit",     "splitlines", "startswith", "endswith",
                  "replace",      "upper",   "lower",   "title",   "capitalize", "casefold",   "swapcase",   "format",
                  "join",         "find",    "rfind",   "index",   "rindex",     "count",      "partition",  "removeprefix",
                  "removesuffix", "ljust",   "rjust",   "center",  "rpartition", "zfill",      "isspace",    "isdigit",
                  "isalpha",      "isalnum", "isupper", "islower", "isnumeric",  "isdecimal"});
  }
  if (value.is_tuple()) return OneOf(name, {"count", "index"});
  if (value.is_list()) {
    return OneOf(name,
                 {"append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"});
  }
  return value.is_dict() && OneOf(name, {"get", "items", "keys", "values", "copy", "clear", "fromkeys", "pop", "popitem",
                                         "setdefault", "update"});
}

Value CallMethod(const Value& value, std::string_view name, Arguments& arguments) {
  if (value.is_text()) return CallTextMethod(value, name, arguments);
  return value.is_dict() ? CallDictMethod(value, name, arguments) : CallListMethod(value, name, arguments);
}

}  // namespace weir::jinja_rendering
