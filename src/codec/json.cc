#include "weir/codec/json.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "weir/base/check.h"

namespace weir {
namespace {

void AppendQuoted(std::string_view text, std::string& out) {
  out.push_back('"');
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text.substr(copied, i - copied));
    copied = i + 1;
    switch (byte) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out.push_back("0123456789abcdef"[byte >> 4]);
        out.push_back("0123456789abcdef"[byte & 15]);
    }
  }
  out.append(text.substr(copied));
  out.push_back('"');
}

template <typename Integer>
void AppendInteger(Integer value, std::string& out) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

// Keeps a mark of a double (".0") where the shortest text would read back as an integer.
void AppendDouble(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char text[40];
  const std::string_view shortest(text, static_cast<size_t>(std::to_chars(text, text + sizeof(text), value).ptr - text));
  out += shortest;
  if (shortest.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void AppendBreak(int indent, int depth, std::string& out) {
  if (indent <= 0) return;
  out.push_back('\n');
  out.append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
}

void AppendJson(const Json& value, int indent, int depth, std::string& out);

void AppendArray(const Json::Array& array, int indent, int depth, std::string& out) {
  out.push_back('[');
  for (size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendBreak(indent, depth + 1, out);
    AppendJson(array[i], indent, depth + 1, out);
  }
  if (!array.empty()) AppendBreak(indent, depth, out);
  out.push_back(']');
}

void AppendObject(const Json::Object& object, int indent, int depth, std::string& out) {
  out.push_back('{');
  for (size_t i = 0; i < object.size(); ++i) {
    if (i > 0) out.push_back(',');
    AppendBreak(indent, depth + 1, out);
    AppendQuoted(object[i].first, out);
    out += indent > 0 ? ": " : ":";
    AppendJson(object[i].second, indent, depth + 1, out);
  }
  if (!object.empty()) AppendBreak(indent, depth, out);
  out.push_back('}');
}

void AppendJson(const Json& value, int indent, int depth, std::string& out) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (const int64_t* integer = value.get_if_int()) {
    AppendInteger(*integer, out);
  } else if (const uint64_t* large = value.get_if_uint()) {
    AppendInteger(*large, out);
  } else if (value.is_number()) {
    AppendDouble(value.as_double(), out);
  } else if (value.is_string()) {
    AppendQuoted(value.as_string(), out);
  } else if (value.is_array()) {
    AppendArray(value.as_array(), indent, depth, out);
  } else {
    AppendObject(value.as_object(), indent, depth, out);
  }
}

}  // namespace

Json::Json(uint64_t value) {
  if (value <= static_cast<uint64_t>(INT64_MAX)) {
    value_ = static_cast<int64_t>(value);
  } else {
    value_ = value;
  }
}

std::string_view Json::type_name() const {
  if (is_null()) return "null";
  if (is_bool()) return "boolean";
  if (is_number()) return "number";
  if (is_string()) return "string";
  return is_array() ? "array" : "object";
}

int64_t Json::as_int() const {
  const int64_t* value = get_if_int();
  WEIR_CHECK(value != nullptr, "as_int() of a {} outside int64", type_name());
  return *value;
}

double Json::as_double() const {
  WEIR_CHECK(is_number(), "as_double() of a {}", type_name());
  if (const int64_t* integer = get_if_int()) return static_cast<double>(*integer);
  if (const uint64_t* large = get_if_uint()) return static_cast<double>(*large);
  return std::get<double>(value_);
}

const Json* Json::Find(std::string_view name) const {
  const Object* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Json* Json::Find(std::string_view name) { return const_cast<Json*>(static_cast<const Json*>(this)->Find(name)); }

Json& Json::Set(std::string_view name, Json value) {
  WEIR_CHECK(is_object(), "Set() on a {}", type_name());
  if (Json* member = Find(name)) return *member = std::move(value);
  return as_object().emplace_back(std::string(name), std::move(value)).second;
}

Json& Json::Append(Json value) {
  WEIR_CHECK(is_array(), "Append() to a {}", type_name());
  return as_array().emplace_back(std::move(value));
}

std::string Json::Dump(int indent) const {
  std::string out;
  AppendJson(*this, indent, 0, out);
  return out;
}

std::string JsonQuote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  AppendQuoted(text, out);
  return out;
}

}  // namespace weir
