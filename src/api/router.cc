#include "router.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "weir/base/check.h"
#include "weir/codec/utf8.h"

namespace weir::api {
namespace {

bool IsVariable(std::string_view segment) { return segment.starts_with('{'); }

// What a schema may refer to goes along with it.
JsonSchema CompileWithComponents(const Json& schema, const Json& components) {
  Json whole = schema;
  if (whole.Dump().find("#/$defs/") != std::string::npos) whole.Set("$defs", components);
  Result<JsonSchema> compiled = JsonSchema::Compile(std::move(whole));
  WEIR_CHECK(compiled.has_value(), "a schema of the table: {}", compiled.error().ToString());
  return *std::move(compiled);
}

// The text of a parameter as the type that its schema wants.
Result<Json> Typed(const Parameter& parameter, const std::string& text) {
  const Json* const type = parameter.schema.Find("type");
  const std::string name = type != nullptr && type->is_string() ? type->as_string() : "string";
  const auto wrong = [&](std::string_view what) { return InvalidArgument(fmt::format("{}: {}", parameter.name, what)); };
  if (const auto fault = FindInvalidUtf8(text)) return wrong("not UTF-8");
  if (name == "boolean") {
    if (text == "true") return Json(true);
    if (text == "false") return Json(false);
    return wrong("expected true or false");
  }
  if (name == "integer") {
    int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return wrong("expected a whole number");
    return Json(value);
  }
  if (name == "number") {
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole_text = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    if (!is_whole_text || !std::isfinite(value)) return wrong("expected a number");
    return Json(value);
  }
  return Json(text);
}

// The value of a parameter, checked against its schema.
Result<Json> Checked(const Parameter& parameter, const JsonSchema& schema, const std::string& text) {
  WEIR_ASSIGN(Json value, Typed(parameter, text));
  if (Status checked = schema.Check(value); !checked) {
    return InvalidArgument(fmt::format("{}: {}", parameter.name, checked.error().message), checked.error().hint);
  }
  return value;
}

// "application/json" and its kin, with or without parameters.
bool IsJsonType(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const size_t end = type.find_last_not_of(" \t");
  const std::string_view trimmed = end == std::string_view::npos ? std::string_view() : type.substr(0, end + 1);
  return EqualsIgnoringCase(trimmed, "application/json");
}

}  // namespace

std::string RouteCall::Path(std::string_view name) const {
  const Json* const value = path.Find(name);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

std::span<const Route> Routes() {
  static const std::vector<Route> kRoutes = [] {
    std::vector<Route> all;
    for (auto* part :
         {ContextRoutes, AdviceRoutes, EmbeddingRoutes, ModelRoutes, IndexRoutes, WorkflowRoutes, MemoryRoutes}) {
      for (Route& route : part()) all.push_back(std::move(route));
    }
    return all;
  }();
  return kRoutes;
}

Router::Router() {
  const Json components = Components();
  for (const Route& route : Routes()) {
    CompiledRoute compiled;
    compiled.route = &route;
    compiled.index = routes_.size();
    Result<std::vector<std::string>> segments = PathSegments(route.path);
    WEIR_CHECK(segments.has_value(), "a path of the table: {}", route.path);
    compiled.segments = *std::move(segments);
    if (!route.body.is_null()) compiled.body = CompileWithComponents(route.body, components);
    for (const Parameter& parameter : route.parameters) {
      compiled.parameters.emplace_back(&parameter, CompileWithComponents(parameter.schema, components));
    }
    by_length_[compiled.segments.size()].push_back(routes_.size());
    routes_.push_back(std::move(compiled));
  }
  // A fixed segment wins over a variable one.
  for (auto& [length, places] : by_length_) {
    std::ranges::stable_sort(places, {},
                             [&](size_t place) { return std::ranges::count_if(routes_[place].segments, IsVariable); });
  }
}

Result<Router::Found> Router::Find(std::string_view method, std::string_view path) const {
  Found found;
  Result<std::vector<std::string>> segments = PathSegments(path);
  if (!segments) return InvalidArgument("the path of the request cannot be read", segments.error().message);
  const auto places = by_length_.find(segments->size());
  if (places == by_length_.end()) return found;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  const std::vector<std::string>* matched = nullptr;
  for (const size_t place : places->second) {
    const CompiledRoute& route = routes_[place];
    const bool matches = std::ranges::equal(route.segments, *segments, [](const std::string& own, const std::string& given) {
      return IsVariable(own) ? !given.empty() : own == given;
    });
    // Once a path is found, only its own methods count.
    if (!matches || (matched != nullptr && route.segments != *matched)) continue;
    matched = &route.segments;
    found.allow += (found.allow.empty() ? "" : ", ") + std::string(route.route->method);
    if (route.route->method == "GET") found.allow += ", HEAD";
    if (route.route->method == wanted) found.route = &route;
  }
  found.path = *std::move(segments);
  return found;
}

Result<Json> Router::PathOf(const CompiledRoute& route, const std::vector<std::string>& segments) {
  Json values = Json::MakeObject();
  for (size_t i = 0; i < segments.size(); ++i) {
    if (!IsVariable(route.segments[i])) continue;
    const std::string name = route.segments[i].substr(1, route.segments[i].size() - 2);
    const auto known = std::ranges::find_if(route.parameters, [&](const auto& one) {
      return one.first->place == ParameterPlace::kPath && one.first->name == name;
    });
    WEIR_CHECK(known != route.parameters.end(), "a parameter of a path of the table: {}", name);
    WEIR_ASSIGN(Json value, Checked(*known->first, known->second, segments[i]));
    values.Set(name, std::move(value));
  }
  return values;
}

Result<Json> Router::QueryOf(const CompiledRoute& route, std::string_view query) {
  Json values = Json::MakeObject();
  Result<HttpParameters> given = ParseQuery(query);
  if (!given) return InvalidArgument("the query of the request cannot be read", given.error().message);
  for (const auto& [name, text] : *given) {
    const auto known = std::ranges::find_if(route.parameters, [&](const auto& one) {
      return one.first->place == ParameterPlace::kQuery && one.first->name == name;
    });
    if (known == route.parameters.end()) {
      std::string names;
      for (const auto& [parameter, schema] : route.parameters) {
        if (parameter->place == ParameterPlace::kQuery) names += (names.empty() ? "" : ", ") + std::string(parameter->name);
      }
      return InvalidArgument("the query has a parameter that is not known here",
                             names.empty() ? "there are none" : "there are: " + names);
    }
    if (values.Find(name) != nullptr) return InvalidArgument(fmt::format("{}: given twice", name));
    WEIR_ASSIGN(Json value, Checked(*known->first, known->second, text));
    values.Set(name, std::move(value));
  }
  return values;
}

Result<Json> Router::BodyOf(const CompiledRoute& route, const HttpRequest& request) {
  if (!route.body) {
    return request.body.empty() ? Result<Json>(Json()) : InvalidArgument("this request takes no body");
  }
  if (request.body.empty()) {
    if (route.route->body_optional) return Json::MakeObject();
    return InvalidArgument("the request has no body", "send JSON");
  }
  const auto content_type = request.headers.Find("content-type");
  if (!content_type || !IsJsonType(*content_type)) {
    return Unsupported("the body is not JSON, as its Content-Type says", "Content-Type: application/json");
  }
  WEIR_ASSIGN(Json body, Json::ParseUnique(request.body));
  WEIR_TRY(route.body->Check(body));
  return body;
}

}  // namespace weir::api
