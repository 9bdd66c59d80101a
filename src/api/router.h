#pragma once
// Router: finds the route of a request and checks what the request brings against the route's schemas. Internal to `api`.
// Immutable once made; any thread.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "route.h"
#include "weir/codec/json_schema.h"

namespace weir::api {

// A route with what is made from it once.
struct CompiledRoute {
  const Route* route = nullptr;
  size_t index = 0;
  std::vector<std::string> segments{};  // "{agent}" takes any
  std::optional<JsonSchema> body{};
  std::vector<std::pair<const Parameter*, JsonSchema>> parameters{};
};

class Router {
 public:
  // Stops the process when the table is wrong: that is a bug of ours.
  Router();

  struct Found {
    const CompiledRoute* route = nullptr;  // null: none
    std::vector<std::string> path{};       // decoded segments
    std::string allow{};                   // methods that the path has, when the method is not among them
  };
  // invalid_argument: a path with a wrong escape.
  Result<Found> Find(std::string_view method, std::string_view path) const;
  std::span<const CompiledRoute> routes() const { return routes_; }

  // Parameters of path and query, in their types; the body, parsed and checked. invalid_argument names what is wrong.
  static Result<Json> PathOf(const CompiledRoute& route, const std::vector<std::string>& segments);
  static Result<Json> QueryOf(const CompiledRoute& route, std::string_view query);
  static Result<Json> BodyOf(const CompiledRoute& route, const HttpRequest& request);

 private:
  std::vector<CompiledRoute> routes_;
  std::map<size_t, std::vector<size_t>> by_length_;  // places in routes_, by number of segments
};

}  // namespace weir::api
