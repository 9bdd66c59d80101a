#include "jinja_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weir::jinja_rendering {

void Fail(std::string message) { throw TemplateFault{std::move(message), false}; }
void Refuse(std::string feature) { throw TemplateFault{std::move(feature), true}; }

Value Value::UndefinedNamed(std::string name) {
  Value value;
  value.state_ = std::make_shared<const Undefined>(Undefined{std::move(name)});
  return value;
}

Value Value::FromJson(const Json& json, Origin origin) {
  if (json.is_null()) return None();
  if (json.is_bool()) return json.as_bool();
  if (json.is_string()) return Value(json.as_string(), origin);
  if (json.is_array()) {
    List list;
    list.items.reserve(json.as_array().size());
    for (const Json& item : json.as_array()) list.items.push_back(FromJson(item, origin));
    return list;
  }
  if (json.is_object()) {
    Dict dict;
    dict.origin = origin;
    dict.members.reserve(json.as_object().size());
    for (const auto& [name, member] : json.as_object()) {
      dict.members.emplace_back(Value(name, origin), FromJson(member, origin));
    }
    return dict;
  }
  if (!json.is_integer()) return json.as_double();
  // Beyond int64_t only through its text: the front has no accessor for uint64_t.
  const std::string digits = json.Dump();
  Integer value = 0;
  for (const char digit : digits) {
    if (digit != '-') value = value * 10 + (digit - '0');
  }
  return Value(digits.starts_with('-') ? -value : value);
}

double Value::number() const { return is_float() ? std::get<double>(state_) : static_cast<double>(integer()); }

Origin Value::origin() const {
  if (is_text()) return std::get<std::shared_ptr<const Text>>(state_)->origin;
  Origin joint = kFromTemplate;
  if (is_list()) {
    for (const Value& item : items()) joint = Join(joint, item.origin());
  } else if (is_dict()) {
    joint = dict().origin;
    for (const auto& [key, value] : dict().members) joint = Join(Join(joint, key.origin()), value.origin());
  }
  return joint;
}

bool Value::Truth() const {
  if (is_bool()) return std::get<bool>(state_);
  if (is_integer()) return integer() != 0;
  if (is_float()) return number() != 0;
  if (is_text()) return !bytes().empty();
  if (is_list()) return !items().empty() || list_kind() == ListKind::kGenerator;
  if (is_dict()) return !dict().members.empty();
  return is_namespace() || is_callable();
}

std::string_view Value::type_name() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "NoneType";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_float()) return "float";
  if (is_text()) return "str";
  if (is_list()) {
    constexpr std::string_view kNames[] = {"list", "tuple", "view", "generator"};
    return kNames[static_cast<size_t>(list_kind())];
  }
  if (is_dict()) return "dict";
  return is_namespace() ? "Namespace" : "function";
}

bool Value::SameAs(const Value& other) const {
  if (state_.index() != other.state_.index()) return false;
  if (is_none()) return true;
  if (is_number() || is_text()) return Equal(*this, other);
  if (is_list()) return &items() == &other.items();
  if (is_dict()) return &dict() == &other.dict();
  if (is_namespace()) return &space() == &other.space();
  return is_callable() && &callable() == &other.callable();
}

std::string FormatInteger(Integer value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) digits += static_cast<char>('0' + static_cast<int>(negative ? -(value % 10) : value % 10));
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string FormatFloat(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // The shortest digits that read back the same, then Python's choice of notation: an exponent below -4 or from 16 on.
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t mark = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + mark + (text[mark + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  std::string digits(text.substr(0, mark));
  const bool negative = digits.starts_with('-');
  if (negative) digits.erase(0, 1);
  std::erase(digits, '.');
  std::string out = negative ? "-" : "";
  const int count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out += "." + digits.substr(1);
    return out + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1) return out + digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  return out + digits.substr(0, static_cast<size_t>(exponent) + 1) + "." + digits.substr(static_cast<size_t>(exponent) + 1);
}

std::string Value::Str() const {
  std::string out;
  AppendStr(out);
  return out;
}

void Value::AppendStr(std::string& out) const {
  if (is_text()) {
    out += bytes();
  } else if (!is_undefined()) {
    out += Repr();
  }
}

std::string Value::Repr() const {
  if (is_undefined()) return "Undefined";
  if (is_none()) return "None";
  if (is_bool()) return std::get<bool>(state_) ? "True" : "False";
  if (is_integer()) return FormatInteger(integer());
  if (is_float()) return FormatFloat(number());
  if (is_text()) return ReprOfText(bytes());
  std::string out;
  if (is_sequence()) {
    out += is_tuple() ? '(' : '[';
    for (size_t i = 0; i < items().size(); ++i) out += (i == 0 ? "" : ", ") + items()[i].Repr();
    if (is_tuple() && items().size() == 1) out += ',';
    return out + (is_tuple() ? ')' : ']');
  }
  if (is_dict()) {
    out += '{';
    for (const auto& [key, value] : dict().members) {
      if (out.size() > 1) out += ", ";
      out += key.Repr() + ": " + value.Repr();
    }
    return out + '}';
  }
  Refuse(fmt::format("printing a {}", type_name()));
}

bool Equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return a.is_float() || b.is_float() ? a.number() == b.number() : a.integer() == b.integer();
  }
  if (a.is_text() && b.is_text()) return a.bytes() == b.bytes();
  if (a.is_undefined() && b.is_undefined()) return true;
  if (a.is_none() && b.is_none()) return true;
  if (a.is_list() && b.is_list()) {
    return a.list_kind() == b.list_kind() &&
           std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), Equal);
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.dict().members.size() != b.dict().members.size()) return false;
    return std::all_of(a.dict().members.begin(), a.dict().members.end(), [&](const auto& member) {
      const Value* other = FindMember(b.dict(), member.first);
      return other != nullptr && Equal(member.second, *other);
    });
  }
  return (a.is_namespace() || a.is_callable()) && a.SameAs(b);
}

bool Less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return a.is_float() || b.is_float() ? a.number() < b.number() : a.integer() < b.integer();
  }
  if (a.is_text() && b.is_text()) return a.bytes() < b.bytes();  // UTF-8 sorts like code points
  if (a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple()) {
    for (size_t i = 0; i < std::min(a.items().size(), b.items().size()); ++i) {
      if (!Equal(a.items()[i], b.items()[i])) return Less(a.items()[i], b.items()[i]);
    }
    return a.items().size() < b.items().size();
  }
  if (a.is_undefined() || b.is_undefined()) {
    Fail(fmt::format("'{}' is undefined", (a.is_undefined() ? a : b).undefined_name()));
  }
  Fail(fmt::format("'<' not supported between instances of '{}' and '{}'", a.type_name(), b.type_name()));
}

const Value* FindMember(const Dict& dict, const Value& key) {
  if (key.is_text()) return FindNamed(dict, key.bytes());
  for (const auto& [name, value] : dict.members) {
    if (Equal(name, key)) return &value;
  }
  return nullptr;
}

const Value* FindNamed(const Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict.members) {
    if (name.is_text() && name.bytes() == key) return &value;
  }
  return nullptr;
}

void SetMember(Dict& dict, Value key, Value value) {
  if (Value* found = const_cast<Value*>(FindMember(dict, key)); found != nullptr) {
    *found = std::move(value);
  } else {
    dict.members.emplace_back(std::move(key), std::move(value));
  }
}

}  // namespace weir::jinja_rendering
