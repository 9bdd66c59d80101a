// Every route of the table answers as it says.

#include "api_fixture.h"
#include "scratch_tree.h"

namespace weir {
namespace {

using testing::CountAt;
using testing::TextAt;

class ApiRoutesTest : public testing::ApiTest {
 protected:
  ApiRoutesTest() {
    for (const api::Route& route : api::Routes()) missing_.insert(route.id);
  }

  // Sends it, expects the status, and takes the route off the list.
  testing::ApiAnswer Walk(int status, const std::string& method, const std::string& target, const Json& body = {}) {
    const auto found = testing::AnswerRules::Get().router().Find(method, target.substr(0, target.find('?')));
    EXPECT_TRUE(found && found->route != nullptr) << method << " " << target;
    if (found && found->route != nullptr) missing_.erase(found->route->route->id);
    testing::ApiAnswer answer = body.is_null() ? Send(method, target) : SendJson(method, target, body);
    EXPECT_EQ(answer.status, status) << method << " " << target << ": " << answer.body;
    return answer;
  }

  void WalkContexts() {
    const std::string system(64, 's');
    const auto made = Walk(201, "POST", "/v1/contexts", Json::Object{{"agent", "a/b c"}, {"text", system + "one"}});
    EXPECT_EQ(made.Header("Location"), "/v1/contexts/a%2Fb%20c");
    EXPECT_EQ(CountAt(made.json, "tokens"), 67u);
    Walk(201, "PUT", "/v1/contexts/planner",
         Json::Object{
             {"segments", Json::Array{Json::Object{{"kind", "system"}, {"name", "system"}, {"text", system}},
                                      Json::Object{{"kind", "user"}, {"name", "ask"}, {"text", "two"}, {"fixed", true}}}},
             {"role", "planner"},
             {"ttl_s", 60}});
    Walk(200, "PUT", "/v1/contexts/planner", Json::Object{{"text", system + "three"}});
    Walk(200, "PATCH", "/v1/contexts/planner", Json::Object{{"append", Json::Object{{"text", " more"}, {"kind", "tool"}}}});
    Walk(200, "PATCH", "/v1/contexts/planner", Json::Object{{"pinned", true}});
    const auto got = Walk(200, "GET", "/v1/contexts/planner?ids=true&text=true");
    EXPECT_EQ(TextAt(got.json, "text"), system + "three more");
    EXPECT_EQ(got.json.Find("ids")->as_array().size(), CountAt(got.json, "tokens"));
    EXPECT_EQ(Walk(200, "GET", "/v1/contexts/planner?text=false").json.Find("text"), nullptr);
    EXPECT_EQ(Walk(200, "GET", "/v1/contexts").json.Find("contexts")->as_array().size(), 2u);
    Walk(200, "GET", "/v1/contexts/planner/optimized?cache_tokens=1000");
  }

  void WalkAdvice() {
    const Json pair = Json::Array{"a/b c", "planner"};
    Walk(200, "POST", "/v1/match", Json::Object{{"agent", "planner"}});
    Walk(200, "POST", "/v1/match", Json::Object{{"agent", "planner"}, {"agents", pair}});
    const auto match = Walk(200, "POST", "/v1/match", Json::Object{{"text", std::string(64, 's')}, {"exclude", "planner"}});
    ASSERT_EQ(match.json.Find("results")->as_array().size(), 1u);
    EXPECT_EQ(TextAt(match.json.Find("results")->as_array()[0], "agent"), "a/b c");
    Walk(200, "POST", "/v1/similar", Json::Object{{"text", std::string(64, 's')}, {"threshold", 0.1}});
    Walk(200, "POST", "/v1/similar", Json::Object{{"text", std::string(64, 's')}, {"by", "meaning"}});
    Walk(200, "POST", "/v1/share");
    Walk(200, "POST", "/v1/share", Json::Object{{"agents", pair}});
    Walk(200, "POST", "/v1/explain");
    Walk(200, "POST", "/v1/explain", Json::Object{{"a", "planner"}, {"b", "a/b c"}});
    Walk(200, "POST", "/v1/layout", Json::Object{{"cache_tokens", 4096}});
  }

  void WalkEmbeddings() {
    const Json texts = Json::Array{"one", "two", "one"};
    Walk(200, "POST", "/v1/embeddings", Json::Object{{"model", "fake-model"}, {"input", texts}});
    const auto matrix = Walk(200, "POST", "/v1/embeddings/similarity", Json::Object{{"texts", texts}});
    EXPECT_EQ(matrix.json.Find("similarities")->as_array()[0].as_array()[2].as_double(), 1.0);
    const auto top = Walk(200, "POST", "/v1/embeddings/top-k", Json::Object{{"texts", texts}, {"query", "one"}, {"k", 2}});
    EXPECT_EQ(top.json.Find("results")->as_array().size(), 2u);
    const auto clusters = Walk(200, "POST", "/v1/embeddings/cluster", Json::Object{{"texts", texts}, {"threshold", 0.99}});
    EXPECT_EQ(clusters.json.Find("clusters")->as_array().size(), 1u);
    Walk(200, "GET", "/v1/embeddings/cache");
    Walk(200, "GET", "/v1/models");
    Walk(200, "GET", "/v1/models/some%2FFake_Model");
    EXPECT_TRUE(Walk(200, "POST", "/v1/models/fake-model/load").json.Find("loaded")->as_bool());
    EXPECT_FALSE(Walk(200, "POST", "/v1/models/fake-model/unload").json.Find("loaded")->as_bool());
    Walk(200, "DELETE", "/v1/embeddings/cache?stored=true");
  }

  void WalkIndex() {
    testing::ScratchTree tree;
    tree.Write("a.txt", "how water passes a weir\n");
    const auto started = Walk(202, "POST", "/v1/index", Json::Object{{"path", tree.root().string()}});
    const std::string path = started.Header("Location");
    for (std::string state; state != "done";) {
      state = TextAt(Walk(200, "GET", path).json, "state");
      ASSERT_NE(state, "failed");
      std::this_thread::yield();
    }
    EXPECT_EQ(Walk(200, "GET", "/v1/index").json.Find("jobs")->as_array().size(), 1u);
    Walk(202, "DELETE", path);
    const auto found = Walk(200, "POST", "/v1/search", Json::Object{{"query", "water"}});
    ASSERT_EQ(found.json.Find("hits")->as_array().size(), 1u);
    tree.Write("a.txt", "something else\n");
    const auto changed = Walk(200, "POST", "/v1/search", Json::Object{{"query", "water"}, {"k", 1}});
    EXPECT_TRUE(changed.json.Find("hits")->as_array()[0].Find("text")->is_null());
  }

  void WalkWorkflows() {
    const Json steps = Json::Array{
        Json::Object{{"agent", "planner"}}, Json::Object{{"agent", "critic"}, {"depends_on", Json::Array{"planner"}}},
        Json::Object{{"agent", "extra"}, {"depends_on", Json::Array{"critic"}}, {"optional", true}}};
    const auto made = Walk(201, "POST", "/v1/workflows", Json::Object{{"name", "run 1"}, {"steps", steps}});
    EXPECT_EQ(made.Header("Location"), "/v1/workflows/run%201");
    Walk(200, "GET", "/v1/workflows");
    Walk(200, "GET", "/v1/workflows/run%201");
    for (const char* move : {"start", "finish"}) {
      Walk(200, "POST", "/v1/workflows/run%201/advance", Json::Object{{"agent", "planner"}, {"move", move}});
    }
    EXPECT_EQ(TextAt(Walk(200, "GET", "/v1/workflows/run%201").json, "next"), "critic");
    EXPECT_EQ(Walk(200, "GET", "/v1/contexts").json.Find("contexts")->as_array().size(), 2u);
    Walk(200, "GET", "/v1/predictions?n=3");
    Walk(204, "DELETE", "/v1/workflows/run%201");
  }

  void WalkMemory() {
    Walk(200, "GET", "/v1/status");
    Walk(200, "GET", "/v1/pools");
    Walk(200, "GET", "/v1/pressure");
    Walk(200, "POST", "/v1/pressure/plan");
    Walk(200, "POST", "/v1/pressure/plan", Json::Object{{"bytes", 1000}});
    Walk(200, "POST", "/v1/pressure/relieve", Json::Object{{"bytes", 1}});
  }

  std::set<std::string_view> missing_;  // ids of routes that nobody has walked
};

TEST_F(ApiRoutesTest, EveryRouteAnswersAsItsTableSays) {
  Open();
  WalkContexts();
  WalkAdvice();
  WalkEmbeddings();
  WalkIndex();
  WalkWorkflows();
  WalkMemory();
  Walk(204, "DELETE", "/v1/contexts/planner");
  EXPECT_EQ(CountAt(Walk(200, "DELETE", "/v1/contexts?all=true").json, "removed"), 1u);
  EXPECT_TRUE(missing_.empty()) << missing_.size() << " routes are not walked, the first is " << *missing_.begin();
}

TEST_F(ApiRoutesTest, NothingRegisteredIsNoFault) {
  Open();
  EXPECT_TRUE(Walk(200, "GET", "/v1/contexts").json.Find("contexts")->as_array().empty());
  Walk(200, "POST", "/v1/match", Json::Object{{"text", "hello"}});
  Walk(200, "POST", "/v1/similar", Json::Object{{"text", "hello"}});
  Walk(400, "POST", "/v1/share");
  Walk(400, "POST", "/v1/explain");
  Walk(400, "POST", "/v1/layout");
  Walk(404, "POST", "/v1/match", Json::Object{{"agent", "nobody"}});
  Walk(404, "POST", "/v1/search", Json::Object{{"query", "water"}});
  Walk(404, "GET", "/v1/contexts/nobody");
  Walk(404, "GET", "/v1/contexts/nobody/optimized");
  Walk(404, "DELETE", "/v1/contexts/nobody");
  Walk(404, "PATCH", "/v1/contexts/nobody", Json::Object{{"pinned", true}});
  Walk(404, "GET", "/v1/index/index-7");
  Walk(404, "DELETE", "/v1/index/index-7");
  Walk(404, "GET", "/v1/workflows/nothing");
  Walk(404, "DELETE", "/v1/workflows/nothing");
  Walk(404, "POST", "/v1/workflows/nothing/advance", Json::Object{{"agent", "a"}, {"move", "start"}});
  Walk(404, "GET", "/v1/models/nothing");
  Walk(404, "POST", "/v1/models/nothing/load");
  EXPECT_EQ(CountAt(Walk(200, "DELETE", "/v1/contexts?group=none").json, "removed"), 0u);
}

TEST_F(ApiRoutesTest, OneContextIsComparedWithItself) {
  Open();
  ASSERT_EQ(Register("a", std::string(80, 'x')).status, 201);
  for (const char* path : {"/v1/share", "/v1/explain", "/v1/layout"}) {
    EXPECT_EQ(Post(path, Json::Object{{"agents", Json::Array{"a"}}}).status, 400) << path;
    const int twice = Post(path, Json::Object{{"agents", Json::Array{"a", "a"}}}).status;
    EXPECT_TRUE(twice == 200 || twice == 400) << path << " " << twice;
  }
  EXPECT_EQ(Post("/v1/explain", Json::Object{{"a", "a"}, {"b", "a"}}).status, 200);
  EXPECT_EQ(Get("/v1/contexts/a/optimized").status, 200);
}

TEST_F(ApiRoutesTest, WithoutAModelOnlyVectorsAreMissing) {
  ServiceOptions options = Options();
  options.models.clear();
  Open(std::move(options));
  ASSERT_EQ(Register("a", std::string(80, 'x')).status, 201);
  EXPECT_EQ(Walk(200, "GET", "/v1/models").json.Find("data")->as_array().size(), 0u);
  Walk(404, "GET", "/v1/models/any");
  Walk(422, "POST", "/v1/embeddings", Json::Object{{"model", "any"}, {"input", "x"}});
  Walk(422, "POST", "/v1/embeddings/similarity", Json::Object{{"texts", Json::Array{"x"}}});
  Walk(422, "POST", "/v1/search", Json::Object{{"query", "x"}});
  Walk(422, "POST", "/v1/index", Json::Object{{"path", "/"}});
  Walk(200, "GET", "/v1/embeddings/cache");
  Walk(200, "GET", "/v1/status");
  Walk(200, "POST", "/v1/match", Json::Object{{"text", std::string(80, 'x')}});
}

TEST_F(ApiRoutesTest, WithoutATokenizerItSaysSo) {
  ServiceOptions options = Options();
  options.registry.tokenizers.clear();
  Create(std::move(options));
  if (!service_->Open()) return;  // a new data folder may want one: then there is nothing to ask
  const auto answer = Register("a", "text");
  EXPECT_GE(answer.status, 400);
  EXPECT_LT(answer.status, 500);
}

}  // namespace
}  // namespace weir
