#include "weir/codec/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string_view>

#include "json_schema_program.h"

namespace weir {
namespace internal {
namespace {

constexpr int kNestingMax = 100;

constexpr std::string_view kAnnotations[] = {"$schema",
                                             "$id",
                                             "$comment",
                                             "$anchor",
                                             "$defs",
                                             "definitions",
                                             "title",
                                             "description",
                                             "default",
                                             "examples",
                                             "example",
                                             "deprecated",
                                             "readOnly",
                                             "writeOnly",
                                             "format",
                                             "contentEncoding",
                                             "contentMediaType",
                                             "discriminator",
                                             "externalDocs",
                                             "contentSchema"};

bool IsAnnotation(std::string_view keyword) {
  return keyword.starts_with("x-") ||
         std::find(std::begin(kAnnotations), std::end(kAnnotations), keyword) != std::end(kAnnotations);
}

std::string EscapedSegment(std::string_view name) {
  std::string out;
  for (const char c : name) {
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

// The element that a segment of a pointer names, or null.
const Json* Step(const Json& from, std::string_view segment) {
  if (from.is_array()) {
    size_t index = 0;
    const auto [end, code] = std::from_chars(segment.data(), segment.data() + segment.size(), index);
    const bool whole = code == std::errc() && end == segment.data() + segment.size();
    return whole && index < from.as_array().size() ? &from.as_array()[index] : nullptr;
  }
  std::string name;
  for (size_t i = 0; i < segment.size(); ++i) {
    const bool escaped = segment[i] == '~' && i + 1 < segment.size();
    name.push_back(!escaped ? segment[i] : segment[i + 1] == '1' ? '/' : '~');
    i += escaped ? 1 : 0;
  }
  return from.Find(name);
}

class Compiler {
 public:
  explicit Compiler(SchemaProgram& program) : program_(program) {}

  // The node of a schema; made on the first call for that place in the document.
  Result<SchemaIndex> Compile(const Json& schema, const std::string& pointer);

 private:
  using Place = const std::string&;
  Status Fill(const Json& schema, Place pointer, SchemaNode& node);
  Status Keyword(const Json& schema, std::string_view keyword, const Json& value, Place pointer, SchemaNode& node);
  // Each returns whether the keyword belongs to its group.
  Result<bool> ValueKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node);
  Result<bool> ObjectKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node);
  Result<bool> LimitKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node);
  Result<bool> SchemaKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node);
  Result<SchemaIndex> Reference(const Json& value, Place pointer);

  SchemaProgram& program_;
  std::map<const Json*, SchemaIndex> made_;
  int nesting_ = 0;
};

Error WrongForm(const std::string& pointer, std::string_view expected) {
  return InvalidArgument(fmt::format("schema {}: expected {}", pointer, expected));
}

Result<std::vector<std::string>> Names(const Json& value, const std::string& pointer) {
  if (!value.is_array()) return WrongForm(pointer, "a list of names");
  std::vector<std::string> names;
  for (const Json& name : value.as_array()) {
    if (!name.is_string()) return WrongForm(pointer, "a list of names");
    names.push_back(name.as_string());
  }
  return names;
}

Result<uint8_t> TypeBit(const Json& value, const std::string& pointer) {
  static constexpr std::pair<std::string_view, uint8_t> kTypes[] = {
      {"null", kNullType},     {"boolean", kBooleanType}, {"integer", kIntegerType}, {"number", kNumberType},
      {"string", kStringType}, {"array", kArrayType},     {"object", kObjectType}};
  for (const auto& [name, bit] : kTypes) {
    if (value.is_string() && value.as_string() == name) return bit;
  }
  return WrongForm(pointer, "the name of a type, or a list of them");
}

Result<uint8_t> TypeBits(const Json& value, const std::string& pointer) {
  if (!value.is_array()) return TypeBit(value, pointer);
  uint8_t bits = 0;
  for (const Json& name : value.as_array()) {
    WEIR_ASSIGN(const uint8_t bit, TypeBit(name, pointer));
    bits = static_cast<uint8_t>(bits | bit);
  }
  if (bits == 0) return WrongForm(pointer, "at least one type");
  return bits;
}

Result<SchemaIndex> Compiler::Compile(const Json& schema, Place pointer) {
  if (const auto known = made_.find(&schema); known != made_.end()) return known->second;
  if (nesting_ >= kNestingMax) return Unsupported(fmt::format("schema {}: nested too deep", pointer));
  const auto index = static_cast<SchemaIndex>(program_.nodes.size());
  made_.emplace(&schema, index);
  program_.nodes.emplace_back();
  SchemaNode node;
  ++nesting_;
  const Status filled = Fill(schema, pointer, node);
  --nesting_;
  if (!filled) return filled.error();
  program_.nodes[index] = std::move(node);
  return index;
}

Status Compiler::Fill(const Json& schema, Place pointer, SchemaNode& node) {
  if (schema.is_bool()) {
    node.never = !schema.as_bool();
    return {};
  }
  if (!schema.is_object()) return WrongForm(pointer.empty() ? "(root)" : pointer, "an object, true or false");
  for (const auto& [keyword, value] : schema.as_object()) {
    WEIR_TRY(Keyword(schema, keyword, value, pointer + "/" + EscapedSegment(keyword), node));
  }
  return {};
}

Status Compiler::Keyword(const Json& schema, std::string_view keyword, const Json& value, Place pointer, SchemaNode& node) {
  if (IsAnnotation(keyword)) return {};
  // then and else without if mean nothing, by the standard.
  if ((keyword == "then" || keyword == "else") && schema.Find("if") == nullptr) return {};
  for (const auto group :
       {&Compiler::ValueKeyword, &Compiler::ObjectKeyword, &Compiler::LimitKeyword, &Compiler::SchemaKeyword}) {
    WEIR_ASSIGN(const bool known, (this->*group)(keyword, value, pointer, node));
    if (known) return {};
  }
  return Unsupported(fmt::format("schema {}: this keyword is not supported", pointer));
}

Result<bool> Compiler::ValueKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node) {
  if (keyword == "type") {
    WEIR_ASSIGN(node.types, TypeBits(value, pointer));
  } else if (keyword == "enum" || keyword == "const") {
    if (keyword == "enum" && !value.is_array()) return WrongForm(pointer, "a list of values");
    std::vector<std::string> texts;
    if (keyword == "const") {
      texts.push_back(CanonicalText(value));
    } else {
      for (const Json& one : value.as_array()) texts.push_back(CanonicalText(one));
    }
    if (node.has_allowed)
      std::erase_if(node.allowed,
                    [&](const std::string& text) { return std::count(texts.begin(), texts.end(), text) == 0; });
    if (!node.has_allowed) node.allowed = std::move(texts);
    node.has_allowed = true;
  } else if (keyword == "uniqueItems") {
    if (!value.is_bool()) return WrongForm(pointer, "true or false");
    node.unique = value.as_bool();
  } else if (keyword == "$ref") {
    WEIR_ASSIGN(node.reference, Reference(value, pointer));
  } else {
    return false;
  }
  return true;
}

Result<bool> Compiler::ObjectKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node) {
  if (keyword == "properties") {
    if (!value.is_object()) return WrongForm(pointer, "an object");
    for (const auto& [name, schema] : value.as_object()) {
      WEIR_ASSIGN(const SchemaIndex index, Compile(schema, pointer + "/" + EscapedSegment(name)));
      node.properties.push_back({name, index});
    }
  } else if (keyword == "required") {
    WEIR_ASSIGN(node.required, Names(value, pointer));
  } else if (keyword == "dependentRequired") {
    if (!value.is_object()) return WrongForm(pointer, "an object");
    for (const auto& [name, needs] : value.as_object()) {
      WEIR_ASSIGN(std::vector<std::string> names, Names(needs, pointer + "/" + EscapedSegment(name)));
      node.dependencies.push_back({name, std::move(names)});
    }
  } else {
    return false;
  }
  return true;
}

Result<bool> Compiler::LimitKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node) {
  const std::pair<std::string_view, uint64_t*> counts[] = {
      {"minProperties", &node.properties_min}, {"maxProperties", &node.properties_max}, {"minItems", &node.items_min},
      {"maxItems", &node.items_max},           {"minContains", &node.contains_min},     {"maxContains", &node.contains_max},
      {"minLength", &node.length_min},         {"maxLength", &node.length_max}};
  for (const auto& [name, count] : counts) {
    if (keyword != name) continue;
    const int64_t* number = value.get_if_int();
    if (number == nullptr || *number < 0) return WrongForm(pointer, "a count");
    *count = static_cast<uint64_t>(*number);
    return true;
  }
  const std::pair<std::string_view, std::optional<Json>*> bounds[] = {{"minimum", &node.minimum},
                                                                      {"maximum", &node.maximum},
                                                                      {"exclusiveMinimum", &node.above},
                                                                      {"exclusiveMaximum", &node.below}};
  for (const auto& [name, bound] : bounds) {
    if (keyword != name) continue;
    if (!value.is_number()) return WrongForm(pointer, "a number");
    *bound = value;
    return true;
  }
  if (keyword != "multipleOf") return false;
  if (!value.is_number() || !(value.as_double() > 0)) return WrongForm(pointer, "a number above 0");
  node.multiple_of = value.as_double();
  return true;
}

Result<bool> Compiler::SchemaKeyword(std::string_view keyword, const Json& value, Place pointer, SchemaNode& node) {
  const std::pair<std::string_view, SchemaIndex*> single[] = {
      {"items", &node.items},         {"contains", &node.contains}, {"additionalProperties", &node.additional},
      {"propertyNames", &node.names}, {"not", &node.not_this},      {"if", &node.if_this},
      {"then", &node.then_this},      {"else", &node.else_this}};
  for (const auto& [name, index] : single) {
    if (keyword != name) continue;
    WEIR_ASSIGN(*index, Compile(value, pointer));
    return true;
  }
  const std::pair<std::string_view, std::vector<SchemaIndex>*> several[] = {
      {"allOf", &node.all_of}, {"anyOf", &node.any_of}, {"oneOf", &node.one_of}, {"prefixItems", &node.prefix_items}};
  for (const auto& [name, list] : several) {
    if (keyword != name) continue;
    if (!value.is_array() || value.as_array().empty()) return WrongForm(pointer, "a list of schemas");
    for (size_t i = 0; i < value.as_array().size(); ++i) {
      WEIR_ASSIGN(const SchemaIndex index, Compile(value.as_array()[i], fmt::format("{}/{}", pointer, i)));
      list->push_back(index);
    }
    return true;
  }
  return false;
}

// The schema of that anchor at or below `schema`, or null. Looks where schemas may stand and also where they may not, which
// does no harm: an anchor in a default value is not a name that anybody refers to.
const Json* FindAnchor(const Json& schema, std::string_view anchor, int nesting) {
  if (nesting > kNestingMax) return nullptr;
  if (const Json* own = schema.Find("$anchor"); own != nullptr && own->is_string() && own->as_string() == anchor)
    return &schema;
  const auto search = [&](const Json& below) { return FindAnchor(below, anchor, nesting + 1); };
  if (schema.is_array()) {
    for (const Json& element : schema.as_array()) {
      if (const Json* found = search(element)) return found;
    }
  } else if (schema.is_object()) {
    for (const auto& [name, member] : schema.as_object()) {
      if (const Json* found = search(member)) return found;
    }
  }
  return nullptr;
}

Result<SchemaIndex> Compiler::Reference(const Json& value, Place pointer) {
  if (!value.is_string()) return WrongForm(pointer, "a reference");
  std::string_view rest = value.as_string();
  if (!rest.starts_with('#')) return Unsupported(fmt::format("schema {}: only references into this document", pointer));
  rest.remove_prefix(1);
  const std::string target_pointer(rest);
  const Json* target = &program_.document;
  if (!rest.empty() && !rest.starts_with('/')) target = FindAnchor(program_.document, rest, 0);
  while (target != nullptr && rest.starts_with('/')) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find('/'), rest.size());
    target = Step(*target, rest.substr(0, end));
    rest.remove_prefix(end);
  }
  if (target == nullptr) return InvalidArgument(fmt::format("schema {}: nothing stands at that place", pointer));
  return Compile(*target, target_pointer);
}

void AppendCanonical(const Json& value, std::string& out) {
  if (value.is_number() && !value.is_integer()) {
    const double number = value.as_double();
    const bool whole = std::trunc(number) == number && std::abs(number) < 9.2e18;
    out += whole ? Json(static_cast<int64_t>(number)).Dump() : value.Dump();
  } else if (value.is_array()) {
    out.push_back('[');
    for (size_t i = 0; i < value.as_array().size(); ++i) {
      if (i > 0) out.push_back(',');
      AppendCanonical(value.as_array()[i], out);
    }
    out.push_back(']');
  } else if (value.is_object()) {
    std::vector<const Json::Member*> members;
    for (const Json::Member& member : value.as_object()) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    out.push_back('{');
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out.push_back(',');
      out += JsonQuote(members[i]->first);
      out.push_back(':');
      AppendCanonical(members[i]->second, out);
    }
    out.push_back('}');
  } else {
    out += value.Dump();
  }
}

}  // namespace

std::string CanonicalText(const Json& value) {
  std::string out;
  AppendCanonical(value, out);
  return out;
}

}  // namespace internal

Result<JsonSchema> JsonSchema::Compile(Json document) {
  auto program = std::make_shared<internal::SchemaProgram>();
  program->document = std::move(document);
  internal::Compiler compiler(*program);
  WEIR_TRY([&]() -> Status {
    WEIR_ASSIGN([[maybe_unused]] const auto root, compiler.Compile(program->document, ""));
    return {};
  }());
  return JsonSchema(std::move(program));
}

const Json& JsonSchema::document() const { return program_->document; }

}  // namespace weir
