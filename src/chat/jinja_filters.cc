// Jinja's filters, with Hugging Face's tojson.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "jinja_operations.h"
#include "jinja_text.h"

namespace weir::jinja_rendering {
namespace {

using Filter = Value (*)(const Value&, Arguments&);

size_t LengthOf(const Value& value) {
  if (value.is_text()) return CountCodePoints(value.bytes());
  if (value.is_list() && value.list_kind() != ListKind::kGenerator) return value.items().size();
  if (value.is_dict()) return value.dict().members.size();
  if (value.is_undefined()) return 0;
  Fail(fmt::format("object of type '{}' has no len()", value.type_name()));
}

// "a.b.0" as Jinja's attribute arguments spell a path.
Value AtPath(Value value, const Value& path) {
  if (!path.is_text()) return ItemOf(value, path);
  for (const std::string& part : Split(path.bytes(), ".", -1)) {
    const bool is_index =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    value = ItemOf(value, is_index ? Value(static_cast<Integer>(std::stoll(part))) : Value(part));
  }
  return value;
}

Value CaseKey(const Value& value, bool case_sensitive) {
  return value.is_text() && !case_sensitive ? Value(MapCase(value.bytes(), CaseMapping::kLower)) : value;
}

Value SortKey(const Value& item, const Value* attribute, bool case_sensitive) {
  return CaseKey(attribute != nullptr && !attribute->is_none() ? AtPath(item, *attribute) : item, case_sensitive);
}

std::vector<Value> Sorted(std::vector<Value> items, bool reverse, const std::function<Value(const Value&)>& key) {
  std::stable_sort(items.begin(), items.end(),
                   [&](const Value& a, const Value& b) { return reverse ? Less(key(b), key(a)) : Less(key(a), key(b)); });
  return items;
}

Value Default(const Value& value, Arguments& arguments) {
  const Parameters given("default", arguments);
  const bool absent = value.is_undefined() || (given.Flag(1, "boolean", false) && !value.Truth());
  if (!absent) return value;
  const Value* otherwise = given.Find(0, "default_value");
  return otherwise != nullptr ? *otherwise : Value("");
}

Value Join(const Value& value, Arguments& arguments) {
  const Parameters given("join", arguments);
  const Value* separator = given.Find(0, "d");
  const Value* attribute = given.Find(1, "attribute");
  std::string out;
  Origin origin = kFromTemplate;
  bool first = true;
  for (const Value& item : Iterate(value)) {
    if (!first && separator != nullptr) separator->AppendStr(out);
    first = false;
    const Value part = attribute != nullptr && !attribute->is_none() ? AtPath(item, *attribute) : item;
    part.AppendStr(out);
    origin = jinja_rendering::Join(origin, part.origin());
  }
  return Value(std::move(out), origin);
}

Value ToJson(const Value& value, Arguments& arguments) {
  const Parameters given("tojson", arguments);
  given.Check(4, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = given.Flag(0, "ensure_ascii", false);
  style.sort_keys = given.Flag(3, "sort_keys", false);
  const Value* indent = given.Find(1, "indent");
  if (indent != nullptr && !indent->is_none()) {
    if (!indent->is_integral()) Refuse("tojson with an indent that is no number");
    style.indent = static_cast<int>(std::clamp<int64_t>(ToInt64(*indent), 0, 64));
    style.item_separator = ",";
  }
  const Value* separators = given.Find(2, "separators");
  if (separators != nullptr && !separators->is_none()) {
    const std::vector<Value> pair = Iterate(*separators);
    if (pair.size() != 2) Fail("tojson: separators are a pair");
    style.item_separator = TextOf(pair[0], "separator");
    style.key_separator = TextOf(pair[1], "separator");
  }
  return Value(DumpJson(value, style), value.origin());
}

Value Items(const Value& value, Arguments&) {
  if (value.is_undefined()) return List();
  if (!value.is_dict()) Fail("Can only get item pairs from a mapping.");
  Arguments none;
  return CallMethod(value, "items", none);
}

Value Reverse(const Value& value, Arguments&) {
  std::vector<Value> items = Iterate(value);
  std::reverse(items.begin(), items.end());
  if (!value.is_text()) return List{std::move(items), ListKind::kGenerator};
  std::string out;
  for (const Value& item : items) out += item.bytes();
  return Derived(std::move(out), value);
}

Value Sort(const Value& value, Arguments& arguments) {
  const Parameters given("sort", arguments);
  const Value* attribute = given.Find(2, "attribute");
  const bool case_sensitive = given.Flag(1, "case_sensitive", false);
  const auto key = [&](const Value& item) { return SortKey(item, attribute, case_sensitive); };
  return List{Sorted(Iterate(value), given.Flag(0, "reverse", false), key)};
}

Value DictSort(const Value& value, Arguments& arguments) {
  const Parameters given("dictsort", arguments);
  if (!value.is_dict()) Fail(fmt::format("'{}' object has no attribute 'items'", value.type_name()));
  const bool case_sensitive = given.Flag(0, "case_sensitive", false);
  const std::string by = given.TextOr(1, "by", "key");
  if (by != "key" && by != "value") Fail("You can only sort by either \"key\" or \"value\"");
  const auto key = [&](const Value& item) { return CaseKey(item.items()[by == "key" ? 0 : 1], case_sensitive); };
  return List{Sorted(Items(value, arguments).items(), given.Flag(2, "reverse", false), key)};
}

Value Unique(const Value& value, Arguments& arguments) {
  const Parameters given("unique", arguments);
  List kept;
  kept.kind = ListKind::kGenerator;
  std::vector<Value> seen;
  for (const Value& item : Iterate(value)) {
    const Value key = SortKey(item, given.Find(1, "attribute"), given.Flag(0, "case_sensitive", false));
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return Equal(other, key); })) continue;
    seen.push_back(key);
    kept.items.push_back(item);
  }
  return kept;
}

Value Extreme(const Value& value, Arguments& arguments, bool greatest) {
  const Parameters given(greatest ? "max" : "min", arguments);
  const auto key = [&](const Value& item) {
    return SortKey(item, given.Find(1, "attribute"), given.Flag(0, "case_sensitive", false));
  };
  const std::vector<Value> items = Iterate(value);
  if (items.empty()) return Value::UndefinedNamed("No aggregated item, sequence was empty.");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    if (greatest ? Less(key(items[best]), key(items[i])) : Less(key(items[i]), key(items[best]))) best = i;
  }
  return items[best];
}

Value Sum(const Value& value, Arguments& arguments) {
  const Parameters given("sum", arguments);
  const Value* attribute = given.Find(0, "attribute");
  const Value* start = given.Find(1, "start");
  Value total = start != nullptr ? *start : Value(0);
  for (const Value& item : Iterate(value)) {
    total = Operate("+", total, attribute != nullptr && !attribute->is_none() ? AtPath(item, *attribute) : item);
  }
  return total;
}

// The positional arguments from `begin` on, and the named ones.
Arguments Rest(const Arguments& arguments, size_t begin) {
  Arguments rest;
  for (size_t i = begin; i < arguments.positional.size(); ++i) rest.positional.push_back(arguments.positional[i]);
  rest.named = arguments.named;
  return rest;
}

Value Map(const Value& value, Arguments& arguments) {
  const Parameters given("map", arguments);
  List out;
  out.kind = ListKind::kGenerator;
  if (!value.Truth()) return out;
  if (arguments.positional.empty()) {
    const Value& attribute = given.Get(SIZE_MAX, "attribute");
    const Value* otherwise = given.Find(SIZE_MAX, "default");
    for (const Value& item : Iterate(value)) {
      Value member = AtPath(item, attribute);
      if (member.is_undefined() && otherwise != nullptr) member = *otherwise;
      out.items.push_back(std::move(member));
    }
    return out;
  }
  const std::string name = TextOf(arguments.positional[0], "the name of a filter");
  for (const Value& item : Iterate(value)) {
    Arguments rest = Rest(arguments, 1);
    out.items.push_back(ApplyFilter(name, item, rest));
  }
  return out;
}

Value Choose(const Value& value, Arguments& arguments, bool wanted, bool by_attribute) {
  const size_t test_at = by_attribute ? 1 : 0;
  if (by_attribute && arguments.positional.empty()) Fail("Missing parameter for attribute name");
  List out;
  out.kind = ListKind::kGenerator;
  if (!value.Truth()) return out;
  for (const Value& item : Iterate(value)) {
    const Value subject = by_attribute ? AtPath(item, arguments.positional[0]) : item;
    bool holds;
    if (arguments.positional.size() > test_at) {
      Arguments rest = Rest(arguments, test_at + 1);
      holds = ApplyTest(TextOf(arguments.positional[test_at], "the name of a test"), subject, rest);
    } else {
      holds = subject.Truth();
    }
    if (holds == wanted) out.items.push_back(item);
  }
  return out;
}

Value ToInteger(const Value& value, Arguments& arguments) {
  const Parameters given("int", arguments);
  const Value* otherwise = given.Find(0, "default");
  const Value fallback = otherwise != nullptr ? *otherwise : Value(0);
  if (value.is_integral()) return Value(value.integer());
  if (value.is_float()) return std::isfinite(value.number()) ? Value(static_cast<Integer>(value.number())) : fallback;
  if (!value.is_text()) return fallback;
  std::string_view text = Strip(value.bytes(), Ends::kBoth, std::nullopt);
  if (text.starts_with('+')) text.remove_prefix(1);
  const int64_t base = given.Int(1, "base", 10);
  if (base < 2 || base > 36) Refuse("int with that base");
  if ((base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) || (base == 2 && text.starts_with("0b")) ||
      (base == 8 && text.starts_with("0o"))) {
    text.remove_prefix(2);
  }
  int64_t integer = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), integer, static_cast<int>(base));
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return Value(static_cast<Integer>(integer));
  double number = 0;
  parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && std::isfinite(number)) {
    return Value(static_cast<Integer>(number));
  }
  return fallback;
}

Value ToFloat(const Value& value, Arguments& arguments) {
  const Value* otherwise = Parameters("float", arguments).Find(0, "default");
  if (value.is_number()) return value.number();
  if (value.is_text()) {
    const std::string_view text = Strip(value.bytes(), Ends::kBoth, std::nullopt);
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return number;
  }
  return otherwise != nullptr ? *otherwise : Value(0.0);
}

Value Round(const Value& value, Arguments& arguments) {
  const Parameters given("round", arguments);
  if (!value.is_number()) Fail(fmt::format("type {} doesn't define __round__ method", value.type_name()));
  const int64_t precision = given.Int(0, "precision", 0);
  const std::string method = given.TextOr(1, "method", "common");
  if (precision < 0 || precision > 15) Refuse("round to that precision");
  if (method == "common") return std::stod(fmt::format("{:.{}f}", value.number(), precision));
  const double scale = std::pow(10.0, static_cast<double>(precision));
  return (method == "ceil" ? std::ceil(value.number() * scale) : std::floor(value.number() * scale)) / scale;
}

Value IndentText(const Value& value, Arguments& arguments) {
  const Parameters given("indent", arguments);
  const Value* width = given.Find(0, "width");
  const std::string prefix = width == nullptr ? std::string(4, ' ')
                             : width->is_text()
                                 ? width->bytes()
                                 : std::string(static_cast<size_t>(std::clamp<int64_t>(ToInt64(*width), 0, 4096)), ' ');
  return Derived(Indent(value.Str(), prefix, given.Flag(1, "first", false), given.Flag(2, "blank", false)), value);
}

Value Replace(const Value& value, Arguments& arguments) {
  const Parameters given("replace", arguments);
  const Value& to = given.Get(1, "new");
  const Value* count = given.Find(2, "count");
  return Value(ReplaceAll(value.Str(), given.Get(0, "old").Str(), to.Str(),
                          count == nullptr || count->is_none() ? -1 : ToInt64(*count)),
               jinja_rendering::Join(value.origin(), to.origin()));
}

Value Trim(const Value& value, Arguments& arguments) {
  const Value* characters = Parameters("trim", arguments).Find(0, "chars");
  const std::string text = value.Str();
  return Derived(std::string(Strip(text, Ends::kBoth,
                                   characters == nullptr || characters->is_none()
                                       ? std::nullopt
                                       : std::optional<std::string_view>(TextOf(*characters, "chars")))),
                 value);
}

Value Escape(const Value& value, Arguments&) {
  return value.is_markup() ? value : Value(EscapeHtml(value.Str()), value.origin(), true);
}

Value Batch(const Value& value, Arguments& arguments) {
  const int64_t count = Parameters("batch", arguments).Int(0, "linecount", 0);
  if (count <= 0 || arguments.positional.size() > 1 || !arguments.named.empty()) Refuse("batch with these arguments");
  List out;
  out.kind = ListKind::kGenerator;
  List row;
  for (const Value& item : Iterate(value)) {
    if (static_cast<int64_t>(row.items.size()) == count) out.items.push_back(std::exchange(row, List()));
    row.items.push_back(item);
  }
  if (!row.items.empty()) out.items.push_back(std::move(row));
  return out;
}

Value FormatFilter(const Value& value, Arguments& arguments) {
  if (!arguments.named.empty()) Refuse("format with named arguments");
  return Operate("%", Derived(value.Str(), value), Value::Tuple(arguments.positional));
}

const std::unordered_map<std::string_view, Filter>& Filters() {
  static const std::unordered_map<std::string_view, Filter> kFilters = {
      {"default", Default},
      {"d", Default},
      {"join", Join},
      {"tojson", ToJson},
      {"items", Items},
      {"reverse", Reverse},
      {"sort", Sort},
      {"dictsort", DictSort},
      {"unique", Unique},
      {"sum", Sum},
      {"map", Map},
      {"int", ToInteger},
      {"float", ToFloat},
      {"round", Round},
      {"indent", IndentText},
      {"replace", Replace},
      {"trim", Trim},
      {"batch", Batch},
      {"format", FormatFilter},
      {"length", [](const Value& value, Arguments&) { return Value(LengthOf(value)); }},
      {"count", [](const Value& value, Arguments&) { return Value(LengthOf(value)); }},
      {"list", [](const Value& value, Arguments&) { return Value(List{Iterate(value)}); }},
      {"string", [](const Value& value, Arguments&) { return Derived(value.Str(), value); }},
      {"safe", [](const Value& value, Arguments&) { return Value(value.Str(), value.origin(), true); }},
      {"escape", Escape},
      {"e", Escape},
      {"upper", [](const Value& value, Arguments&) { return Derived(MapCase(value.Str(), CaseMapping::kUpper), value); }},
      {"lower", [](const Value& value, Arguments&) { return Derived(MapCase(value.Str(), CaseMapping::kLower), value); }},
      {"capitalize",
       [](const Value& value, Arguments&) { return Derived(MapCase(value.Str(), CaseMapping::kCapitalize), value); }},
      {"title", [](const Value& value, Arguments&) { return Derived(TitleFilter(value.Str()), value); }},
      {"wordcount", [](const Value& value, Arguments&) { return Value(Split(value.Str(), std::nullopt, -1).size()); }},
      {"min", [](const Value& value, Arguments& arguments) { return Extreme(value, arguments, false); }},
      {"max", [](const Value& value, Arguments& arguments) { return Extreme(value, arguments, true); }},
      {"select", [](const Value& value, Arguments& arguments) { return Choose(value, arguments, true, false); }},
      {"reject", [](const Value& value, Arguments& arguments) { return Choose(value, arguments, false, false); }},
      {"selectattr", [](const Value& value, Arguments& arguments) { return Choose(value, arguments, true, true); }},
      {"rejectattr", [](const Value& value, Arguments& arguments) { return Choose(value, arguments, false, true); }},
      {"attr",
       [](const Value& value, Arguments& arguments) {
         const std::string& name = TextOf(Parameters("attr", arguments).Get(0, "name"), "the name");
         return value.is_dict() && !HasMethod(value, name) ? Value::UndefinedNamed(name) : MemberOf(value, name);
       }},
      {"abs",
       [](const Value& value, Arguments&) {
         if (value.is_float()) return Value(std::fabs(value.number()));
         if (!value.is_integral()) Fail(fmt::format("bad operand type for abs(): '{}'", value.type_name()));
         return Value(value.integer() < 0 ? -value.integer() : value.integer());
       }},
      {"first",
       [](const Value& value, Arguments&) {
         const std::vector<Value> items = Iterate(value);
         return items.empty() ? Value::UndefinedNamed("No first item, sequence was empty.") : items.front();
       }},
      {"last",
       [](const Value& value, Arguments&) {
         const std::vector<Value> items = Iterate(value);
         return items.empty() ? Value::UndefinedNamed("No last item, sequence was empty.") : items.back();
       }},
  };
  return kFilters;
}

}  // namespace

Value ApplyFilter(const std::string& name, const Value& value, Arguments& arguments) {
  const auto found = Filters().find(name);
  if (found == Filters().end()) Refuse(fmt::format("the filter '{}'", name));
  return found->second(value, arguments);
}

}  // namespace weir::jinja_rendering
