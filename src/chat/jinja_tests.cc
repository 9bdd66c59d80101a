// Jinja's tests, and the functions that every template sees.

#include <fmt/format.h>

#include <ctime>
#include <unordered_map>

#include "jinja_operations.h"
#include "jinja_text.h"

namespace weir::jinja_rendering {
namespace {

constexpr Integer kRangeMax = 100000;  // Jinja's sandbox

using Test = bool (*)(const Value&, const Parameters&);

template <bool kOdd>
bool IsOddOrEven(const Value& value, const Parameters&) {
  return (ToInt64(value) % 2 != 0) == kOdd;
}

bool IsIterable(const Value& value, const Parameters&) {
  return value.is_text() || value.is_list() || value.is_dict() || value.is_undefined();
}

bool IsSequence(const Value& value, const Parameters&) {
  return value.is_text() || value.is_sequence() || value.is_dict() || value.is_undefined();
}

const std::unordered_map<std::string_view, Test>& Tests() {
  static const std::unordered_map<std::string_view, Test> kTests = {
      {"defined", [](const Value& value, const Parameters&) { return !value.is_undefined(); }},
      {"undefined", [](const Value& value, const Parameters&) { return value.is_undefined(); }},
      {"none", [](const Value& value, const Parameters&) { return value.is_none(); }},
      {"string", [](const Value& value, const Parameters&) { return value.is_text(); }},
      {"mapping", [](const Value& value, const Parameters&) { return value.is_dict(); }},
      {"sequence", IsSequence},
      {"iterable", IsIterable},
      {"number", [](const Value& value, const Parameters&) { return value.is_number(); }},
      {"integer", [](const Value& value, const Parameters&) { return value.is_integer(); }},
      {"float", [](const Value& value, const Parameters&) { return value.is_float(); }},
      {"boolean", [](const Value& value, const Parameters&) { return value.is_bool(); }},
      {"true", [](const Value& value, const Parameters&) { return value.is_bool() && value.Truth(); }},
      {"false", [](const Value& value, const Parameters&) { return value.is_bool() && !value.Truth(); }},
      {"callable", [](const Value& value, const Parameters&) { return value.is_callable(); }},
      {"odd", IsOddOrEven<true>},
      {"even", IsOddOrEven<false>},
      {"divisibleby",
       [](const Value& value, const Parameters& given) {
         const int64_t divisor = ToInt64(given.Get(0, "num"));
         if (divisor == 0) Fail("division by zero");
         return ToInt64(value) % divisor == 0;
       }},
      {"in", [](const Value& value, const Parameters& given) { return Contains(given.Get(0, "seq"), value); }},
      {"eq", [](const Value& value, const Parameters& given) { return Equal(value, given.Get(0, "b")); }},
      {"equalto", [](const Value& value, const Parameters& given) { return Equal(value, given.Get(0, "b")); }},
      {"==", [](const Value& value, const Parameters& given) { return Equal(value, given.Get(0, "b")); }},
      {"ne", [](const Value& value, const Parameters& given) { return !Equal(value, given.Get(0, "b")); }},
      {"!=", [](const Value& value, const Parameters& given) { return !Equal(value, given.Get(0, "b")); }},
      {"lt", [](const Value& value, const Parameters& given) { return Less(value, given.Get(0, "b")); }},
      {"lessthan", [](const Value& value, const Parameters& given) { return Less(value, given.Get(0, "b")); }},
      {"<", [](const Value& value, const Parameters& given) { return Less(value, given.Get(0, "b")); }},
      {"gt", [](const Value& value, const Parameters& given) { return Less(given.Get(0, "b"), value); }},
      {"greaterthan", [](const Value& value, const Parameters& given) { return Less(given.Get(0, "b"), value); }},
      {">", [](const Value& value, const Parameters& given) { return Less(given.Get(0, "b"), value); }},
      {"le", [](const Value& value, const Parameters& given) { return !Less(given.Get(0, "b"), value); }},
      {"<=", [](const Value& value, const Parameters& given) { return !Less(given.Get(0, "b"), value); }},
      {"ge", [](const Value& value, const Parameters& given) { return !Less(value, given.Get(0, "b")); }},
      {">=", [](const Value& value, const Parameters& given) { return !Less(value, given.Get(0, "b")); }},
      {"sameas", [](const Value& value, const Parameters& given) { return value.SameAs(given.Get(0, "other")); }},
      {"lower",
       [](const Value& value, const Parameters&) {
         Arguments none;
         return CallMethod(Value(value.Str()), "islower", none).Truth();
       }},
      {"upper",
       [](const Value& value, const Parameters&) {
         Arguments none;
         return CallMethod(Value(value.Str()), "isupper", none).Truth();
       }},
  };
  return kTests;
}

Value Range(Arguments& arguments) {
  const Parameters given("range", arguments);
  given.Check(3);
  Integer start = 0;
  Integer stop = ToInt64(given.Get(0, "stop"));
  if (arguments.positional.size() > 1) {
    start = stop;
    stop = ToInt64(arguments.positional[1]);
  }
  const Integer step = given.Int(2, "step", 1);
  if (step == 0) Fail("range() arg 3 must not be zero");
  const Integer span = step > 0 ? stop - start : start - stop;
  const Integer count = span <= 0 ? 0 : (span + (step > 0 ? step : -step) - 1) / (step > 0 ? step : -step);
  if (count > kRangeMax) Fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  List list;
  for (Integer i = 0; i < count; ++i) list.items.push_back(Value(start + i * step));
  return list;
}

// datetime.strftime() of a time without zone or fraction.
std::string FormatTime(std::string format, int64_t now_local_s) {
  format = ReplaceAll(format, "%%", std::string(1, '\0'), -1);
  for (const std::string_view empty : {"%z", "%Z"}) format = ReplaceAll(format, empty, "", -1);
  format = ReplaceAll(format, "%f", "000000", -1);
  format = ReplaceAll(format, std::string(1, '\0'), "%%", -1);
  if (format.empty()) return {};
  const std::time_t seconds = now_local_s;
  std::tm fields{};
  if (gmtime_r(&seconds, &fields) == nullptr) Fail("strftime_now: the time is out of range");
  std::string out(format.size() * 4 + 256, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &fields));
  return out;
}

Value MakeNamespace(Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  for (const Value& source : arguments.positional) {
    if (!source.is_dict()) Refuse("namespace() of something other than a dict");
    for (const auto& [key, value] : source.dict().members) space->members.emplace_back(TextOf(key, "a key"), value);
  }
  for (const auto& [name, value] : arguments.named) {
    if (name.starts_with('_')) Fail("Chat templates cannot store underscore-prefixed attributes on a namespace");
    space->members.emplace_back(name, value);
  }
  return space;
}

Value MakeDict(Arguments& arguments) {
  Dict dict;
  for (const Value& source : arguments.positional) {
    if (source.is_dict()) {
      for (const auto& [key, value] : source.dict().members) SetMember(dict, key, value);
      dict.origin = source.dict().origin;
      continue;
    }
    for (const Value& pair : Iterate(source)) {
      const std::vector<Value> both = Iterate(pair);
      if (both.size() != 2) Fail("dictionary update sequence element has the wrong length");
      SetMember(dict, both[0], both[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) SetMember(dict, Value(name), value);
  return dict;
}

}  // namespace

bool ApplyTest(const std::string& name, const Value& value, Arguments& arguments) {
  const auto found = Tests().find(name);
  if (found == Tests().end()) Refuse(fmt::format("the test '{}'", name));
  return found->second(value, Parameters(name, arguments));
}

Value GlobalFunction(std::string_view name, int64_t now_local_s) {
  if (name == "range") return Callable{"range", Range};
  if (name == "namespace") return Callable{"namespace", MakeNamespace};
  if (name == "dict") return Callable{"dict", MakeDict};
  if (name == "raise_exception") {
    return Callable{"raise_exception", [](Arguments& arguments) -> Value {
                      Fail(Parameters("raise_exception", arguments).Get(0, "message").Str());
                    }};
  }
  if (name == "strftime_now") {
    return Callable{
        "strftime_now", [now_local_s](Arguments& arguments) {
          return Value(FormatTime(TextOf(Parameters("strftime_now", arguments).Get(0, "format"), "format"), now_local_s));
        }};
  }
  if (name == "self" || name == "cycler" || name == "joiner" || name == "lipsum") Refuse(fmt::format("the name '{}'", name));
  return Value::UndefinedNamed(std::string(name));
}

}  // namespace weir::jinja_rendering
