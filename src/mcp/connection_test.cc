// Both eras over an in-memory channel: routing, versions, errors, lists, batches.

#include "weir/mcp/connection.h"

#include <gtest/gtest.h>

#include <set>

#include "mcp_client.h"

namespace weir {
namespace {

TEST(McpConnection, NegotiatesEveryLegacyVersion) {
  const std::pair<std::string_view, std::string_view> cases[] = {{"2024-11-05", "2024-11-05"}, {"2025-03-26", "2025-03-26"},
                                                                 {"2025-06-18", "2025-06-18"}, {"2025-11-25", "2025-11-25"},
                                                                 {"2026-07-28", "2025-11-25"}, {"1.0", "2025-11-25"}};
  for (const auto& [asked, agreed] : cases) {
    McpOptions options;
    options.instructions = "Read me";
    McpPair pair(options);
    const Json answer = pair.Initialize(asked);
    EXPECT_EQ(At(answer, "/result/protocolVersion"), agreed);
    EXPECT_EQ(At(answer, "/result/serverInfo/name"), "server");
    EXPECT_EQ(At(answer, "/result/instructions"), "Read me");
    EXPECT_EQ(At(answer, "/result/capabilities/resources"), R"({"listChanged":true,"subscribe":true})");
    EXPECT_EQ(At(pair.Ask(LegacyRequest(1, "ping")), "/result"), "{}");
    EXPECT_EQ(At(pair.Ask(InitializeRequest(asked)), "/error/code"), "-32600") << "a second initialize";
  }
}

TEST(McpConnection, InitializeIsChecked) {
  McpPair pair;
  const auto code = [&](std::string_view params) {
    return At(pair.Ask(LegacyRequest(1, "initialize", params)), "/error/code");
  };
  EXPECT_EQ(code(""), "-32602");
  EXPECT_EQ(code(R"("protocolVersion":1,"capabilities":{},"clientInfo":{})"), "-32602");
  EXPECT_EQ(code(R"("protocolVersion":"2025-11-25","capabilities":[],"clientInfo":{})"), "-32602");
  EXPECT_EQ(code(R"("protocolVersion":"2025-11-25","capabilities":{})"), "-32602");
  EXPECT_EQ(
      code(R"("protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":")" + std::string(70'000, 'x') + "\"}"),
      "-32602");
  EXPECT_EQ(code(R"("protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{})"), "none");
}

TEST(McpConnection, LegacyCall) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  pair.Initialize();
  const Json called = pair.Ask(LegacyRequest(2, "tools/call", R"("name":"echo","arguments":{"text":"hi"})"));
  EXPECT_EQ(called.Dump(), R"({"jsonrpc":"2.0","id":2,"result":{"content":[{"type":"text","text":"hi"}]}})");
}

TEST(McpConnection, ModernCallStandsAlone) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  const Json called = pair.Ask(ModernRequest(2, "tools/call", R"("name":"echo","arguments":{"text":"hi"})"));
  EXPECT_EQ(At(called, "/result/resultType"), "complete");
  EXPECT_EQ(At(called, "/result/content/0/text"), "hi");
  const Json* meta = called.Find("result")->Find("_meta");
  ASSERT_NE(meta, nullptr);
  EXPECT_EQ(meta->Find("io.modelcontextprotocol/serverInfo")->Dump(), R"({"name":"server","version":"0"})");
}

TEST(McpConnection, DiscoverNamesVersionsAndCanBeKept) {
  McpPair pair;
  const Json found = pair.Ask(ModernRequest(1, "server/discover"));
  EXPECT_EQ(At(found, "/result/supportedVersions"), R"(["2026-07-28"])");
  EXPECT_EQ(At(found, "/result/resultType"), "complete");
  EXPECT_EQ(At(found, "/result/cacheScope"), "public");
  EXPECT_NE(At(found, "/result/ttlMs"), "none");
  EXPECT_EQ(At(found, "/result/capabilities/tools/listChanged"), "true");
}

TEST(McpConnection, ModernRequestsAreCheckedOneByOne) {
  McpPair pair;
  const auto code = [&](std::string_view meta, std::string_view method = "server/discover") {
    return At(pair.Ask(LegacyRequest(1, method, R"("_meta":{)" + std::string(meta) + "}")), "/error/code");
  };
  const std::string version = R"("io.modelcontextprotocol/protocolVersion":"2026-07-28")";
  const std::string capabilities = R"("io.modelcontextprotocol/clientCapabilities":{})";
  EXPECT_EQ(code(""), "-32602");
  EXPECT_EQ(code(version), "-32602");
  EXPECT_EQ(code(capabilities), "-32602");
  EXPECT_EQ(code(version + R"(,"io.modelcontextprotocol/clientCapabilities":[])"), "-32602");
  EXPECT_EQ(code(version + "," + capabilities + R"(,"io.modelcontextprotocol/clientInfo":1)"), "-32602");
  EXPECT_EQ(code(version + "," + capabilities + R"(,"io.modelcontextprotocol/logLevel":"loud")"), "-32602");
  EXPECT_EQ(code(version + "," + capabilities), "none");
  for (const std::string_view gone :
       {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}) {
    EXPECT_EQ(code(version + "," + capabilities, gone), "-32601") << gone;
  }
  const Json refused = pair.Ask(LegacyRequest(1, "server/discover",
                                              R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2030-01-01",)"
                                              R"("io.modelcontextprotocol/clientCapabilities":{}})"));
  EXPECT_EQ(At(refused, "/error/code"), "-32022");
  EXPECT_EQ(At(refused, "/error/data"), R"({"supported":["2026-07-28"],"requested":"2030-01-01"})");
}

TEST(McpConnection, BothErasShareAConnection) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  EXPECT_EQ(At(pair.Ask(LegacyRequest(1, "tools/list")), "/error/code"), "-32600") << "before initialize";
  EXPECT_EQ(At(pair.Ask(ModernRequest(2, "tools/list")), "/result/tools/0/name"), "echo");
  pair.Initialize();
  EXPECT_EQ(At(pair.Ask(LegacyRequest(3, "tools/list")), "/result/resultType"), "none");
  EXPECT_EQ(At(pair.Ask(ModernRequest(4, "tools/list")), "/result/resultType"), "complete");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(5, "server/discover")), "/error/code"), "-32601");
}

TEST(McpConnection, WrongMessagesAreAnsweredAndForgotten) {
  McpOptions options;
  options.message_bytes_max = 1000;
  McpPair pair(options);
  pair.Initialize();
  const std::pair<std::string, std::string_view> cases[] = {
      {"{", "-32700"},
      {"\xff", "-32700"},
      {"5", "-32600"},
      {"[]", "-32600"},
      {R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])", "-32600"},
      {R"({"id":1,"method":"ping"})", "-32600"},
      {R"({"jsonrpc":"2.0","id":null,"method":"ping"})", "-32600"},
      {R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", "-32600"},
      {R"({"jsonrpc":"2.0","id":1,"method":5})", "-32600"},
      {R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})", "-32602"},
      {R"({"jsonrpc":"2.0","id":1})", "-32600"},
      {LegacyRequest(1, "no/such"), "-32601"},
      {LegacyRequest(1, "ping", R"("x":")" + std::string(1000, 'x') + "\""), "-32600"}};
  for (const auto& [message, code] : cases) EXPECT_EQ(At(pair.Ask(message), "/error/code"), code) << message;
  pair.Tell(R"({"jsonrpc":"2.0","method":"no/such/notification"})");
  pair.Tell(R"({"jsonrpc":"2.0","id":77,"result":{}})");
  pair.Tell(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"none"}})");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(2, "ping")), "/id"), "2");
  EXPECT_TRUE(pair.IsQuiet());
}

TEST(McpConnection, BatchesOfTheVersionThatHasThem) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  pair.Initialize("2025-03-26");
  const std::string call = LegacyRequest(2, "tools/call", R"("name":"echo","arguments":{"text":"b"})");
  const Json answers =
      pair.Ask("[" + LegacyRequest(1, "ping") + R"(,{"jsonrpc":"2.0","method":"notifications/x"},)" + call + ",5]");
  ASSERT_TRUE(answers.is_array());
  std::set<std::string> ids;
  for (const Json& answer : answers.as_array()) ids.insert(At(answer, "/id"));
  EXPECT_EQ(ids, (std::set<std::string>{"1", "2", "null"}));
  pair.Tell(R"([{"jsonrpc":"2.0","method":"notifications/x"}])");
  std::string many = "[";
  for (int i = 0; i < 65; ++i) many += (i > 0 ? "," : "") + LegacyRequest(i, "ping");
  EXPECT_EQ(At(pair.Ask(many + "]"), "/error/code"), "-32600") << "more than batch_max";
  EXPECT_TRUE(pair.IsQuiet());
}

TEST(McpConnection, FeaturesThatAreOffDoNotExist) {
  McpOptions options;
  options.prompts = false;
  options.logging = false;
  McpPair pair(options);
  EXPECT_EQ(At(pair.Initialize(), "/result/capabilities/prompts"), "none");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(1, "prompts/list")), "/error/code"), "-32601");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(2, "logging/setLevel", R"("level":"info")")), "/error/code"), "-32601");
  EXPECT_EQ(At(pair.Ask(ModernRequest(3, "prompts/list")), "/error/code"), "-32601");
}

TEST(McpConnection, ListsArePagedAndKeepTheirOrder) {
  McpOptions options;
  options.page_size = 2;
  McpPair pair(options);
  const auto handler = [](McpCall&) -> Result<McpToolResult> { return McpToolResult::Text("x"); };
  for (const char* name : {"d", "b", "e", "a", "c"}) ASSERT_TRUE(pair.server->AddTool(SimpleTool(name, handler)));
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("b", handler))) << "a replacement stays in its place";
  pair.Initialize();
  std::string names;
  std::string cursor;
  size_t pages = 0;
  do {
    const Json page = pair.Ask(LegacyRequest(1, "tools/list", cursor.empty() ? "" : R"("cursor":")" + cursor + "\""));
    for (const Json& tool : page.Find("result")->Find("tools")->as_array()) names += At(tool, "/name");
    cursor = At(page, "/result/nextCursor");
    ++pages;
    if (pages > 1) continue;
    EXPECT_TRUE(pair.server->RemoveTool("e"));
    EXPECT_EQ(At(pair.Next(), "/method"), "notifications/tools/list_changed");
  } while (cursor != "none");
  EXPECT_EQ(names, "dbac");
  EXPECT_EQ(pages, 2u);
  for (const char* bad : {R"("cursor":"!")", R"("cursor":"")", R"("cursor":5)", R"("cursor":"MS8w")"}) {
    EXPECT_EQ(At(pair.Ask(LegacyRequest(2, "tools/list", bad)), "/error/code"), "-32602") << bad;
  }
}

TEST(McpConnection, CloseCancelsAndSilences) {
  std::atomic<bool> entered{false};
  std::atomic<bool> cancelled{false};
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("wait", [&](McpCall& call) -> Result<McpToolResult> {
    entered = true;
    entered.notify_all();
    call.OnCancelled([&] {
      cancelled = true;
      cancelled.notify_all();
    });
    cancelled.wait(false);
    return McpToolResult::Text("late");
  })));
  pair.Initialize();
  pair.Tell(LegacyRequest(1, "tools/call", R"("name":"wait")"));
  entered.wait(false);
  pair.connection->Close(Duration(0));
  EXPECT_TRUE(pair.IsQuiet());
  pair.Tell(LegacyRequest(2, "ping"));
  EXPECT_TRUE(pair.IsQuiet());
  EXPECT_EQ(pair.server->stats().calls_cancelled, 1u);
}

}  // namespace
}  // namespace weir
