#pragma once
// Route: one line of the table that routing, validation, the OpenAPI document and the reference page come from. Internal to
// `api`.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/api/access.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/http/message.h"
#include "weir/service/service.h"

namespace weir::api {

enum class ParameterPlace : uint8_t { kPath, kQuery, kHeader };

struct Parameter {
  std::string_view name;
  ParameterPlace place = ParameterPlace::kQuery;
  Json schema;  // of type string, integer, number or boolean
};

struct RouteCall {
  Service& service;
  Workspace& workspace;
  const Caller& caller;
  const HttpRequest& request;
  Json path{};   // an object: parameters of the path, decoded
  Json query{};  // an object: parameters of the query, as the types that their schemas say
  Json body{};   // checked against the route's schema; null: there is none

  std::string Path(std::string_view name) const;
};

struct RouteAnswer {
  int status = 200;
  Json json{};         // sent when `text` is empty and the status may have a body
  std::string text{};  // sent as it is
  std::string_view content_type = "application/json";
  std::vector<HttpHeaders::Field> headers{};
};

// An Error becomes the status that its code stands for.
using RouteHandler = Result<RouteAnswer> (*)(RouteCall& call);

struct ResponseDoc {
  int status = 200;
  std::string_view description;
  Json schema{};  // null: no body
};

enum class ErrorShape : uint8_t { kOurs, kOpenAi };

struct Route {
  std::string_view method;
  std::string_view path;  // "/v1/contexts/{agent}"
  std::string_view id;    // operationId: snake_case, unique
  std::string_view tag;
  std::string_view summary;
  std::string_view description;
  Scope scope = Scope::kRead;
  std::vector<Parameter> parameters;
  Json body{};  // schema; null: no body is read
  bool body_optional = false;
  std::vector<ResponseDoc> responses;  // of success; errors are the same everywhere
  RouteHandler handler = nullptr;
  bool idempotency = false;  // takes an Idempotency-Key
  ErrorShape errors = ErrorShape::kOurs;
};

// Each part of the table, in the order of the reference page.
std::vector<Route> ContextRoutes();
std::vector<Route> AdviceRoutes();
std::vector<Route> EmbeddingRoutes();
std::vector<Route> ModelRoutes();
std::vector<Route> IndexRoutes();
std::vector<Route> WorkflowRoutes();
std::vector<Route> MemoryRoutes();

// All of them; static storage.
std::span<const Route> Routes();

// Named schemas that the table refers to: an object.
Json Components();

}  // namespace weir::api
