#pragma once
// What template code does with values: operators, members, methods, filters and tests, as Jinja2 on Python does them.
//
// Internal to `chat`. Anything that Python would raise is a TemplateFault; anything valid that is not rendered exactly
// is one with `unsupported`.

#include <string>
#include <string_view>
#include <vector>

#include "jinja_value.h"

namespace weir::jinja_rendering {

// A string made from `from`: keeps its origin and, as most methods do, the |safe mark.
inline Value Derived(std::string bytes, const Value& from) {
  return Value(std::move(bytes), from.origin(), from.is_markup());
}

// Binary operator by its Jinja spelling; not `and` and `or`.
Value Operate(std::string_view op, const Value& a, const Value& b);
bool Contains(const Value& container, const Value& needle);
// What a for loop walks over: list items, characters, keys; nothing for an undefined value.
std::vector<Value> Iterate(const Value& value);

// value.name and value[key].
Value MemberOf(const Value& value, const std::string& name);
Value ItemOf(const Value& value, const Value& key);
Value SliceOf(const Value& value, const Value& start, const Value& stop, const Value& step);

bool HasMethod(const Value& value, std::string_view name);
// REQUIRES: HasMethod().
Value CallMethod(const Value& value, std::string_view name, Arguments& arguments);

Value ApplyFilter(const std::string& name, const Value& value, Arguments& arguments);
bool ApplyTest(const std::string& name, const Value& value, Arguments& arguments);

// Functions every template sees: range, namespace, dict, raise_exception, strftime_now. Undefined when unknown.
Value GlobalFunction(std::string_view name, int64_t now_local_s);

// Arguments of a call by position or name. Fail()s when one is missing that has no default, and on leftovers (Check()).
class Parameters {
 public:
  Parameters(std::string_view function, Arguments& arguments) : function_(function), arguments_(arguments) {}
  // The argument, or null.
  const Value* Find(size_t position, std::string_view name) const;
  const Value& Get(size_t position, std::string_view name) const;
  bool Flag(size_t position, std::string_view name, bool otherwise) const;
  int64_t Int(size_t position, std::string_view name, int64_t otherwise) const;
  std::string TextOr(size_t position, std::string_view name, std::string otherwise) const;
  // Fail()s on more than `count` positional arguments or a name that is not among `names`.
  void Check(size_t count, std::initializer_list<std::string_view> names = {}) const;

 private:
  std::string_view function_;
  Arguments& arguments_;
};

int64_t ToInt64(const Value& value);
const std::string& TextOf(const Value& value, std::string_view what);

}  // namespace weir::jinja_rendering
