// Calls: arguments, results, errors, progress, logs, cancellation, overload, scopes, completion.

#include <gtest/gtest.h>

#include <atomic>

#include "mcp_client.h"
#include "weir/mcp/server.h"

namespace weir {
namespace {

std::string Call(std::string_view name, std::string_view arguments = "{}") {
  return R"("name":")" + std::string(name) + R"(","arguments":)" + std::string(arguments);
}

TEST(McpCalls, ArgumentsAreCheckedForTheModel) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  pair.Initialize();
  const auto said = [&](std::string_view arguments) {
    const Json answer = pair.Ask(LegacyRequest(1, "tools/call", Call("echo", arguments)));
    return At(answer, "/result/isError") == "true" ? At(answer, "/result/content/0/text") : At(answer, "/error/code");
  };
  EXPECT_EQ(said(R"({"text":5})"), "Invalid arguments: /text: expected string, got number");
  EXPECT_EQ(said(R"({"txt":"a"})"), "Invalid arguments: /text: required, but missing");
  EXPECT_EQ(said(R"({"text":"a","more":1})"), "Invalid arguments: /more: unknown field (known: text)");
  EXPECT_EQ(said("null"), "Invalid arguments: /text: required, but missing");
  EXPECT_EQ(said("[]"), "-32602");
  EXPECT_EQ(pair.server->stats().tool_errors, 4u);
  for (const auto& make : {std::string(R"("arguments":{})"), Call("none"), std::string(R"("name":5)")}) {
    EXPECT_EQ(At(pair.Ask(LegacyRequest(2, "tools/call", make)), "/error/code"), "-32602") << make;
    EXPECT_EQ(At(pair.Ask(ModernRequest(2, "tools/call", make)), "/error/code"), "-32602") << make;
  }
}

TEST(McpCalls, ErrorsOfHandlers) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(SimpleTool(
      "busy", [](McpCall&) -> Result<McpToolResult> { return Exhausted("the budget is full", "ask for less"); })));
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("broken", [](McpCall&) -> Result<McpToolResult> {
    return Error{ErrorCode::kInternal, "a secret", ""};
  })));
  ASSERT_TRUE(
      pair.server->AddTool(SimpleTool("thrower", [](McpCall&) -> Result<McpToolResult> { throw std::bad_alloc(); })));
  const Json busy = pair.Ask(ModernRequest(1, "tools/call", Call("busy")));
  EXPECT_EQ(At(busy, "/result/isError"), "true");
  EXPECT_EQ(At(busy, "/result/content/0/text"), "the budget is full (ask for less)");
  for (const char* name : {"broken", "thrower"}) {
    const Json broken = pair.Ask(ModernRequest(2, "tools/call", Call(name)));
    EXPECT_EQ(At(broken, "/error/code"), "-32603");
    EXPECT_EQ(At(broken, "/error/message"), "Internal error");
  }
}

TEST(McpCalls, StructuredResultsFitTheirSchemaAndTheirEra) {
  McpPair pair;
  McpTool number = SimpleTool("number", [](McpCall&) -> Result<McpToolResult> { return McpToolResult::Structured(7); });
  number.output_schema = ParsedJson(R"({"type":"integer"})");
  ASSERT_TRUE(pair.server->AddTool(number));
  McpTool wrong = SimpleTool("wrong", [](McpCall&) -> Result<McpToolResult> { return McpToolResult::Structured("text"); });
  wrong.output_schema = ParsedJson(R"({"type":"object"})");
  ASSERT_TRUE(pair.server->AddTool(wrong));
  pair.Initialize("2025-06-18");
  const Json modern = pair.Ask(ModernRequest(1, "tools/call", Call("number")));
  EXPECT_EQ(At(modern, "/result/structuredContent"), "7");
  EXPECT_EQ(At(modern, "/result/content/0/text"), "7");
  const Json legacy = pair.Ask(LegacyRequest(1, "tools/call", Call("number")));
  EXPECT_EQ(At(legacy, "/result/structuredContent"), "none") << "only objects before 2026-07-28";
  EXPECT_EQ(At(legacy, "/result/content/0/text"), "7");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(2, "tools/list")), "/result/tools/0/outputSchema"), "none");
  EXPECT_EQ(At(pair.Ask(ModernRequest(2, "tools/list")), "/result/tools/0/outputSchema"), R"({"type":"integer"})");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(3, "tools/call", Call("wrong"))), "/error/code"), "-32603");
}

TEST(McpCalls, ProgressIncreasesAndOnlyWhenAskedFor) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("steps", [](McpCall& call) -> Result<McpToolResult> {
    call.Progress(1, 3, "one");
    call.Progress(1, 3, "again");
    call.Progress(0.5, 3, "back");
    call.Progress(2.5);
    return McpToolResult::Text("done");
  })));
  EXPECT_EQ(At(pair.Ask(ModernRequest(1, "tools/call", Call("steps"))), "/id"), "1") << "nobody asked for progress";
  pair.Tell(ModernRequest(2, "tools/call", Call("steps"), "{}", R"(,"progressToken":"p")"));
  EXPECT_EQ(pair.Next().Find("params")->Dump(), R"({"progressToken":"p","progress":1,"total":3,"message":"one"})");
  EXPECT_EQ(pair.Next().Find("params")->Dump(), R"({"progressToken":"p","progress":2.5})");
  EXPECT_EQ(At(pair.Next(), "/id"), "2");
}

TEST(McpCalls, LogsHaveTheLevelOfTheirEra) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("talk", [](McpCall& call) -> Result<McpToolResult> {
    call.Log(McpLogLevel::kDebug, "t", "fine");
    call.Log(McpLogLevel::kWarning, "t", "hm");
    return McpToolResult::Text("done");
  })));
  EXPECT_EQ(At(pair.Ask(ModernRequest(1, "tools/call", Call("talk"))), "/id"), "1") << "no level, no messages";
  pair.Tell(ModernRequest(2, "tools/call", Call("talk"), "{}", R"(,"io.modelcontextprotocol/logLevel":"debug")"));
  EXPECT_EQ(At(pair.Next(), "/params/level"), "debug");
  EXPECT_EQ(At(pair.Next(), "/params/level"), "warning");
  EXPECT_EQ(At(pair.Next(), "/id"), "2");
  pair.Initialize();
  EXPECT_EQ(At(pair.Ask(LegacyRequest(3, "tools/call", Call("talk"))), "/params/data"), "hm");
  EXPECT_EQ(At(pair.Next(), "/id"), "3");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(4, "logging/setLevel", R"("level":"error")")), "/result"), "{}");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(5, "tools/call", Call("talk"))), "/id"), "5");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(6, "logging/setLevel", R"("level":"loud")")), "/error/code"), "-32602");
}

// A tool that waits until it is cancelled or let go, and tells how many have come in.
struct Gate {
  std::atomic<int> entered{0};
  std::atomic<bool> open{false};

  McpTool Tool() {
    return SimpleTool("wait", [this](McpCall& call) -> Result<McpToolResult> {
      call.OnCancelled([this] { Open(); });
      entered.fetch_add(1);
      entered.notify_all();
      open.wait(false);
      return McpToolResult::Text(call.cancelled() ? "cancelled" : "went on");
    });
  }
  void AwaitEntered(int count) {
    for (int seen = entered.load(); seen < count; seen = entered.load()) entered.wait(seen);
  }
  void Open() {
    open = true;
    open.notify_all();
  }
};

TEST(McpCalls, CancelledCallsSayNothing) {
  for (const bool modern : {false, true}) {
    Gate gate;
    McpPair pair;
    ASSERT_TRUE(pair.server->AddTool(gate.Tool()));
    pair.Initialize();
    pair.Tell(modern ? ModernRequest(1, "tools/call", Call("wait")) : LegacyRequest(1, "tools/call", Call("wait")));
    gate.AwaitEntered(1);
    EXPECT_EQ(At(pair.Ask(LegacyRequest(1, "ping")), "/error/code"), "-32600") << "the id is in use";
    pair.Tell(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"enough"}})");
    gate.open.wait(false);
    pair.connection->Close(std::chrono::seconds(30));
    EXPECT_TRUE(pair.IsQuiet());
    EXPECT_EQ(pair.server->stats().calls_cancelled, 1u);
  }
}

TEST(McpCalls, RunConcurrentlyAndRefuseWhatIsTooMuch) {
  McpOptions options;
  options.calls_max = 2;
  options.calls_waiting_max = 1;
  Gate gate;
  McpPair pair(options);
  ASSERT_TRUE(pair.server->AddTool(gate.Tool()));
  pair.Initialize();
  for (int id = 1; id <= 2; ++id) pair.Tell(LegacyRequest(id, "tools/call", Call("wait")));
  gate.AwaitEntered(2);
  pair.Tell(LegacyRequest(3, "tools/call", Call("wait")));
  EXPECT_EQ(pair.server->stats().calls_running, 2u);
  EXPECT_EQ(pair.server->stats().calls_waiting, 1u);
  const Json refused = pair.Ask(LegacyRequest(4, "tools/call", Call("wait")));
  EXPECT_EQ(At(refused, "/id"), "4");
  EXPECT_EQ(At(refused, "/error/code"), "-32603");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(5, "ping")), "/id"), "5") << "what runs no handler is still answered";
  gate.Open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(At(pair.Next(), "/result/content/0/text"), "went on");
  EXPECT_EQ(pair.server->stats().calls_refused, 1u);
}

TEST(McpCalls, ScopesDecideWhatIsSeenAndCalled) {
  McpTool admin = EchoTool();
  admin.name = "admin";
  admin.scope = "write";
  const auto names = [&](std::vector<std::string> scopes) {
    McpPair pair({}, McpCaller{"w", "s", std::move(scopes)});
    EXPECT_TRUE(pair.server->AddTool(EchoTool()));
    EXPECT_TRUE(pair.server->AddTool(admin));
    const Json list = pair.Ask(ModernRequest(1, "tools/list"));
    EXPECT_EQ(At(list, "/result/cacheScope"), "private");
    const Json called = pair.Ask(ModernRequest(2, "tools/call", Call("admin", R"({"text":"x"})")));
    return At(list, "/result/tools/1/name") + " " + At(called, "/error/code");
  };
  EXPECT_EQ(names({"read"}), "none -32600");
  EXPECT_EQ(names({"read", "write"}), "admin none");
  EXPECT_EQ(names({"*"}), "admin none");
}

TEST(McpCalls, HandlersSeeTheirCaller) {
  McpPair pair({}, McpCaller{"blue", "ann", {"a"}, std::make_shared<int>(42)});
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("who", [](McpCall& call) -> Result<McpToolResult> {
    const int context = *static_cast<const int*>(call.caller().context.get());
    return McpToolResult::Text(call.caller().workspace + " " + call.caller().subject + " " + std::to_string(context) + " " +
                               call.protocol_version() + " " + At(call.client(), "/name") + " " +
                               At(call.meta(), "/traceparent"));
  })));
  pair.Initialize();
  const std::string params = Call("who") + R"(,"_meta":{"traceparent":"00-1"})";
  EXPECT_EQ(At(pair.Ask(LegacyRequest(1, "tools/call", params)), "/result/content/0/text"),
            "blue ann 42 2025-11-25 test 00-1");
}

TEST(McpCalls, PromptsAndCompletion) {
  McpPair pair;
  McpPrompt prompt;
  prompt.name = "greet";
  prompt.arguments = {{"name", "Whom", true}, {"tone", "How"}};
  prompt.handler = [](McpCall& call) -> Result<McpPromptResult> {
    if (call.arguments().Find("name")->as_string() == "nobody") return NotFound("nobody is not here");
    McpPromptResult result;
    result.Add("user", McpText("Greet " + call.arguments().Find("name")->as_string()));
    return result;
  };
  prompt.complete = [](const McpCaller&, std::string_view argument, std::string_view value, const Json& known) {
    std::vector<std::string> values(value == "many" ? 150 : 1,
                                    std::string(argument) + std::string(value) + At(known, "/tone"));
    return values;
  };
  ASSERT_TRUE(pair.server->AddPrompt(prompt));
  EXPECT_EQ(At(pair.Ask(ModernRequest(1, "prompts/list")), "/result/prompts/0/arguments/0"),
            R"({"name":"name","description":"Whom","required":true})");
  const auto get = [&](std::string_view arguments) {
    return pair.Ask(ModernRequest(1, "prompts/get", Call("greet", arguments)));
  };
  EXPECT_EQ(At(get(R"({"name":"Ann"})"), "/result/messages/0"),
            R"({"role":"user","content":{"type":"text","text":"Greet Ann"}})");
  EXPECT_EQ(At(get("{}"), "/error/message"), "/arguments/name: required, but missing");
  EXPECT_EQ(At(get(R"({"name":5})"), "/error/code"), "-32602");
  EXPECT_EQ(At(get(R"({"name":"nobody"})"), "/error/message"), "nobody is not here");
  const auto complete = [&](std::string_view params) { return pair.Ask(ModernRequest(2, "completion/complete", params)); };
  const Json one = complete(R"("ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"name","value":"A"},
      "context":{"arguments":{"tone":"x"}})");
  EXPECT_EQ(At(one, "/result/completion"), R"({"values":["nameAx"],"total":1,"hasMore":false})");
  const Json many = complete(R"("ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"n","value":"many"})");
  EXPECT_EQ(At(many, "/result/completion/total"), "150");
  EXPECT_EQ(At(many, "/result/completion/hasMore"), "true");
  EXPECT_EQ(many.Find("result")->Find("completion")->Find("values")->as_array().size(), 100u);
  for (const char* bad :
       {R"("ref":{"type":"ref/prompt","name":"none"},"argument":{"name":"n","value":""})",
        R"("ref":{"type":"ref/x"},"argument":{"name":"n","value":""})", R"("ref":{"type":"ref/prompt","name":"greet"})",
        R"("ref":5,"argument":{"name":"n","value":""})"}) {
    EXPECT_EQ(At(complete(bad), "/error/code"), "-32602") << bad;
  }
}

TEST(McpServer, RefusesWhatTheProtocolForbids) {
  McpPair pair;
  const auto fault = [&](std::string_view name, std::string_view schema) {
    McpTool tool = SimpleTool(name, [](McpCall&) -> Result<McpToolResult> { return McpToolResult(); });
    tool.input_schema = ParsedJson(schema);
    const Status added = pair.server->AddTool(std::move(tool));
    return added ? std::string() : added.error().message;
  };
  constexpr std::string_view kObject = R"({"type":"object"})";
  EXPECT_EQ(fault("a.b-c_D9", kObject), "");
  EXPECT_NE(fault("", kObject), "");
  EXPECT_NE(fault("white space", kObject), "");
  EXPECT_NE(fault(std::string(129, 'x'), kObject), "");
  EXPECT_NE(fault("t", R"({"type":"string"})").find("must be of type \"object\""), std::string::npos);
  EXPECT_NE(fault("t", R"({"type":"object","patternProperties":{}})").find("not supported"), std::string::npos);
  const auto header = [&](std::string_view property) {
    return fault("t", R"({"type":"object","properties":{"a":)" + std::string(property) + "}}");
  };
  EXPECT_EQ(header(R"({"type":"string","x-mcp-header":"Region"})"), "");
  EXPECT_EQ(header(R"({"type":"object","properties":{"b":{"type":"integer","x-mcp-header":"B"}}})"), "");
  EXPECT_NE(header(R"({"type":"number","x-mcp-header":"Region"})"), "");
  EXPECT_NE(header(R"({"type":"string","x-mcp-header":""})"), "");
  EXPECT_NE(header(R"({"type":"string","x-mcp-header":"a b"})"), "");
  EXPECT_NE(header(R"({"type":"array","items":{"type":"string","x-mcp-header":"B"}})"), "");
  EXPECT_NE(header(R"({"type":"string","x-mcp-header":"B"},"c":{"type":"string","x-mcp-header":"b"})"), "");
  EXPECT_FALSE(pair.server->AddResource(TextResource("no scheme", "x")));
  McpResourceTemplate family;
  family.handler = [](McpCall&) -> Result<McpResourceContents> { return McpResourceContents(); };
  for (const char* bad : {"test://x", "test://{a}{b}", "test://{a}/{a}", "test://{?a}", "test://{a", "test://{}"}) {
    family.uri_template = bad;
    EXPECT_FALSE(pair.server->AddResourceTemplate(family)) << bad;
  }
  McpOptions options;
  options.calls_max = 0;
  EXPECT_EQ(options.Validate().error().message, "calls_max must be at least 1");
}

}  // namespace
}  // namespace weir
