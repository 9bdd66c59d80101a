#include "weir/mcp/server.h"

#include <fmt/format.h>

#include <utility>

#include "core.h"

namespace weir {

Status McpOptions::Validate() const {
  const std::pair<std::string_view, uint64_t> counts[] = {
      {"message_bytes_max", message_bytes_max}, {"batch_max", batch_max}, {"calls_max", calls_max},
      {"sessions_max", sessions_max},           {"page_size", page_size}, {"state_bytes_max", state_bytes_max}};
  for (const auto& [field, count] : counts) {
    if (count == 0) return InvalidArgument(fmt::format("{} must be at least 1", field));
  }
  const std::pair<std::string_view, Duration> times[] = {
      {"session_idle", session_idle}, {"ask_timeout", ask_timeout}, {"state_lifetime", state_lifetime}};
  for (const auto& [field, time] : times) {
    if (time <= Duration(0)) return InvalidArgument(fmt::format("{} must be above 0", field));
  }
  if (name.empty() || version.empty()) return InvalidArgument("name and version may not be empty");
  return {};
}

McpServer::McpServer(std::unique_ptr<mcp::Core> core) : core_(std::move(core)) {}
McpServer::~McpServer() = default;

Result<std::unique_ptr<McpServer>> McpServer::Make(McpOptions options, const Clock& clock) {
  const Status valid = options.Validate();
  WEIR_CHECK(valid.has_value(), "{}", valid ? std::string() : valid.error().message);
  WEIR_ASSIGN(std::string key, mcp::RandomBytes32());
  return std::unique_ptr<McpServer>(new McpServer(std::make_unique<mcp::Core>(std::move(options), clock, std::move(key))));
}

Status McpServer::AddTool(McpTool tool) {
  WEIR_ASSIGN(mcp::ToolEntry entry, mcp::CompileTool(std::move(tool)));
  const std::string name = entry.tool.name;
  core_->catalog().tools.Put(name, std::move(entry));
  core_->Changed({mcp::Change::Kind::kTools});
  return {};
}

Status McpServer::AddResource(McpResource resource) {
  WEIR_ASSIGN(mcp::ResourceEntry entry, mcp::CompileResource(std::move(resource)));
  const std::string uri = entry.resource.uri;
  core_->catalog().resources.Put(uri, std::move(entry));
  core_->Changed({mcp::Change::Kind::kResources});
  return {};
}

Status McpServer::AddResourceTemplate(McpResourceTemplate resource_template) {
  WEIR_ASSIGN(mcp::TemplateEntry entry, mcp::CompileTemplate(std::move(resource_template)));
  const std::string uri_template = entry.resource_template.uri_template;
  core_->catalog().templates.Put(uri_template, std::move(entry));
  core_->Changed({mcp::Change::Kind::kResources});
  return {};
}

Status McpServer::AddPrompt(McpPrompt prompt) {
  WEIR_ASSIGN(mcp::PromptEntry entry, mcp::CompilePrompt(std::move(prompt)));
  const std::string name = entry.prompt.name;
  core_->catalog().prompts.Put(name, std::move(entry));
  core_->Changed({mcp::Change::Kind::kPrompts});
  return {};
}

bool McpServer::RemoveTool(std::string_view name) {
  const bool removed = core_->catalog().tools.Remove(name);
  if (removed) core_->Changed({mcp::Change::Kind::kTools});
  return removed;
}

bool McpServer::RemoveResource(std::string_view uri) {
  const bool removed = core_->catalog().resources.Remove(uri);
  if (removed) core_->Changed({mcp::Change::Kind::kResources});
  return removed;
}

bool McpServer::RemoveResourceTemplate(std::string_view uri_template) {
  const bool removed = core_->catalog().templates.Remove(uri_template);
  if (removed) core_->Changed({mcp::Change::Kind::kResources});
  return removed;
}

bool McpServer::RemovePrompt(std::string_view name) {
  const bool removed = core_->catalog().prompts.Remove(name);
  if (removed) core_->Changed({mcp::Change::Kind::kPrompts});
  return removed;
}

void McpServer::NotifyResourceUpdated(std::string_view uri, std::optional<std::string_view> workspace) {
  mcp::Change change{mcp::Change::Kind::kUpdated, std::string(uri), std::nullopt};
  if (workspace) change.workspace = std::string(*workspace);
  core_->Changed(change);
}

void McpServer::NotifyAllResourcesUpdated(std::optional<std::string_view> workspace) {
  core_->AllChanged(workspace ? std::optional(std::string(*workspace)) : std::nullopt);
}

void McpServer::NotifyResourcesChanged(std::optional<std::string_view> workspace) {
  mcp::Change change{mcp::Change::Kind::kResources};
  if (workspace) change.workspace = std::string(*workspace);
  core_->Changed(change);
}

void McpServer::EndSubscriptions() { core_->EndSubscriptions(); }

const McpOptions& McpServer::options() const { return core_->options(); }
McpStats McpServer::stats() const { return core_->stats(); }

}  // namespace weir
