#pragma once
// Json: a JSON value that keeps the order of object members, as chat requests and templates need.
//
// A plain value: copies are deep, moves are cheap. Thread rule: like a std::vector. The parser behind it is strict (RFC
// 8259, valid UTF-8, bounded depth); parsing data from a peer or a file never asserts.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "weir/base/result.h"

namespace weir {

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;  // in order of appearance; a parsed duplicate keeps the last value, first place

  Json() = default;  // null
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(int value) : value_(int64_t{value}) {}
  Json(int64_t value) : value_(value) {}
  Json(uint64_t value);  // stored as int64_t where it fits
  Json(double value) : value_(value) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  static Json MakeArray() { return Json(Array()); }
  static Json MakeObject() { return Json(Object()); }

  // Parses one value; anything but white space after it is an error. Errors are invalid_argument with the byte offset
  // where the parser gives one. Numbers: int64, else uint64, else double.
  // A number beyond the range of double, a lone surrogate escape and nesting deeper than kDepthMax are refused.
  static Result<Json> Parse(std::string_view text);
  // The same, and an object with two members of one name is refused.
  static Result<Json> ParseUnique(std::string_view text);
  static constexpr size_t kDepthMax = 1000;  // arrays and objects inside one another

  bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const { return std::holds_alternative<int64_t>(value_) || std::holds_alternative<uint64_t>(value_); }
  bool is_number() const { return is_integer() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  // "null", "boolean", "number", "string", "array", "object".
  std::string_view type_name() const;

  // REQUIRES the matching is_...(); ask first for anything that came from outside.
  bool as_bool() const { return std::get<bool>(value_); }
  int64_t as_int() const;    // REQUIRES is_integer() and in range
  double as_double() const;  // REQUIRES is_number()
  // The integer when it is stored in that form (uint64 only above INT64_MAX), else null.
  const int64_t* get_if_int() const { return std::get_if<int64_t>(&value_); }
  const uint64_t* get_if_uint() const { return std::get_if<uint64_t>(&value_); }
  const std::string& as_string() const { return std::get<std::string>(value_); }
  const Array& as_array() const { return std::get<Array>(value_); }
  Array& as_array() { return std::get<Array>(value_); }
  const Object& as_object() const { return std::get<Object>(value_); }
  Object& as_object() { return std::get<Object>(value_); }

  // The member, or null when this is no object or has none of that name. Linear in the number of members.
  const Json* Find(std::string_view name) const;
  Json* Find(std::string_view name);
  // Adds or replaces. REQUIRES is_object().
  Json& Set(std::string_view name, Json value);
  // REQUIRES is_array().
  Json& Append(Json value);

  // Compact when indent is 0, else pretty. Text stays UTF-8 (only what JSON requires is escaped). NaN and infinities
  // become null. Doubles print as the shortest text that reads back the same.
  std::string Dump(int indent = 0) const;

  friend bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

 private:
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> value_ = nullptr;
};

// The text as a JSON string literal with its quotes. REQUIRES valid UTF-8.
std::string JsonQuote(std::string_view text);

}  // namespace weir
