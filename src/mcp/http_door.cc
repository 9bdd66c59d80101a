#include "http_door.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "http_legacy.h"
#include "http_modern.h"
#include "weir/http/sse.h"

namespace weir::mcp {
namespace {

bool IsLegacyVersion(std::string_view version) {
  return std::find(std::begin(kMcpLegacyVersions), std::end(kMcpLegacyVersions), version) != std::end(kMcpLegacyVersions);
}

std::string VersionField(const HttpRequest& request) {
  const std::optional<std::string_view> value = request.headers.Find("MCP-Protocol-Version");
  return value ? DecodedField(*value).value_or("") : std::string();
}

HttpResponse ModernFault(int status, const Json& id, const RpcError& error) {
  return JsonResponse(status, ErrorMessage(id, error, /*write_null_id=*/false));
}

}  // namespace

void HttpDoor::Handle(const HttpRequest& request, HttpReply reply, McpCaller caller) {
  if (const std::optional<std::string> fault = ForeignOrigin(request, options_)) {
    return reply.Send(FaultResponse(403, kInvalidRequest, *fault));
  }
  if (request.method == "POST") return Post(request, std::move(reply), std::move(caller));
  if (request.method == "GET") return Get(request, std::move(reply), caller);
  if (request.method == "DELETE") return Delete(request, std::move(reply), caller);
  HttpResponse response = FaultResponse(405, kInvalidRequest, "Use POST, GET or DELETE");
  response.headers.Add("Allow", "POST, GET, DELETE");
  reply.Send(std::move(response));
}

void HttpDoor::Post(const HttpRequest& request, HttpReply reply, McpCaller caller) {
  if (!IsJsonBody(request.headers)) {
    return reply.Send(FaultResponse(415, kInvalidRequest, "Content-Type must be application/json"));
  }
  const Accepts accepts = ReadAccept(request.headers);
  if (!accepts.json && !accepts.events) {
    return reply.Send(FaultResponse(406, kInvalidRequest, "Accept must name application/json and text/event-stream"));
  }
  if (request.body.size() > core_.options().message_bytes_max) {
    return reply.Send(FaultResponse(413, kInvalidRequest,
                                    fmt::format("A message may have {} bytes at most", core_.options().message_bytes_max)));
  }
  Result<Json> body = Json::Parse(request.body);
  if (!body) return reply.Send(FaultResponse(400, kParseError, body.error().message));
  const Json* params = body->Find("params");
  const bool is_modern = VersionField(request) == kMcpModernVersion || (params != nullptr && LooksModern(*params));
  if (!is_modern) return PostLegacy(request, std::move(reply), std::move(caller), *std::move(body), accepts);
  auto read = ReadMessage(*std::move(body));
  if (const BadMessage* bad = std::get_if<BadMessage>(&read)) return reply.Send(ModernFault(400, bad->id, bad->error));
  PostModern(request, std::move(reply), std::move(caller), std::move(std::get<RpcMessage>(read)), accepts);
}

void HttpDoor::PostModern(const HttpRequest& http, HttpReply reply, McpCaller caller, RpcMessage message, Accepts accepts) {
  if (message.kind == RpcMessage::Kind::kResponse) {
    return reply.Send(ModernFault(400, nullptr, {kInvalidRequest, "Responses are not part of 2026-07-28", std::nullopt}));
  }
  if (message.kind == RpcMessage::Kind::kNotification) {
    core_.counters().notifications.fetch_add(1, std::memory_order_relaxed);
    return reply.Send(HttpResponse{202, {}, {}});
  }
  const auto refuse = [&](const RpcError& error) {
    core_.counters().errors.fetch_add(1, std::memory_order_relaxed);
    reply.Send(ModernFault(400, message.id, error));
  };
  const std::string version = VersionField(http);
  if (version.empty())
    return refuse({kHeaderMismatch, "Header mismatch: MCP-Protocol-Version is required, but missing", {}});
  auto read = ReadModernMeta(message.params);
  if (const RpcError* error = std::get_if<RpcError>(&read)) return refuse(*error);
  ModernMeta& meta = std::get<ModernMeta>(read);
  if (version != meta.version)
    return refuse({kHeaderMismatch, "Header mismatch: MCP-Protocol-Version does not match the body", {}});
  if (version != kMcpModernVersion) return refuse(UnsupportedVersion(version));
  const std::string* tool_name = message.method == "tools/call" ? StringMember(message.params, "name") : nullptr;
  const auto tool = tool_name == nullptr ? nullptr : core_.catalog().tools.Find(*tool_name);
  if (const auto error = HeaderMismatch(http.headers, message.method, message.params, tool.get())) return refuse(*error);
  if (message.method == "subscriptions/listen" && !accepts.events) {
    return refuse({kInvalidRequest, "subscriptions/listen needs Accept: text/event-stream", {}});
  }

  auto request = std::make_shared<Request>();
  request->era = McpEra::kModern;
  request->version = std::move(meta.version);
  request->id = std::move(message.id);
  request->method = std::move(message.method);
  request->params = std::move(message.params);
  request->caller = std::move(caller);
  request->client = std::move(meta.client);
  request->capabilities = std::move(meta.capabilities);
  request->log_level = meta.log_level;
  const auto exchange = std::make_shared<ModernExchange>(std::move(reply), accepts, options_.keep_alive);
  exchange->Watch(http, request);
  request->outlet = exchange;
  request->done = [exchange, id = request->id](Outcome outcome) { exchange->Finish(id, std::move(outcome)); };
  if (request->method == "subscriptions/listen" && exchange->Open())
    exchange->OnDrain([core = &core_] { core->EndSubscriptions(); });
  core_.Serve(std::move(request));
}

std::shared_ptr<HttpSession> HttpDoor::FindSession(const HttpRequest& http, HttpReply& reply, const McpCaller& caller) {
  const std::optional<std::string_view> id = http.headers.Find("MCP-Session-Id");
  if (!id) {
    reply.Send(FaultResponse(400, kInvalidRequest,
                             "MCP-Session-Id is required: begin with initialize, or send _meta (2026-07-28)"));
    return nullptr;
  }
  std::shared_ptr<HttpSession> session = sessions_.Find(*id, caller);
  if (session == nullptr) {
    reply.Send(FaultResponse(404, kInvalidRequest, "There is no such session: begin again with initialize"));
    return nullptr;
  }
  const std::string version = VersionField(http);
  if (http.headers.Has("MCP-Protocol-Version") && !IsLegacyVersion(version)) {
    reply.Send(FaultResponse(400, kInvalidRequest, "MCP-Protocol-Version names a version that is not served in a session"));
    return nullptr;
  }
  return session;
}

void HttpDoor::PostLegacy(const HttpRequest& http, HttpReply reply, McpCaller caller, Json body, Accepts accepts) {
  const std::string* method = StringMember(body, "method");
  if (method != nullptr && *method == "initialize") {
    auto read = ReadMessage(std::move(body));
    if (const BadMessage* bad = std::get_if<BadMessage>(&read)) {
      return reply.Send(JsonResponse(400, ErrorMessage(bad->id, bad->error, true)));
    }
    return Begin(std::move(reply), caller, std::get<RpcMessage>(read), accepts);
  }
  const std::string version = VersionField(http);
  if (!version.empty() && !IsLegacyVersion(version)) {
    return reply.Send(JsonResponse(400, ErrorMessage(nullptr, UnsupportedVersion(version), true)));
  }
  const std::shared_ptr<HttpSession> session = FindSession(http, reply, caller);
  if (session == nullptr) return;
  const bool is_batch = body.is_array();
  if (is_batch && (session->session()->version() >= "2025-06-18" || body.as_array().empty() ||
                   body.as_array().size() > core_.options().batch_max)) {
    return reply.Send(
        FaultResponse(400, kInvalidRequest,
                      fmt::format("Batches have 1 to {} messages, and only before 2025-06-18", core_.options().batch_max)));
  }
  std::vector<RpcMessage> requests;
  Json::Array values;
  if (is_batch) {
    values = std::move(body.as_array());
  } else {
    values.push_back(std::move(body));
  }
  for (Json& value : values) {
    auto read = ReadMessage(std::move(value));
    if (const BadMessage* bad = std::get_if<BadMessage>(&read)) {
      return reply.Send(JsonResponse(400, ErrorMessage(bad->id, bad->error, true)));
    }
    RpcMessage& message = std::get<RpcMessage>(read);
    if (message.kind == RpcMessage::Kind::kRequest) {
      requests.push_back(std::move(message));
    } else {
      Take(session, std::move(message));
    }
  }
  if (requests.empty()) return reply.Send(HttpResponse{202, {}, {}});
  const auto exchange =
      std::make_shared<LegacyExchange>(std::move(reply), accepts, options_.keep_alive, session, requests.size(), is_batch);
  for (RpcMessage& message : requests) Serve(session, std::move(message), exchange);
}

void HttpDoor::Begin(HttpReply reply, const McpCaller& caller, const RpcMessage& message, Accepts accepts) {
  if (message.kind != RpcMessage::Kind::kRequest) {
    return reply.Send(FaultResponse(400, kInvalidRequest, "initialize is a request: it needs an id"));
  }
  std::shared_ptr<Session> begun;
  Outcome outcome = core_.Initialize(message.params, caller, begun);
  if (outcome.kind == Outcome::Kind::kError) {
    return reply.Send(JsonResponse(400, ErrorMessage(message.id, outcome.error, true)));
  }
  const std::shared_ptr<HttpSession> session = sessions_.Add(begun);
  if (session == nullptr) {
    HttpResponse response =
        JsonResponse(503, ErrorMessage(message.id, {kInternalError, "Too many sessions; try again later", {}}, true));
    response.headers.Add("Retry-After", "1");
    return reply.Send(std::move(response));
  }
  begun->set_push(session->push());
  core_.Listen(begun);
  const Json answer = ResultMessage(message.id, std::move(outcome.result));
  HttpResponse response = JsonResponse(200, answer);
  if (!accepts.json) {
    SseEvent event;
    event.data = answer.Dump();
    response.headers.Set("Content-Type", "text/event-stream");
    response.body = FormatSse(event);
  }
  response.headers.Add("MCP-Session-Id", session->id());
  reply.Send(std::move(response));
}

void HttpDoor::Take(const std::shared_ptr<HttpSession>& session, RpcMessage message) {
  if (message.kind == RpcMessage::Kind::kResponse) return session->session()->Answer(std::move(message));
  core_.counters().notifications.fetch_add(1, std::memory_order_relaxed);
  if (message.method != "notifications/cancelled") return;
  if (const Json* id = message.params.Find("requestId")) session->in_flight().Cancel(*id);
}

void HttpDoor::Serve(const std::shared_ptr<HttpSession>& session, RpcMessage message,
                     const std::shared_ptr<LegacyExchange>& exchange) {
  auto request = std::make_shared<Request>();
  if (!session->in_flight().Enter(message.id, request->cancellation)) {
    return exchange->Finish(message.id,
                            Outcome::Fault(kInvalidRequest, "This id is in use by a request that has no answer yet"));
  }
  request->version = session->session()->version();
  request->id = std::move(message.id);
  request->method = std::move(message.method);
  request->params = std::move(message.params);
  request->caller = session->session()->caller();
  request->client = session->session()->client();
  request->capabilities = session->session()->capabilities();
  request->session = session->session();
  request->outlet = exchange;
  request->done = [clock = &core_.clock(), session, exchange, id = request->id](Outcome outcome) {
    session->in_flight().Leave(id);
    session->Touch(clock->Now());
    exchange->Finish(id, std::move(outcome));
  };
  core_.Serve(std::move(request));
}

void HttpDoor::Get(const HttpRequest& request, HttpReply reply, const McpCaller& caller) {
  const auto refuse = [&reply](int status, std::string_view what) {
    HttpResponse response = FaultResponse(status, kInvalidRequest, what);
    if (status == 405) response.headers.Add("Allow", "POST");
    reply.Send(std::move(response));
  };
  if (!request.headers.Has("MCP-Session-Id")) return refuse(405, "GET is for sessions: MCP-Session-Id is missing");
  if (!ReadAccept(request.headers).events) return refuse(406, "Accept must name text/event-stream");
  const std::shared_ptr<HttpSession> session = FindSession(request, reply, caller);
  if (session == nullptr) return;
  std::shared_ptr<SseChannel> channel = session->push();
  std::optional<uint64_t> after;
  if (const std::optional<std::string_view> last = request.headers.Find("Last-Event-ID")) {
    const auto id = SseChannel::ParseEventId(*last);
    channel = id ? session->FindChannel(id->first) : nullptr;
    if (channel == nullptr) return refuse(400, "Last-Event-ID names no stream that is kept");
    after = id->second;
  } else if (channel->is_connected()) {
    return refuse(409, "This session has its stream already");
  }
  HttpStreamOptions options = SseStreamOptions(options_.keep_alive);
  options.headers.Set("MCP-Session-Id", session->id());
  options.buffer_bytes_max = std::max(options.buffer_bytes_max, 2 * options_.replay_bytes_max);
  const std::shared_ptr<HttpStream> stream = reply.OpenStream(std::move(options));
  stream->OnDrain([weak = std::weak_ptr<HttpStream>(stream)] {
    if (const std::shared_ptr<HttpStream> draining = weak.lock()) draining->Finish();
  });
  channel->Attach(stream, after);
}

void HttpDoor::Delete(const HttpRequest& request, HttpReply reply, const McpCaller& caller) {
  const std::optional<std::string_view> id = request.headers.Find("MCP-Session-Id");
  if (!id) return reply.Send(FaultResponse(400, kInvalidRequest, "MCP-Session-Id is required"));
  if (!sessions_.Remove(*id, caller)) return reply.Send(FaultResponse(404, kInvalidRequest, "There is no such session"));
  reply.Send(HttpResponse{204, {}, {}});
}

}  // namespace weir::mcp

namespace weir {

McpHttpEndpoint::McpHttpEndpoint(McpServer& server, McpHttpOptions options)
    : door_(std::make_unique<mcp::HttpDoor>(server.core(), std::move(options))) {}
McpHttpEndpoint::~McpHttpEndpoint() = default;

void McpHttpEndpoint::Handle(const HttpRequest& request, HttpReply reply, McpCaller caller) {
  door_->Handle(request, std::move(reply), std::move(caller));
}

}  // namespace weir
