// Resources, templates, subscriptions of both eras, and news of changes.

#include <gtest/gtest.h>

#include "mcp_client.h"
#include "uri_template.h"
#include "weir/mcp/server.h"

namespace weir {
namespace {

using mcp::UriTemplate;

TEST(UriTemplate, MatchesBackwards) {
  const auto match = [](std::string_view text, std::string_view uri) {
    const Result<UriTemplate> parsed = UriTemplate::Parse(text);
    EXPECT_TRUE(parsed.has_value()) << text;
    const std::optional<Json> variables = parsed->Match(uri);
    return variables ? variables->Dump() : "no";
  };
  EXPECT_EQ(match("weir://contexts/{agent}", "weir://contexts/planner"), R"({"agent":"planner"})");
  EXPECT_EQ(match("weir://contexts/{agent}", "weir://contexts/"), "no");
  EXPECT_EQ(match("weir://contexts/{agent}", "weir://contexts/a/b"), "no");
  EXPECT_EQ(match("weir://contexts/{agent}", "weir://contexts/a%2Fb%20%C3%A4"), R"({"agent":"a/b ä"})");
  EXPECT_EQ(match("weir://contexts/{agent}", "weir://contexts/a%2"), "no");
  EXPECT_EQ(match("weir://contexts/{agent}", "weir://contexts/%ff"), "no");
  EXPECT_EQ(match("t://{a}/x/{b}", "t://1/x/2"), R"({"a":"1","b":"2"})");
  EXPECT_EQ(match("t://{a}-{b}", "t://1-2-3"), R"({"a":"1","b":"2-3"})");
  EXPECT_EQ(match("f://{+path}/{name}", "f://a/b/c"), R"({"path":"a/b","name":"c"})");
  EXPECT_EQ(match("t://{a}.", "t://" + std::string(5000, '.')), "{\"a\":\"" + std::string(4999, '.') + "\"}");
  EXPECT_EQ(match("t://{+a}x{+b}x{+c}x{+d}y", "t://" + std::string(5000, 'x')), "no") << "bounded work";
}

TEST(McpResources, ReadAndMissing) {
  McpPair pair;
  ASSERT_TRUE(pair.server->AddResource(TextResource("test://a", "A")));
  McpResource gone = TextResource("test://gone", "");
  gone.handler = [](McpCall&) -> Result<McpResourceContents> { return NotFound("it went away"); };
  ASSERT_TRUE(pair.server->AddResource(gone));
  McpResource empty = TextResource("test://empty", "");
  empty.handler = [](McpCall&) -> Result<McpResourceContents> { return McpResourceContents(); };
  ASSERT_TRUE(pair.server->AddResource(empty));
  pair.Initialize();
  const Json read = pair.Ask(ModernRequest(1, "resources/read", R"("uri":"test://a")"));
  EXPECT_EQ(At(read, "/result/contents/0"), R"({"uri":"test://a","mimeType":"text/plain","text":"A"})");
  EXPECT_EQ(At(read, "/result/ttlMs"), "0");
  EXPECT_EQ(At(read, "/result/cacheScope"), "private");
  EXPECT_EQ(At(pair.Ask(LegacyRequest(1, "resources/read", R"("uri":"test://a")")), "/result/ttlMs"), "none");
  for (const char* uri : {"test://none", "test://gone", "test://empty"}) {
    const std::string params = R"("uri":")" + std::string(uri) + "\"";
    const Json legacy = pair.Ask(LegacyRequest(2, "resources/read", params));
    EXPECT_EQ(At(legacy, "/error/code"), "-32002");
    EXPECT_EQ(At(legacy, "/error/data/uri"), uri);
    EXPECT_EQ(At(pair.Ask(ModernRequest(2, "resources/read", params)), "/error/code"), "-32602");
  }
  EXPECT_EQ(At(pair.Ask(ModernRequest(3, "resources/read")), "/error/code"), "-32602");
}

TEST(McpResources, ListedByThemselvesAndByTemplates) {
  McpOptions options;
  options.page_size = 2;
  McpPair pair(options, McpCaller{"blue"});
  for (const char* uri : {"test://a", "test://b", "test://c"}) ASSERT_TRUE(pair.server->AddResource(TextResource(uri, "x")));
  for (const char* kind : {"x", "y", "z"}) {
    McpResourceTemplate family;
    family.uri_template = "test://" + std::string(kind) + "/{id}";
    family.handler = [](McpCall& call) -> Result<McpResourceContents> {
      return McpResourceContents{{McpTextContents(call.name(), "text/plain", call.arguments().Find("id")->as_string())}};
    };
    // Three entries, one a page; the second template lists nothing.
    family.list = [kind = std::string(kind)](const McpCaller& caller, std::string_view cursor) -> Result<McpResourcePage> {
      McpResourcePage page;
      if (kind == "y") return page;
      if (cursor.size() > 1) return InvalidArgument("no such place");
      const int at = cursor.empty() ? 0 : cursor[0] - '0';
      page.entries.push_back({"test://" + kind + "/" + std::to_string(at), caller.workspace});
      if (at < 2) page.next = std::to_string(at + 1);
      return page;
    };
    ASSERT_TRUE(pair.server->AddResourceTemplate(family));
  }
  std::string uris;
  std::string cursor;
  do {
    const Json page = pair.Ask(ModernRequest(1, "resources/list", cursor.empty() ? "" : R"("cursor":")" + cursor + "\""));
    for (const Json& one : page.Find("result")->Find("resources")->as_array()) uris += At(one, "/uri").substr(7) + " ";
    EXPECT_EQ(At(page, "/result/cacheScope"), "private");
    cursor = At(page, "/result/nextCursor");
  } while (cursor != "none");
  EXPECT_EQ(uris, "a b c x/0 x/1 x/2 z/0 z/1 z/2 ");
  EXPECT_EQ(At(pair.Ask(ModernRequest(2, "resources/list", R"("cursor":"MS9ub25l")")), "/error/code"), "-32602");
  EXPECT_EQ(At(pair.Ask(ModernRequest(3, "resources/read", R"("uri":"test://y/7")")), "/result/contents/0/text"), "7");
  EXPECT_EQ(At(pair.Ask(ModernRequest(4, "resources/templates/list")), "/result/resourceTemplates/1/uriTemplate"),
            "test://y/{id}");
}

TEST(McpResources, LegacySubscriptions) {
  McpOptions options;
  options.subscribed_uris_max = 2;
  McpPair pair(options, McpCaller{"blue"});
  for (const char* uri : {"test://a", "test://b", "test://c"}) ASSERT_TRUE(pair.server->AddResource(TextResource(uri, "x")));
  pair.Initialize();
  const auto subscribe = [&](std::string_view method, std::string_view uri) {
    return At(pair.Ask(LegacyRequest(1, method, R"("uri":")" + std::string(uri) + "\"")), "/error/code");
  };
  EXPECT_EQ(subscribe("resources/subscribe", "test://a"), "none");
  EXPECT_EQ(subscribe("resources/subscribe", "test://none"), "-32002");
  pair.server->NotifyResourceUpdated("test://a");
  EXPECT_EQ(pair.Next().Dump(),
            R"({"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://a"}})");
  pair.server->NotifyResourceUpdated("test://b");
  pair.server->NotifyResourceUpdated("test://a", "red");
  pair.server->NotifyResourceUpdated("test://a", "blue");
  EXPECT_EQ(At(pair.Next(), "/params/uri"), "test://a");
  EXPECT_EQ(subscribe("resources/subscribe", "test://b"), "none");
  EXPECT_EQ(subscribe("resources/subscribe", "test://b"), "none");
  EXPECT_EQ(subscribe("resources/subscribe", "test://c"), "-32602") << "more than subscribed_uris_max";
  EXPECT_EQ(subscribe("resources/unsubscribe", "test://a"), "none");
  pair.server->NotifyResourceUpdated("test://a");
  EXPECT_TRUE(pair.IsQuiet());
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  EXPECT_EQ(At(pair.Next(), "/method"), "notifications/tools/list_changed");
  EXPECT_TRUE(pair.server->RemoveResource("test://c"));
  EXPECT_EQ(At(pair.Next(), "/method"), "notifications/resources/list_changed");
  EXPECT_FALSE(pair.server->RemoveResource("test://c"));
  EXPECT_TRUE(pair.IsQuiet());
  EXPECT_EQ(pair.server->stats().changes_sent, 4u);
}

TEST(McpResources, ModernSubscriptions) {
  McpOptions options;
  options.subscriptions_max = 2;
  McpPair pair(options, McpCaller{"blue"});
  ASSERT_TRUE(pair.server->AddResource(TextResource("test://a", "x")));
  const Json acknowledged = pair.Ask(
      ModernRequest(7, "subscriptions/listen",
                    R"("notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://a","test://none"]})"));
  EXPECT_EQ(acknowledged.Dump(), R"({"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{)"
                                 R"("_meta":{"io.modelcontextprotocol/subscriptionId":7},)"
                                 R"("notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://a"]}}})");
  ASSERT_TRUE(pair.server->AddTool(EchoTool()));
  const Json changed = pair.Next();
  EXPECT_EQ(At(changed, "/method"), "notifications/tools/list_changed");
  EXPECT_EQ(changed.Find("params")->Find("_meta")->Dump(), R"({"io.modelcontextprotocol/subscriptionId":7})");
  ASSERT_TRUE(pair.server->AddResource(TextResource("test://b", "x")));  // not asked for
  pair.server->NotifyResourceUpdated("test://a", "red");
  pair.server->NotifyResourceUpdated("test://a", "blue");
  EXPECT_EQ(At(pair.Next(), "/params/uri"), "test://a");

  pair.Ask(ModernRequest(8, "subscriptions/listen", R"("notifications":{})"));
  EXPECT_EQ(At(pair.Ask(ModernRequest(9, "subscriptions/listen", R"("notifications":{})")), "/error/code"), "-32603");
  EXPECT_EQ(pair.server->stats().subscriptions_open, 2u);
  pair.Tell(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}})");
  EXPECT_EQ(pair.server->stats().subscriptions_open, 1u);

  pair.server->EndSubscriptions();
  const Json ended = pair.Next();
  EXPECT_EQ(At(ended, "/id"), "7");
  EXPECT_EQ(At(ended, "/result/resultType"), "complete");
  EXPECT_EQ(ended.Find("result")->Find("_meta")->Find("io.modelcontextprotocol/subscriptionId")->Dump(), "7");
  EXPECT_EQ(pair.server->stats().subscriptions_open, 0u);
  pair.server->NotifyResourceUpdated("test://a");
  EXPECT_EQ(At(pair.Ask(ModernRequest(10, "subscriptions/listen", R"("notifications":{})")), "/error/code"), "-32603");
  for (const char* bad :
       {"", R"("notifications":5)", R"("notifications":{"toolsListChanged":1})",
        R"("notifications":{"resourceSubscriptions":"x"})", R"("notifications":{"resourceSubscriptions":[5]})"}) {
    EXPECT_EQ(At(pair.Ask(ModernRequest(11, "subscriptions/listen", bad)), "/error/code"), "-32602") << bad;
  }
}

}  // namespace
}  // namespace weir
