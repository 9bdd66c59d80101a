#include "openapi.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "route.h"
#include "weir/api/api.h"
#include "weir/codec/json_schema.h"

namespace weir::api {
namespace {

void Walk(const Json& json, const std::function<void(const std::string& name, const Json& value)>& visit) {
  if (json.is_array()) {
    for (const Json& one : json.as_array()) Walk(one, visit);
  } else if (json.is_object()) {
    for (const auto& [name, value] : json.as_object()) {
      visit(name, value);
      Walk(value, visit);
    }
  }
}

// What "#/a/b" names; null: nothing.
const Json* Resolve(const Json& document, std::string_view reference) {
  if (!reference.starts_with("#/")) return nullptr;
  const Json* at = &document;
  for (std::string_view rest = reference.substr(2); at != nullptr;) {
    const size_t slash = rest.find('/');
    at = at->Find(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  return at;
}

std::set<std::string> Variables(std::string_view path) {
  std::set<std::string> names;
  for (size_t at = path.find('{'); at != path.npos; at = path.find('{', at + 1)) {
    names.emplace(path.substr(at + 1, path.find('}', at) - at - 1));
  }
  return names;
}

// Calls back with path, method and operation.
void EachOperation(const Json& document,
                   const std::function<void(const std::string&, const std::string&, const Json&)>& visit) {
  for (const auto& [path, item] : document.Find("paths")->as_object()) {
    for (const auto& [method, operation] : item.as_object()) visit(path, method, operation);
  }
}

TEST(OpenApiTest, HasItsParts) {
  const Json document = OpenApiJson("1.2.3");
  EXPECT_EQ(document.Find("openapi")->as_string(), "3.1.0");
  EXPECT_EQ(document.Find("info")->Find("version")->as_string(), "1.2.3");
  EXPECT_FALSE(document.Find("info")->Find("title")->as_string().empty());
  size_t operations = 0;
  EachOperation(document, [&](const std::string&, const std::string&, const Json&) { ++operations; });
  EXPECT_EQ(operations, Routes().size());
}

TEST(OpenApiTest, IsTheSameEachTime) { EXPECT_EQ(OpenApiJson("1").Dump(), OpenApiJson("1").Dump()); }

TEST(OpenApiTest, EveryReferenceResolvesAndEveryComponentIsUsed) {
  const Json document = OpenApiJson("1");
  std::set<std::string> used;
  Walk(document, [&](const std::string& name, const Json& value) {
    if (name != "$ref") return;
    used.insert(value.as_string());
    EXPECT_NE(Resolve(document, value.as_string()), nullptr) << value.as_string();
  });
  EXPECT_FALSE(used.empty());
  for (const auto& [name, schema] : document.Find("components")->Find("schemas")->as_object()) {
    EXPECT_TRUE(used.contains("#/components/schemas/" + name)) << name;
  }
  EXPECT_EQ(document.Dump().find("$defs"), std::string::npos);
}

TEST(OpenApiTest, OperationsAreWhole) {
  const Json document = OpenApiJson("1");
  const std::set<std::string> methods = {"get", "put", "post", "delete", "patch"};
  std::set<std::string> ids;
  EachOperation(document, [&](const std::string& path, const std::string& method, const Json& operation) {
    SCOPED_TRACE(method + " " + path);
    EXPECT_TRUE(path.starts_with('/'));
    EXPECT_TRUE(methods.contains(method));
    EXPECT_TRUE(ids.insert(operation.Find("operationId")->as_string()).second) << "an id twice";
    EXPECT_FALSE(operation.Find("summary")->as_string().empty());
    EXPECT_TRUE(method != "get" || operation.Find("requestBody") == nullptr);
    bool has_success = false;
    for (const auto& [status, response] : operation.Find("responses")->as_object()) {
      EXPECT_TRUE(status == "default" || (status.size() == 3 && status[0] >= '2' && status[0] <= '5')) << status;
      EXPECT_TRUE(response.Find("description")->is_string());
      has_success = has_success || status.starts_with('2');
    }
    EXPECT_TRUE(has_success);
    EXPECT_NE(operation.Find("responses")->Find("default"), nullptr);
  });
}

TEST(OpenApiTest, ParametersOfPathsAreDeclared) {
  EachOperation(OpenApiJson("1"), [](const std::string& path, const std::string& method, const Json& operation) {
    SCOPED_TRACE(method + " " + path);
    std::set<std::string> in_path;
    std::set<std::string> all;
    if (const Json* const parameters = operation.Find("parameters")) {
      for (const Json& one : parameters->as_array()) {
        const std::string name = one.Find("name")->as_string();
        const std::string place = one.Find("in")->as_string();
        EXPECT_TRUE(all.insert(place + " " + name).second) << name;
        EXPECT_NE(one.Find("schema"), nullptr);
        if (place != "path") continue;
        in_path.insert(name);
        EXPECT_TRUE(one.Find("required")->as_bool());
      }
    }
    EXPECT_EQ(in_path, Variables(path));
  });
}

TEST(OpenApiTest, PathsThatDifferInNamesOfVariablesAloneAreOne) {
  std::set<std::string> shapes;
  const Json document = OpenApiJson("1");
  for (const auto& [path, item] : document.Find("paths")->as_object()) {
    std::string shape;
    bool inside = false;
    for (const char c : path) {
      inside = c == '{' || (inside && c != '}');
      if (!inside) shape += c;
    }
    EXPECT_TRUE(shapes.insert(shape).second) << path;
  }
}

// Whoever validates by the document, as we do by the table, finds schemas that compile.
TEST(OpenApiTest, EverySchemaIsAValidOne) {
  const Json document = OpenApiJson("1");
  Walk(*document.Find("paths"), [&](const std::string& name, const Json& value) {
    if (name != "schema") return;
    Json whole = value;
    whole.Set("components", *document.Find("components"));
    // "components" is no keyword of JSON Schema: put what it holds where references find it.
    std::string text = value.Dump();
    for (size_t at = text.find("#/components/schemas/"); at != text.npos; at = text.find("#/components/schemas/")) {
      text.replace(at, std::string_view("#/components/schemas/").size(), "#/$defs/");
    }
    whole = *Json::Parse(text);
    whole.Set("$defs", Components());
    const Result<JsonSchema> compiled = JsonSchema::Compile(std::move(whole));
    EXPECT_TRUE(compiled) << text << " " << compiled.error().ToString();
  });
}

TEST(OpenApiTest, TheReferencePageNamesEveryRoute) {
  const std::string page = ApiReference();
  for (const Route& route : Routes()) {
    EXPECT_NE(page.find("### " + std::string(route.method) + " " + std::string(route.path) + "\n"), std::string::npos);
  }
}

}  // namespace
}  // namespace weir::api
