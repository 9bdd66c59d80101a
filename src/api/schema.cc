#include "schema.h"

#include <string>
#include <utility>

namespace weir::api {
namespace {

Json Typed(std::string_view type, std::string_view description) {
  Json schema = Json::Object{{"type", type}};
  if (!description.empty()) schema.Set("description", description);
  return schema;
}

}  // namespace

Json OpenObjectSchema(std::vector<Member> members, std::string_view description) {
  Json schema = Typed("object", description);
  Json properties = Json::MakeObject();
  Json required = Json::MakeArray();
  for (Member& member : members) {
    if (member.required) required.Append(member.name);
    properties.Set(member.name, std::move(member.schema));
  }
  schema.Set("properties", std::move(properties));
  if (!required.as_array().empty()) schema.Set("required", std::move(required));
  return schema;
}

Json ObjectSchema(std::vector<Member> members, std::string_view description) {
  Json schema = OpenObjectSchema(std::move(members), description);
  schema.Set("additionalProperties", false);
  return schema;
}

Json TextSchema(std::string_view description, uint64_t length_min) {
  Json schema = Typed("string", description);
  if (length_min > 0) schema.Set("minLength", length_min);
  return schema;
}

Json TextSchema(std::string_view description, uint64_t length_min, uint64_t length_max) {
  Json schema = TextSchema(description, length_min);
  schema.Set("maxLength", length_max);
  return schema;
}

Json BoolSchema(std::string_view description) { return Typed("boolean", description); }

Json CountSchema(std::string_view description, uint64_t least) {
  Json schema = Typed("integer", description);
  schema.Set("minimum", least);
  return schema;
}

Json CountSchema(std::string_view description, uint64_t least, uint64_t most) {
  Json schema = CountSchema(description, least);
  schema.Set("maximum", most);
  return schema;
}

Json NumberSchema(std::string_view description) { return Typed("number", description); }

Json NumberSchema(std::string_view description, double least, double most) {
  Json schema = Typed("number", description);
  schema.Set("minimum", least);
  schema.Set("maximum", most);
  return schema;
}

Json ListSchema(Json item, std::string_view description, uint64_t least) {
  Json schema = Typed("array", description);
  schema.Set("items", std::move(item));
  if (least > 0) schema.Set("minItems", least);
  return schema;
}

Json ListSchema(Json item, std::string_view description, uint64_t least, uint64_t most) {
  Json schema = ListSchema(std::move(item), description, least);
  schema.Set("maxItems", most);
  return schema;
}

Json ChoiceSchema(std::string_view description, std::initializer_list<std::string_view> choices) {
  Json schema = Typed("string", description);
  Json list = Json::MakeArray();
  for (const std::string_view choice : choices) list.Append(choice);
  schema.Set("enum", std::move(list));
  return schema;
}

Json AnySchema(std::string_view description) { return Json::Object{{"description", description}}; }

Json OrNull(Json schema) {
  if (Json* type = schema.Find("type"); type != nullptr && type->is_string() && schema.Find("enum") == nullptr) {
    *type = Json::Array{type->as_string(), "null"};
    return schema;
  }
  return Json::Object{{"anyOf", Json::Array{std::move(schema), Json::Object{{"type", "null"}}}}};
}

Json EitherSchema(std::string_view description, Json::Array schemas) {
  return Json::Object{{"description", description}, {"anyOf", std::move(schemas)}};
}

Json Ref(std::string_view component) { return Json::Object{{"$ref", "#/$defs/" + std::string(component)}}; }

Json WithDefault(Json schema, Json value) {
  schema.Set("default", std::move(value));
  return schema;
}

std::string TextOf(const Json& body, std::string_view name, std::string_view otherwise) {
  const Json* member = body.Find(name);
  return member != nullptr && member->is_string() ? member->as_string() : std::string(otherwise);
}

uint64_t CountOf(const Json& body, std::string_view name, uint64_t otherwise) {
  const Json* member = body.Find(name);
  if (member == nullptr || !member->is_number()) return otherwise;
  if (const uint64_t* large = member->get_if_uint()) return *large;
  if (const int64_t* integer = member->get_if_int()) return *integer < 0 ? 0 : static_cast<uint64_t>(*integer);
  // A whole number may be written as 3.0.
  const double value = member->as_double();
  return value >= 0 && value < 1.8e19 ? static_cast<uint64_t>(value) : otherwise;
}

double NumberOf(const Json& body, std::string_view name, double otherwise) {
  const Json* member = body.Find(name);
  return member != nullptr && member->is_number() ? member->as_double() : otherwise;
}

bool BoolOf(const Json& body, std::string_view name, bool otherwise) {
  const Json* member = body.Find(name);
  return member != nullptr && member->is_bool() ? member->as_bool() : otherwise;
}

std::vector<std::string> TextsOf(const Json& body, std::string_view name) {
  std::vector<std::string> texts;
  const Json* member = body.Find(name);
  if (member == nullptr || !member->is_array()) return texts;
  for (const Json& item : member->as_array()) {
    if (item.is_string()) texts.push_back(item.as_string());
  }
  return texts;
}

}  // namespace weir::api
