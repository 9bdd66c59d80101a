#pragma once
// Values of a chat template while it is rendered, with Python's semantics: what they print, compare and convert to.
//
// Containers are shared and never change (Hugging Face renders in Jinja's immutable sandbox); only namespaces do. Every
// string knows which part of the request it came from, so that the prompt can be cut into segments without guessing.
// Internal to `chat`. One thread per rendering; constants of a template are shared by all, read-only.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "weir/codec/json.h"

namespace weir::jinja_rendering {

// What stops a rendering: a Python or Jinja error, or what raise_exception was given.
struct TemplateFault {
  std::string message;
  bool unsupported = false;  // valid in Jinja, refused here by name
};
[[noreturn]] void Fail(std::string message);
[[noreturn]] void Refuse(std::string feature);

// Where a string's bytes came from: a message (its position from 0), the tools, none (the template), or several of these
// (SeveralUpTo() the last message among them).
using Origin = int32_t;
inline constexpr Origin kFromTemplate = -1;
inline constexpr Origin kFromTools = -2;
inline constexpr Origin kSeveralBase = -10;
inline Origin SeveralUpTo(Origin message) { return kSeveralBase - message; }
inline bool IsSeveral(Origin origin) { return origin <= kSeveralBase; }
// The last message in it; -1 when there is none.
inline Origin LastMessage(Origin origin) { return IsSeveral(origin) ? kSeveralBase - origin : origin < 0 ? -1 : origin; }
inline Origin Join(Origin a, Origin b) {
  if (a == kFromTemplate || a == b) return b;
  if (b == kFromTemplate) return a;
  const Origin last = LastMessage(a) > LastMessage(b) ? LastMessage(a) : LastMessage(b);
  return SeveralUpTo(last);
}

using Integer = __int128;  // every 64-bit JSON integer, and sums of them

class Value;
struct Text {
  std::string bytes;  // UTF-8
  Origin origin = kFromTemplate;
  bool is_markup = false;  // marked |safe: what is added to it is HTML-escaped
};
// What Python gives a sequence as; only lists and tuples have members, and only they print and dump.
enum class ListKind { kList, kTuple, kView, kGenerator };
struct List {
  std::vector<Value> items;
  ListKind kind = ListKind::kList;
};
struct Dict {
  std::vector<std::pair<Value, Value>> members;  // in order of insertion
  Origin origin = kFromTemplate;
};
struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};
struct Undefined {
  std::string name;
};
struct None {};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};
struct Callable {
  std::string name;
  std::function<Value(Arguments&)> call;
};

class Value {
 public:
  Value() : state_(std::make_shared<const Undefined>()) {}
  Value(None) : state_(None()) {}
  Value(bool value) : state_(value) {}
  Value(Integer value) : state_(value) {}
  Value(int value) : state_(Integer{value}) {}
  Value(size_t value) : state_(static_cast<Integer>(value)) {}
  Value(double value) : state_(value) {}
  Value(std::string bytes, Origin origin = kFromTemplate, bool is_markup = false)
      : state_(std::make_shared<const Text>(Text{std::move(bytes), origin, is_markup})) {}
  Value(const char* bytes) : Value(std::string(bytes)) {}
  Value(List list) : state_(std::make_shared<const List>(std::move(list))) {}
  Value(Dict dict) : state_(std::make_shared<const Dict>(std::move(dict))) {}
  Value(std::shared_ptr<Namespace> space) : state_(std::move(space)) {}
  Value(Callable callable) : state_(std::make_shared<const Callable>(std::move(callable))) {}
  static Value UndefinedNamed(std::string name);
  static Value Tuple(std::vector<Value> items) { return Value(List{std::move(items), ListKind::kTuple}); }
  static Value FromJson(const Json& json, Origin origin);

  bool is_undefined() const { return std::holds_alternative<std::shared_ptr<const Undefined>>(state_); }
  bool is_none() const { return std::holds_alternative<None>(state_); }
  bool is_bool() const { return std::holds_alternative<bool>(state_); }
  bool is_integer() const { return std::holds_alternative<Integer>(state_); }  // not bool
  bool is_float() const { return std::holds_alternative<double>(state_); }
  bool is_number() const { return is_bool() || is_integer() || is_float(); }
  bool is_integral() const { return is_bool() || is_integer(); }
  bool is_text() const { return std::holds_alternative<std::shared_ptr<const Text>>(state_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const List>>(state_); }  // of any kind
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(state_); }
  bool is_namespace() const { return std::holds_alternative<std::shared_ptr<Namespace>>(state_); }
  bool is_callable() const { return std::holds_alternative<std::shared_ptr<const Callable>>(state_); }

  // REQUIRES the matching is_...().
  const std::string& bytes() const { return std::get<std::shared_ptr<const Text>>(state_)->bytes; }
  bool is_markup() const { return is_text() && std::get<std::shared_ptr<const Text>>(state_)->is_markup; }
  const std::vector<Value>& items() const { return std::get<std::shared_ptr<const List>>(state_)->items; }
  ListKind list_kind() const { return std::get<std::shared_ptr<const List>>(state_)->kind; }
  bool is_tuple() const { return is_list() && list_kind() == ListKind::kTuple; }
  // A list or a tuple: it has members.
  bool is_sequence() const { return is_list() && (list_kind() == ListKind::kList || is_tuple()); }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(state_); }
  Namespace& space() const { return *std::get<std::shared_ptr<Namespace>>(state_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(state_); }
  const std::string& undefined_name() const { return std::get<std::shared_ptr<const Undefined>>(state_)->name; }
  Integer integer() const { return is_bool() ? Integer{std::get<bool>(state_)} : std::get<Integer>(state_); }
  double number() const;  // REQUIRES is_number()

  // The string's, or the joint origin of everything inside.
  Origin origin() const;
  bool Truth() const;
  // str(): what {{ value }} prints.
  std::string Str() const;
  void AppendStr(std::string& out) const;
  std::string Repr() const;
  // "str", "int", "dict", ...
  std::string_view type_name() const;
  // Same object (Python's `is` for singletons, identity for containers).
  bool SameAs(const Value& other) const;

 private:
  std::variant<std::shared_ptr<const Undefined>, None, bool, Integer, double, std::shared_ptr<const Text>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
               std::shared_ptr<const Callable>>
      state_;
};

// Python's ==.
bool Equal(const Value& a, const Value& b);
// Python's <; Fail()s for types that have no order.
bool Less(const Value& a, const Value& b);
// The member of that key, or null.
const Value* FindMember(const Dict& dict, const Value& key);
const Value* FindNamed(const Dict& dict, std::string_view key);
// Adds or replaces.
void SetMember(Dict& dict, Value key, Value value);

std::string FormatInteger(Integer value);
// repr() of a Python float.
std::string FormatFloat(double value);
std::string ReprOfText(std::string_view bytes);

struct JsonStyle {
  int indent = -1;  // below 0: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};
// json.dumps().
std::string DumpJson(const Value& value, const JsonStyle& style);

}  // namespace weir::jinja_rendering
