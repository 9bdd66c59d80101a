#include "weir/mcp/content.h"

#include "weir/codec/base64.h"

namespace weir {
namespace {

Json Block(std::string_view type) {
  Json block = Json::MakeObject();
  block.Set("type", type);
  return block;
}

Json Contents(std::string_view uri, std::string_view mime_type) {
  Json contents = Json::MakeObject();
  contents.Set("uri", uri);
  if (!mime_type.empty()) contents.Set("mimeType", mime_type);
  return contents;
}

Json Media(std::string_view type, std::string_view bytes, std::string_view mime_type) {
  Json block = Block(type);
  block.Set("data", Base64Of(bytes));
  block.Set("mimeType", mime_type);
  return block;
}

}  // namespace

Json McpText(std::string_view text) {
  Json block = Block("text");
  block.Set("text", text);
  return block;
}

Json McpImage(std::string_view bytes, std::string_view mime_type) { return Media("image", bytes, mime_type); }

Json McpAudio(std::string_view bytes, std::string_view mime_type) { return Media("audio", bytes, mime_type); }

Json McpResourceLink(std::string_view uri, std::string_view name, std::string_view mime_type) {
  Json block = Block("resource_link");
  block.Set("uri", uri);
  block.Set("name", name);
  if (!mime_type.empty()) block.Set("mimeType", mime_type);
  return block;
}

Json McpEmbedded(Json contents) {
  Json block = Block("resource");
  block.Set("resource", std::move(contents));
  return block;
}

Json McpTextContents(std::string_view uri, std::string_view mime_type, std::string_view text) {
  Json contents = Contents(uri, mime_type);
  contents.Set("text", text);
  return contents;
}

Json McpBinaryContents(std::string_view uri, std::string_view mime_type, std::string_view bytes) {
  Json contents = Contents(uri, mime_type);
  contents.Set("blob", Base64Of(bytes));
  return contents;
}

McpToolResult McpToolResult::Text(std::string_view text) {
  McpToolResult result;
  result.content.push_back(McpText(text));
  return result;
}

McpToolResult McpToolResult::Structured(Json value) {
  McpToolResult result;
  result.structured = std::move(value);
  return result;
}

McpToolResult McpToolResult::Failure(std::string_view text) {
  McpToolResult result = Text(text);
  result.is_error = true;
  return result;
}

void McpPromptResult::Add(std::string_view role, Json block) {
  Json message = Json::MakeObject();
  message.Set("role", role);
  message.Set("content", std::move(block));
  messages.push_back(std::move(message));
}

}  // namespace weir
