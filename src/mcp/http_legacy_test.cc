// Legacy versions over HTTP: sessions, streams, resumption, questions.

#include <gtest/gtest.h>

#include <atomic>

#include "mcp_http.h"

namespace weir {
namespace {

HttpCall Get(HttpHeaders session, std::string_view last_event_id = {}) {
  HttpCall call;
  call.path = "/mcp";
  call.headers = std::move(session);
  call.headers.Set("Accept", "text/event-stream");
  if (!last_event_id.empty()) call.headers.Set("Last-Event-ID", std::string(last_event_id));
  return call;
}

TEST(McpHttpLegacy, SessionsBeginAndEnd) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(EchoTool()));
  const HttpHeaders session = over.Begin();
  EXPECT_EQ(session.Find("MCP-Session-Id")->size(), 32u);
  EXPECT_EQ(over.Send(McpOverHttp::Post(R"({"jsonrpc":"2.0","method":"notifications/initialized"})", session)).status, 202);
  const std::string list = LegacyRequest(1, "tools/list");
  const HttpResponse listed = over.Send(McpOverHttp::Post(list, session));
  EXPECT_EQ(At(ParsedJson(listed.body), "/result/tools/0/name"), "echo");
  EXPECT_EQ(over.Fault(McpOverHttp::Post(list)), "400 -32600") << "no session";
  EXPECT_EQ(over.Fault(McpOverHttp::Post(list, {{"MCP-Session-Id", "none"}})), "404 -32600");
  HttpHeaders other = session;
  other.Set("X-Workspace", "red");
  EXPECT_EQ(over.Fault(McpOverHttp::Post(list, other)), "404 -32600") << "another caller's session";
  HttpHeaders version = session;
  version.Set("MCP-Protocol-Version", "1999-01-01");
  EXPECT_EQ(over.Fault(McpOverHttp::Post(list, version)), "400 -32022");
  version.Remove("MCP-Protocol-Version");
  EXPECT_EQ(over.Fault(McpOverHttp::Post(list, version)), "200 none") << "the version of the session holds";
  EXPECT_EQ(over.Fault(McpOverHttp::Post(LegacyRequest(1, "no/such"), session)), "200 -32601");
  EXPECT_EQ(over.Fault(McpOverHttp::Post("[]", session)), "400 -32600");
  EXPECT_EQ(over.Fault(McpOverHttp::Post(LegacyRequest(1, "initialize"))), "400 -32602");
  EXPECT_EQ(over.server->stats().sessions_open, 1u);
  HttpCall end = Get(session);
  end.method = "DELETE";
  EXPECT_EQ(over.Send(end).status, 204);
  EXPECT_EQ(over.Send(end).status, 404);
  EXPECT_EQ(over.Fault(McpOverHttp::Post(list, session)), "404 -32600");
  EXPECT_EQ(over.server->stats().sessions_open, 0u);
}

TEST(McpHttpLegacy, SessionsAreBoundedAndExpire) {
  McpOptions options;
  options.sessions_max = 2;
  options.session_idle = std::chrono::minutes(10);
  McpOverHttp over(options);
  const std::string ping = LegacyRequest(1, "ping");
  const HttpHeaders first = over.Begin();
  const HttpHeaders second = over.Begin();
  EXPECT_EQ(over.Fault(McpOverHttp::Post(InitializeRequest("2025-11-25"))), "503 -32603") << "both were used just now";
  over.clock.Advance(std::chrono::minutes(2));
  EXPECT_EQ(over.Send(McpOverHttp::Post(ping, first)).status, 200);
  over.clock.Advance(std::chrono::minutes(2));
  const HttpHeaders third = over.Begin();
  EXPECT_EQ(over.Send(McpOverHttp::Post(ping, second)).status, 404) << "the one that was idle longest made room";
  EXPECT_EQ(over.Send(McpOverHttp::Post(ping, first)).status, 200);
  over.clock.Advance(std::chrono::minutes(11));
  EXPECT_EQ(over.Send(McpOverHttp::Post(ping, third)).status, 404) << "expired";
  EXPECT_EQ(over.server->stats().sessions_open, 1u);
}

TEST(McpHttpLegacy, BatchesAndNotifications) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(EchoTool()));
  const HttpHeaders session = over.Begin("2025-03-26");
  const std::string call = LegacyRequest(2, "tools/call", R"("name":"echo","arguments":{"text":"b"})");
  const HttpResponse answers = over.Send(McpOverHttp::Post("[" + LegacyRequest(1, "ping") + "," + call + "]", session));
  EXPECT_EQ(answers.status, 200);
  EXPECT_EQ(ParsedJson(answers.body).as_array().size(), 2u);
  EXPECT_EQ(over.Send(McpOverHttp::Post(R"([{"jsonrpc":"2.0","method":"notifications/x"}])", session)).status, 202);
  EXPECT_EQ(over.Fault(McpOverHttp::Post("[5]", session)), "400 -32600");
  EXPECT_EQ(over.Fault(McpOverHttp::Post("[" + LegacyRequest(1, "ping") + "]", over.Begin("2025-06-18"))), "400 -32600");
}

TEST(McpHttpLegacy, QuestionsGoOverTheStreamOfTheCall) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("ask", [](McpCall& call) -> Result<McpToolResult> {
    WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Roots("r")));
    return McpToolResult::Text(answer.Find("roots")->Dump());
  })));
  const HttpHeaders session = over.Begin("2025-06-18", R"({"roots":{}})");
  EventReader reader(over, McpOverHttp::Post(LegacyRequest(1, "tools/call", R"("name":"ask")"), session));
  const Json question = reader.NextMessage();
  EXPECT_EQ(At(question, "/method"), "roots/list");
  const std::string answer = R"({"jsonrpc":"2.0","id":)" + At(question, "/id") + R"(,"result":{"roots":[]}})";
  EXPECT_EQ(over.Send(McpOverHttp::Post(answer, session)).status, 202);
  EXPECT_EQ(At(reader.NextMessage(), "/result/content/0/text"), "[]");
  EXPECT_EQ(reader.AwaitEnd(), 200);
  const HttpCall json_only = McpOverHttp::Post(LegacyRequest(2, "tools/call", R"("name":"ask")"),
                                               {*session.begin(), {"Accept", "application/json"}});
  EXPECT_EQ(At(ParsedJson(over.Send(json_only).body), "/result/content/0/text"),
            "the client cannot be asked: it takes no stream, or is gone");
}

TEST(McpHttpLegacy, ManyCallsThatAskDoNotBlockTheirAnswers) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("ask", [](McpCall& call) -> Result<McpToolResult> {
    WEIR_ASSIGN(const Json answer, call.Ask(McpQuestion::Roots("r")));
    return McpToolResult::Text("answered");
  })));
  const HttpHeaders session = over.Begin("2025-06-18", R"({"roots":{}})");
  std::vector<std::unique_ptr<EventReader>> readers;
  std::vector<std::string> ids;
  // More than the HTTP server has workers.
  for (int i = 0; i < 12; ++i) {
    readers.push_back(
        std::make_unique<EventReader>(over, McpOverHttp::Post(LegacyRequest(i, "tools/call", R"("name":"ask")"), session)));
    ids.push_back(At(readers.back()->NextMessage(), "/id"));
  }
  for (size_t i = 0; i < readers.size(); ++i) {
    const std::string answer = R"({"jsonrpc":"2.0","id":)" + ids[i] + R"(,"result":{"roots":[]}})";
    EXPECT_EQ(over.Send(McpOverHttp::Post(answer, session)).status, 202);
    EXPECT_EQ(At(readers[i]->NextMessage(), "/result/content/0/text"), "answered");
  }
}

TEST(McpHttpLegacy, TheServersOwnStream) {
  McpOverHttp over;
  const HttpHeaders session = over.Begin();
  EXPECT_EQ(over.Send(Get({})).status, 405);
  HttpCall no_events = Get(session);
  no_events.headers.Set("Accept", "application/json");
  EXPECT_EQ(over.Send(no_events).status, 406);
  ASSERT_TRUE(over.server->AddTool(EchoTool()));
  ASSERT_TRUE(over.server->AddTool(EchoTool()));  // the same news twice is kept once
  EventReader reader(over, Get(session));
  EXPECT_EQ(At(reader.NextMessage(), "/method"), "notifications/tools/list_changed");
  EventReader second(over, Get(session));
  EXPECT_EQ(second.AwaitEnd(), 409);
  ASSERT_TRUE(over.server->AddResource(TextResource("test://a", "x")));
  const SseEvent event = reader.Next();
  EXPECT_EQ(At(ParsedJson(event.data), "/method"), "notifications/resources/list_changed");
  ASSERT_TRUE(event.id.has_value());

  ASSERT_TRUE(over.server->RemoveTool("echo"));
  EXPECT_EQ(At(reader.NextMessage(), "/method"), "notifications/tools/list_changed");
  EventReader resumed(over, Get(session, *event.id));
  EXPECT_EQ(At(resumed.NextMessage(), "/method"), "notifications/tools/list_changed") << "what came after the id";
  EXPECT_EQ(reader.AwaitEnd(), 200) << "its place was taken";
  EXPECT_TRUE(resumed.IsEmpty());
  EventReader unknown(over, Get(session, "77-1"));
  EXPECT_EQ(unknown.AwaitEnd(), 400);
  EventReader garbage(over, Get(session, "x"));
  EXPECT_EQ(garbage.AwaitEnd(), 400);
  EXPECT_TRUE(over.http->Drain(std::chrono::seconds(10))) << "a drain ends it";
  EXPECT_EQ(resumed.AwaitEnd(), 200);
}

TEST(McpHttpLegacy, AResultWaitsForAClientThatCameBack) {
  std::atomic<bool> go{false};
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("long", [&](McpCall& call) -> Result<McpToolResult> {
    call.Progress(1);
    go.wait(false);
    return McpToolResult::Text(call.cancelled() ? "cancelled" : "done");
  })));
  const HttpHeaders session = over.Begin();
  EventReader reader(
      over, McpOverHttp::Post(LegacyRequest(1, "tools/call", R"("name":"long","_meta":{"progressToken":1})"), session));
  const SseEvent progress = reader.Next();
  ASSERT_TRUE(progress.id.has_value());
  reader.Leave();
  go = true;
  go.notify_all();
  EventReader back(over, Get(session, *progress.id));
  EXPECT_EQ(At(back.NextMessage(), "/result/content/0/text"), "done") << "leaving is not cancelling";
  EXPECT_EQ(back.AwaitEnd(), 200);
}

TEST(McpHttpLegacy, ACallMayLetItsConnectionGo) {
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("part", [](McpCall& call) -> Result<McpToolResult> {
    call.LetGo(std::chrono::milliseconds(5));
    return McpToolResult::Text("later");
  })));
  const HttpHeaders session = over.Begin();
  const HttpResponse cut = over.Send(McpOverHttp::Post(LegacyRequest(1, "tools/call", R"("name":"part")"), session));
  SseParser parser;
  ASSERT_TRUE(parser.Feed(cut.body, [](const SseEvent& event) { EXPECT_EQ(event.data, ""); }));
  EXPECT_EQ(parser.retry_ms(), 5u);
  EventReader back(over, Get(session, parser.last_event_id()));
  EXPECT_EQ(At(back.NextMessage(), "/result/content/0/text"), "later");
}

TEST(McpHttpLegacy, WhatIsKeptForAClientIsBounded) {
  McpHttpOptions http_options;
  http_options.replay_events_max = 3;
  http_options.replay_bytes_max = 2000;
  http_options.replay_total_bytes_max = 5000;
  McpOverHttp over({}, http_options);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(over.server->AddResource(TextResource("test://" + std::to_string(i), "x")));
  const HttpHeaders session = over.Begin();
  for (int i = 0; i < 10; ++i) {
    const std::string subscribe = LegacyRequest(1, "resources/subscribe", R"("uri":"test://)" + std::to_string(i) + "\"");
    EXPECT_EQ(over.Fault(McpOverHttp::Post(subscribe, session)), "200 none");
  }
  for (int i = 0; i < 10; ++i) over.server->NotifyResourceUpdated("test://" + std::to_string(i));
  EventReader reader(over, Get(session));
  for (int i = 7; i < 10; ++i) EXPECT_EQ(At(reader.NextMessage(), "/params/uri"), "test://" + std::to_string(i));
  // Large results of sessions that nobody reads again.
  ASSERT_TRUE(over.server->AddTool(SimpleTool("large", [](McpCall& call) -> Result<McpToolResult> {
    call.Progress(1);
    return McpToolResult::Text(std::string(4000, 'x'));
  })));
  const std::string large = LegacyRequest(1, "tools/call", R"("name":"large","_meta":{"progressToken":1})");
  for (int i = 0; i < 5; ++i) {
    EventReader one(over, McpOverHttp::Post(large, over.Begin()));
    one.NextMessage();
    EXPECT_NE(At(one.NextMessage(), "/result/content"), "none") << "who listens gets it whatever is kept";
  }
}

TEST(McpHttpLegacy, CancelledCallsEndTheirExchange) {
  std::atomic<int> entered{0};
  std::atomic<bool> cancelled{false};
  McpOverHttp over;
  ASSERT_TRUE(over.server->AddTool(SimpleTool("wait", [&](McpCall& call) -> Result<McpToolResult> {
    call.OnCancelled([&] {
      cancelled = true;
      cancelled.notify_all();
    });
    entered = 1;
    entered.notify_all();
    cancelled.wait(false);
    return McpToolResult::Text("late");
  })));
  const HttpHeaders session = over.Begin();
  EventReader reader(over, McpOverHttp::Post(LegacyRequest(1, "tools/call", R"("name":"wait")"), session));
  entered.wait(0);
  EXPECT_EQ(over.Fault(McpOverHttp::Post(LegacyRequest(1, "ping"), session)), "200 -32600") << "the id is in use";
  over.Send(McpOverHttp::Post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})", session));
  EXPECT_EQ(reader.AwaitEnd(), 202);
  EXPECT_TRUE(reader.IsEmpty());
}

}  // namespace
}  // namespace weir
