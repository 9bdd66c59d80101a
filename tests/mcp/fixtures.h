#pragma once
// The tools, resources and prompts that the public conformance suite for MCP servers asks for by name.

#include "weir/mcp/server.h"

namespace weir::fixture {

// REQUIRES: nothing of these names is there yet. The server must outlive its handlers.
void AddPlainTools(McpServer& server);
void AddAskingTools(McpServer& server);
void AddResourcesAndPrompts(McpServer& server);

// The smallest PNG and WAV that players take.
std::string PngBytes();
std::string WavBytes();

Json Parsed(std::string_view text);
void Add(McpServer& server, std::string_view name, std::string_view description, std::string_view input_schema,
         McpToolHandler handler);

}  // namespace weir::fixture
