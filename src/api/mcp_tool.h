#pragma once
// A tool as its table has it, and what every tool has in common: the caller's workspace, schemas that stand alone, errors
// that a model can act upon. Internal to `api`.

#include <string_view>
#include <vector>

#include "answers.h"
#include "schema.h"
#include "weir/api/access.h"
#include "weir/mcp/server.h"

namespace weir::api {

// What a call does to what is kept.
enum class ToolEffect : uint8_t {
  kReads,
  kAdds,     // changes nothing that was there
  kChanges,  // may take something away
};

struct ToolLine {
  std::string_view name;
  std::string_view title;
  std::string_view description;  // for models
  Scope scope = Scope::kRead;
  ToolEffect effect = ToolEffect::kReads;
  bool idempotent = true;  // the same call again changes nothing more
  std::vector<Member> input;
  Json output;  // may refer to components
  Result<Json> (*handler)(const Question& question, McpCall& call) = nullptr;
};

McpTool ToolOf(ToolLine line, Service& service);

// A component by name, as a schema of its own.
Json ComponentSchema(std::string_view name);
// With every component that it refers to.
Json SelfContained(Json schema);

// In the order of the list.
std::vector<ToolLine> ContextTools();
std::vector<ToolLine> TextTools();
Status AddResources(McpServer& server, Service& service);

inline constexpr std::string_view kPoolsUri = "weir://pools";
std::string ContextUri(std::string_view agent);

}  // namespace weir::api
