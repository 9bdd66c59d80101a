// A marker in every place where a request may hold text comes out nowhere but in answers to its sender.

#include "api_fixture.h"
#include "weir/base/log.h"

namespace weir {
namespace {

using testing::ApiAnswer;

const std::string kMark = "MARKER7f3a";

class ApiPrivacyTest : public testing::ApiTest {
 protected:
  // A value of the schema's kind, with the marker wherever text may stand.
  static Json Marked(const Json& schema) {
    if (const Json* const choices = schema.Find("enum")) return choices->as_array().front();
    if (const Json* const either = schema.Find("anyOf")) return Marked(either->as_array().front());
    const Json* const type = schema.Find("type");
    const std::string name = type != nullptr && type->is_string() ? type->as_string() : "string";
    if (name == "array") return Json::Array{Marked(*schema.Find("items"))};
    if (name == "boolean") return true;
    if (name == "integer" || name == "number") return 1;
    if (name != "object") return kMark;
    Json object = Json::MakeObject();
    if (const Json* const members = schema.Find("properties")) {
      for (const auto& [member, inner] : members->as_object()) object.Set(member, Marked(inner));
    } else {
      object.Set(kMark, kMark);
    }
    return object;
  }
  static std::string PathOf(const api::Route& route) {
    std::string path(route.path);
    if (const size_t variable = path.find('{'); variable != std::string::npos) {
      path.replace(variable, path.find('}') - variable + 1, kMark);
    }
    return path;
  }

  // The route as it is meant, with one member at a time, with all of them, and with what cannot be read.
  void SendMarked(const api::Route& route, const HttpHeaders& headers) {
    const std::string method(route.method);
    HttpHeaders all = headers;
    for (const char* name : {"Idempotency-Key", "traceparent", "X-Any", "User-Agent"}) all.Add(name, kMark);
    std::string query = "?" + kMark + "=" + kMark;
    Send(method, PathOf(route) + query, std::string(), all);
    for (const api::Parameter& parameter : route.parameters) {
      if (parameter.place == api::ParameterPlace::kHeader) all.Add(std::string(parameter.name), kMark);
      if (parameter.place == api::ParameterPlace::kQuery) {
        Send(method, PathOf(route) + "?" + std::string(parameter.name) + "=" + kMark, std::string(), headers);
      }
    }
    Send(method, PathOf(route), std::string(), all);
    if (route.body.is_null()) return;
    const Json whole = Marked(route.body);
    SendJson(method, PathOf(route), whole, all);
    Send(method, PathOf(route), "{\"" + kMark, headers);
    Send(method, PathOf(route), "{\"" + kMark + "\":\"" + kMark + "\"}", headers);
    Send(method, PathOf(route), kMark, {{"Content-Type", kMark}});
    for (const auto& [name, value] : whole.as_object()) {
      Json one = Json::MakeObject();
      if (const Json* const required = route.body.Find("required")) {
        for (const Json& must : required->as_array()) one.Set(must.as_string(), *whole.Find(must.as_string()));
      }
      one.Set(name, value);
      SendJson(method, PathOf(route), one, headers);
    }
  }
};

TEST_F(ApiPrivacyTest, NoTextReachesLogsMetricsRecordsOrOthers) {
  Open();
  std::string records;
  Serve({.on_request = [&](const RequestRecord& record) {
    for (const std::string_view text :
         {record.method, record.route, std::string_view(record.trace_id), std::string_view(record.parent_span_id),
          std::string_view(record.workspace), std::string_view(record.token), std::string_view(record.peer)}) {
      records += std::string(text) + "\n";
    }
  }});
  const std::string owner = AddToken("team", kAllScopes);
  const std::string other = AddToken("default", kAllScopes);
  SetLogLevel(LogLevel::kDebug);
  ::testing::internal::CaptureStderr();
  for (int round = 0; round < 2; ++round) {
    for (const api::Route& route : api::Routes()) {
      if (route.method != "DELETE") SendMarked(route, Bearer(owner));
    }
  }
  Register(kMark, kMark + std::string(64, 's'), Bearer(owner));
  fake_.poison = '7';
  Post("/v1/embeddings", Json::Object{{"model", "fake-model"}, {"input", kMark + "!"}}, Bearer(owner));
  fake_.poison = 0;
  const std::string metrics = Get("/metrics").body + Get("/metrics", {{"Accept", "application/openmetrics-text"}}).body;
  std::string others;
  for (const api::Route& route : api::Routes()) {
    std::string path(route.path);
    if (const size_t variable = path.find('{'); variable != std::string::npos) {
      path.replace(variable, path.find('}') - variable + 1, "any");
    }
    const std::string body = route.body.is_null() ? "" : route.body_optional ? "{}" : R"({"text":"ssssssssssssssss"})";
    others += Send(std::string(route.method), path, body, Bearer(other)).body + "\n";
  }
  for (const api::Route& route : api::Routes()) {
    if (route.method == "DELETE") SendMarked(route, Bearer(owner));
  }
  const std::string logs = ::testing::internal::GetCapturedStderr();
  SetLogLevel(LogLevel::kWarning);
  EXPECT_EQ(logs.find(kMark), std::string::npos) << logs;
  EXPECT_EQ(metrics.find(kMark), std::string::npos);
  EXPECT_EQ(records.find(kMark), std::string::npos) << records;
  EXPECT_EQ(others.find(kMark), std::string::npos) << others;
  EXPECT_NE(records.find("/v1/contexts/{agent}"), std::string::npos) << "the test listens";
}

TEST_F(ApiPrivacyTest, ErrorsQuoteNoPrompt) {
  Open();
  const auto refuses = [&](const std::string& method, const std::string& path, const Json& body) {
    const ApiAnswer answer = SendJson(method, path, body);
    EXPECT_GE(answer.status, 400) << path;
    EXPECT_EQ(answer.body.find(kMark), std::string::npos) << answer.body;
  };
  ASSERT_EQ(Register("a", kMark).status, 201);
  refuses("POST", "/v1/contexts", Json::Object{{"agent", "a"}, {"text", kMark}});
  refuses("POST", "/v1/contexts", Json::Object{{"agent", "b"}, {"text", kMark}, {"ttl_s", kMark}});
  refuses("POST", "/v1/contexts", Json::Object{{"agent", "b"}, {"segments", Json::Array{kMark}}});
  refuses("POST", "/v1/contexts", Json::Object{{"agent", "b"}, {"messages", Json::Array{kMark}}});
  refuses("POST", "/v1/match", Json::Object{{"text", kMark}, {"limit", 0}});
  refuses("POST", "/v1/embeddings", Json::Object{{"model", "none"}, {"input", kMark}});
  refuses("POST", "/v1/embeddings", Json::Object{{"model", "fake-model"}, {"input", kMark + std::string(200, 'x')}});
  refuses("POST", "/v1/embeddings", Json::Object{{"model", "fake-model"}, {"input", Json::Array{kMark, 1}}});
  refuses("POST", "/v1/search", Json::Object{{"query", kMark}});
  EXPECT_EQ(Send("POST", "/v1/contexts", "{\"text\":\"" + kMark + "\",}").body.find(kMark), std::string::npos);
}

}  // namespace
}  // namespace weir
