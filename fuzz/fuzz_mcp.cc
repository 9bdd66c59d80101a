// MCP: lines that a client may send, before and after initialize, in both eras; and a sealed state, a field of a header and
// a cursor made of the same bytes. Whatever comes, each answer is one JSON-RPC message, and the server lives.

#include "fuzz_input.h"
#include "http_fields.h"
#include "request_state.h"
#include "sse_channel.h"
#include "uri_template.h"
#include "weir/mcp/connection.h"

namespace weir::fuzz {
namespace {

McpTool Tool(std::string_view name, McpToolHandler handler) {
  McpTool tool;
  tool.name = name;
  tool.handler = std::move(handler);
  tool.input_schema = *Json::Parse(R"({"type":"object","properties":{"text":{"type":"string","maxLength":8}}})");
  return tool;
}

std::unique_ptr<McpServer> MakeServer(const Clock& clock) {
  std::unique_ptr<McpServer> server = *McpServer::Make(McpOptions(), clock);
  WEIR_CHECK(server
                 ->AddTool(Tool("a",
                                [](McpCall& call) -> Result<McpToolResult> {
                                  call.Progress(1, 2, "half");
                                  call.Log(McpLogLevel::kInfo, "fuzz", call.arguments());
                                  return McpToolResult::Structured(call.arguments());
                                }))
                 .has_value());
  WEIR_CHECK(server
                 ->AddTool(Tool("q",
                                [](McpCall& call) -> Result<McpToolResult> {
                                  WEIR_ASSIGN(const Json first, call.Ask(McpQuestion::Roots("r")));
                                  WEIR_ASSIGN(const Json second,
                                              call.Ask(McpQuestion::Form("f", "?", *Json::Parse(R"({"required":["x"]})"))));
                                  return McpToolResult::Text(first.Dump() + second.Dump());
                                }))
                 .has_value());
  McpResourceTemplate family;
  family.uri_template = "t://{a}/{+b}";
  family.handler = [](McpCall& call) -> Result<McpResourceContents> {
    return McpResourceContents{{McpTextContents(call.name(), "text/plain", call.arguments().Dump())}};
  };
  WEIR_CHECK(server->AddResourceTemplate(family).has_value());
  McpPrompt prompt;
  prompt.name = "p";
  prompt.arguments = {{"x", "", true}};
  prompt.handler = [](McpCall&) -> Result<McpPromptResult> { return McpPromptResult(); };
  WEIR_CHECK(server->AddPrompt(prompt).has_value());
  return server;
}

void CheckAnswer(const Json& answer) {
  if (answer.is_array()) {
    for (const Json& one : answer.as_array()) CheckAnswer(one);
    return;
  }
  WEIR_FUZZ_CHECK(answer.Find("jsonrpc") != nullptr && *answer.Find("jsonrpc") == Json("2.0"));
  const int kinds =
      (answer.Find("result") != nullptr) + (answer.Find("error") != nullptr) + (answer.Find("method") != nullptr);
  WEIR_FUZZ_CHECK(kinds == 1);
}

void Serve(McpServer& server, std::string_view input, bool initialize) {
  McpConnection connection(server, McpCaller{"w", "s", {"*"}}, [](std::string message) {
    const Result<Json> answer = Json::Parse(message);
    WEIR_FUZZ_CHECK(answer.has_value() && message.find('\n') == std::string::npos);
    CheckAnswer(*answer);
    return true;
  });
  if (initialize) {
    connection.Receive(R"({"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-03-26",
        "capabilities":{"roots":{},"elicitation":{},"sampling":{}},"clientInfo":{"name":"f","version":"1"}}})");
  }
  while (!input.empty()) {
    const size_t end = std::min(input.find('\n'), input.size());
    connection.Receive(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  connection.Close(Duration(0));
}

}  // namespace
}  // namespace weir::fuzz

void weir::fuzz::Run(std::string_view input) {
  static const ManualClock kClock;
  static const std::unique_ptr<McpServer> kServer = MakeServer(kClock);
  static const mcp::RequestStates kStates("key", kClock, std::chrono::seconds(1));
  WEIR_FUZZ_CHECK(!kStates.Open("purpose", input).has_value());
  (void)mcp::DecodedField(input);
  (void)mcp::SseChannel::ParseEventId(input);
  if (const Result<mcp::UriTemplate> family = mcp::UriTemplate::Parse(input.substr(0, 64))) (void)family->Match(input);
  Serve(*kServer, input, /*initialize=*/false);
  Serve(*kServer, input, /*initialize=*/true);
}
