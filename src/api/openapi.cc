// The OpenAPI document and the reference page, from the table of routes.

#include "openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "errors.h"
#include "route.h"
#include "schema.h"

namespace weir::api {
namespace {

// References into $defs become references into components.
Json Published(const Json& schema) {
  if (schema.is_array()) {
    Json::Array items;
    for (const Json& item : schema.as_array()) items.push_back(Published(item));
    return items;
  }
  if (!schema.is_object()) return schema;
  Json out = Json::MakeObject();
  constexpr std::string_view kFrom = "#/$defs/";
  for (const Json::Member& member : schema.as_object()) {
    if (member.first == "$ref" && member.second.is_string() && member.second.as_string().starts_with(kFrom)) {
      out.Set("$ref", "#/components/schemas/" + member.second.as_string().substr(kFrom.size()));
    } else {
      out.Set(member.first, Published(member.second));
    }
  }
  return out;
}

std::string_view PlaceName(ParameterPlace place) {
  switch (place) {
    case ParameterPlace::kPath: return "path";
    case ParameterPlace::kQuery: return "query";
    case ParameterPlace::kHeader: return "header";
  }
  return "query";
}

Json ParametersJson(const Route& route) {
  Json parameters = Json::MakeArray();
  for (const Parameter& parameter : route.parameters) {
    Json one = Json::Object{{"name", parameter.name}, {"in", PlaceName(parameter.place)}};
    one.Set("required", parameter.place == ParameterPlace::kPath);
    one.Set("schema", parameter.schema);
    parameters.Append(std::move(one));
  }
  if (route.idempotency) {
    parameters.Append(Json::Object{
        {"name", "Idempotency-Key"},
        {"in", "header"},
        {"required", false},
        {"schema",
         Json::Object{{"type", "string"},
                      {"minLength", 1},
                      {"maxLength", 255},
                      {"description", "The same key again gives the first answer, for a day, while the daemon runs."}}}});
  }
  return parameters;
}

Json Body(Json schema) { return Json::Object{{"application/json", Json::Object{{"schema", Published(schema)}}}}; }

Json ResponsesJson(const Route& route) {
  Json responses = Json::MakeObject();
  for (const ResponseDoc& doc : route.responses) {
    Json one = Json::Object{{"description", doc.description}};
    if (!doc.schema.is_null()) one.Set("content", Body(doc.schema));
    responses.Set(std::to_string(doc.status), std::move(one));
  }
  Json error = Json::Object{{"description", "What is wrong, and what to do."},
                            {"content", Body(Ref(route.errors == ErrorShape::kOurs ? "Error" : "OpenAiError"))}};
  responses.Set("default", std::move(error));
  return responses;
}

Json OperationJson(const Route& route) {
  Json operation = Json::Object{{"operationId", route.id},
                                {"tags", Json::Array{route.tag}},
                                {"summary", route.summary},
                                {"x-scope", ScopeName(route.scope)}};
  if (!route.description.empty()) operation.Set("description", route.description);
  Json parameters = ParametersJson(route);
  if (!parameters.as_array().empty()) operation.Set("parameters", std::move(parameters));
  if (!route.body.is_null()) {
    operation.Set("requestBody", Json::Object{{"required", !route.body_optional}, {"content", Body(route.body)}});
  }
  operation.Set("responses", ResponsesJson(route));
  return operation;
}

std::string TypeText(const Json& schema) {
  const Json* const choices = schema.Find("enum");
  if (choices != nullptr) {
    std::string out;
    for (const Json& choice : choices->as_array()) out += (out.empty() ? "" : ", ") + choice.Dump();
    return out;
  }
  const Json* const type = schema.Find("type");
  if (type == nullptr) return schema.Find("anyOf") != nullptr ? "one of several" : "any";
  return type->is_string() ? type->as_string() : type->Dump();
}

std::string DescriptionOf(const Json& schema) { return TextOf(schema, "description"); }

std::string Cell(std::string text) {
  for (size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2)) text.insert(at, "\\");
  return text;
}

void AppendMembers(const Json& body, std::string& out) {
  const Json* const properties = body.Find("properties");
  if (properties == nullptr || properties->as_object().empty()) return;
  const Json* const required = body.Find("required");
  out += "\n| member | type | |\n|---|---|---|\n";
  for (const auto& [name, schema] : properties->as_object()) {
    const bool is_required = required != nullptr && std::ranges::any_of(required->as_array(), [&](const Json& one) {
                               return one.as_string() == name;
                             });
    out += fmt::format("| `{}`{} | {} | {} |\n", name, is_required ? " (required)" : "", Cell(TypeText(schema)),
                       Cell(DescriptionOf(schema)));
  }
}

}  // namespace

Json OpenApiJson(std::string_view version) {
  Json paths = Json::MakeObject();
  for (const Route& route : Routes()) {
    if (paths.Find(route.path) == nullptr) paths.Set(route.path, Json::MakeObject());
    std::string method(route.method);
    std::ranges::transform(method, method.begin(), [](char c) { return static_cast<char>(c + ('a' - 'A')); });
    paths.Find(route.path)->Set(method, OperationJson(route));
  }
  Json schemas = Json::MakeObject();
  const Json components = Components();
  for (const auto& [name, schema] : components.as_object()) schemas.Set(name, Published(schema));
  return Json::Object{
      {"openapi", "3.1.0"},
      {"info", Json::Object{{"title", "Weir"},
                            {"version", version},
                            {"summary", "Context registry and caches for many LLM agents"},
                            {"license", Json::Object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"security", Json::Array{Json::Object{{"bearer", Json::MakeArray()}}, Json::MakeObject()}},
      {"paths", std::move(paths)},
      {"components",
       Json::Object{{"schemas", std::move(schemas)},
                    {"securitySchemes", Json::Object{{"bearer", Json::Object{{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

std::string ReferenceMarkdown() {
  std::string out =
      "# REST reference\n\n"
      "Made by `weir man --rest` from the table that routes and validates; `/openapi.json` has the same for "
      "programs.\n\n"
      "Bodies and answers are JSON. Errors are `{\"error\":{\"code\",\"message\",\"hint\"}}`, on the paths of OpenAI's API "
      "`{\"error\":{\"message\",\"type\",\"param\",\"code\"}}`. Members that a request does not know are refused. 429 and "
      "503 "
      "carry `Retry-After`.\n";
  std::string_view tag;
  for (const Route& route : Routes()) {
    if (route.tag != tag) {
      tag = route.tag;
      out += fmt::format("\n## {}\n", tag);
    }
    out += fmt::format("\n### {} {}\n\n{}. Scope: {}.\n", route.method, route.path, route.summary, ScopeName(route.scope));
    if (!route.description.empty()) out += fmt::format("\n{}\n", route.description);
    if (!route.parameters.empty()) {
      out += "\n| parameter | in | |\n|---|---|---|\n";
      for (const Parameter& parameter : route.parameters) {
        out += fmt::format("| `{}` | {} | {} |\n", parameter.name, PlaceName(parameter.place),
                           Cell(DescriptionOf(parameter.schema)));
      }
    }
    if (!route.body.is_null()) AppendMembers(route.body, out);
    out += "\nAnswers:";
    std::string_view before = " ";
    for (const ResponseDoc& doc : route.responses) {
      out += fmt::format("{}{} {}", before, doc.status, doc.description);
      before = " ";
    }
    out += "\n";
  }
  return out;
}

}  // namespace weir::api
