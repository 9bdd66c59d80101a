#pragma once
// ApiTest: an Api over a real Service in a temporary folder, with a tokenizer of bytes, a fake embedder, a machine whose
// memory a test sets, and a clock set by hand. Every answer is held against what the table of routes documents.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fake_embedder.h"
#include "fake_machine.h"
#include "router.h"
#include "temporary_folder.h"
#include "weir/api/api.h"

namespace weir::testing {

struct ApiAnswer {
  int status = 0;
  HttpHeaders headers{};
  std::string body{};
  Json json{};  // null when the body is none

  std::string Header(std::string_view name) const { return std::string(headers.Find(name).value_or(std::string_view())); }
  // Of {"error":{...}}.
  std::string Error(std::string_view member) const {
    const Json* const error = json.Find("error");
    const Json* const text = error == nullptr ? nullptr : error->Find(member);
    return text != nullptr && text->is_string() ? text->as_string() : std::string();
  }
};

// Holds answers against the table. Made once: compiling the schemas takes a while.
class AnswerRules {
 public:
  AnswerRules() : ours_(Compiled(Named("Error"))), openai_(Compiled(Named("OpenAiError"))) {
    for (const api::Route& route : api::Routes()) {
      auto& docs = schemas_.emplace_back();
      for (const api::ResponseDoc& doc : route.responses) {
        docs.emplace_back(doc.status, doc.schema.is_null() ? std::nullopt : std::optional(Compiled(doc.schema)));
      }
    }
  }

  static const AnswerRules& Get() {
    static const AnswerRules kRules;
    return kRules;
  }

  const api::Router& router() const { return router_; }

  void Check(const HttpRequest& request, const ApiAnswer& answer) const {
    SCOPED_TRACE(request.method + " " + request.target + " -> " + std::to_string(answer.status) + " " +
                 answer.body.substr(0, 400));
    EXPECT_EQ(answer.Header("x-request-id").size(), 32u);
    if (answer.status == 429 || answer.status == 503) {
      EXPECT_FALSE(answer.Header("Retry-After").empty());
    }
    if (answer.status == 401) {
      EXPECT_FALSE(answer.Header("WWW-Authenticate").empty());
    }
    if (answer.status == 405) {
      EXPECT_FALSE(answer.Header("Allow").empty());
    }
    if (answer.status == 204 || answer.status == 304) {
      EXPECT_EQ(answer.body, "");
    }
    const Result<api::Router::Found> found = router_.Find(request.method, request.path);
    const api::CompiledRoute* const route = found ? found->route : nullptr;
    if (answer.status >= 400) {
      if (request.path == "/readyz") return;
      EXPECT_EQ(answer.Header("Content-Type"), "application/json");
      const bool openai = route != nullptr ? route->route->errors == api::ErrorShape::kOpenAi : IsOpenAi(answer.json);
      const Status fits = (openai ? openai_ : ours_).Check(answer.json);
      EXPECT_TRUE(fits) << fits.error().ToString();
      return;
    }
    if (route == nullptr) return;
    for (const auto& [status, schema] : schemas_[route->index]) {
      if (status != answer.status) continue;
      if (!schema) return;
      EXPECT_EQ(answer.Header("Content-Type"), "application/json");
      const Status fits = schema->Check(answer.json);
      EXPECT_TRUE(fits) << fits.error().ToString();
      return;
    }
    ADD_FAILURE() << "the table has no such status";
  }

  static JsonSchema Compiled(Json schema) {
    schema.Set("$defs", api::Components());
    Result<JsonSchema> compiled = JsonSchema::Compile(std::move(schema));
    EXPECT_TRUE(compiled) << compiled.error().ToString();
    return *std::move(compiled);
  }
  static Json Named(std::string_view component) { return Json::Object{{"$ref", "#/$defs/" + std::string(component)}}; }

 private:
  static bool IsOpenAi(const Json& json) {
    const Json* const error = json.Find("error");
    return error != nullptr && error->Find("type") != nullptr;
  }

  const api::Router router_;
  const JsonSchema ours_;
  const JsonSchema openai_;
  std::vector<std::vector<std::pair<int, std::optional<JsonSchema>>>> schemas_;  // by route
};

class ApiTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kMemory = uint64_t{100} << 30;

  ServiceOptions Options() {
    ServiceOptions options;
    options.data = folder_.path() / "data";
    options.sync = false;
    options.workspaces = {"team"};
    options.block_size = 16;
    options.registry.tokenizers.push_back({"bytes", std::make_shared<ByteTokenizer>()});
    options.registry.contexts_bytes = 16 << 20;
    options.embeddings_bytes = 16 << 20;
    options.models.push_back({ModelOf(fake_), fake_.tokens_max});
    options.context_vectors = ServiceOptions::ContextVectors::kAtOnce;
    options.sensor = &sensor_;
    // Its own thread ticks only when a test does.
    options.broker.period = options.broker.period_pressed = options.broker.period_emergency = std::chrono::hours(1);
    return options;
  }

  // Serves, but does not open: as a daemon that starts.
  void Create(ServiceOptions options) {
    api_.reset();
    service_.reset();
    sensor_.SetBound(kMemory, kMemory / 10);
    Result<std::unique_ptr<Service>> created = Service::Create(std::move(options));
    ASSERT_TRUE(created) << created.error().ToString();
    service_ = *std::move(created);
    if (access_ == nullptr) access_ = std::make_unique<Access>(std::vector<AccessToken>(), &clock_);
    Serve();
  }
  void Open(ServiceOptions options) {
    Create(std::move(options));
    const Status opened = service_->Open();
    ASSERT_TRUE(opened) << opened.error().ToString();
  }
  void Open() { Open(Options()); }
  void Serve(ApiOptions options = {}) {
    options.service = service_.get();
    options.access = access_.get();
    options.version = "1.2.3";
    options.clock = &clock_;
    api_ = std::make_unique<Api>(std::move(options));
  }

  // Tokens from now on; the secret of each.
  std::string AddToken(std::string workspace, uint8_t scopes, uint32_t requests_per_second = 0) {
    FreshToken fresh = *MakeAccessToken(std::move(workspace), scopes);
    fresh.token.requests_per_second = requests_per_second;
    tokens_.push_back(fresh.token);
    access_->Replace(tokens_);
    return fresh.secret;
  }

  static HttpHeaders Bearer(const std::string& secret) { return {{"Authorization", "Bearer " + secret}}; }

  HttpRequest Request(std::string method, std::string target, std::string body = {}, HttpHeaders headers = {}) const {
    HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    const size_t question = request.target.find('?');
    request.path = request.target.substr(0, question);
    if (question != std::string::npos) request.query = request.target.substr(question + 1);
    request.host = "localhost:7077";
    request.headers = std::move(headers);
    if (!body.empty() && !request.headers.Has("content-type")) request.headers.Add("Content-Type", "application/json");
    request.body = std::move(body);
    request.peer = peer_;
    request.cancellation = std::make_shared<HttpCancellation>();
    return request;
  }

  ApiAnswer Send(const HttpRequest& request) {
    const HttpResponse response = api_->Handle(request);
    ApiAnswer answer{response.status, response.headers, response.body, {}};
    if (answer.Header("Content-Type") == "application/json") {
      const Result<Json> json = Json::ParseUnique(response.body);
      EXPECT_TRUE(json) << response.body;
      if (json) answer.json = *json;
    }
    AnswerRules::Get().Check(request, answer);
    return answer;
  }
  ApiAnswer Send(std::string method, std::string target, std::string body = {}, HttpHeaders headers = {}) {
    return Send(Request(std::move(method), std::move(target), std::move(body), std::move(headers)));
  }
  ApiAnswer SendJson(std::string method, std::string target, const Json& body, HttpHeaders headers = {}) {
    return Send(std::move(method), std::move(target), body.Dump(), std::move(headers));
  }
  ApiAnswer Get(std::string target, HttpHeaders headers = {}) {
    return Send("GET", std::move(target), std::string(), std::move(headers));
  }
  ApiAnswer Post(std::string target, const Json& body, HttpHeaders headers = {}) {
    return SendJson("POST", std::move(target), body, std::move(headers));
  }
  ApiAnswer Register(const std::string& agent, const std::string& text, HttpHeaders headers = {}) {
    return Post("/v1/contexts", Json::Object{{"agent", agent}, {"text", text}}, std::move(headers));
  }

  // The machine's memory as a test wants it, seen by the broker.
  void SetUsed(uint64_t used) {
    sensor_.SetBound(kMemory, used);
    service_->broker().Tick();
  }

  TemporaryFolder folder_;
  FakeModel fake_;
  FakeSensor sensor_;
  ManualClock clock_;
  std::vector<AccessToken> tokens_;
  std::shared_ptr<const HttpPeer> peer_ = std::make_shared<HttpPeer>(HttpPeer{"127.0.0.1", 4711, false, false, {}, {}});
  std::unique_ptr<Access> access_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Api> api_;
};

inline uint64_t CountAt(const Json& json, std::string_view name) {
  const Json* const member = json.Find(name);
  EXPECT_TRUE(member != nullptr && member->is_integer()) << name << " in " << json.Dump();
  return member != nullptr && member->is_integer() ? static_cast<uint64_t>(member->as_int()) : 0;
}
inline std::string TextAt(const Json& json, std::string_view name) {
  const Json* const member = json.Find(name);
  EXPECT_TRUE(member != nullptr && member->is_string()) << name << " in " << json.Dump();
  return member != nullptr && member->is_string() ? member->as_string() : std::string();
}

}  // namespace weir::testing
