#include "fixtures.h"
#include "weir/codec/base64.h"

namespace weir::fixture {
namespace {

Result<McpToolResult> WithLogging(McpCall& call) {
  for (const char* step : {"Tool execution started", "Tool processing data", "Tool execution completed"}) {
    call.Log(McpLogLevel::kInfo, "fixture", step);
  }
  return McpToolResult::Text("Tool with logging executed successfully");
}

Result<McpToolResult> WithProgress(McpCall& call) {
  for (const int done : {0, 50, 100}) call.Progress(done, 100, "Completed step " + std::to_string(done) + " of 100");
  return McpToolResult::Text("Tool with progress executed successfully");
}

Result<McpToolResult> MultipleContent(McpCall&) {
  McpToolResult result = McpToolResult::Text("Multiple content types test:");
  result.content.push_back(McpImage(PngBytes(), "image/png"));
  result.content.push_back(
      McpEmbedded(McpTextContents("test://mixed-content-resource", "application/json", R"({"test":"data","value":123})")));
  return result;
}

Result<McpToolResult> EmbeddedResource(McpCall&) {
  McpToolResult result;
  result.content.push_back(
      McpEmbedded(McpTextContents("test://embedded-resource", "text/plain", "This is an embedded resource content.")));
  return result;
}

Result<McpToolResult> Reconnection(McpCall& call) {
  call.LetGo(std::chrono::milliseconds(100));
  return McpToolResult::Text("Reconnection test completed");
}

constexpr std::string_view kFullSchema = R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {"address": {"$anchor": "addressDef", "type": "object",
                        "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
  "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
                 "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                 "phone": {"type": "string"}, "email": {"type": "string"}},
  "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
  "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
  "then": {"required": ["phone"]},
  "else": {"required": ["email"]},
  "additionalProperties": false})";

void AddStructuredTool(McpServer& server) {
  McpTool tool;
  tool.name = "test_structured_output";
  tool.description = "Adds two numbers and says so in a structured result";
  tool.input_schema = Parsed(R"({"type":"object","required":["a","b"],"additionalProperties":false,
      "properties":{"a":{"type":"number"},"b":{"type":"number"}}})");
  tool.output_schema = Parsed(R"({"type":"object","required":["sum"],"properties":{"sum":{"type":"number"}}})");
  tool.annotations = Parsed(R"({"readOnlyHint":true,"idempotentHint":true})");
  tool.handler = [](McpCall& call) -> Result<McpToolResult> {
    Json out = Json::MakeObject();
    out.Set("sum", call.arguments().Find("a")->as_double() + call.arguments().Find("b")->as_double());
    return McpToolResult::Structured(std::move(out));
  };
  WEIR_CHECK(server.AddTool(std::move(tool)).has_value());
}

}  // namespace

Json Parsed(std::string_view text) {
  Result<Json> value = Json::Parse(text);
  WEIR_CHECK(value.has_value(), "{}", text);
  return *std::move(value);
}

std::string PngBytes() {
  return *ParseBase64("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==");
}

std::string WavBytes() { return *ParseBase64("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA="); }

void Add(McpServer& server, std::string_view name, std::string_view description, std::string_view input_schema,
         McpToolHandler handler) {
  McpTool tool;
  tool.name = name;
  tool.description = description;
  tool.input_schema = Parsed(input_schema);
  tool.handler = std::move(handler);
  const Status added = server.AddTool(std::move(tool));
  WEIR_CHECK(added.has_value(), "{}", added ? std::string() : added.error().ToString());
}

void AddPlainTools(McpServer& server) {
  Add(server, "test_simple_text", "Text content", "{}",
      [](McpCall&) -> Result<McpToolResult> { return McpToolResult::Text("This is a simple text response for testing."); });
  Add(server, "test_image_content", "Image content", "{}", [](McpCall&) -> Result<McpToolResult> {
    McpToolResult result;
    result.content.push_back(McpImage(PngBytes(), "image/png"));
    return result;
  });
  Add(server, "test_audio_content", "Audio content", "{}", [](McpCall&) -> Result<McpToolResult> {
    McpToolResult result;
    result.content.push_back(McpAudio(WavBytes(), "audio/wav"));
    return result;
  });
  Add(server, "test_embedded_resource", "An embedded resource", "{}", EmbeddedResource);
  Add(server, "test_multiple_content_types", "Content of three types", "{}", MultipleContent);
  Add(server, "test_tool_with_logging", "Logs while it runs", "{}", WithLogging);
  Add(server, "test_logging_tool", "Logs while it runs", "{}", WithLogging);
  Add(server, "test_tool_with_progress", "Reports progress", "{}", WithProgress);
  Add(server, "test_error_handling", "Always fails", "{}",
      [](McpCall&) -> Result<McpToolResult> { return Unavailable("This tool intentionally returns an error for testing"); });
  Add(server, "test_reconnection", "Ends the connection before its result", "{}", Reconnection);
  Add(server, "json_schema_2020_12_tool", "Keywords of JSON Schema 2020-12", kFullSchema,
      [](McpCall& call) -> Result<McpToolResult> { return McpToolResult::Text(call.arguments().Dump()); });
  Add(server, "test_header_argument", "An argument that is mirrored into a header",
      R"({"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}})",
      [](McpCall& call) -> Result<McpToolResult> { return McpToolResult::Text(call.arguments().Dump()); });
  Add(server, "test_trigger_tool_change", "Changes the list of tools", "{}", [&server](McpCall&) -> Result<McpToolResult> {
    Add(server, "test_added_later", "Came while the server ran", "{}",
        [](McpCall&) -> Result<McpToolResult> { return McpToolResult::Text("late"); });
    return McpToolResult::Text("The list of tools has changed");
  });
  Add(server, "test_trigger_prompt_change", "Changes the list of prompts", "{}",
      [&server](McpCall&) -> Result<McpToolResult> {
        McpPrompt prompt;
        prompt.name = "test_added_later";
    prompt.description = "Came while the server ran";
        prompt.handler = [](McpCall&) -> Result<McpPromptResult> { return McpPromptResult(); };
        WEIR_CHECK(server.AddPrompt(std::move(prompt)).has_value());
        return McpToolResult::Text("The list of prompts has changed");
      });
  Add(server, "test_update_resource", "Says that test://watched-resource has changed", "{}",
      [&server](McpCall&) -> Result<McpToolResult> {
        server.NotifyResourceUpdated("test://watched-resource");
        return McpToolResult::Text("told");
      });
  AddStructuredTool(server);
}

}  // namespace weir::fixture
