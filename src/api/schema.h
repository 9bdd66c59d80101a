#pragma once
// Small makers of JSON schemas, for the tables of routes and tools. Internal to `api`. Pure functions.

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "weir/codec/json.h"

namespace weir::api {

struct Member {
  std::string_view name;
  Json schema;
  bool required = false;
};

// Members that are not named are refused.
Json ObjectSchema(std::vector<Member> members, std::string_view description = {});
// For answers, to which members may be added.
Json OpenObjectSchema(std::vector<Member> members, std::string_view description = {});
Json TextSchema(std::string_view description, uint64_t length_min = 0);
Json TextSchema(std::string_view description, uint64_t length_min, uint64_t length_max);
Json BoolSchema(std::string_view description);
Json CountSchema(std::string_view description, uint64_t least = 0);
Json CountSchema(std::string_view description, uint64_t least, uint64_t most);
Json NumberSchema(std::string_view description);
Json NumberSchema(std::string_view description, double least, double most);
Json ListSchema(Json item, std::string_view description = {}, uint64_t least = 0);
Json ListSchema(Json item, std::string_view description, uint64_t least, uint64_t most);
Json ChoiceSchema(std::string_view description, std::initializer_list<std::string_view> choices);
Json AnySchema(std::string_view description);
Json OrNull(Json schema);
Json EitherSchema(std::string_view description, Json::Array schemas);
// A schema of components.h by its name.
Json Ref(std::string_view component);

Json WithDefault(Json schema, Json value);

// The part of a body that a checked request has. Defaults where it is absent.
std::string TextOf(const Json& body, std::string_view name, std::string_view otherwise = {});
uint64_t CountOf(const Json& body, std::string_view name, uint64_t otherwise);
double NumberOf(const Json& body, std::string_view name, double otherwise);
bool BoolOf(const Json& body, std::string_view name, bool otherwise);
std::vector<std::string> TextsOf(const Json& body, std::string_view name);

}  // namespace weir::api
