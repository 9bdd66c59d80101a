#pragma once
// Catalog: the tools, resources, templates and prompts of a server, checked and compiled, in the order in which they came.
// Thread-safe. Private to the room.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "uri_template.h"
#include "weir/codec/json_schema.h"
#include "weir/mcp/server.h"

namespace weir::mcp {

// An argument that clients mirror into a header: "x-mcp-header" in a schema.
struct HeaderArgument {
  std::string header;             // "Mcp-Param-Region"
  std::vector<std::string> path;  // of member names from the arguments down
};

struct ToolEntry {
  McpTool tool;
  JsonSchema input;
  std::optional<JsonSchema> output;
  std::vector<HeaderArgument> headers;
  Json listing;         // in tools/list
  Json listing_legacy;  // without an output schema that is no object's
};
struct ResourceEntry {
  McpResource resource;
  Json listing;
};
struct TemplateEntry {
  McpResourceTemplate resource_template;
  UriTemplate uri;
  Json listing;
};
struct PromptEntry {
  McpPrompt prompt;
  Json listing;
};

Result<ToolEntry> CompileTool(McpTool tool);
Result<ResourceEntry> CompileResource(McpResource resource);
Result<TemplateEntry> CompileTemplate(McpResourceTemplate resource_template);
Result<PromptEntry> CompilePrompt(McpPrompt prompt);

// Entries by name, in the order of their first coming. A position is a number that stays with the entry.
template <typename Entry>
class EntryList {
 public:
  using Pointer = std::shared_ptr<const Entry>;

  void Put(const std::string& name, Entry entry) {
    auto shared = std::make_shared<const Entry>(std::move(entry));
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = positions_.try_emplace(name, next_);
    next_ += is_new ? 1 : 0;
    entries_[place->second] = std::move(shared);
  }
  bool Remove(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto place = positions_.find(name);
    if (place == positions_.end()) return false;
    entries_.erase(place->second);
    positions_.erase(place);
    return true;
  }
  Pointer Find(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto place = positions_.find(name);
    return place == positions_.end() ? nullptr : entries_.at(place->second);
  }
  // Up to `limit` entries from a position on, each with its own.
  std::vector<std::pair<uint64_t, Pointer>> From(uint64_t position, size_t limit) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<uint64_t, Pointer>> out;
    for (auto it = entries_.lower_bound(position); it != entries_.end() && out.size() < limit; ++it) out.push_back(*it);
    return out;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t, std::less<>> positions_;  // under mutex_, as all below
  std::map<uint64_t, Pointer> entries_;
  uint64_t next_ = 0;
};

struct Catalog {
  EntryList<ToolEntry> tools;
  EntryList<ResourceEntry> resources;
  EntryList<TemplateEntry> templates;
  EntryList<PromptEntry> prompts;

  // The first template that the URI fits, with its variables.
  std::pair<EntryList<TemplateEntry>::Pointer, Json> FindTemplate(std::string_view uri) const;
  // True if a resource or a template is there for the URI.
  bool Knows(std::string_view uri) const;
};

}  // namespace weir::mcp
