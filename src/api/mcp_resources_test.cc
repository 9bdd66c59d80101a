// The resources over a connection, in both eras of the protocol, and news of what has changed.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "mcp_tools_fixture.h"

namespace weir::testing {
namespace {

class McpResourcesTest : public McpToolsTest {};

TEST_P(McpResourcesTest, ResourcesAreListedReadAndCompleted) {
  Start();
  ToolsClient client = Client();
  const std::string odd = "plan/ner \xC3\xA9";
  client.Call("register_context", Json::Object{{"agent", "critic"}, {"text", "be strict"}, {"group", "g"}});
  client.Call("register_context", Json::Object{{"agent", odd}, {"text", "think"}});
  const std::string uri = "weir://contexts/plan%2Fner%20%C3%A9";

  const Json listed = *client.Ask("resources/list").Find("result")->Find("resources");
  EXPECT_EQ(Names(listed, "uri"), (std::vector<std::string>{"weir://pools", "weir://contexts/critic", uri}));
  EXPECT_EQ(At(listed, "/2/name"), odd);
  EXPECT_EQ(At(listed, "/1/size"), "9");
  const Json templates = *client.Ask("resources/templates/list").Find("result")->Find("resourceTemplates");
  EXPECT_EQ(At(templates, "/0/uriTemplate"), "weir://contexts/{agent}");

  const Json contents = *client.Ask("resources/read", Json::Object{{"uri", uri}}).Find("result")->Find("contents");
  EXPECT_EQ(At(contents, "/0/text"), "think");
  EXPECT_EQ(At(contents, "/0/mimeType"), "text/plain");
  const Json terms = Of(At(contents, "/1/text"));
  EXPECT_EQ(At(terms, "/agent"), odd);
  EXPECT_EQ(At(terms, "/revision"), "1");
  EXPECT_EQ(terms.Find("text"), nullptr);
  const Json pools = *client.Ask("resources/read", Of(R"({"uri":"weir://pools"})")).Find("result")->Find("contents");
  EXPECT_NE(At(pools, "/0/text").find(R"("name":"contexts")"), std::string::npos);
  EXPECT_EQ(At(client.Ask("resources/read", Of(R"({"uri":"weir://contexts/nobody"})")), "/error/code"),
            GetParam() == McpEra::kModern ? "-32602" : "-32002");

  const auto complete = [&](std::string_view value) {
    return At(client.Ask("completion/complete",
                         Json::Object{{"ref", Of(R"({"type":"ref/resource","uri":"weir://contexts/{agent}"})")},
                                      {"argument", Json::Object{{"name", "agent"}, {"value", value}}}}),
              "/result/completion/values");
  };
  EXPECT_EQ(complete("cr"), R"(["critic"])");
  EXPECT_EQ(complete("x"), "[]");
}

TEST_P(McpResourcesTest, ResourcesComeInPages) {
  Start();
  ToolsClient client = Client();
  Registry& registry = service_->Find("default").value()->registry();
  std::set<std::string> expected = {"weir://pools"};
  for (int i = 0; i < 205; ++i) {
    ContextInput input;
    input.agent = "agent-" + std::to_string(i);
    input.text = "text";
    ASSERT_TRUE(registry.Register(input));
    expected.insert("weir://contexts/" + input.agent);
  }
  std::vector<std::string> seen;
  Json params = Json::MakeObject();
  for (int pages = 0; pages < 10; ++pages) {
    const Json result = *client.Ask("resources/list", params).Find("result");
    for (std::string& uri : Names(*result.Find("resources"), "uri")) seen.push_back(std::move(uri));
    if (result.Find("nextCursor") == nullptr) break;
    params = Json::Object{{"cursor", *result.Find("nextCursor")}};
  }
  EXPECT_EQ(seen.size(), expected.size());
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), expected);
}

TEST_P(McpResourcesTest, SubscribersHearOfChangesWhoeverMakesThem) {
  Start();
  ASSERT_EQ(Register("a", "one").status, 201);
  TellNews();
  ToolsClient client = Client();
  ToolsClient team = Client("team");
  client.Subscribe("weir://contexts/a");
  team.Subscribe("weir://contexts/a");
  const auto told = [&] { return At(client.Notification("notifications/resources/updated"), "/params/uri"); };
  EXPECT_EQ(SendJson("PUT", "/v1/contexts/a", Of(R"({"text":"two"})")).status, 200);
  EXPECT_EQ(told(), "weir://contexts/a");
  client.Call("register_context", Of(R"({"agent":"a","mode":"append","text":" three"})"));
  EXPECT_EQ(told(), "weir://contexts/a");
  EXPECT_EQ(SendJson("PATCH", "/v1/contexts/a", Of(R"({"pinned":true})")).status, 200);
  EXPECT_EQ(told(), "weir://contexts/a");
  client.Call("register_context", Of(R"({"agent":"other","text":"x"})"));
  client.Call("clear_agent", Of(R"({"agent":"a"})"));
  EXPECT_EQ(told(), "weir://contexts/a");
  client.Notification("notifications/resources/list_changed");
  // Changes are told in order: what comes last for the team would come after anything of the others.
  ASSERT_EQ(team.ErrorOf("register_context", Of(R"({"agent":"a","text":"ours"})")), "");
  team.Notification("notifications/resources/list_changed");
  EXPECT_EQ(At(team.Notification("notifications/resources/updated"), "/params/uri"), "weir://contexts/a");
  EXPECT_EQ(team.notifications_waiting(), 0u);
}

TEST_P(McpResourcesTest, MoreChangesThanFitAreToldAsChangesOfAll) {
  Start();
  McpNewsOptions options;
  options.contexts_max = 0;
  TellNews(options);
  ToolsClient client = Client();
  client.Subscribe("weir://contexts/a");
  client.Call("register_context", Of(R"({"agent":"b","text":"x"})"));
  EXPECT_EQ(At(client.Notification("notifications/resources/updated"), "/params/uri"), "weir://contexts/a");
  client.Notification("notifications/resources/list_changed");
}

TEST_P(McpResourcesTest, SubscribersHearOfPools) {
  Start();
  TellNews();
  ToolsClient client = Client();
  client.Subscribe("weir://pools");
  client.Call("register_context", Json::Object{{"agent", "a"}, {"text", kStable}});
  EXPECT_EQ(At(client.Notification("notifications/resources/updated"), "/params/uri"), "weir://pools");
}

INSTANTIATE_TEST_SUITE_P(Eras, McpResourcesTest, kEras, EraName);

}  // namespace
}  // namespace weir::testing
