#pragma once
// A collector for tests: a real HTTP server that keeps what it was sent and answers as told; spans for it.

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "test_server.h"
#include "weir/base/check.h"
#include "weir/codec/json.h"
#include "weir/trace/span_exporter.h"

namespace weir {

class Collector {
 public:
  struct Received {
    std::string method;
    std::string path;
    HttpHeaders headers;
    std::string body;
    std::chrono::steady_clock::time_point at;
  };
  // Gets the number of the request, from 0. Status 0: no answer before the collector ends or lets go.
  using Answer = std::function<HttpResponse(size_t number)>;

  explicit Collector(
      Answer answer = [](size_t) { return HttpResponse{.status = 200, .headers = {}, .body = "{}"}; }, uint16_t port = 0)
      : answer_(std::move(answer)) {
    HttpServerOptions options;
    options.listeners = {{}};
    options.listeners[0].port = port;
    server_ = StartTestServer([this](const HttpRequest& request, HttpReply reply) { Take(request, std::move(reply)); },
                              std::move(options));
  }
  ~Collector() {
    LetGo();
    server_->Stop();
  }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  HttpUrl url() const { return {.target = TargetOf(*server_), .path = "/v1/traces"}; }
  uint16_t port() const { return server_->endpoints()[0].port; }

  std::vector<Received> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }
  // False: they do not come within a generous time.
  bool WaitFor(size_t requests) const {
    return ComesTrue([&] { return received().size() >= requests; });
  }
  // Answers 200 to all that wait for an answer.
  void LetGo() {
    std::vector<HttpReply> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (HttpReply& reply : held) reply.Send({.status = 200, .headers = {}, .body = "{}"});
  }

 private:
  void Take(const HttpRequest& request, HttpReply reply) {
    std::unique_lock lock(mutex_);
    HttpResponse response = answer_(received_.size());
    received_.push_back({request.method, request.path, request.headers, request.body, std::chrono::steady_clock::now()});
    if (response.status == 0) {
      held_.push_back(std::move(reply));
      return;
    }
    lock.unlock();
    reply.Send(std::move(response));
  }

  const Answer answer_;
  mutable std::mutex mutex_;
  std::vector<Received> received_;
  std::vector<HttpReply> held_;
  std::unique_ptr<HttpServer> server_;
};

// Spans differ by `number`, which is in their span id.
inline Span MakeTestSpan(uint64_t number) {
  Span span;
  span.name = "GET /v1/things";
  span.kind = SpanKind::kServer;
  span.trace_id = "0af7651916cd43dd8448eb211c80319c";
  span.span_id = fmt::format("{:016x}", number + 1);
  span.start_unix_ns = 1'769'850'487'123'456'789;
  span.end_unix_ns = span.start_unix_ns + 1000;
  return span;
}

// Every span of a request's body. REQUIRES: a body as the exporter writes it.
inline Json::Array SpansOf(const std::string& body) {
  const auto parsed = Json::Parse(body);
  WEIR_CHECK(parsed.has_value(), "no JSON: {}", body);
  const Json* resource = parsed->Find("resourceSpans");
  WEIR_CHECK(resource != nullptr && resource->is_array() && resource->as_array().size() == 1, "no resourceSpans");
  const Json* scope = resource->as_array()[0].Find("scopeSpans");
  WEIR_CHECK(scope != nullptr && scope->is_array() && scope->as_array().size() == 1, "no scopeSpans");
  const Json* spans = scope->as_array()[0].Find("spans");
  WEIR_CHECK(spans != nullptr && spans->is_array(), "no spans");
  return spans->as_array();
}

// Quick ones, so that failures do not take seconds.
inline SpanExporterOptions TestOptions(HttpUrl endpoint) {
  SpanExporterOptions options;
  options.endpoint = std::move(endpoint);
  options.resource = {{"service.name", std::string("weir-test")}};
  options.schedule_delay = std::chrono::hours(1);  // full batches and flushes alone send
  options.first_pause = std::chrono::milliseconds(1);
  options.longest_pause = std::chrono::milliseconds(20);
  return options;
}

}  // namespace weir
