#include "catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace weir::mcp {
namespace {

constexpr size_t kNameBytesMax = 128;
constexpr size_t kUriBytesMax = 2048;

bool IsToolName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
}

// The characters of an HTTP field name (RFC 9110, tchar).
bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c) != 0) ||
           std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return out;
}

Status CheckUri(std::string_view what, std::string_view uri) {
  const size_t colon = uri.find(':');
  if (colon == 0 || colon == std::string_view::npos || uri.size() > kUriBytesMax) {
    return InvalidArgument(
        fmt::format("{} \"{}\" is no URI: it needs a scheme, and at most {} bytes", what, uri, kUriBytesMax));
  }
  return {};
}

// Looks at the annotations that can be reached through "properties" alone; elsewhere they are forbidden.
Status CollectHeaders(const Json& schema, bool reachable, std::vector<std::string>& path, std::vector<HeaderArgument>& out) {
  if (schema.is_array()) {
    for (const Json& element : schema.as_array()) WEIR_TRY(CollectHeaders(element, false, path, out));
    return {};
  }
  if (!schema.is_object()) return {};
  if (const Json* header = schema.Find("x-mcp-header")) {
    const std::string* type = nullptr;
    if (const Json* given = schema.Find("type"); given != nullptr && given->is_string()) type = &given->as_string();
    if (!reachable || path.empty()) return InvalidArgument("x-mcp-header stands where no single argument does");
    if (!header->is_string() || !IsToken(header->as_string())) return InvalidArgument("x-mcp-header is no name of a header");
    if (type == nullptr || (*type != "string" && *type != "integer" && *type != "boolean")) {
      return InvalidArgument("x-mcp-header needs an argument of type string, integer or boolean");
    }
    out.push_back({"Mcp-Param-" + header->as_string(), path});
  }
  for (const auto& [keyword, value] : schema.as_object()) {
    if (keyword != "properties" || !value.is_object()) {
      if (keyword != "enum" && keyword != "const" && keyword != "default" && keyword != "examples") {
        WEIR_TRY(CollectHeaders(value, false, path, out));
      }
      continue;
    }
    for (const auto& [name, property] : value.as_object()) {
      path.push_back(name);
      WEIR_TRY(CollectHeaders(property, reachable, path, out));
      path.pop_back();
    }
  }
  return {};
}

Status CheckUnique(const std::vector<HeaderArgument>& headers) {
  std::vector<std::string> names;
  for (const HeaderArgument& header : headers) names.push_back(Lower(header.header));
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) == names.end()) return {};
  return InvalidArgument("x-mcp-header names one header twice");
}

bool IsObjectSchema(const Json& schema) {
  const Json* type = schema.Find("type");
  return type != nullptr && type->is_string() && type->as_string() == "object";
}

void SetText(Json& object, std::string_view name, const std::string& text) {
  if (!text.empty()) object.Set(name, text);
}

Error Within(std::string_view what, std::string_view name, const Error& error) {
  return {error.code, fmt::format("{} \"{}\": {}", what, name, error.message), error.hint};
}

}  // namespace

Result<ToolEntry> CompileTool(McpTool tool) {
  if (!IsToolName(tool.name)) {
    return InvalidArgument(
        fmt::format("\"{}\" is no name of a tool: 1 to 128 letters, digits, '_', '-' and '.'", tool.name));
  }
  if (!tool.handler) return InvalidArgument(fmt::format("tool \"{}\" has no handler", tool.name));
  if (tool.input_schema.is_object() && tool.input_schema.as_object().empty()) {
    tool.input_schema.Set("type", "object");
    tool.input_schema.Set("additionalProperties", false);
  }
  if (!IsObjectSchema(tool.input_schema)) {
    return InvalidArgument(fmt::format("tool \"{}\": the input schema must be of type \"object\"", tool.name));
  }
  Result<JsonSchema> input = JsonSchema::Compile(tool.input_schema);
  if (!input) return Within("tool", tool.name, input.error());
  std::optional<JsonSchema> output;
  if (tool.output_schema) {
    Result<JsonSchema> compiled = JsonSchema::Compile(*tool.output_schema);
    if (!compiled) return Within("tool", tool.name, compiled.error());
    output = *std::move(compiled);
  }
  std::vector<HeaderArgument> headers;
  std::vector<std::string> path;
  if (const Status status = CollectHeaders(tool.input_schema, true, path, headers); !status) {
    return Within("tool", tool.name, status.error());
  }
  if (const Status status = CheckUnique(headers); !status) return Within("tool", tool.name, status.error());

  Json listing = Json::MakeObject();
  listing.Set("name", tool.name);
  SetText(listing, "title", tool.title);
  SetText(listing, "description", tool.description);
  listing.Set("inputSchema", tool.input_schema);
  Json legacy = listing;
  if (tool.output_schema) listing.Set("outputSchema", *tool.output_schema);
  if (tool.output_schema && IsObjectSchema(*tool.output_schema)) legacy.Set("outputSchema", *tool.output_schema);
  for (Json* one : {&listing, &legacy}) {
    if (tool.annotations.is_object() && !tool.annotations.as_object().empty()) one->Set("annotations", tool.annotations);
  }
  return ToolEntry{std::move(tool),    *std::move(input),  std::move(output),
                   std::move(headers), std::move(listing), std::move(legacy)};
}

Result<ResourceEntry> CompileResource(McpResource resource) {
  WEIR_TRY(CheckUri("resource", resource.uri));
  if (!resource.handler) return InvalidArgument(fmt::format("resource \"{}\" has no handler", resource.uri));
  Json listing = Json::MakeObject();
  listing.Set("uri", resource.uri);
  listing.Set("name", resource.name.empty() ? resource.uri : resource.name);
  SetText(listing, "title", resource.title);
  SetText(listing, "description", resource.description);
  SetText(listing, "mimeType", resource.mime_type);
  return ResourceEntry{std::move(resource), std::move(listing)};
}

Result<TemplateEntry> CompileTemplate(McpResourceTemplate resource_template) {
  WEIR_TRY(CheckUri("template", resource_template.uri_template));
  WEIR_ASSIGN(UriTemplate uri, UriTemplate::Parse(resource_template.uri_template));
  if (!resource_template.handler) {
    return InvalidArgument(fmt::format("template \"{}\" has no handler", resource_template.uri_template));
  }
  Json listing = Json::MakeObject();
  listing.Set("uriTemplate", resource_template.uri_template);
  listing.Set("name", resource_template.name.empty() ? resource_template.uri_template : resource_template.name);
  SetText(listing, "title", resource_template.title);
  SetText(listing, "description", resource_template.description);
  SetText(listing, "mimeType", resource_template.mime_type);
  return TemplateEntry{std::move(resource_template), std::move(uri), std::move(listing)};
}

Result<PromptEntry> CompilePrompt(McpPrompt prompt) {
  if (!IsToolName(prompt.name)) {
    return InvalidArgument(
        fmt::format("\"{}\" is no name of a prompt: 1 to 128 letters, digits, '_', '-' and '.'", prompt.name));
  }
  if (!prompt.handler) return InvalidArgument(fmt::format("prompt \"{}\" has no handler", prompt.name));
  Json listing = Json::MakeObject();
  listing.Set("name", prompt.name);
  SetText(listing, "title", prompt.title);
  SetText(listing, "description", prompt.description);
  Json arguments = Json::MakeArray();
  for (const McpPrompt::Argument& argument : prompt.arguments) {
    Json one = Json::MakeObject();
    one.Set("name", argument.name);
    SetText(one, "description", argument.description);
    if (argument.required) one.Set("required", true);
    arguments.Append(std::move(one));
  }
  if (!prompt.arguments.empty()) listing.Set("arguments", std::move(arguments));
  return PromptEntry{std::move(prompt), std::move(listing)};
}

std::pair<EntryList<TemplateEntry>::Pointer, Json> Catalog::FindTemplate(std::string_view uri) const {
  if (uri.size() > kUriBytesMax) return {nullptr, Json()};
  for (const auto& [position, entry] : templates.From(0, SIZE_MAX)) {
    if (std::optional<Json> variables = entry->uri.Match(uri)) return {entry, *std::move(variables)};
  }
  return {nullptr, Json()};
}

bool Catalog::Knows(std::string_view uri) const {
  return resources.Find(uri) != nullptr || FindTemplate(uri).first != nullptr;
}

}  // namespace weir::mcp
