#include "jinja_operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "jinja_text.h"

namespace weir::jinja_rendering {
namespace {

constexpr size_t kRepeatBytesMax = 64 << 20;

[[noreturn]] void FailUndefined(const Value& value) {
  Fail(value.undefined_name().empty() ? std::string("an undefined value was used")
                                      : fmt::format("'{}' is undefined", value.undefined_name()));
}

[[noreturn]] void FailOperands(std::string_view op, const Value& a, const Value& b) {
  if (a.is_undefined()) FailUndefined(a);
  if (b.is_undefined()) FailUndefined(b);
  Fail(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op, a.type_name(), b.type_name()));
}

Integer Checked(Integer value) {
  constexpr Integer kMax = Integer{1} << 100;
  if (value > kMax || value < -kMax) Refuse("integers beyond 100 bits");
  return value;
}

Value Arithmetic(std::string_view op, const Value& a, const Value& b) {
  const bool is_float = a.is_float() || b.is_float();
  if (op == "/" || ((op == "%" || op == "//") && is_float)) {
    if (b.number() == 0) Fail("division by zero");
    if (op == "/") return a.number() / b.number();
    if (op == "//") return std::floor(a.number() / b.number());
    const double rest = std::fmod(a.number(), b.number());
    return rest != 0 && (rest < 0) != (b.number() < 0) ? rest + b.number() : rest;
  }
  if (is_float) {
    if (op == "+") return a.number() + b.number();
    if (op == "-") return a.number() - b.number();
    if (op == "*") return a.number() * b.number();
    FailOperands(op, a, b);
  }
  const Integer x = a.integer();
  const Integer y = b.integer();
  if (op == "+") return Checked(x + y);
  if (op == "-") return Checked(x - y);
  if (op == "*") {
    if (x != 0 && (x > (Integer{1} << 62) || x < -(Integer{1} << 62) || y > (Integer{1} << 62) || y < -(Integer{1} << 62))) {
      Refuse("products of integers beyond 62 bits");
    }
    return Checked(x * y);
  }
  if (y == 0) Fail("division by zero");
  const Integer rest = x % y;
  const bool borrow = rest != 0 && (rest < 0) != (y < 0);
  if (op == "%") return borrow ? rest + y : rest;
  if (op == "//") return x / y - (borrow ? 1 : 0);
  FailOperands(op, a, b);
}

Value Repeat(const Value& value, Integer count) {
  const size_t size = value.is_text() ? value.bytes().size() : value.items().size() * sizeof(Value);
  if (size == 0 || count <= 0) count = 0;
  if (count > 0 && count > static_cast<Integer>(kRepeatBytesMax / size)) Refuse("a repetition beyond 64 MiB");
  if (value.is_text()) {
    std::string out;
    for (Integer i = 0; i < count; ++i) out += value.bytes();
    return Derived(std::move(out), value);
  }
  List list;
  list.kind = value.list_kind();
  for (Integer i = 0; i < count; ++i) list.items.insert(list.items.end(), value.items().begin(), value.items().end());
  return list;
}

// "..." % values, for %s, %d, %i and %%.
Value FormatPercent(const Value& format, const Value& values) {
  const std::string& text = format.bytes();
  const std::vector<Value> list = values.is_tuple() ? values.items() : std::vector<Value>{values};
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const char kind = i + 1 < text.size() ? text[++i] : '\0';
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (kind != 's' && kind != 'd' && kind != 'i') Refuse("%-formatting other than %s and %d");
    if (next >= list.size()) Fail("not enough arguments for format string");
    const Value& value = list[next++];
    if (kind != 's' && !value.is_number()) Fail(fmt::format("%d format: a number is required, not {}", value.type_name()));
    out += kind == 's' || value.is_integer() ? value.Str() : FormatInteger(static_cast<Integer>(value.number()));
  }
  if (next < list.size() && !values.is_dict()) Fail("not all arguments converted during string formatting");
  return Value(std::move(out), Join(format.origin(), values.origin()));
}

// Python's slice.indices().
std::array<int64_t, 3> SliceIndices(const Value& start, const Value& stop, const Value& step_value, int64_t size) {
  const int64_t step = step_value.is_none() ? 1 : ToInt64(step_value);
  if (step == 0) Fail("slice step cannot be zero");
  const int64_t low = step < 0 ? -1 : 0;
  const int64_t high = step < 0 ? size - 1 : size;
  const auto clamp = [&](const Value& value, int64_t otherwise) {
    if (value.is_none()) return otherwise;
    int64_t at = ToInt64(value);
    if (at < 0) at += size;
    return std::clamp(at, low, std::max(low, high));
  };
  return {clamp(start, step < 0 ? high : low), clamp(stop, step < 0 ? low : high), step};
}

}  // namespace

int64_t ToInt64(const Value& value) {
  if (value.is_undefined()) FailUndefined(value);
  if (!value.is_integral()) Fail(fmt::format("'{}' object cannot be interpreted as an integer", value.type_name()));
  constexpr Integer kLimit = Integer{1} << 62;
  return static_cast<int64_t>(std::clamp(value.integer(), -kLimit, kLimit));
}

const std::string& TextOf(const Value& value, std::string_view what) {
  if (value.is_undefined()) FailUndefined(value);
  if (!value.is_text()) Fail(fmt::format("{} must be str, not {}", what, value.type_name()));
  return value.bytes();
}

Value Operate(std::string_view op, const Value& a, const Value& b) {
  if (op == "~") return Value(a.Str() + b.Str(), Join(a.origin(), b.origin()));
  if (op == "==") return Equal(a, b);
  if (op == "!=") return !Equal(a, b);
  if (op == "in") return Contains(b, a);
  if (op == "not in") return !Contains(b, a);
  if (op == "<") return Less(a, b);
  if (op == ">") return Less(b, a);
  if (op == "<=") return !Less(b, a);
  if (op == ">=") return !Less(a, b);
  if (op == "%" && a.is_text() && !a.is_markup()) return FormatPercent(a, b);
  if (a.is_number() && b.is_number()) return Arithmetic(op, a, b);
  if (op == "+" && a.is_text() && b.is_text()) {
    const bool is_markup = a.is_markup() || b.is_markup();
    const auto part = [&](const Value& side) {
      return is_markup && !side.is_markup() ? EscapeHtml(side.bytes()) : side.bytes();
    };
    return Value(part(a) + part(b), Join(a.origin(), b.origin()), is_markup);
  }
  if (op == "+" && a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple()) {
    List list{a.items(), a.list_kind()};
    list.items.insert(list.items.end(), b.items().begin(), b.items().end());
    return list;
  }
  if (op == "*" && (a.is_text() || a.is_sequence()) && b.is_integral()) return Repeat(a, b.integer());
  if (op == "*" && a.is_integral() && (b.is_text() || b.is_sequence())) return Repeat(b, a.integer());
  FailOperands(op, a, b);
}

bool Contains(const Value& container, const Value& needle) {
  if (container.is_undefined()) return false;
  if (container.is_text()) {
    return container.bytes().find(TextOf(needle, "the left side of `in` a string")) != std::string::npos;
  }
  if (container.is_list()) {
    return std::any_of(container.items().begin(), container.items().end(),
                       [&](const Value& item) { return Equal(item, needle); });
  }
  if (container.is_dict()) {
    if (needle.is_list() && !needle.is_tuple()) Fail("unhashable type: 'list'");
    if (needle.is_dict()) Fail("unhashable type: 'dict'");
    return FindMember(container.dict(), needle) != nullptr;
  }
  Fail(fmt::format("argument of type '{}' is not iterable", container.type_name()));
}

std::vector<Value> Iterate(const Value& value) {
  if (value.is_undefined()) return {};
  if (value.is_list()) return value.items();
  std::vector<Value> items;
  if (value.is_dict()) {
    for (const auto& [key, member] : value.dict().members) items.push_back(key);
  } else if (value.is_text()) {
    const std::string& text = value.bytes();
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      NextCodePoint(text, at);
      items.push_back(Derived(text.substr(begin, at - begin), value));
    }
  } else {
    Fail(fmt::format("'{}' object is not iterable", value.type_name()));
  }
  return items;
}

Value MemberOf(const Value& value, const std::string& name) {
  if (value.is_undefined()) FailUndefined(value);
  if (HasMethod(value, name)) {
    return Callable{name, [value, name](Arguments& arguments) { return CallMethod(value, name, arguments); }};
  }
  if (value.is_dict()) {
    if (const Value* member = FindNamed(value.dict(), name)) return *member;
  } else if (value.is_namespace()) {
    for (const auto& [key, member] : value.space().members) {
      if (key == name) return member;
    }
  }
  return Value::UndefinedNamed(name);
}

Value ItemOf(const Value& value, const Value& key) {
  if (value.is_undefined()) FailUndefined(value);
  if (value.is_dict()) {
    if (const Value* member = FindMember(value.dict(), key)) return *member;
  } else if (key.is_integral() && (value.is_sequence() || value.is_text())) {
    const int64_t size = static_cast<int64_t>(value.is_list() ? value.items().size() : CountCodePoints(value.bytes()));
    int64_t index = ToInt64(key);
    if (index < 0) index += size;
    if (index < 0 || index >= size) return Value::UndefinedNamed(fmt::format("item {}", ToInt64(key)));
    if (value.is_list()) return value.items()[static_cast<size_t>(index)];
    return Derived(SliceCharacters(value.bytes(), index, index + 1, 1), value);
  }
  if (key.is_text()) {
    if (value.is_namespace()) return MemberOf(value, key.bytes());
    if (HasMethod(value, key.bytes())) return MemberOf(value, key.bytes());
    return Value::UndefinedNamed(key.bytes());
  }
  return Value::UndefinedNamed(key.is_undefined() ? key.undefined_name() : key.Repr());
}

Value SliceOf(const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) FailUndefined(value);
  if (value.is_text()) {
    const auto [from, to, by] = SliceIndices(start, stop, step, static_cast<int64_t>(CountCodePoints(value.bytes())));
    return Derived(SliceCharacters(value.bytes(), from, to, by), value);
  }
  if (!value.is_sequence()) Fail(fmt::format("'{}' object is not subscriptable", value.type_name()));
  const auto [from, to, by] = SliceIndices(start, stop, step, static_cast<int64_t>(value.items().size()));
  List list;
  list.kind = value.list_kind();
  for (int64_t i = from; by > 0 ? i < to : i > to; i += by) list.items.push_back(value.items()[static_cast<size_t>(i)]);
  return list;
}

const Value* Parameters::Find(size_t position, std::string_view name) const {
  for (const auto& [key, value] : arguments_.named) {
    if (key == name) return &value;
  }
  return position < arguments_.positional.size() ? &arguments_.positional[position] : nullptr;
}

const Value& Parameters::Get(size_t position, std::string_view name) const {
  const Value* value = Find(position, name);
  if (value == nullptr) Fail(fmt::format("{}() is missing the argument '{}'", function_, name));
  return *value;
}

bool Parameters::Flag(size_t position, std::string_view name, bool otherwise) const {
  const Value* value = Find(position, name);
  return value == nullptr ? otherwise : value->Truth();
}

int64_t Parameters::Int(size_t position, std::string_view name, int64_t otherwise) const {
  const Value* value = Find(position, name);
  return value == nullptr ? otherwise : ToInt64(*value);
}

std::string Parameters::TextOr(size_t position, std::string_view name, std::string otherwise) const {
  const Value* value = Find(position, name);
  return value == nullptr ? otherwise : TextOf(*value, name);
}

void Parameters::Check(size_t count, std::initializer_list<std::string_view> names) const {
  if (arguments_.positional.size() > count) {
    Fail(fmt::format("{}() takes {} arguments but {} were given", function_, count, arguments_.positional.size()));
  }
  for (const auto& [key, value] : arguments_.named) {
    if (std::find(names.begin(), names.end(), key) == names.end()) {
      Fail(fmt::format("{}() got an unexpected keyword argument '{}'", function_, key));
    }
  }
}

}  // namespace weir::jinja_rendering
