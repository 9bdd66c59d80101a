#pragma once
// Api: the HTTP face of a Service. One table of routes says what there is; routing, validation, the OpenAPI document and the
// reference page come from it.
//
// A request passes, in this order: Host and Origin, the token and its limit, the scope, parameters and body against their
// schemas, the handler. Whatever fails answers {"error":{"code","message","hint"}}, or OpenAI's shape on the
// paths of its API. No text of a request reaches a log or a metric.
//
// Threads: every method from any thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/api/access.h"
#include "weir/codec/json.h"
#include "weir/http/message.h"
#include "weir/http/server.h"
#include "weir/service/service.h"

namespace weir {

// What is known of a request when it is answered: for the access log and for traces. Nothing of its text.
struct RequestRecord {
  std::string_view method;  // as HTTP knows it; "_OTHER": what it does not know is a text of the caller's
  std::string_view route;   // as the table has it, "/v1/contexts/{agent}"; empty: no route
  int status = 0;
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  Duration duration{};
  std::string trace_id;        // 32 hexadecimal digits, the caller's or a new one
  std::string span_id;         // 16, of this request
  std::string parent_span_id;  // of the caller; empty: none
  bool is_sampled = true;      // as the caller wants it
  std::string workspace;       // empty: not admitted
  std::string token;           // its id
  std::string peer;            // address and port
};

struct ApiOptions {
  Service* service = nullptr;  // borrowed
  Access* access = nullptr;    // borrowed
  std::string version{};
  // Names under which clients may reach this daemon (the Host header), beside loopback names and addresses and the unix
  // socket; "*": any.
  std::vector<std::string> hosts{};
  // Web pages that may call (the Origin header), beside those of the daemon itself, as "https://example.org"; "*": any.
  std::vector<std::string> origins{};
  std::function<HttpServerStats()> http_stats{};           // for /metrics; empty: none
  std::function<void(const RequestRecord&)> on_request{};  // called for each; quick, from any thread; empty: nobody asks
  const Clock* clock = nullptr;                            // borrowed; null: the steady clock
};

class Api {
 public:
  explicit Api(ApiOptions options);
  ~Api();

  // The whole of it: takes a request, gives the answer. MCP lives beside it (mcp_tools.h).
  HttpResponse Handle(const HttpRequest& request);
  // Before the body is read: an answer that needs none, such as 401.
  std::optional<HttpResponse> LookAtHead(const HttpRequest& request);
  // Whether it never blocks.
  static bool IsQuick(const HttpRequest& request);
  // Host and Origin alone; an answer when they are refused.
  std::optional<HttpResponse> CheckOrigin(const HttpRequest& request) const;
  // The token alone; an answer when it is refused.
  std::optional<HttpResponse> Admit(const HttpRequest& request, Caller& caller);

  // The document, as text.
  const std::string& OpenApi() const;

 private:
  class Core;
  const std::unique_ptr<Core> core_;
};

// What the server itself answers, in the API's shape.
HttpResponse ApiErrorBody(int status, std::string_view code, std::string_view message);
// The reference page, from the same table.
std::string ApiReference();

}  // namespace weir
