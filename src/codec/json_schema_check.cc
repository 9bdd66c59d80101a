#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "json_schema_program.h"
#include "weir/codec/json_schema.h"

namespace weir {
namespace internal {
namespace {

constexpr int kNestingMax = 600;
// Recursive alternatives can ask for work that doubles with each level of the value.
constexpr uint64_t kStepsMax = 5'000'000;
constexpr size_t kSegmentBytesMax = 64;
constexpr size_t kNamesInHintMax = 16;

// The way to the value under check, on the stack of the check; printed only when something does not fit.
struct Place {
  const Place* above = nullptr;
  std::string_view name;
  size_t index = SIZE_MAX;  // an element where set
  int depth = 0;

  Place Member(std::string_view member) const { return {this, member, SIZE_MAX, depth + 1}; }
  Place Element(size_t element) const { return {this, {}, element, depth + 1}; }

  std::string Pointer() const {
    if (above == nullptr) return {};
    std::string out = above->Pointer();
    out.push_back('/');
    if (index != SIZE_MAX) return out += std::to_string(index);
    size_t bytes = std::min(name.size(), kSegmentBytesMax);
    while (bytes < name.size() && bytes > 0 && (static_cast<unsigned char>(name[bytes]) & 0xc0) == 0x80) --bytes;
    for (const char c : name.substr(0, bytes)) {
      if (c == '~') {
        out += "~0";
      } else if (c == '/') {
        out += "~1";
      } else {
        out.push_back(c);
      }
    }
    return out;
  }
};

struct Fault {
  SchemaViolation violation;
  int depth = 0;
  uint8_t expected_types = 0;  // set where the type alone is wrong
};

// More than a limit of faults is not looked for.
struct Faults {
  size_t limit = 1;
  std::vector<Fault> list;

  bool full() const { return list.size() >= limit; }
  void Add(const Place& place, std::string message, std::string hint = {}, uint8_t types = 0) {
    if (!full()) list.push_back({{place.Pointer(), std::move(message), std::move(hint)}, place.depth, types});
  }
};

uint8_t TypeOf(const Json& value) {
  if (value.is_null()) return kNullType;
  if (value.is_bool()) return kBooleanType;
  if (value.is_integer()) return kIntegerType | kNumberType;
  if (value.is_number())
    return std::trunc(value.as_double()) == value.as_double() ? kIntegerType | kNumberType : kNumberType;
  if (value.is_string()) return kStringType;
  return value.is_array() ? kArrayType : kObjectType;
}

std::string TypeNames(uint8_t types) {
  static constexpr std::string_view kNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  std::string out;
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if ((types >> i & 1) == 0) continue;
    if (!out.empty()) out += " or ";
    out += kNames[i];
  }
  return out;
}

// Exact for every number that Json holds: 64 bits of mantissa are enough for int64, uint64 and double.
long double Exact(const Json& number) {
  if (const int64_t* integer = number.get_if_int()) return static_cast<long double>(*integer);
  if (const uint64_t* large = number.get_if_uint()) return static_cast<long double>(*large);
  return static_cast<long double>(number.as_double());
}

std::string Listed(const std::vector<std::string>& texts) {
  std::string out;
  for (size_t i = 0; i < texts.size() && i < kNamesInHintMax; ++i) out += (i == 0 ? "" : ", ") + texts[i];
  return texts.size() > kNamesInHintMax ? out + ", ..." : out;
}

class Checker {
 public:
  Checker(const SchemaProgram& program, Faults& faults) : program_(program), faults_(&faults) {}

  void Check(SchemaIndex index, const Json& value, const Place& place) {
    if (faults_->full()) return;
    if (nesting_ >= kNestingMax || steps_ >= kStepsMax)
      gave_up_ = nesting_ >= kNestingMax ? "nested too deep" : "too much to check";
    if (gave_up_ != nullptr) return faults_->Add(place, gave_up_);
    ++steps_;
    ++nesting_;
    CheckNode(program_.nodes[index], value, place);
    --nesting_;
  }
  // Why the check was not finished; its faults then say nothing. Null when it was.
  const char* gave_up() const { return gave_up_; }

 private:
  void CheckNode(const SchemaNode& node, const Json& value, const Place& place);
  void CheckNumber(const SchemaNode& node, const Json& value, const Place& place);
  void CheckString(const SchemaNode& node, const std::string& text, const Place& place);
  void CheckArray(const SchemaNode& node, const Json::Array& array, const Place& place);
  void CheckContains(const SchemaNode& node, const Json::Array& array, const Place& place);
  void CheckObject(const SchemaNode& node, const Json& object, const Place& place);
  void CheckMembers(const SchemaNode& node, const Json::Object& object, const Place& place);
  void CheckCombinations(const SchemaNode& node, const Json& value, const Place& place);
  void CheckAnyOf(const SchemaNode& node, const Json& value, const Place& place);
  void CheckOneOf(const SchemaNode& node, const Json& value, const Place& place);
  bool Fits(SchemaIndex index, const Json& value, const Place& place) { return !FirstFault(index, value, place); }
  std::optional<Fault> FirstFault(SchemaIndex index, const Json& value, const Place& place);

  const SchemaProgram& program_;
  Faults* faults_;
  int nesting_ = 0;
  uint64_t steps_ = 0;
  const char* gave_up_ = nullptr;
};

std::optional<Fault> Checker::FirstFault(SchemaIndex index, const Json& value, const Place& place) {
  Faults inner;
  Faults* const outer = std::exchange(faults_, &inner);
  Check(index, value, place);
  faults_ = outer;
  if (inner.list.empty()) return std::nullopt;
  return std::move(inner.list.front());
}

void Checker::CheckNode(const SchemaNode& node, const Json& value, const Place& place) {
  if (node.never) return faults_->Add(place, "nothing is allowed here");
  if (node.types != 0 && (node.types & TypeOf(value)) == 0) {
    return faults_->Add(place, fmt::format("expected {}, got {}", TypeNames(node.types), value.type_name()), {}, node.types);
  }
  if (node.has_allowed && std::count(node.allowed.begin(), node.allowed.end(), CanonicalText(value)) == 0) {
    const std::string_view lead = node.allowed.size() == 1 ? "expected " : "expected one of ";
    return faults_->Add(place, fmt::format("{}{}", lead, Listed(node.allowed)));
  }
  if (value.is_number()) CheckNumber(node, value, place);
  if (value.is_string()) CheckString(node, value.as_string(), place);
  if (value.is_array()) CheckArray(node, value.as_array(), place);
  if (value.is_object()) CheckObject(node, value, place);
  if (node.reference != kNoSchema) Check(node.reference, value, place);
  CheckCombinations(node, value, place);
}

void Checker::CheckNumber(const SchemaNode& node, const Json& value, const Place& place) {
  const long double number = Exact(value);
  const auto fault = [&](std::string_view rule, const Json& bound) {
    faults_->Add(place, fmt::format("expected a number {} {}", rule, bound.Dump()));
  };
  if (node.minimum && number < Exact(*node.minimum)) fault("of at least", *node.minimum);
  if (node.maximum && number > Exact(*node.maximum)) fault("of at most", *node.maximum);
  if (node.above && number <= Exact(*node.above)) fault("above", *node.above);
  if (node.below && number >= Exact(*node.below)) fault("below", *node.below);
  if (node.multiple_of) {
    // Decimal steps such as 0.01 have no exact double: a quotient within rounding of a whole number counts.
    const long double quotient = number / static_cast<long double>(*node.multiple_of);
    const long double off = std::abs(quotient - std::round(quotient));
    if (off > 1e-12L * std::max(1.0L, std::abs(quotient))) fault("that is a multiple of", Json(*node.multiple_of));
  }
}

void Checker::CheckString(const SchemaNode& node, const std::string& text, const Place& place) {
  if (node.length_min == 0 && node.length_max >= text.size()) return;
  const auto length = static_cast<uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  if (length < node.length_min) {
    faults_->Add(place, node.length_min == 1
                            ? std::string("may not be empty")
                            : fmt::format("expected at least {} characters, got {}", node.length_min, length));
  }
  if (length > node.length_max) {
    faults_->Add(place, fmt::format("expected at most {} characters, got {}", node.length_max, length));
  }
}

void Checker::CheckArray(const SchemaNode& node, const Json::Array& array, const Place& place) {
  if (array.size() < node.items_min) {
    faults_->Add(place, node.items_min == 1
                            ? std::string("may not be empty")
                            : fmt::format("expected at least {} items, got {}", node.items_min, array.size()));
  }
  // Too many: the items themselves are not looked at, so that a limit also bounds the work.
  if (array.size() > node.items_max) {
    return faults_->Add(place, fmt::format("expected at most {} items, got {}", node.items_max, array.size()));
  }
  for (size_t i = 0; i < array.size() && !faults_->full(); ++i) {
    const SchemaIndex schema = i < node.prefix_items.size() ? node.prefix_items[i] : node.items;
    if (schema != kNoSchema) Check(schema, array[i], place.Element(i));
  }
  CheckContains(node, array, place);
  if (!node.unique) return;
  std::vector<std::string> texts;
  for (const Json& element : array) texts.push_back(CanonicalText(element));
  std::sort(texts.begin(), texts.end());
  if (std::adjacent_find(texts.begin(), texts.end()) != texts.end()) faults_->Add(place, "items may not repeat");
}

void Checker::CheckContains(const SchemaNode& node, const Json::Array& array, const Place& place) {
  if (node.contains == kNoSchema) return;
  uint64_t count = 0;
  for (size_t i = 0; i < array.size(); ++i) count += Fits(node.contains, array[i], place.Element(i)) ? 1 : 0;
  if (count < node.contains_min) {
    faults_->Add(place, fmt::format("expected at least {} items of the required kind, got {}", node.contains_min, count));
  }
  if (count > node.contains_max) {
    faults_->Add(place, fmt::format("expected at most {} items of that kind, got {}", node.contains_max, count));
  }
}

void Checker::CheckObject(const SchemaNode& node, const Json& object, const Place& place) {
  const size_t count = object.as_object().size();
  if (count < node.properties_min) {
    faults_->Add(place, fmt::format("expected at least {} members, got {}", node.properties_min, count));
  }
  if (count > node.properties_max) {
    return faults_->Add(place, fmt::format("expected at most {} members, got {}", node.properties_max, count));
  }
  for (const std::string& name : node.required) {
    if (object.Find(name) == nullptr) faults_->Add(place.Member(name), "required, but missing");
  }
  for (const auto& [name, needs] : node.dependencies) {
    if (object.Find(name) == nullptr) continue;
    for (const std::string& needed : needs) {
      if (object.Find(needed) == nullptr) faults_->Add(place.Member(needed), fmt::format("required beside \"{}\"", name));
    }
  }
  if (!node.properties.empty() || node.additional != kNoSchema || node.names != kNoSchema) {
    CheckMembers(node, object.as_object(), place);
  }
}

void Checker::CheckMembers(const SchemaNode& node, const Json::Object& object, const Place& place) {
  for (const auto& [name, value] : object) {
    if (faults_->full()) return;
    const Place here = place.Member(name);
    if (node.names != kNoSchema && !Fits(node.names, Json(name), here)) faults_->Add(here, "this name is not allowed");
    const auto known =
        std::find_if(node.properties.begin(), node.properties.end(),
                     [&, &wanted = name](const SchemaNode::Named& property) { return property.name == wanted; });
    if (known != node.properties.end()) {
      Check(known->schema, value, here);
    } else if (node.additional != kNoSchema && program_.nodes[node.additional].never) {
      std::vector<std::string> names;
      for (const SchemaNode::Named& property : node.properties) names.push_back(property.name);
      faults_->Add(here, "unknown field", names.empty() ? "no fields are known here" : "known: " + Listed(names));
    } else if (node.additional != kNoSchema) {
      Check(node.additional, value, here);
    }
  }
}

void Checker::CheckCombinations(const SchemaNode& node, const Json& value, const Place& place) {
  for (const SchemaIndex schema : node.all_of) Check(schema, value, place);
  CheckAnyOf(node, value, place);
  CheckOneOf(node, value, place);
  if (node.not_this != kNoSchema && Fits(node.not_this, value, place)) faults_->Add(place, "this value is not allowed");
  if (node.if_this != kNoSchema) {
    const SchemaIndex branch = Fits(node.if_this, value, place) ? node.then_this : node.else_this;
    if (branch != kNoSchema) Check(branch, value, place);
  }
}

// The fault of the alternative that came nearest (got deepest); alternatives that differ by type are named together.
void AddNearest(std::vector<Fault> tried, const Json& value, const Place& place, Faults& faults) {
  uint8_t types = 0;
  const Fault* nearest = &tried.front();
  for (const Fault& fault : tried) {
    types = static_cast<uint8_t>(types | fault.expected_types);
    const bool here = fault.depth == place.depth && fault.expected_types != 0;
    const bool best_here = nearest->depth == place.depth && nearest->expected_types != 0;
    if (fault.depth > nearest->depth || (best_here && !here)) nearest = &fault;
  }
  if (nearest->depth == place.depth && nearest->expected_types != 0) {
    return faults.Add(place, fmt::format("expected {}, got {}", TypeNames(types), value.type_name()), {}, types);
  }
  if (faults.full()) return;
  Fault copy = *nearest;
  faults.list.push_back(std::move(copy));
}

void Checker::CheckAnyOf(const SchemaNode& node, const Json& value, const Place& place) {
  if (node.any_of.empty()) return;
  std::vector<Fault> tried;
  for (const SchemaIndex schema : node.any_of) {
    std::optional<Fault> fault = FirstFault(schema, value, place);
    if (!fault) return;
    tried.push_back(std::move(*fault));
  }
  AddNearest(std::move(tried), value, place, *faults_);
}

void Checker::CheckOneOf(const SchemaNode& node, const Json& value, const Place& place) {
  if (node.one_of.empty()) return;
  std::vector<Fault> tried;
  for (const SchemaIndex schema : node.one_of) {
    if (std::optional<Fault> fault = FirstFault(schema, value, place)) tried.push_back(std::move(*fault));
  }
  const size_t fitting = node.one_of.size() - tried.size();
  if (fitting == 0) return AddNearest(std::move(tried), value, place, *faults_);
  if (fitting > 1) faults_->Add(place, fmt::format("fits {} of the alternatives, of which one is allowed", fitting));
}

}  // namespace
}  // namespace internal

std::string SchemaViolation::ToString() const { return pointer.empty() ? message : pointer + ": " + message; }

std::vector<SchemaViolation> JsonSchema::Violations(const Json& value, size_t limit) const {
  internal::Faults faults;
  faults.limit = limit;
  internal::Checker checker(*program_, faults);
  checker.Check(0, value, internal::Place());
  if (checker.gave_up() != nullptr) return {{"", checker.gave_up(), ""}};
  std::vector<SchemaViolation> violations;
  for (internal::Fault& fault : faults.list) violations.push_back(std::move(fault.violation));
  return violations;
}

Status JsonSchema::Check(const Json& value) const {
  std::vector<SchemaViolation> first = Violations(value, 1);
  if (first.empty()) return {};
  return InvalidArgument(first.front().ToString(), std::move(first.front().hint));
}

}  // namespace weir
