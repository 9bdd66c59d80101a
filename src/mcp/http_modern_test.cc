// 2026-07-28 over HTTP: fields, statuses, streams, cancellation.

#include <gtest/gtest.h>

#include "http_fields.h"
#include "mcp_http.h"
#include "weir/codec/base64.h"

namespace weir {
namespace {

const std::string kEcho = ModernRequest(1, "tools/call", R"("name":"echo","arguments":{"text":"hi"})");

TEST(McpHttpModern, AnswersWithJson) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(EchoTool()));
  const HttpResponse response = over.Send(McpOverHttp::PostModern(kEcho, {{"MCP-Session-Id", "is not heard"}}));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.Find("Content-Type"), "application/json");
  EXPECT_FALSE(response.headers.Has("MCP-Session-Id"));
  EXPECT_EQ(At(ParsedJson(response.body), "/result/content/0/text"), "hi");
  EXPECT_EQ(over.server->stats().sessions_total, 0u);
}

TEST(McpHttpModern, StatusesAndCodes) {
  McpOptions options;
  options.message_bytes_max = 2000;
  McpOverHttp over(options);
  ASSERT_TRUE(over.server->AddTool(EchoTool()));
  const auto fault = [&](const std::string& body, HttpHeaders headers = {}) {
    return over.Fault(McpOverHttp::PostModern(body, std::move(headers)));
  };
  EXPECT_EQ(fault(kEcho), "200 none");
  EXPECT_EQ(fault(ModernRequest(1, "no/such")), "404 -32601");
  EXPECT_EQ(fault(ModernRequest(1, "initialize")), "404 -32601");
  EXPECT_EQ(fault(LegacyRequest(1, "server/discover")), "400 -32602") << "no _meta";
  EXPECT_EQ(fault(ModernRequest(1, "tools/call", R"("name":"nothing")")), "200 -32602");
  EXPECT_EQ(fault(R"({"jsonrpc":"2.0","id":1,"result":{}})", {{"Mcp-Method", "x"}}), "400 -32600");
  EXPECT_EQ(fault(kEcho, {{"MCP-Protocol-Version", "2025-11-25"}}), "400 -32020");
  EXPECT_EQ(fault(kEcho, {{"Mcp-Method", "tools/list"}}), "400 -32020");
  EXPECT_EQ(fault(kEcho, {{"Mcp-Method", "Tools/Call"}}), "400 -32020") << "values have case";
  EXPECT_EQ(fault(kEcho, {{"Mcp-Name", "other"}}), "400 -32020");
  EXPECT_EQ(fault(kEcho, {{"Mcp-Name", "=?base64?" + Base64Of("echo") + "?="}}), "200 none");
  EXPECT_EQ(fault(kEcho, {{"Accept", "application/json"}}), "200 none");
  EXPECT_EQ(fault(kEcho, {{"Accept", "text/html"}}), "406 -32600");
  EXPECT_EQ(fault(kEcho, {{"Content-Type", "text/plain"}}), "415 -32600");
  EXPECT_EQ(fault(kEcho, {{"Origin", "https://evil.example"}}), "403 -32600");
  EXPECT_EQ(fault(kEcho, {{"Origin", "null"}}), "403 -32600");
  EXPECT_EQ(fault(kEcho, {{"Origin", "http://localhost:3000"}}), "200 none");
  EXPECT_EQ(fault(R"({"jsonrpc":"2.0","method":"notifications/x"})", {{"Mcp-Method", "x"}}), "202 none");
  EXPECT_EQ(fault(ModernRequest(1, "subscriptions/listen", R"("notifications":{})"), {{"Accept", "application/json"}}),
            "400 -32600");
  const std::string future = R"({"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{)"
                             R"("io.modelcontextprotocol/protocolVersion":"2030-01-01",)"
                             R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
  EXPECT_EQ(fault(future, {{"MCP-Protocol-Version", "2030-01-01"}}), "400 -32022");
  for (const char* missing : {"MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"}) {
    HttpCall call = McpOverHttp::PostModern(kEcho);
    call.headers.Remove(missing);
    EXPECT_EQ(over.Fault(call), "400 -32020") << missing;
  }
  HttpCall broken = McpOverHttp::PostModern(kEcho);
  broken.body = "{";
  EXPECT_EQ(over.Fault(broken), "400 -32700");
  broken.body = std::string(3000, ' ');
  EXPECT_EQ(over.Fault(broken), "413 -32600");
  for (const char* method : {"GET", "DELETE", "PUT"}) {
    HttpCall call;
    call.method = method;
    call.path = "/mcp";
    EXPECT_EQ(over.Send(call).status, std::string_view(method) == "DELETE" ? 400 : 405) << method;
  }
}

TEST(McpHttpModern, HostsAreChecked) {
  HttpRequest request;
  request.peer = std::make_shared<HttpPeer>();
  McpHttpOptions options;
  const auto foreign = [&](std::string_view host) {
    request.host = host;
    return mcp::ForeignOrigin(request, options).has_value();
  };
  for (const char* host : {"localhost", "localhost:80", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:9"}) {
    EXPECT_FALSE(foreign(host)) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:80", "localhost.evil.example", "[::2]:80"})
    EXPECT_TRUE(foreign(host)) << host;
  options.hosts.clear();
  EXPECT_FALSE(foreign("evil.example")) << "any";
  request.headers.Set("Origin", "https://weir.example:8443");
  EXPECT_FALSE(foreign("weir.example")) << "the same";
  EXPECT_TRUE(foreign("evil.example"));
  options.hosts = {"weir.example"};
  options.origins = {"https://app.example"};
  request.headers.Set("Origin", "https://app.example");
  EXPECT_FALSE(foreign("weir.example"));
  request.headers.Set("Origin", "https://app.example:444");
  EXPECT_TRUE(foreign("weir.example"));
}

TEST(McpHttpModern, FieldsOfArguments) {
  McpOverHttp over;
  McpTool tool = SimpleTool(
      "query", [](McpCall& call) -> Result<McpToolResult> { return McpToolResult::Text(call.arguments().Dump()); });
  tool.input_schema = ParsedJson(R"({"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},
      "in":{"type":"object","properties":{"shard":{"type":"integer","x-mcp-header":"Shard"}}},
      "dry":{"type":"boolean","x-mcp-header":"Dry"}}})");
  ASSERT_TRUE(over.server->AddTool(tool));
  const auto fault = [&](std::string_view arguments, HttpHeaders headers) {
    return over.Fault(McpOverHttp::PostModern(
        ModernRequest(1, "tools/call", R"("name":"query","arguments":)" + std::string(arguments)), headers));
  };
  EXPECT_EQ(fault("{}", {}), "200 none");
  EXPECT_EQ(fault(R"({"region":null})", {}), "200 none") << "the schema refuses null, as a result";
  EXPECT_EQ(fault(R"({"region":"eu"})", {}), "400 -32020");
  EXPECT_EQ(fault(R"({"region":"eu"})", {{"Mcp-Param-Region", "us"}}), "400 -32020");
  EXPECT_EQ(fault(R"({"region":"eu"})", {{"mcp-param-region", "eu"}}), "200 none");
  EXPECT_EQ(fault(R"({"region":"süd"})", {{"Mcp-Param-Region", "=?base64?" + Base64Of("süd") + "?="}}), "200 none");
  EXPECT_EQ(fault(R"({"region":"süd"})", {{"Mcp-Param-Region", "=?base64?c?="}}), "400 -32020");
  EXPECT_EQ(fault("{}", {{"Mcp-Param-Region", "eu"}}), "400 -32020");
  EXPECT_EQ(fault("{}", {{"Mcp-Param-Unknown", "eu"}}), "200 none");
  EXPECT_EQ(fault(R"({"in":{"shard":42}})", {{"Mcp-Param-Shard", "42.0"}}), "200 none");
  EXPECT_EQ(fault(R"({"in":{"shard":42}})", {{"Mcp-Param-Shard", "43"}}), "400 -32020");
  EXPECT_EQ(fault(R"({"in":{"shard":42}})", {{"Mcp-Param-Shard", "42x"}}), "400 -32020");
  EXPECT_EQ(fault(R"({"dry":true})", {{"Mcp-Param-Dry", "true"}}), "200 none");
  EXPECT_EQ(fault(R"({"dry":true})", {{"Mcp-Param-Dry", "1"}}), "400 -32020");
}

TEST(McpHttpModern, MissingCapabilityAndScope) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("ask", [](McpCall& call) -> Result<McpToolResult> {
    WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Roots("r")));
    return McpToolResult::Text(answer.Dump());
  })));
  McpTool admin = EchoTool();
  admin.name = "admin";
  admin.scope = "write";
  ASSERT_TRUE(over.server->AddTool(admin));
  EXPECT_EQ(over.Fault(McpOverHttp::PostModern(ModernRequest(1, "tools/call", R"("name":"ask")"))), "400 -32021");
  const HttpResponse refused =
      over.Send(McpOverHttp::PostModern(ModernRequest(1, "tools/call", R"("name":"admin","arguments":{"text":"x"})")));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.headers.Find("WWW-Authenticate"), R"(Bearer error="insufficient_scope", scope="write")");
}

TEST(McpHttpModern, StreamsWhenThereIsSomethingToSay) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("steps", [](McpCall& call) -> Result<McpToolResult> {
    for (int i = 1; i <= 3; ++i) call.Progress(i, 3);
    return McpToolResult::Text("done");
  })));
  const std::string body = ModernRequest(1, "tools/call", R"("name":"steps")", "{}", R"(,"progressToken":9)");
  const HttpResponse whole = over.Send(McpOverHttp::PostModern(body));
  EXPECT_EQ(whole.headers.Find("Content-Type"), "text/event-stream");
  EXPECT_EQ(whole.headers.Find("X-Accel-Buffering"), "no");
  EXPECT_EQ(whole.body.find("id:"), std::string::npos) << "modern streams cannot be resumed";
  EventReader reader(over, McpOverHttp::PostModern(body));
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(At(reader.NextMessage(), "/params/progress"), std::to_string(i));
  EXPECT_EQ(At(reader.NextMessage(), "/result/content/0/text"), "done");
  EXPECT_EQ(reader.AwaitEnd(), 200);
  const HttpResponse json = over.Send(McpOverHttp::PostModern(body, {{"Accept", "application/json"}}));
  EXPECT_EQ(At(ParsedJson(json.body), "/result/content/0/text"), "done");
  const HttpResponse events =
      over.Send(McpOverHttp::PostModern(ModernRequest(1, "tools/list"), {{"Accept", "text/event-stream"}}));
  EXPECT_EQ(events.headers.Find("Content-Type"), "text/event-stream");
}

TEST(McpHttpModern, LeavingCancels) {
  for (const bool streams : {false, true}) {
    std::atomic<int> state{0};  // 1: entered, 2: cancelled
    McpOverHttp over;
    ASSERT_TRUE(over.server->AddTool(SimpleTool("wait", [&](McpCall& call) -> Result<McpToolResult> {
      call.OnCancelled([&] {
        state = 2;
        state.notify_all();
      });
      if (streams) call.Progress(1);
      state = 1;
      state.notify_all();
      state.wait(1);
      return McpToolResult::Text("late");
    })));
    EventReader reader(
        over, McpOverHttp::PostModern(ModernRequest(1, "tools/call", R"("name":"wait")", "{}", R"(,"progressToken":9)")));
    if (streams) reader.Next();
    state.wait(0);
    reader.Leave();
    state.wait(1);
    EXPECT_EQ(state, 2);
  }
}

TEST(McpHttpModern, Subscriptions) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddResource(TextResource("test://a", "x")));
  const std::string body = ModernRequest(
      5, "subscriptions/listen", R"("notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://a"]})");
  EventReader mine(over, McpOverHttp::PostModern(body, {{"X-Workspace", "blue"}}));
  EXPECT_EQ(At(mine.NextMessage(), "/method"), "notifications/subscriptions/acknowledged");
  EventReader gone(over, McpOverHttp::PostModern(body, {{"X-Workspace", "red"}}));
  gone.Next();
  EXPECT_EQ(over.server->stats().subscriptions_open, 2u);
  over.server->NotifyResourceUpdated("test://a", "blue");
  EXPECT_EQ(At(mine.NextMessage(), "/params/uri"), "test://a");
  EXPECT_TRUE(gone.IsEmpty());
  gone.Leave();
  ASSERT_TRUE(over.server->AddTool(EchoTool()));
  EXPECT_EQ(At(mine.NextMessage(), "/method"), "notifications/tools/list_changed");
  EXPECT_TRUE(over.http->Drain(std::chrono::seconds(10))) << "a drain ends subscriptions";
  const Json ended = mine.NextMessage();
  EXPECT_EQ(At(ended, "/id"), "5");
  EXPECT_EQ(At(ended, "/result/resultType"), "complete");
  EXPECT_EQ(mine.AwaitEnd(), 200);
}

TEST(McpHttpModern, OverloadIs503) {
  McpOptions options;
  options.subscriptions_max = 1;
  McpOverHttp over(options);
  const std::string body = ModernRequest(5, "subscriptions/listen", R"("notifications":{})");
  EventReader reader(over, McpOverHttp::PostModern(body));
  reader.Next();
  EventReader refused(over, McpOverHttp::PostModern(body));
  EXPECT_EQ(At(refused.NextMessage(), "/error/code"), "-32603") << "its stream was open already";
  EXPECT_EQ(refused.AwaitEnd(), 200);
}

}  // namespace
}  // namespace weir
