// The tools over a connection, in both eras of the protocol, on a real Service.

#include "weir/api/mcp_tools.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mcp_tools_fixture.h"
#include "scratch_tree.h"
#include "weir/codec/json_schema.h"

namespace weir::testing {
namespace {

TEST_P(McpToolsTest, ListsToolsInOneOrderWithWholeSchemas) {
  Start();
  ToolsClient client = Client();
  const Json tools = *client.Ask("tools/list").Find("result")->Find("tools");
  const std::vector<std::string> expected = {
      "register_context", "get_optimized_context", "get_shared_context", "find_similar", "explain_prefix", "suggest_layout",
      "list_agents",      "clear_agent",           "embed_texts",        "index_folder", "search",         "memory_status"};
  EXPECT_EQ(Names(tools, "name"), expected);
  EXPECT_EQ(*client.Ask("tools/list").Find("result")->Find("tools"), tools);
  const std::set<std::string> writers = {"register_context", "clear_agent", "index_folder"};
  for (const Json& tool : tools.as_array()) {
    const std::string name = At(tool, "/name");
    SCOPED_TRACE(name);
    EXPECT_GE(At(tool, "/description").size(), 100u);
    EXPECT_FALSE(At(tool, "/title").empty());
    EXPECT_EQ(At(tool, "/inputSchema/type"), "object");
    EXPECT_EQ(At(tool, "/inputSchema/additionalProperties"), "false");
    // Not every client's model can follow references.
    EXPECT_EQ(tool.Find("inputSchema")->Dump().find("$ref"), std::string::npos);
    EXPECT_EQ(At(tool, "/outputSchema/type"), "object");
    EXPECT_TRUE(JsonSchema::Compile(*tool.Find("inputSchema")));
    EXPECT_TRUE(JsonSchema::Compile(*tool.Find("outputSchema")));
    EXPECT_EQ(At(tool, "/annotations/readOnlyHint"), writers.contains(name) ? "false" : "true");
    EXPECT_EQ(At(tool, "/annotations/openWorldHint"), "false");
  }
  EXPECT_EQ(At(tools, "/7/annotations/destructiveHint"), "true");
  EXPECT_EQ(At(tools, "/7/annotations/idempotentHint"), "true");
  EXPECT_EQ(At(tools, "/0/annotations/idempotentHint"), "false");
  EXPECT_EQ(At(tools, "/9/annotations/destructiveHint"), "false");
}

TEST_P(McpToolsTest, EveryToolAnswersAsItsSchemaSays) {
  ScratchTree tree;
  tree.Write("a.txt", "how water passes a weir\n");
  Start();
  ToolsClient client = Client();
  std::map<std::string, JsonSchema> schemas;
  const Json tools = *client.Ask("tools/list").Find("result")->Find("tools");
  for (const Json& tool : tools.as_array()) {
    schemas.emplace(At(tool, "/name"), *JsonSchema::Compile(*tool.Find("outputSchema")));
  }
  std::set<std::string> called;
  const auto call = [&](const std::string& tool, Json arguments) {
    called.insert(tool);
    const Json result = client.Call(tool, std::move(arguments));
    SCOPED_TRACE(tool + ": " + result.Dump());
    EXPECT_EQ(At(result, "/isError"), "none");
    const Json* const structured = result.Find("structuredContent");
    EXPECT_NE(structured, nullptr);
    if (structured == nullptr) return Json::MakeObject();
    const Status fits = schemas.at(tool).Check(*structured);
    EXPECT_TRUE(fits) << fits.error().ToString();
    EXPECT_EQ(At(result, "/content/0/text"), structured->Dump());
    return *structured;
  };
  const std::string first = "Time: 2026-01-01 10:00:00\n" + kStable;
  const std::string second = "Time: 2026-01-01 10:00:07\n" + kStable;
  const Json registered = call("register_context", Json::Object{{"agent", "a"}, {"text", first}});
  EXPECT_EQ(At(registered, "/tokens"), std::to_string(first.size()));
  EXPECT_EQ(At(call("register_context", Json::Object{{"agent", "b"}, {"text", second}}), "/shared_with"), "a");

  const Json shared = call("get_shared_context", Of(R"({"agent":"b"})"));
  EXPECT_EQ(At(shared, "/results/0/agent"), "a");
  EXPECT_EQ(At(shared, "/results/0/exact/tokens"), "24");
  EXPECT_EQ(At(call("get_shared_context", Json::Object{{"text", first}}), "/results/0/exact/tokens"),
            std::to_string(first.size()));
  const Json similar = call("find_similar", Json::Object{{"text", second}, {"exclude", "b"}, {"threshold", 0.1}});
  EXPECT_EQ(At(similar, "/results/0/agent"), "a");
  EXPECT_EQ(At(call("find_similar", Json::Object{{"text", second}, {"by", "meaning"}}), "/results/0/agent"), "b");

  EXPECT_EQ(At(call("explain_prefix", Of(R"({"a":"a","b":"b"})")), "/divergence/cause"), "timestamp");
  EXPECT_EQ(call("explain_prefix", Of("{}")).Find("breaks")->as_array().size(), 1u);
  const Json layout = call("suggest_layout", Of("{}"));
  EXPECT_NE(At(layout, "/reusable_tokens/after"), At(layout, "/reusable_tokens/before"));
  const Json optimized = call("get_optimized_context", Of(R"({"agent":"b"})"));
  EXPECT_EQ(At(optimized, "/changed"), "true");
  EXPECT_TRUE(At(optimized, "/text").starts_with("You are one of five"));

  EXPECT_EQ(Names(*call("list_agents", Of("{}")).Find("contexts"), "agent"), (std::vector<std::string>{"a", "b"}));
  const Json page = call("list_agents", Of(R"({"limit":1})"));
  EXPECT_EQ(Names(*page.Find("contexts"), "agent"), std::vector<std::string>{"a"});
  const Json last = call("list_agents", Json::Object{{"limit", 1}, {"cursor", *page.Find("next_cursor")}});
  EXPECT_EQ(Names(*last.Find("contexts"), "agent"), std::vector<std::string>{"b"});
  EXPECT_EQ(At(last, "/next_cursor"), "null");

  const Json indexed = call("index_folder", Json::Object{{"path", tree.root().string()}});
  EXPECT_EQ(At(indexed, "/computed"), "1");
  EXPECT_EQ(At(call("search", Of(R"({"query":"water"})")), "/hits/0/text"), "how water passes a weir");
  call("embed_texts", Of(R"({"texts":["one","two"]})"));

  const Json memory = call("memory_status", Of("{}"));
  EXPECT_EQ(At(memory, "/registry/contexts"), "2");
  EXPECT_FALSE(memory.Find("pools")->as_array().empty());
  EXPECT_EQ(At(call("clear_agent", Of(R"({"agent":"a"})")), "/left"), "1");
  EXPECT_EQ(At(call("clear_agent", Of(R"({"group":"default"})")), "/removed"), "1");
  EXPECT_EQ(At(call("clear_agent", Of(R"({"group":"nobody's"})")), "/removed"), "0");
  EXPECT_EQ(called.size(), schemas.size()) << "a tool was left out";
}

TEST_P(McpToolsTest, RegistersReplacesAndAppends) {
  Start();
  ToolsClient client = Client();
  const auto revision = [&](std::string_view arguments) {
    return At(client.Call("register_context", Of(arguments)), "/structuredContent/revision");
  };
  const auto error = [&](std::string_view arguments) { return client.ErrorOf("register_context", Of(arguments)); };
  EXPECT_EQ(revision(R"({"agent":"a","text":"one"})"), "1");
  EXPECT_NE(error(R"({"agent":"a","text":"two"})").find("with mode replace"), std::string::npos);
  EXPECT_EQ(revision(R"({"agent":"a","text":"two","mode":"replace"})"), "2");
  EXPECT_EQ(revision(R"({"agent":"new","text":"x","mode":"replace"})"), "1");
  EXPECT_EQ(revision(R"({"agent":"a","text":" and three","mode":"append","kind":"user"})"), "3");
  EXPECT_EQ(service_->Find("default").value()->registry().Get("a")->operator->()->text(), "two and three");

  EXPECT_NE(error(R"({"agent":"a","text":"x","mode":"append","group":"g"})").find("/group: not with mode append"),
            std::string::npos);
  EXPECT_NE(error(R"({"agent":"a","mode":"append"})").find("/text: required"), std::string::npos);
  EXPECT_NE(error(R"({"agent":"nobody","text":"x","mode":"append"})"), "");
  EXPECT_NE(error(R"({"agent":"b","text":"x","kind":"user"})").find("/kind: only with mode append"), std::string::npos);
  EXPECT_NE(error(R"({"agent":"b"})").find("exactly one of"), std::string::npos);
  EXPECT_NE(error(R"({"agent":"b","text":"x","segments":[{"text":"y"}]})").find("exactly one of"), std::string::npos);
  EXPECT_NE(error(R"({"agent":"b","messages":[{"role":"user","content":"x"}]})").find("chat template"), std::string::npos);
  EXPECT_NE(error(R"({"text":"x"})").find("Invalid arguments"), std::string::npos);
  EXPECT_NE(error(R"({"agent":"b","text":"x","colour":"red"})").find("Invalid arguments"), std::string::npos);
  EXPECT_FALSE(service_->Find("default").value()->registry().Contains("b"));
}

TEST_P(McpToolsTest, ErrorsSayWhatToDo) {
  Start();
  ToolsClient client = Client();
  EXPECT_NE(client.ErrorOf("get_optimized_context", Of(R"({"agent":"nobody"})")), "");
  EXPECT_NE(client.ErrorOf("get_shared_context", Of(R"({"agent":"nobody"})")), "");
  EXPECT_NE(client.ErrorOf("get_shared_context", Of(R"({"agent":"a","text":"b"})")).find("either agent, or a prompt"),
            std::string::npos);
  EXPECT_NE(client.ErrorOf("get_shared_context", Of("{}")).find("agent, or a prompt"), std::string::npos);
  EXPECT_NE(client.ErrorOf("explain_prefix", Of(R"({"a":"a"})")).find("go together"), std::string::npos);
  EXPECT_NE(client.ErrorOf("suggest_layout", Of("{}")).find("takes two contexts"), std::string::npos);
  EXPECT_NE(client.ErrorOf("list_agents", Of(R"({"cursor":"!"})")).find("leave it out to begin"), std::string::npos);
  EXPECT_NE(client.ErrorOf("clear_agent", Of("{}")).find("one of agent and group"), std::string::npos);
  EXPECT_NE(client.ErrorOf("clear_agent", Of(R"({"agent":"a","group":"b"})")).find("one of agent and group"),
            std::string::npos);
  EXPECT_NE(client.ErrorOf("clear_agent", Of(R"({"agent":"nobody"})")), "");
  EXPECT_NE(client.ErrorOf("search", Of(R"({"query":"water"})")), "") << "nothing is indexed";
  EXPECT_NE(client.ErrorOf("index_folder", Of(R"({"path":"relative"})")).find("not an absolute path"), std::string::npos);
  EXPECT_NE(client.ErrorOf("index_folder", Of(R"({"path":"/nowhere/at/all"})")), "");
  EXPECT_NE(client.ErrorOf("embed_texts", Of(R"({"texts":["x"],"model":"other"})")), "");
  EXPECT_NE(client.ErrorOf("embed_texts", Json::Object{{"texts", Json::Array{Json("x"), Json(std::string(101, 'y'))}}})
                .find("/texts/1"),
            std::string::npos);

  ServiceOptions options = Options();
  options.models.clear();
  server_.reset();
  Start(std::move(options));
  ToolsClient without = Client();
  EXPECT_NE(without.ErrorOf("embed_texts", Of(R"({"texts":["x"]})")).find("there is no embedding model"), std::string::npos);
  EXPECT_NE(without.ErrorOf("search", Of(R"({"query":"x"})")).find("there is no embedding model"), std::string::npos);
}

TEST_P(McpToolsTest, EmbedsWithoutFloodingTheModel) {
  Start();
  ToolsClient client = Client();
  const auto embed = [&](std::string_view arguments) {
    return *client.Call("embed_texts", Of(arguments)).Find("structuredContent");
  };
  const Json pairs = embed(R"({"texts":["a","b","a","c"],"k":2})");
  EXPECT_EQ(At(pairs, "/pairs/0"), R"({"a":0,"b":2,"similarity":1.0})");
  EXPECT_EQ(pairs.Find("pairs")->as_array().size(), 2u);
  EXPECT_EQ(At(pairs, "/cache"), R"({"hits":0,"computed":3,"coalesced":1})");
  EXPECT_EQ(pairs.Find("vectors"), nullptr);
  EXPECT_EQ(embed(R"({"texts":["a","b","a"],"threshold":0.9999})").Find("pairs")->as_array().size(), 1u);
  EXPECT_EQ(At(embed(R"({"texts":["a","d"],"want":"cache"})"), "/sources"), R"(["hit","computed"])");
  // The fake's prefix of queries makes them other texts than passages.
  const Json nearest = embed(R"({"texts":["x","query: b","y"],"query":"b","k":1})");
  EXPECT_EQ(At(nearest, "/nearest"), R"([{"index":1,"similarity":1.0}])");
  const Json clusters = embed(R"({"texts":["a","zz","a"],"want":"clusters","threshold":0.9999})");
  EXPECT_EQ(At(clusters, "/clusters/0/texts"), "[0,2]");
  const Json vectors = embed(R"({"texts":["a"],"want":"vectors"})");
  EXPECT_EQ(vectors.Find("vectors")->as_array()[0].as_array().size(), 8u);
  EXPECT_EQ(At(embed(R"({"texts":["a"],"want":"vectors","dimensions":4})"), "/dimensions"), "4");

  EXPECT_NE(client.ErrorOf("embed_texts", Of(R"({"texts":["a"],"want":"nearest"})")).find("/query: required"),
            std::string::npos);
  EXPECT_NE(client.ErrorOf("embed_texts", Of(R"({"texts":["a"],"query":"b","want":"pairs"})")).find("/query: only"),
            std::string::npos);
  Json::Array many(65, Json("a"));
  EXPECT_NE(
      client.ErrorOf("embed_texts", Json::Object{{"texts", std::move(many)}, {"want", "vectors"}}).find("more than 64"),
      std::string::npos);
  EXPECT_NE(client.ErrorOf("embed_texts", Of(R"({"texts":[]})")).find("Invalid arguments"), std::string::npos);
}

TEST_P(McpToolsTest, ScopesDecideWhatIsSeenAndDone) {
  Start();
  ASSERT_EQ(Register("a", "text of a").status, 201);
  ToolsClient reader = Client("default", static_cast<uint8_t>(Scope::kRead));
  ToolsClient writer = Client("default", static_cast<uint8_t>(Scope::kWrite));
  const auto names = [](ToolsClient& client) {
    return Names(*client.Ask("tools/list").Find("result")->Find("tools"), "name");
  };
  EXPECT_EQ(names(writer), (std::vector<std::string>{"register_context", "clear_agent"}));
  EXPECT_EQ(names(reader).size(), 9u);
  const auto refused = [](ToolsClient& client, std::string_view tool, std::string_view arguments) {
    const Json answer = client.Ask("tools/call", ToolsClient::ToolCall(tool, Of(arguments)));
    return answer.Find("error") != nullptr && At(answer, "/error/message").find("needs the scope") != std::string::npos;
  };
  EXPECT_TRUE(refused(reader, "register_context", R"({"agent":"b","text":"x"})"));
  EXPECT_TRUE(refused(reader, "clear_agent", R"({"agent":"a"})"));
  EXPECT_TRUE(refused(reader, "index_folder", R"({"path":"/"})"));
  EXPECT_TRUE(refused(writer, "index_folder", R"({"path":"/"})"));
  EXPECT_TRUE(refused(writer, "list_agents", "{}"));
  EXPECT_FALSE(refused(reader, "list_agents", "{}"));
  EXPECT_NE(reader.Ask("resources/read", Of(R"({"uri":"weir://contexts/a"})")).Find("result"), nullptr);
  EXPECT_NE(writer.Ask("resources/read", Of(R"({"uri":"weir://contexts/a"})")).Find("error"), nullptr);
  EXPECT_EQ(service_->Find("default").value()->registry().List().size(), 1u);
}

TEST_P(McpToolsTest, WorkspacesSeeNothingOfEachOther) {
  ScratchTree tree;
  tree.Write("a.txt", "how water passes a weir\n");
  Start();
  ToolsClient ours = Client("default");
  ToolsClient team = Client("team", static_cast<uint8_t>(Scope::kRead));
  ToolsClient nobody = Client("nobody");
  ours.Call("register_context", Json::Object{{"agent", "planner"}, {"text", kStable}});
  ours.Call("index_folder", Json::Object{{"path", tree.root().string()}});
  ours.Call("embed_texts", Of(R"({"texts":["secret"]})"));

  EXPECT_EQ(At(team.Call("list_agents"), "/structuredContent/contexts"), "[]");
  EXPECT_NE(team.ErrorOf("get_shared_context", Of(R"({"agent":"planner"})")), "");
  EXPECT_EQ(At(team.Call("get_shared_context", Json::Object{{"text", kStable}}), "/structuredContent/results"), "[]");
  EXPECT_EQ(At(team.Call("find_similar", Json::Object{{"text", kStable}}), "/structuredContent/results"), "[]");
  EXPECT_NE(team.ErrorOf("search", Of(R"({"query":"water"})")), "");
  EXPECT_EQ(At(team.Call("embed_texts", Of(R"({"texts":["secret"]})")), "/structuredContent/cache/computed"), "1");
  EXPECT_NE(team.Ask("resources/read", Of(R"({"uri":"weir://contexts/planner"})")).Find("error"), nullptr);
  const Json memory = *team.Call("memory_status").Find("structuredContent");
  std::vector<std::string> pools = Names(*memory.Find("pools"), "name");
  std::ranges::sort(pools);
  EXPECT_EQ(pools, (std::vector<std::string>{"contexts/team", "embeddings", "index/team"}));
  EXPECT_EQ(At(memory, "/registry/contexts"), "0");
  EXPECT_NE(nobody.ErrorOf("list_agents", Of("{}")).find("no such workspace"), std::string::npos);
}

TEST_P(McpToolsTest, IndexingTellsItsProgress) {
  ScratchTree tree;
  for (const char* name : {"a.txt", "b.txt", "c.txt"}) tree.Write(name, std::string("the file ") + name + "\n");
  Start();
  ToolsClient client = Client();
  const int64_t id =
      client.Begin("tools/call", ToolsClient::ToolCall("index_folder", Json::Object{{"path", tree.root().string()}}), true);
  EXPECT_EQ(At(client.AnswerTo(id), "/result/structuredContent/processed"), "3");
  double before = -1;
  ASSERT_GT(client.notifications_waiting(), 0u);
  while (client.notifications_waiting() > 0) {
    const Json told = *client.Notification("notifications/progress").Find("params");
    EXPECT_EQ(*told.Find("progressToken"), Json(id));
    EXPECT_GT(told.Find("progress")->as_double(), before);
    before = told.Find("progress")->as_double();
    EXPECT_NE(At(told, "/message").find("of 3 files"), std::string::npos);
  }
  EXPECT_EQ(before, 3);
}

TEST_P(McpToolsTest, IndexingEndsWhenItIsCancelled) {
  ScratchTree tree;
  tree.Write("a.txt", "one\n");
  Start();
  ToolsClient client = Client();
  fake_.Close();
  const int64_t id =
      client.Begin("tools/call", ToolsClient::ToolCall("index_folder", Json::Object{{"path", tree.root().string()}}));
  fake_.WaitUntilEntered(1);
  client.Cancel(id);
  fake_.Open();
  AwaitIdle();
  EXPECT_EQ(server_->stats().calls_cancelled, 1u);
  // It runs again, and finds what was done.
  EXPECT_EQ(At(client.Call("index_folder", Json::Object{{"path", tree.root().string()}}), "/structuredContent/total"), "1");
}

TEST_P(McpToolsTest, FoldersOutsideTheRootsAreRefused) {
  ScratchTree tree;
  tree.Write("in/a.txt", "one\n");
  tree.Write("out/b.txt", "two\n");
  ServiceOptions options = Options();
  options.index_roots = {tree.root() / "in"};
  Start(std::move(options));
  ToolsClient client = Client();
  EXPECT_EQ(client.ErrorOf("index_folder", Json::Object{{"path", (tree.root() / "in").string()}}), "");
  EXPECT_NE(client.ErrorOf("index_folder", Json::Object{{"path", (tree.root() / "out").string()}}).find("index_roots"),
            std::string::npos);
}

TEST_P(McpToolsTest, ADaemonThatStartsSaysSo) {
  Start(Options(), false);
  TellNews();
  ToolsClient client = Client();
  EXPECT_NE(client.ErrorOf("list_agents", Of("{}")).find("the daemon is created"), std::string::npos);
  EXPECT_NE(client.ErrorOf("memory_status", Of("{}")).find("try again when it is ready"), std::string::npos);
  EXPECT_NE(client.Ask("resources/read", Of(R"({"uri":"weir://pools"})")).Find("error"), nullptr);
  ASSERT_TRUE(service_->Open());
  EXPECT_EQ(client.ErrorOf("list_agents", Of("{}")), "");
}

INSTANTIATE_TEST_SUITE_P(Eras, McpToolsTest, kEras, EraName);

TEST(McpCallerOfTest, TakesWorkspaceTokenAndScopes) {
  const McpCaller caller = McpCallerOf(Caller{"team", static_cast<uint8_t>(Scope::kRead), "t-0123"});
  EXPECT_EQ(caller.workspace, "team");
  EXPECT_EQ(caller.subject, "t-0123");
  EXPECT_EQ(caller.scopes, std::vector<std::string>{"read"});
  EXPECT_FALSE(caller.Has("write"));
  const McpCaller all = McpCallerOf("default");
  EXPECT_TRUE(all.Has("read") && all.Has("write") && all.Has("admin"));
}

}  // namespace
}  // namespace weir::testing
