// Whatever is wrong with a request: 4xx, with a message that names it.

#include "api_fixture.h"

namespace weir {
namespace {

class ApiInputTest : public testing::ApiTest {
 protected:
  void SetUp() override { Open(); }

  // 400, and the message says where.
  void Refuses(const std::string& method, const std::string& target, const std::string& body, const std::string& where,
               int status = 400) {
    const testing::ApiAnswer answer = Send(method, target, body);
    EXPECT_EQ(answer.status, status) << method << " " << target << " " << body << " " << answer.body;
    EXPECT_NE(answer.Error("message").find(where), std::string::npos) << answer.body;
  }
  // A value that fits the required member of that name.
  static Json Least(const std::string& name) {
    if (name == "texts") return Json::Array{"x"};
    if (name == "steps") return Json::Array{Json::Object{{"agent", "a"}}};
    return name == "move" ? "start" : "x";
  }
  void RefusesBody(const std::string& body, const std::string& where) { Refuses("POST", "/v1/contexts", body, where); }
};

TEST_F(ApiInputTest, BodiesThatAreNoJson) {
  for (const std::string body : {"{", "nonsense", "{\"agent\":\"a\",}", "{'a':1}", "[1,]", "\xff\xfe", "\"\\ud800\"",
                                 "{\"text\":\"\\ud800\"}", "{\"text\":\"\\udc00x\"}", "{\"text\":\"\xed\xa0\x80\"}",
                                 "{\"ttl_s\":1e400}", "{\"ttl_s\":NaN}", "{} {}", "\"\t\"", " "}) {
    const testing::ApiAnswer answer = Send("POST", "/v1/contexts", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.Error("code"), "invalid_argument") << answer.body;
  }
  RefusesBody(R"({"agent":"a","agent":"b","text":"x"})", "two members of one name");
  RefusesBody(R"({"agent":"a","text":"x","segments":[{"text":"a","text":"b"}]})", "two members of one name");
}

TEST_F(ApiInputTest, BodiesNestedTooDeep) {
  for (const size_t depth : {size_t{999}, size_t{1001}, size_t{1'000'000}}) {
    const std::string nested = std::string(depth, '[') + std::string(depth, ']');
    EXPECT_EQ(Send("POST", "/v1/contexts", nested).status, 400);
    EXPECT_EQ(Send("POST", "/v1/embeddings", R"({"model":"fake-model","input":)" + nested + "}").status, 400);
    const std::string schema = R"({"agent":"a","messages":[{"a":)" + nested + "}]}";
    EXPECT_GE(Send("POST", "/v1/contexts", schema).status, 400);
  }
}

TEST_F(ApiInputTest, NumbersOutOfRange) {
  for (const std::string number : {"-1", "10000000001", "18446744073709551616", "1e30", "-1e300", "0.5", "1.5e-5"}) {
    RefusesBody(R"({"agent":"a","text":"x","ttl_s":)" + number + "}", "/ttl_s");
  }
  EXPECT_EQ(Send("POST", "/v1/contexts", R"({"agent":"a","text":"x","ttl_s":6e1})").status, 201) << "60 in other digits";
  for (const std::string number : {"-1", "1e19", "18446744073709551615", "18446744073709551616", "9223372036854775808"}) {
    Refuses("POST", "/v1/pressure/relieve", R"({"bytes":)" + number + "}", "/bytes");
    Refuses("POST", "/v1/pressure/plan", R"({"bytes":)" + number + "}", "/bytes");
  }
  for (const std::string number :
       {"0", "-1", "1001", "99999999999999999999", "1e2", "+5", "5x", "", "%205", "0x5", "five"}) {
    Refuses("GET", "/v1/contexts?limit=" + number, "", "limit");
  }
  Refuses("POST", "/v1/similar", R"({"text":"x","threshold":1.5})", "/threshold");
  Refuses("POST", "/v1/similar", R"({"text":"x","k":0})", "/k");
  Refuses("POST", "/v1/layout", R"({"cache_tokens":0})", "/cache_tokens");
}

TEST_F(ApiInputTest, ContentTypes) {
  const std::string body = R"({"agent":"a","text":"x"})";
  for (const std::string type : {"text/plain", "application/jsonx", "application/json-patch+json", "application/xml", " ",
                                 "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}) {
    EXPECT_EQ(Send("POST", "/v1/contexts", body, {{"Content-Type", type}}).status, 415) << type;
    EXPECT_EQ(Send("POST", "/v1/embeddings", body, {{"Content-Type", type}}).status, 415) << type;
  }
  HttpRequest without = Request("POST", "/v1/contexts", body);
  without.headers.Remove("content-type");
  EXPECT_EQ(Send(without).status, 415);
  int status = 201;
  for (const std::string type : {"application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"}) {
    EXPECT_EQ(Send("POST", "/v1/contexts", body, {{"Content-Type", type}}).status, status) << type;
    status = 409;
  }
}

TEST_F(ApiInputTest, BodiesThatAreMissingOrNotWanted) {
  for (const char* path : {"/v1/contexts", "/v1/match", "/v1/similar", "/v1/embeddings", "/v1/search", "/v1/index",
                           "/v1/workflows", "/v1/embeddings/top-k", "/v1/workflows/w/advance"}) {
    Refuses("POST", path, "", "no body");
    Refuses("POST", path, "null", "expected object");
    Refuses("POST", path, "[]", "expected object");
    Refuses("POST", path, "{}", "");
  }
  Refuses("GET", "/v1/contexts", "{}", "no body");
  Refuses("DELETE", "/v1/contexts/a", "{}", "no body");
  Refuses("POST", "/v1/models/fake-model/load", "{}", "no body");
}

TEST_F(ApiInputTest, UnknownMembersAreNamed) {
  for (const api::Route& route : api::Routes()) {
    if (route.body.is_null()) continue;
    std::string path(route.path);
    if (const size_t variable = path.find('{'); variable != std::string::npos) {
      path.replace(variable, path.find('}') - variable + 1, "any");
    }
    Json body = Json::MakeObject();
    if (const Json* const required = route.body.Find("required")) {
      for (const Json& name : required->as_array()) body.Set(name.as_string(), Least(name.as_string()));
    }
    body.Set("bogus_member", 1);
    Refuses(std::string(route.method), path, body.Dump(), "/bogus_member");
  }
  RefusesBody(R"({"agent":"a","segments":[{"text":"x"},{"text":"x","bogus":1}]})", "/segments/1");
  Refuses("PATCH", "/v1/contexts/a", R"({"append":{"text":"x","bogus":1}})", "/append");
  Refuses("POST", "/v1/workflows", R"({"name":"w","steps":[{"agent":"a","bogus":1}]})", "/steps/0");
}

TEST_F(ApiInputTest, UnknownQueryParametersAreRefusedOnEveryRoute) {
  for (const api::Route& route : api::Routes()) {
    std::string path(route.path);
    if (const size_t variable = path.find('{'); variable != std::string::npos) {
      path.replace(variable, path.find('}') - variable + 1, "any");
    }
    const testing::ApiAnswer answer = Send(std::string(route.method), path + "?bogus=1", std::string());
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_EQ(answer.body.find("bogus"), std::string::npos) << "a name may be text";
  }
  Refuses("GET", "/v1/contexts?limit=1&limit=2", "", "limit");
  Refuses("GET", "/v1/contexts?group=%ff", "", "group");
  Refuses("GET", "/v1/contexts?group=%ED%A0%80", "", "group");
  Refuses("GET", "/v1/contexts?group=%4", "", "query");
  Refuses("GET", "/v1/contexts/a?text=1", "", "text");
  Refuses("GET", "/v1/contexts/a?text=TRUE", "", "text");
  EXPECT_EQ(Get("/v1/contexts?").status, 200);
  EXPECT_EQ(Get("/v1/contexts?&&").status, 200);
}

TEST_F(ApiInputTest, WrongTypesAreNamed) {
  RefusesBody(R"({"agent":7,"text":"x"})", "/agent");
  RefusesBody(R"({"agent":"","text":"x"})", "/agent");
  RefusesBody(R"({"agent":null,"text":"x"})", "/agent");
  RefusesBody(R"({"agent":"a","text":["x"]})", "/text");
  RefusesBody(R"({"agent":"a","text":""})", "/text");
  RefusesBody(R"({"agent":"a","segments":[]})", "/segments");
  RefusesBody(R"({"agent":"a","segments":[{"text":"x","kind":"image"}]})", "/segments/0/kind");
  RefusesBody(R"({"agent":"a","segments":[{"text":""}]})", "");
  RefusesBody(R"({"agent":"a","text":"x","pinned":1})", "/pinned");
  RefusesBody(R"({"agent":"a","text":"x","segments":[{"text":"x"}]})", "exactly one");
  RefusesBody(R"({"agent":"a"})", "exactly one");
  RefusesBody(R"({"text":"x"})", "/agent");
  Refuses("POST", "/v1/contexts", R"({"agent":"a","messages":[{"role":"user","content":"x"}]})", "/messages", 422);
  Refuses("POST", "/v1/contexts", R"({"agent":"a","text":"x","tokenizer":"none"})", "tokenizer", 404);
  Refuses("PATCH", "/v1/contexts/a", R"({})", "append");
  Refuses("PATCH", "/v1/contexts/a", R"({"append":{"text":"x"},"pinned":true})", "append");
  Refuses("PATCH", "/v1/contexts/a", R"({"append":{"text":""}})", "/append/text");
  Refuses("POST", "/v1/match", R"({"agent":"a","text":"x"})", "agent");
  Refuses("POST", "/v1/match", R"({"agents":["a"],"text":"x"})", "agents");
  Refuses("POST", "/v1/explain", R"({"a":"a"})", "a and b");
  Refuses("POST", "/v1/index", R"({"path":"relative"})", "/path");
  Refuses("POST", "/v1/workflows", R"({"name":"w","steps":[]})", "/steps");
  Refuses("POST", "/v1/workflows/w/advance", R"({"agent":"a","move":"jump"})", "/move");
}

TEST_F(ApiInputTest, WorkflowsThatCannotBe) {
  Refuses("POST", "/v1/workflows", R"({"name":"w","steps":[{"agent":"a","depends_on":["a"]}]})", "");
  Refuses("POST", "/v1/workflows", R"({"name":"w","steps":[{"agent":"a","depends_on":["b"]}]})", "");
  Refuses("POST", "/v1/workflows", R"({"name":"w","steps":[{"agent":"a"},{"agent":"a"}]})", "");
  Refuses("POST", "/v1/workflows",
          R"({"name":"w","steps":[{"agent":"a","depends_on":["b"]},{"agent":"b","depends_on":["a"]}]})", "");
  ASSERT_EQ(Send("POST", "/v1/workflows", std::string(R"({"name":"w","steps":[{"agent":"a"}]})")).status, 201);
  Refuses("POST", "/v1/workflows/w/advance", R"({"agent":"z","move":"start"})", "/agent");
  const testing::ApiAnswer early = Send("POST", "/v1/workflows/w/advance", std::string(R"({"agent":"a","move":"finish"})"));
  EXPECT_TRUE(early.status == 400 || early.status == 409) << early.body;
}

TEST_F(ApiInputTest, NamesThatAreNoNames) {
  const std::string longest(256, 'n');
  EXPECT_EQ(Register(longest, "x").status, 201);
  EXPECT_EQ(Get("/v1/contexts/" + longest).status, 200);
  EXPECT_EQ(Register(longest + "n", "x").status, 400);
  EXPECT_EQ(Get("/v1/contexts/" + longest + "n").status, 400);
  EXPECT_EQ(Register(std::string("a\0b", 3), "x").status, 400);
  EXPECT_EQ(Register("a\nb", "x").status, 400);
  EXPECT_EQ(Get("/v1/contexts/%ff").status, 400);
  EXPECT_EQ(Get("/v1/contexts/%00").status, 404);
  EXPECT_EQ(Get("/v1/contexts/%zz").status, 400);
  EXPECT_EQ(Get("/v1/contexts/").status, 404);
  EXPECT_EQ(Get("/v1/contexts/..").status, 404);
  for (const std::string name : {"..", "a/../b", "%2e", "ünï", "\xf0\x9f\x98\x80", " ", "a?b#c"}) {
    ASSERT_EQ(Register(name, "x").status, 201) << name;
    const testing::ApiAnswer got = Get("/v1/contexts/" + PercentEncode(name));
    ASSERT_EQ(got.status, 200) << name;
    EXPECT_EQ(testing::TextAt(got.json, "agent"), name);
  }
}

TEST_F(ApiInputTest, PathsAndMethods) {
  for (const char* path : {"/", "/v1", "/v1/", "/v2/contexts", "/v1/contexts/a/b", "//v1/contexts", "/v1/modelsx", "*"}) {
    EXPECT_EQ(Get(path).status, path[0] == '*' ? 400 : 404) << path;
  }
  for (const char* method : {"PUT", "TRACE", "CONNECT", "BREW", "get", ""}) {
    EXPECT_EQ(Send(method, "/v1/status", std::string()).status, 405) << method;
  }
  EXPECT_EQ(Send("POST", "/v1/contexts/a", std::string("{}")).Header("Allow"), "GET, HEAD, PUT, PATCH, DELETE");
  EXPECT_EQ(Get("/v1/embeddings").Header("Allow"), "POST");
  EXPECT_EQ(Send("HEAD", "/v1/embeddings", std::string()).status, 405);
  const testing::ApiAnswer options = Send("OPTIONS", "/v1/contexts", std::string());
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.Header("Allow"), "POST, GET, HEAD, DELETE, OPTIONS");
  EXPECT_EQ(Send("HEAD", "/v1/status", std::string()).status, 200);
  EXPECT_EQ(Send("HEAD", "/v1/contexts/none", std::string()).status, 404);
  for (const char* page : {"/healthz", "/readyz", "/metrics", "/openapi.json"}) {
    EXPECT_EQ(Get(page).status, 200) << page;
    EXPECT_EQ(Send("HEAD", page, std::string()).status, 200) << page;
    EXPECT_EQ(Send("POST", page, std::string()).status, 405) << page;
    EXPECT_EQ(Send("OPTIONS", page, std::string()).status, 204) << page;
  }
}

}  // namespace
}  // namespace weir
