#pragma once
// What handlers of an MCP server give back: results and the blocks of content in them.
//
// Plain values. The wire form is the Model Context Protocol's (CallToolResult, ContentBlock, GetPromptResult,
// ReadResourceResult of its schema); the server adds what an era wants around them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/codec/json.h"

namespace weir {

// Blocks of content. Data of images and sounds is given as bytes and sent as base64.
Json McpText(std::string_view text);
Json McpImage(std::string_view bytes, std::string_view mime_type);
Json McpAudio(std::string_view bytes, std::string_view mime_type);
Json McpResourceLink(std::string_view uri, std::string_view name, std::string_view mime_type = {});
// `contents` is one of the two below.
Json McpEmbedded(Json contents);

// The contents of a resource.
Json McpTextContents(std::string_view uri, std::string_view mime_type, std::string_view text);
Json McpBinaryContents(std::string_view uri, std::string_view mime_type, std::string_view bytes);

struct McpToolResult {
  // Blocks, in order. Empty with `structured` set: the server adds its JSON text, for clients that read text alone.
  Json::Array content{};
  // Must fit the tool's output schema if it has one. Clients of before 2025-06-18 ignore it.
  std::optional<Json> structured{};
  // The call failed in a way that the model should read and act upon.
  bool is_error = false;

  static McpToolResult Text(std::string_view text);
  static McpToolResult Structured(Json value);
  static McpToolResult Failure(std::string_view text);
};

// Who may keep an answer, and for how long (clients of 2026-07-28).
enum class McpCacheScope {
  kPrivate,  // only for the same authorization
  kPublic,   // holds nothing of any caller
};

struct McpResourceContents {
  Json::Array contents{};  // not empty
  uint64_t ttl_ms = 0;     // how long a client may take it for fresh
  McpCacheScope scope = McpCacheScope::kPrivate;
};

// One page of a list of resources that is made on demand.
struct McpResourcePage {
  struct Entry {
    std::string uri;
    std::string name;
    std::string title{};
    std::string description{};
    std::string mime_type{};
    std::optional<uint64_t> size_bytes{};
  };
  std::vector<Entry> entries{};
  // Opaque to clients and to the server; empty: this was the last page.
  std::string next{};
};

struct McpPromptResult {
  std::string description{};
  // {"role": "user"|"assistant", "content": block}.
  Json::Array messages{};

  void Add(std::string_view role, Json block);
};

}  // namespace weir
