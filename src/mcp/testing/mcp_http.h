#pragma once
// An McpServer behind a real HttpServer on a free port, and a client that writes requests as each era does.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "mcp_client.h"
#include "weir/http/client.h"
#include "weir/http/server.h"
#include "weir/http/sse.h"
#include "weir/mcp/http_endpoint.h"

namespace weir {

class McpOverHttp {
 public:
  explicit McpOverHttp(McpOptions options = {}, McpHttpOptions http_options = {})
      : server(*McpServer::Make(std::move(options), clock)),
        endpoint(std::make_unique<McpHttpEndpoint>(*server, http_options)) {
    HttpServerOptions listen;
    listen.listeners.push_back({});
    listen.worker_threads = 4;
    http = *HttpServer::Start(std::move(listen), [this](const HttpRequest& request, HttpReply reply) {
      endpoint->Handle(request, std::move(reply),
                       McpCaller{std::string(request.headers.Find("X-Workspace").value_or("")), "", {"read"}});
    });
    client = *HttpClient::Create();
    target.host = "127.0.0.1";
    target.port = http->endpoints().front().port;
  }
  ~McpOverHttp() { http->Stop(); }

  static HttpCall Post(std::string body, HttpHeaders headers = {}) {
    HttpCall call;
    call.method = "POST";
    call.path = "/mcp";
    call.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}};
    for (const HttpHeaders::Field& field : headers) call.headers.Set(field.name, field.value);
    call.body = std::move(body);
    return call;
  }
  // With the fields that a modern client mirrors out of the body.
  static HttpCall PostModern(const std::string& body, HttpHeaders headers = {}) {
    const Json message = ParsedJson(body);
    HttpHeaders fields = {{"MCP-Protocol-Version", "2026-07-28"}, {"Mcp-Method", At(message, "/method")}};
    const std::string name =
        At(message, "/method") == "resources/read" ? At(message, "/params/uri") : At(message, "/params/name");
    if (name != "none") fields.Set("Mcp-Name", name);
    for (const HttpHeaders::Field& field : headers) fields.Set(field.name, field.value);
    return Post(body, std::move(fields));
  }
  HttpResponse Send(const HttpCall& call) {
    Result<HttpResponse> response = client->Send(target, call);
    WEIR_CHECK(response.has_value(), "{}", response ? std::string() : response.error().ToString());
    return *std::move(response);
  }
  // "STATUS code": of a JSON-RPC error, or "none".
  std::string Fault(const HttpCall& call) {
    const HttpResponse response = Send(call);
    const Result<Json> body = Json::Parse(response.body);
    return std::to_string(response.status) + " " + (body ? At(*body, "/error/code") : "none");
  }
  // A legacy session, and the fields that name it.
  HttpHeaders Begin(std::string_view version = "2025-11-25", std::string_view capabilities = "{}") {
    const HttpResponse response = Send(Post(InitializeRequest(version, capabilities)));
    WEIR_CHECK(response.status == 200);
    return {{"MCP-Session-Id", std::string(*response.headers.Find("MCP-Session-Id"))},
            {"MCP-Protocol-Version", At(ParsedJson(response.body), "/result/protocolVersion")}};
  }

  ManualClock clock;
  std::unique_ptr<McpServer> server;
  std::unique_ptr<McpHttpEndpoint> endpoint;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<HttpClient> client;
  HttpTarget target;
};

// A stream of events that is read on a thread of its own until it ends or is left.
class EventReader {
 public:
  EventReader(McpOverHttp& over, HttpCall call) {
    thread_ = std::jthread([this, &over, call = std::move(call)](std::stop_token stop) {
      const Result<HttpResponse> head = over.client->StreamEvents(
          over.target, call,
          [this](const SseEvent& event) {
            if (event.data.empty()) return true;  // it only brings an id
            const std::lock_guard lock(mutex_);
            events_.push_back(event);
            changed_.notify_all();
            return true;
          },
          stop);
      const std::lock_guard lock(mutex_);
      status_ = head ? head->status : 0;
      ended_ = true;
      changed_.notify_all();
    });
  }
  ~EventReader() { Leave(); }

  // The next event; waits for it.
  SseEvent Next() {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(30), [this] { return !events_.empty() || ended_; });
    WEIR_CHECK(came && !events_.empty(), "no event came");
    SseEvent event = events_.front();
    events_.pop_front();
    return event;
  }
  Json NextMessage() { return ParsedJson(Next().data); }
  // Waits for the end; the status of the answer, 0 when it broke.
  int AwaitEnd() {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(30), [this] { return ended_; });
    WEIR_CHECK(came, "the stream did not end");
    return status_;
  }
  bool IsEmpty() {
    const std::lock_guard lock(mutex_);
    return events_.empty();
  }
  void Leave() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<SseEvent> events_;  // under mutex_, as the two below
  int status_ = 0;
  bool ended_ = false;
  std::jthread thread_;
};

}  // namespace weir
