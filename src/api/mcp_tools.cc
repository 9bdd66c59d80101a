#include "weir/api/mcp_tools.h"

#include <fmt/format.h>

#include <new>
#include <set>
#include <string>
#include <utility>

#include "mcp_tool.h"
#include "route.h"
#include "weir/base/check.h"

namespace weir {
namespace api {
namespace {

// Names of the components that a schema refers to.
void CollectReferences(const Json& schema, std::set<std::string>& names) {
  constexpr std::string_view kFrom = "#/$defs/";
  if (schema.is_array()) {
    for (const Json& item : schema.as_array()) CollectReferences(item, names);
  }
  if (!schema.is_object()) return;
  for (const Json::Member& member : schema.as_object()) {
    if (member.first == "$ref" && member.second.is_string() && member.second.as_string().starts_with(kFrom)) {
      names.insert(member.second.as_string().substr(kFrom.size()));
    } else {
      CollectReferences(member.second, names);
    }
  }
}

Json AnnotationsOf(const ToolLine& line) {
  const bool reads = line.effect == ToolEffect::kReads;
  Json annotations = Json::Object{{"title", line.title}, {"readOnlyHint", reads}};
  if (!reads) {
    annotations.Set("destructiveHint", line.effect == ToolEffect::kChanges);
    annotations.Set("idempotentHint", line.idempotent);
  }
  annotations.Set("openWorldHint", false);
  return annotations;
}

}  // namespace

Json ComponentSchema(std::string_view name) {
  const Json all = Components();
  const Json* const found = all.Find(name);
  WEIR_CHECK(found != nullptr, "no component '{}'", name);
  return *found;
}

Json SelfContained(Json schema) {
  const Json all = Components();
  std::set<std::string> names;
  CollectReferences(schema, names);
  for (size_t before = 0; before != names.size();) {
    before = names.size();
    for (const std::string& name : std::set<std::string>(names)) CollectReferences(*all.Find(name), names);
  }
  if (names.empty()) return schema;
  Json definitions = Json::MakeObject();
  for (const std::string& name : names) definitions.Set(name, *all.Find(name));
  schema.Set("$defs", std::move(definitions));
  return schema;
}

McpTool ToolOf(ToolLine line, Service& service) {
  McpTool tool;
  tool.name = line.name;
  tool.title = line.title;
  tool.description = line.description;
  tool.annotations = AnnotationsOf(line);
  tool.scope = ScopeName(line.scope);
  tool.input_schema = SelfContained(ObjectSchema(std::move(line.input)));
  tool.output_schema = SelfContained(std::move(line.output));
  tool.handler = [&service, handler = line.handler](McpCall& call) -> Result<McpToolResult> {
    try {
      WEIR_ASSIGN(Workspace* const workspace, service.Find(call.caller().workspace));
      WEIR_ASSIGN(Json answer, handler({service, *workspace, call.arguments()}, call));
      return McpToolResult::Structured(std::move(answer));
    } catch (const std::bad_alloc&) {
      return Exhausted("not enough memory for this call", "call again later, or ask for less");
    }
  };
  return tool;
}

}  // namespace api

McpCaller McpCallerOf(const Caller& caller) {
  McpCaller out;
  out.workspace = caller.workspace;
  out.subject = caller.token;
  for (const Scope scope : kScopes) {
    if (caller.may(scope)) out.scopes.emplace_back(ScopeName(scope));
  }
  return out;
}

McpCaller McpCallerOf(std::string_view workspace) {
  return McpCallerOf(Caller{std::string(workspace), kAllScopes, std::string()});
}

McpOptions WeirMcpOptions(std::string_view version) {
  McpOptions options;
  options.name = "weir";
  options.title = "Weir";
  options.version = version;
  options.instructions =
      "Weir keeps the prompts (contexts) of many agents and says what they share, token by token, so that an inference "
      "engine computes a shared beginning once. Register your prompt with register_context as soon as you have it, and "
      "append as it grows. get_shared_context says what others have in common with you; explain_prefix why a shared "
      "beginning breaks; get_optimized_context gives your prompt in an order that shares more. Figures are in tokens, and "
      "null means unknown. search and embed_texts work by meaning; index_folder prepares a folder for search.";
  options.prompts = false;
  options.logging = false;
  return options;
}

Status AddWeirTools(McpServer& server, Service& service) {
  for (std::vector<api::ToolLine> lines : {api::ContextTools(), api::TextTools()}) {
    for (api::ToolLine& line : lines) WEIR_TRY(server.AddTool(api::ToolOf(std::move(line), service)));
  }
  return api::AddResources(server, service);
}

}  // namespace weir
