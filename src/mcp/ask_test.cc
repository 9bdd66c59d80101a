// Questions to the client: requests in the legacy era, rounds in the modern one; the same handlers in both.

#include <gtest/gtest.h>

#include "mcp_client.h"
#include "request_state.h"
#include "weir/codec/hex.h"
#include "weir/mcp/server.h"

namespace weir {
namespace {

constexpr std::string_view kAll = R"({"elicitation":{},"sampling":{},"roots":{}})";

McpQuestion Form(std::string key, std::string_view member) {
  Json schema = ParsedJson(R"({"type":"object"})");
  schema.Set("properties", Json::MakeObject()).Set(member, ParsedJson(R"({"type":"string"})"));
  schema.Set("required", Json::Array{Json(member)});
  return McpQuestion::Form(std::move(key), "Please", std::move(schema));
}

// Asks for a name, then for a colour.
McpTool Curious() {
  return SimpleTool("curious", [](McpCall& call) -> Result<McpToolResult> {
    WEIR_ASSIGN(const Json first, call.Ask(Form("name", "name")));
    if (At(first, "/action") != "accept") return McpToolResult::Text("no name: " + At(first, "/action"));
    WEIR_ASSIGN(const Json second, call.Ask(Form("colour", "colour")));
    return McpToolResult::Text(At(first, "/content/name") + " likes " + At(second, "/content/colour"));
  });
}

std::string Round(std::string_view responses, std::string_view state) {
  std::string params = R"("name":"curious","arguments":{})";
  if (!responses.empty()) params += R"(,"inputResponses":)" + std::string(responses);
  if (!state.empty()) params += R"(,"requestState":")" + std::string(state) + "\"";
  return params;
}

TEST(McpAsk, ModernRoundsCarryAnswersInASealedState) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  const auto call = [&](std::string_view responses, std::string_view state) {
    return pair.Ask(ModernRequest(1, "tools/call", Round(responses, state), kAll));
  };
  const Json first = call("", "");
  EXPECT_EQ(At(first, "/result/resultType"), "input_required");
  EXPECT_EQ(At(first, "/result/inputRequests/name/method"), "elicitation/create");
  EXPECT_EQ(At(first, "/result/inputRequests/colour"), "none");
  EXPECT_EQ(At(first, "/result/ttlMs"), "none");
  const std::string state1 = At(first, "/result/requestState");
  const Json second = call(R"({"name":{"action":"accept","content":{"name":"Ann"}},"stray":{}})", state1);
  EXPECT_EQ(At(second, "/result/inputRequests/colour/method"), "elicitation/create");
  EXPECT_EQ(At(second, "/result/inputRequests/name"), "none") << "it is answered";
  const std::string state2 = At(second, "/result/requestState");
  EXPECT_NE(state1, state2);
  const Json third = call(R"({"colour":{"action":"accept","content":{"colour":"blue"}}})", state2);
  EXPECT_EQ(At(third, "/result/resultType"), "complete");
  EXPECT_EQ(At(third, "/result/content/0/text"), "Ann likes blue");
  EXPECT_EQ(At(call(R"({"name":{"action":"decline"}})", state1), "/result/content/0/text"), "no name: decline");
  EXPECT_EQ(pair.server->stats().questions, 6u);
}

TEST(McpAsk, ModernAnswersThatDoNotFitAreAskedForAgain) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  for (const char* wrong : {R"({"other":{"action":"accept"}})", R"({"name":{}})", R"({"name":{"action":"perhaps"}})",
                            R"({"name":{"action":"accept"}})", R"({"name":{"action":"accept","content":{"name":5}}})"}) {
    const Json again = pair.Ask(ModernRequest(1, "tools/call", Round(wrong, ""), kAll));
    EXPECT_NE(At(again, "/result/inputRequests/name"), "none") << wrong;
  }
  for (const char* broken : {"5", "null", R"({"name":5})"}) {
    EXPECT_EQ(At(pair.Ask(ModernRequest(1, "tools/call", Round(broken, ""), kAll)), "/error/code"), "-32602") << broken;
  }
}

TEST(McpAsk, StatesServeOnlyTheirOwnRequest) {
  McpOptions options;
  options.state_lifetime = std::chrono::seconds(10);
  McpPair pair(options, McpCaller{"blue", "ann"});
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  McpTool other = Curious();
  other.name = "other";
  ASSERT_TRUE(pair.server->AddTool(other));
  const std::string state = At(pair.Ask(ModernRequest(1, "tools/call", Round("", ""), kAll)), "/result/requestState");
  const auto code = [&](std::string_view text) {
    return At(pair.Ask(ModernRequest(1, "tools/call", Round("", text), kAll)), "/error/code");
  };
  EXPECT_EQ(code(state), "none");
  for (size_t i = 0; i < state.size(); ++i) {
    std::string changed = state;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    ASSERT_EQ(code(changed), "-32602") << i;
  }
  EXPECT_EQ(code(state + "x"), "-32602");
  EXPECT_EQ(code("x"), "-32602");
  EXPECT_EQ(code("."), "-32602");
  EXPECT_EQ(
      At(pair.Ask(ModernRequest(1, "tools/call", R"("name":"other","requestState":")" + state + "\"", kAll)), "/error/code"),
      "-32602");
  EXPECT_EQ(At(pair.Ask(ModernRequest(1, "tools/call", R"("name":"curious","requestState":5)", kAll)), "/error/code"),
            "-32602");
  pair.connection = pair.MakeConnection(McpCaller{"blue", "bob"});
  EXPECT_EQ(code(state), "-32602") << "another caller";
  pair.connection = pair.MakeConnection(McpCaller{"blue", "ann"});
  EXPECT_EQ(code(state), "none");
  pair.clock.Advance(std::chrono::seconds(11));
  EXPECT_EQ(code(state), "-32602") << "too old";
}

TEST(McpAsk, StatesAreBounded) {
  McpOptions options;
  options.state_bytes_max = 1000;
  McpPair pair(options);
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  const std::string large = R"({"name":{"action":"accept","content":{"name":")" + std::string(2000, 'x') + R"("}}})";
  EXPECT_EQ(At(pair.Ask(ModernRequest(1, "tools/call", Round(large, ""), kAll)), "/error/code"), "-32602");
}

TEST(McpAsk, ModernClientsAreToldWhatTheyLack) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  ASSERT_TRUE(pair.server->AddTool(SimpleTool("visit", [](McpCall& call) -> Result<McpToolResult> {
    WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Visit("v", "Sign in", "https://example.com", "1")));
    return McpToolResult::Text(answer.Dump());
  })));
  const auto lacking = [&](std::string_view tool, std::string_view capabilities) {
    const Json answer = pair.Ask(ModernRequest(1, "tools/call", R"("name":")" + std::string(tool) + "\"", capabilities));
    return At(answer, "/error/code") + " " + At(answer, "/error/data");
  };
  EXPECT_EQ(lacking("curious", "{}"), R"(-32021 {"requiredCapabilities":{"elicitation":{}}})");
  EXPECT_EQ(lacking("curious", R"({"elicitation":{"url":{}}})"), R"(-32021 {"requiredCapabilities":{"elicitation":{}}})");
  EXPECT_EQ(lacking("curious", R"({"elicitation":{"form":{}}})"), "none none");
  EXPECT_EQ(lacking("visit", R"({"elicitation":{}})"), R"(-32021 {"requiredCapabilities":{"elicitation":{"url":{}}}})");
  EXPECT_EQ(lacking("visit", R"({"elicitation":{"url":{}}})"), "none none");
}

TEST(McpAsk, ResourcesAndPromptsAskToo) {
  McpPair pair;
  McpResource resource = TextResource("test://asks", "");
  resource.handler = [](McpCall& call) -> Result<McpResourceContents> {
    WEIR_ASSIGN(const Json roots, call.Ask(McpQuestion::Roots("r")));
    return McpResourceContents{{McpTextContents(call.name(), "text/plain", roots.Find("roots")->Dump())}};
  };
  ASSERT_TRUE(pair.server->AddResource(resource));
  const Json asked = pair.Ask(ModernRequest(1, "resources/read", R"("uri":"test://asks")", kAll));
  EXPECT_EQ(At(asked, "/result/inputRequests/r/method"), "roots/list");
  const Json read =
      pair.Ask(ModernRequest(2, "resources/read", R"("uri":"test://asks","inputResponses":{"r":{"roots":[]}})", kAll));
  EXPECT_EQ(At(read, "/result/contents/0/text"), "[]");
}

TEST(McpAsk, LegacyQuestionsAreRequests) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  pair.Initialize("2025-11-25", kAll);
  pair.Tell(LegacyRequest(1, "tools/call", Round("", "")));
  const Json first = pair.Next();
  EXPECT_EQ(At(first, "/method"), "elicitation/create");
  EXPECT_EQ(At(first, "/params/message"), "Please");
  pair.Tell(R"({"jsonrpc":"2.0","id":"not asked","result":{}})");
  pair.Tell(R"({"jsonrpc":"2.0","id":)" + At(first, "/id") + R"(,"result":{"action":"accept","content":{"name":"Ann"}}})");
  const Json second = pair.Next();
  EXPECT_NE(At(first, "/id"), At(second, "/id"));
  pair.Tell(R"({"jsonrpc":"2.0","id":)" + At(second, "/id") +
            R"(,"result":{"action":"accept","content":{"colour":"red"}}})");
  EXPECT_EQ(At(pair.Next(), "/result/content/0/text"), "Ann likes red");
}

TEST(McpAsk, LegacyAnswersThatAreNone) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  pair.Initialize("2025-11-25", kAll);
  const auto ask = [&] {
    pair.Tell(LegacyRequest(1, "tools/call", Round("", "")));
    return At(pair.Next(), "/id");
  };
  const std::string refused = ask();
  pair.Tell(R"({"jsonrpc":"2.0","id":)" + refused + R"(,"error":{"code":-1,"message":"The user is asleep"}})");
  EXPECT_EQ(At(pair.Next(), "/result/content/0/text"), "the client refused elicitation/create: The user is asleep");
  const std::string wrong = ask();
  pair.Tell(R"({"jsonrpc":"2.0","id":)" + wrong + R"(,"result":{"action":"accept","content":{"name":5}}})");
  EXPECT_EQ(At(pair.Next(), "/result/content/0/text"),
            "the client's answer to elicitation/create does not fit: /content/name: expected string, got number");
}

TEST(McpAsk, LegacyQuestionsHaveATimeout) {
  McpOptions options;
  options.ask_timeout = std::chrono::milliseconds(1);
  McpPair pair(options);
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  pair.Initialize("2025-11-25", kAll);
  pair.Tell(LegacyRequest(1, "tools/call", Round("", "")));
  const std::string late = At(pair.Next(), "/id");
  const Json withdrawn = pair.Next();
  EXPECT_EQ(At(withdrawn, "/method"), "notifications/cancelled");
  EXPECT_EQ(At(withdrawn, "/params/requestId"), late);
  EXPECT_EQ(At(pair.Next(), "/result/content/0/text"), "the client did not answer in time");
  pair.Tell(R"({"jsonrpc":"2.0","id":)" + late + R"(,"result":{}})");
  EXPECT_TRUE(pair.IsQuiet());
}

TEST(McpAsk, LegacyQuestionsEndWithTheirCallAndTheirClient) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  pair.Initialize("2025-11-25", kAll);
  pair.Tell(LegacyRequest(1, "tools/call", Round("", "")));
  pair.Next();
  pair.Tell(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})");
  EXPECT_EQ(At(pair.Next(), "/method"), "notifications/cancelled");
  pair.Tell(LegacyRequest(2, "tools/call", Round("", "")));
  pair.Next();
  pair.connection->Close(Duration(0));
  EXPECT_EQ(pair.server->stats().calls_cancelled, 2u);
}

TEST(McpAsk, LegacyClientsWithoutTheCapability) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddTool(Curious()));
  pair.Initialize();
  const Json answer = pair.Ask(LegacyRequest(1, "tools/call", Round("", "")));
  EXPECT_EQ(At(answer, "/result/isError"), "true");
}

// RFC 4231, cases 1, 2, 6.
TEST(HmacSha256, TestVectors) {
  const auto mac = [](std::string_view key, std::string_view message) { return HexOf(mcp::HmacSha256(key, message)); };
  EXPECT_EQ(mac(std::string(20, '\x0b'), "Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(mac("Jefe", "what do ya want for nothing?"), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(mac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace weir
