#pragma once
// What the tests of servers share: starting one, and waiting for what it counts.

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "weir/base/check.h"
#include "weir/http/client.h"
#include "weir/http/server.h"

namespace weir {

inline std::unique_ptr<HttpServer> StartTestServer(HttpHandler handler, HttpServerOptions options = {}) {
  if (options.listeners.empty()) options.listeners = {{}};
  auto server = HttpServer::Start(std::move(options), std::move(handler));
  WEIR_CHECK(server.has_value(), "{}", server ? "" : server.error().ToString());
  return *std::move(server);
}

inline HttpTarget TargetOf(const HttpServer& server, size_t listener = 0) {
  const HttpEndpoint& endpoint = server.endpoints()[listener];
  return {.host = endpoint.address, .port = endpoint.port, .socket_path = endpoint.socket_path, .tls = endpoint.tls};
}

// Answers with what it saw.
inline void EchoRequest(const HttpRequest& request, HttpReply reply) {
  HttpResponse response;
  response.headers = {
      {"X-Method", request.method}, {"X-Path", request.path}, {"X-Query", request.query}, {"X-Host", request.host}};
  response.body = request.body.empty() ? "nothing" : request.body;
  reply.Send(std::move(response));
}

// True once `condition` holds; false if it does not within a generous time.
inline bool ComesTrue(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace weir
