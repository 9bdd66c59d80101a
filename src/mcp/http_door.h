#pragma once
// HttpDoor: what an McpHttpEndpoint is made of: tells the eras apart and answers each in its way. Thread-safe. Private.

#include <string>

#include "core.h"
#include "http_fields.h"
#include "http_session.h"
#include "json_rpc.h"
#include "weir/mcp/http_endpoint.h"

namespace weir::mcp {

class HttpDoor {
 public:
  HttpDoor(Core& core, McpHttpOptions options) : core_(core), options_(std::move(options)), sessions_(core, options_) {}
  ~HttpDoor() { sessions_.EndAll(); }

  void Handle(const HttpRequest& request, HttpReply reply, McpCaller caller);

 private:
  void Post(const HttpRequest& request, HttpReply reply, McpCaller caller);
  void Get(const HttpRequest& request, HttpReply reply, const McpCaller& caller);
  void Delete(const HttpRequest& request, HttpReply reply, const McpCaller& caller);

  void PostModern(const HttpRequest& http, HttpReply reply, McpCaller caller, RpcMessage message, Accepts accepts);
  void PostLegacy(const HttpRequest& http, HttpReply reply, McpCaller caller, Json body, Accepts accepts);
  void Begin(HttpReply reply, const McpCaller& caller, const RpcMessage& message, Accepts accepts);
  void Take(const std::shared_ptr<HttpSession>& session, RpcMessage message);
  void Serve(const std::shared_ptr<HttpSession>& session, RpcMessage message,
             const std::shared_ptr<class LegacyExchange>& exchange);
  // The session that the request names, or null after an answer that says why not.
  std::shared_ptr<HttpSession> FindSession(const HttpRequest& http, HttpReply& reply, const McpCaller& caller);

  Core& core_;
  const McpHttpOptions options_;
  SessionTable sessions_;
};

}  // namespace weir::mcp
