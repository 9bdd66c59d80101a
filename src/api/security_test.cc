// Who may do what: tokens, scopes, limits, workspaces, hosts and origins, and a daemon that cannot take requests now.

#include <unistd.h>

#include "api_fixture.h"

namespace weir {
namespace {

using testing::ApiAnswer;

constexpr uint8_t kRead = static_cast<uint8_t>(Scope::kRead);
constexpr uint8_t kReadWrite = kRead | static_cast<uint8_t>(Scope::kWrite);

class ApiSecurityTest : public testing::ApiTest {
 protected:
  void SetUp() override { Open(); }

  static std::string PathOf(const api::Route& route) {
    std::string path(route.path);
    if (const size_t variable = path.find('{'); variable != std::string::npos) {
      path.replace(variable, path.find('}') - variable + 1, "any");
    }
    return path;
  }
  ApiAnswer From(HttpPeer peer, const HttpHeaders& headers = {}) {
    HttpRequest request = Request("GET", "/v1/status", {}, headers);
    request.peer = std::make_shared<HttpPeer>(std::move(peer));
    return Send(request);
  }
  int StatusFor(const std::string& host, const std::string& origin = {}) {
    HttpRequest request = Request("GET", "/v1/status");
    request.host = host;
    if (!origin.empty()) request.headers.Add("Origin", origin);
    return Send(request).status;
  }
};

TEST_F(ApiSecurityTest, EveryRouteWantsATokenOnceThereIsOne) {
  const std::string secret = AddToken("default", kAllScopes);
  for (const api::Route& route : api::Routes()) {
    const std::string method(route.method);
    const ApiAnswer none = Send(method, PathOf(route), std::string());
    EXPECT_EQ(none.status, 401) << PathOf(route);
    EXPECT_EQ(none.Header("WWW-Authenticate"), R"(Bearer realm="weir")");
    for (const std::string& wrong :
         std::vector<std::string>{"Bearer", "Bearer ", "Bearer x", "Basic " + secret, secret, "Bearer " + secret + "x"}) {
      EXPECT_EQ(Send(method, PathOf(route), std::string(), {{"Authorization", wrong}}).status, 401) << wrong;
    }
    EXPECT_EQ(api_->LookAtHead(Request(method, PathOf(route)))->status, 401);
  }
  EXPECT_EQ(Get("/nothing").status, 401) << "what there is, is nobody's business";
  EXPECT_NE(Get("/v1/status", {{"Authorization", "Bearer wrong"}}).Header("WWW-Authenticate").find("invalid_token"),
            std::string::npos);
  EXPECT_EQ(Get("/v1/status", {{"Authorization", "bearer  " + secret}}).status, 200);
  for (const char* page : {"/healthz", "/readyz", "/metrics", "/openapi.json"}) EXPECT_EQ(Get(page).status, 200) << page;
}

TEST_F(ApiSecurityTest, EveryRouteWantsItsScope) {
  const std::string reader = AddToken("default", kRead);
  const std::string writer = AddToken("default", kReadWrite);
  const std::string nobody = AddToken("default", 0);
  for (const api::Route& route : api::Routes()) {
    const std::string method(route.method);
    const auto status = [&](const std::string& secret) {
      const ApiAnswer answer = Send(method, PathOf(route), std::string(), Bearer(secret));
      if (answer.status == 403) {
        EXPECT_NE(answer.Header("WWW-Authenticate").find("insufficient_scope"), std::string::npos);
      }
      return answer.status;
    };
    EXPECT_EQ(status(reader) == 403, route.scope != Scope::kRead) << route.path;
    EXPECT_EQ(status(writer) == 403, route.scope == Scope::kAdmin) << route.path;
    EXPECT_EQ(status(nobody), 403) << route.path;
  }
}

TEST_F(ApiSecurityTest, ATokenSendsSoManyASecond) {
  const std::string slow = AddToken("default", kAllScopes, 2);
  const std::string fast = AddToken("default", kAllScopes);
  EXPECT_EQ(Get("/v1/status", Bearer(slow)).status, 200);
  EXPECT_EQ(Get("/nothing", Bearer(slow)).status, 404) << "counts as well";
  const ApiAnswer refused = Get("/v1/status", Bearer(slow));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Header("Retry-After"), "1");
  EXPECT_EQ(Send("POST", "/v1/embeddings", std::string("{}"), Bearer(slow)).Error("type"), "rate_limit_error");
  EXPECT_EQ(Get("/v1/status", Bearer(fast)).status, 200) << "each has its own";
  clock_.Advance(std::chrono::milliseconds(500));
  EXPECT_EQ(Get("/v1/status", Bearer(slow)).status, 200);
  EXPECT_EQ(Get("/v1/status", Bearer(slow)).status, 429);
  access_->Replace(tokens_);
  EXPECT_EQ(Get("/v1/status", Bearer(slow)).status, 429) << "a reload gives nothing away";
  clock_.Advance(std::chrono::hours(1));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Get("/v1/status", Bearer(slow)).status, 200);
  EXPECT_EQ(Get("/v1/status", Bearer(slow)).status, 429) << "no more is saved up than a second's";
}

TEST_F(ApiSecurityTest, LookingAtTheHeadCountsNothing) {
  const std::string secret = AddToken("default", kAllScopes, 1);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(api_->LookAtHead(Request("GET", "/v1/status", {}, Bearer(secret))));
  EXPECT_EQ(Get("/v1/status", Bearer(secret)).status, 200);
}

// Whatever is asked of an object of another workspace is answered as if it had never been.
TEST_F(ApiSecurityTest, AnotherWorkspacesObjectsAreNowhere) {
  const std::string owner = AddToken("team", kAllScopes);
  const std::string other = AddToken("default", kAllScopes);
  const std::string text(80, 's');
  ASSERT_EQ(Register("hidden", text, Bearer(owner)).status, 201);
  const Json flow = Json::Object{{"name", "hidden"}, {"steps", Json::Array{Json::Object{{"agent", "hidden"}}}}};
  ASSERT_EQ(Post("/v1/workflows", flow, Bearer(owner)).status, 201);
  const ApiAnswer job = Post("/v1/index", Json::Object{{"path", "/nonexistent"}}, Bearer(owner));
  ASSERT_EQ(job.status, 202);
  const std::string job_id = testing::TextAt(job.json, "id");

  struct Ask {
    std::string method, target, body;
  };
  const auto asks = [](const std::string& name, const std::string& id) {
    return std::vector<Ask>{{"GET", "/v1/contexts/" + name, ""},
                            {"DELETE", "/v1/contexts/" + name, ""},
                            {"PATCH", "/v1/contexts/" + name, R"({"pinned":true})"},
                            {"PATCH", "/v1/contexts/" + name, R"({"append":{"text":"x"}})"},
                            {"GET", "/v1/contexts/" + name + "/optimized", ""},
                            {"POST", "/v1/match", R"({"agent":")" + name + R"("})"},
                            {"POST", "/v1/match", R"({"text":"ssssssssssssssssssssssssssssssssssssssss"})"},
                            {"POST", "/v1/similar", R"({"text":"ssssssssssssssssssssssssssssssssssssssss"})"},
                            {"POST", "/v1/share", R"({"agents":[")" + name + R"(","b"]})"},
                            {"POST", "/v1/explain", R"({"a":")" + name + R"(","b":"b"})"},
                            {"GET", "/v1/workflows/" + name, ""},
                            {"DELETE", "/v1/workflows/" + name, ""},
                            {"POST", "/v1/workflows/" + name + "/advance", R"({"agent":"hidden","move":"start"})"},
                            {"GET", "/v1/index/" + id, ""},
                            {"DELETE", "/v1/index/" + id, ""},
                            {"GET", "/v1/index", ""},
                            {"GET", "/v1/contexts", ""},
                            {"GET", "/v1/workflows", ""}};
  };
  const std::vector<Ask> there = asks("hidden", job_id);
  const std::vector<Ask> nowhere = asks("nobody", "index-99");
  for (size_t i = 0; i < there.size(); ++i) {
    const ApiAnswer a = Send(there[i].method, there[i].target, there[i].body, Bearer(other));
    const ApiAnswer b = Send(nowhere[i].method, nowhere[i].target, nowhere[i].body, Bearer(other));
    EXPECT_EQ(a.status, b.status) << there[i].target;
    std::string said = a.body;
    for (const auto& [from, to] : {std::pair<std::string, std::string>{"hidden", "nobody"}, {job_id, "index-99"}}) {
      for (size_t at = said.find(from); at != said.npos; at = said.find(from, at + to.size())) {
        said.replace(at, from.size(), to);
      }
    }
    EXPECT_EQ(said, b.body) << there[i].method << " " << there[i].target;
  }
  EXPECT_EQ(Get("/v1/contexts/hidden", Bearer(owner)).status, 200);
  EXPECT_EQ(Get("/v1/workflows/hidden", Bearer(owner)).status, 200);
}

TEST_F(ApiSecurityTest, VectorsOfAnotherWorkspaceLookUnknown) {
  const std::string owner = AddToken("team", kAllScopes);
  const std::string other = AddToken("default", kAllScopes);
  const Json body = Json::Object{{"model", "fake-model"}, {"input", "secret plans"}};
  EXPECT_TRUE(Post("/v1/embeddings", body, Bearer(owner)).Header("x-weir-cache").starts_with("miss"));
  EXPECT_TRUE(Post("/v1/embeddings", body, Bearer(other)).Header("x-weir-cache").starts_with("miss"));
  EXPECT_TRUE(Post("/v1/embeddings", body, Bearer(other)).Header("x-weir-cache").starts_with("hit"));
}

TEST_F(ApiSecurityTest, PoolsOfOtherWorkspacesAreSeenByAdminsAlone) {
  const std::string reader = AddToken("default", kRead);
  const std::string team = AddToken("team", kRead);
  const std::string admin = AddToken("default", kAllScopes);
  EXPECT_EQ(Get("/v1/pools", Bearer(reader)).body.find("team"), std::string::npos);
  const std::string own = Get("/v1/pools", Bearer(team)).body;
  EXPECT_NE(own.find("contexts/team"), std::string::npos) << own;
  EXPECT_EQ(own.find("\"contexts\""), std::string::npos) << own;
  EXPECT_NE(Get("/v1/pools", Bearer(admin)).body.find("contexts/team"), std::string::npos);
}

TEST_F(ApiSecurityTest, ATokenOfAWorkspaceThatIsNotOpenWaits) {
  const std::string secret = AddToken("later", kAllScopes);
  EXPECT_EQ(Get("/v1/status", Bearer(secret)).status, 503);
  ASSERT_TRUE(service_->AddWorkspace("later"));
  EXPECT_EQ(Get("/v1/status", Bearer(secret)).status, 200);
}

TEST_F(ApiSecurityTest, TheOwnerNeedsNoTokenOverTheUnixSocket) {
  const std::string reader = AddToken("team", kRead);
  const auto peer = [](std::optional<uint32_t> uid, bool is_unix = true) {
    return HttpPeer{"", 0, is_unix, false, uid, {}};
  };
  EXPECT_EQ(From(peer(::geteuid())).status, 200);
  EXPECT_EQ(From(peer(0)).status, 200);
  EXPECT_EQ(From(peer(::geteuid() + 1)).status, 401);
  EXPECT_EQ(From(peer(std::nullopt)).status, 401);
  EXPECT_EQ(From(peer(::geteuid(), false)).status, 401);
  EXPECT_EQ(testing::TextAt(From(peer(0), Bearer(reader)).json, "workspace"), "team") << "a token says which workspace";
  EXPECT_EQ(From(peer(0), Bearer("wrong")).status, 401);
}

TEST_F(ApiSecurityTest, HostsThatAreNotOursAreRefused) {
  for (const char* host : {"localhost", "localhost:1", "LOCALHOST:7077", "a.localhost", "127.0.0.1:80", "127.9.9.9", "[::1]",
                           "[::1]:7077", "192.168.1.7:7077"}) {
    EXPECT_EQ(StatusFor(host), 200) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:7077", "localhost.evil.example", "evil.example:127.0.0.1",
                           "127.0.0.1.evil.example", "[evil.example:]", "[evil.example", "[]", "[::1]evil.example", ":80",
                           "localhost.", "notlocalhost"}) {
    EXPECT_EQ(StatusFor(host), 403) << host;
  }
  Serve({.hosts = {"Weir.Example"}});
  EXPECT_EQ(StatusFor("weir.example:7077"), 200);
  EXPECT_EQ(StatusFor("other.example:7077"), 403);
  Serve({.hosts = {"*"}});
  EXPECT_EQ(StatusFor("any.example"), 200);
}

TEST_F(ApiSecurityTest, PagesOfOtherOriginsAreRefused) {
  EXPECT_EQ(StatusFor("localhost:7077", "http://localhost:7077"), 200);
  EXPECT_EQ(StatusFor("127.0.0.1:7077", "https://127.0.0.1:7077"), 200);
  for (const char* origin : {"http://localhost:8000", "http://evil.example", "null", "localhost:7077", "http://", "",
                             "http://localhost:7077.evil.example", "http://evil.example/http://localhost:7077"}) {
    EXPECT_EQ(StatusFor("localhost:7077", origin), origin[0] == '\0' ? 200 : 403) << origin;
  }
  HttpRequest request = Request("POST", "/v1/contexts", {}, {{"Origin", "http://evil.example"}});
  EXPECT_EQ(api_->LookAtHead(request)->status, 403) << "before the body is read";
  for (const char* page : {"/metrics", "/openapi.json", "/readyz"}) {
    EXPECT_EQ(Get(page, {{"Origin", "http://evil.example"}}).status, 403) << page;
  }
  Serve({.origins = {"https://Panel.example"}});
  EXPECT_EQ(StatusFor("localhost", "https://panel.example"), 200);
  EXPECT_EQ(StatusFor("localhost", "http://panel.example"), 403);
}

TEST_F(ApiSecurityTest, BeforeItIsReadyItSaysSo) {
  Create(Options());
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/metrics").status, 200);
  const ApiAnswer not_yet = Get("/readyz");
  EXPECT_EQ(not_yet.status, 503);
  EXPECT_EQ(not_yet.Header("Retry-After"), "1");
  for (const api::Route& route : api::Routes()) {
    EXPECT_EQ(Send(std::string(route.method), PathOf(route), std::string()).status, 503) << route.path;
  }
  ASSERT_TRUE(service_->Open());
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(Get("/v1/status").status, 200);
  service_->StartDraining();
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/v1/status").status, 200) << "what is under way goes on";
}

TEST_F(ApiSecurityTest, InAnEmergencyNothingNewIsTaken) {
  const Json kept = Json::Object{{"agent", "a"}, {"text", "kept"}, {"pinned", true}};
  ASSERT_EQ(Post("/v1/contexts", kept).status, 201);
  SetUsed(kMemory);
  ASSERT_FALSE(service_->broker().accepts_new());
  EXPECT_EQ(Register("b", "new").status, 429);
  EXPECT_EQ(SendJson("PUT", "/v1/contexts/b", Json::Object{{"text", "new"}}).status, 429);
  EXPECT_EQ(Get("/v1/contexts/a").status, 200);
  EXPECT_FALSE(Get("/v1/status").json.Find("accepts_new")->as_bool());
  EXPECT_NE(Get("/metrics").body.find("weir_memory_accepts_new 0"), std::string::npos);
  SetUsed(kMemory / 10);
  EXPECT_EQ(Register("b", "new").status, 201);
}

}  // namespace
}  // namespace weir
