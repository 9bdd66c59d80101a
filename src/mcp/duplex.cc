#include "duplex.h"

#include <fmt/format.h>

#include "weir/mcp/connection.h"

namespace weir::mcp {

// Holds the answers back until the last has come.
class Duplex::Batch {
 public:
  explicit Batch(std::shared_ptr<Duplex> duplex) : duplex_(std::move(duplex)) {}
  ~Batch() {
    if (!answers_.empty()) duplex_->Send(Json(std::move(answers_)), Weight::kNeeded);
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void Add(Json answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }

 private:
  const std::shared_ptr<Duplex> duplex_;
  std::mutex mutex_;
  Json::Array answers_;  // under mutex_
};

bool Duplex::Send(const Json& message, Weight) {
  std::string text = message.Dump();
  const std::lock_guard lock(send_mutex_);
  if (!send_) return false;
  if (send_(std::move(text))) return true;
  send_ = nullptr;
  return false;
}

std::shared_ptr<Session> Duplex::session() const {
  const std::lock_guard lock(mutex_);
  return session_;
}

void Duplex::Receive(std::string_view text) {
  const Reply reply = [self = shared_from_this()](Json message) { self->Send(message, Weight::kNeeded); };
  if (text.size() > core_.options().message_bytes_max) {
    const RpcError error{
        kInvalidRequest, fmt::format("A message may have {} bytes at most", core_.options().message_bytes_max), {}};
    return reply(ErrorMessage(nullptr, error, true));
  }
  Result<Json> value = Json::Parse(text);
  if (!value) return reply(ErrorMessage(nullptr, {kParseError, value.error().message, std::nullopt}, true));
  if (value->is_array()) return ReceiveBatch(std::move(value->as_array()));
  ReceiveOne(*std::move(value), reply);
}

void Duplex::ReceiveBatch(Json::Array messages) {
  const std::shared_ptr<Session> current = session();
  const bool allowed = current != nullptr && current->version() < "2025-06-18";
  if (!allowed || messages.empty() || messages.size() > core_.options().batch_max) {
    const std::string what = !allowed ? "Batches are not part of this version"
                                      : fmt::format("A batch has 1 to {} messages", core_.options().batch_max);
    Send(ErrorMessage(nullptr, {kInvalidRequest, what, std::nullopt}, true), Weight::kNeeded);
    return;
  }
  const auto batch = std::make_shared<Batch>(shared_from_this());
  for (Json& message : messages) ReceiveOne(std::move(message), [batch](Json answer) { batch->Add(std::move(answer)); });
}

void Duplex::ReceiveOne(Json value, const Reply& reply) {
  auto read = ReadMessage(std::move(value));
  if (BadMessage* bad = std::get_if<BadMessage>(&read)) return reply(ErrorMessage(bad->id, bad->error, true));
  Take(std::move(std::get<RpcMessage>(read)), reply);
}

void Duplex::Take(RpcMessage message, const Reply& reply) {
  if (message.kind == RpcMessage::Kind::kRequest) return TakeRequest(std::move(message), reply);
  const std::shared_ptr<Session> current = session();
  if (message.kind == RpcMessage::Kind::kResponse) {
    if (current != nullptr) current->Answer(std::move(message));
    return;
  }
  core_.counters().notifications.fetch_add(1, std::memory_order_relaxed);
  if (message.method != "notifications/cancelled") return;
  if (const Json* id = message.params.Find("requestId")) in_flight_.Cancel(*id);
}

void Duplex::TakeRequest(RpcMessage message, const Reply& reply) {
  const std::shared_ptr<Session> current = session();
  if (LooksModern(message.params)) return ServeModern(std::move(message), reply);
  if (message.method == "initialize") return Begin(message, reply);
  if (current != nullptr) return ServeLegacy(std::move(message), current, reply);
  if (message.method == "server/discover") return ServeModern(std::move(message), reply);
  if (message.method == "ping") return reply(ResultMessage(message.id, Json::MakeObject()));
  reply(ErrorMessage(message.id, {kInvalidRequest, "Begin with initialize, or send the request's _meta (2026-07-28)", {}},
                     true));
}

void Duplex::Begin(const RpcMessage& message, const Reply& reply) {
  std::shared_ptr<Session> begun;
  Outcome outcome = session() != nullptr ? Outcome::Fault(kInvalidRequest, "This connection is initialized already")
                                         : core_.Initialize(message.params, caller_, begun);
  if (outcome.kind == Outcome::Kind::kError) return reply(ErrorMessage(message.id, outcome.error, true));
  // A reference back that does not keep this alive.
  class Push final : public Outlet {
   public:
    explicit Push(std::weak_ptr<Duplex> duplex) : duplex_(std::move(duplex)) {}
    bool Send(const Json& one, Weight weight) override {
      const std::shared_ptr<Duplex> duplex = duplex_.lock();
      return duplex != nullptr && duplex->Send(one, weight);
    }

   private:
    const std::weak_ptr<Duplex> duplex_;
  };
  begun->set_push(std::make_shared<Push>(weak_from_this()));
  {
    const std::lock_guard lock(mutex_);
    session_ = begun;
  }
  reply(ResultMessage(message.id, std::move(outcome.result)));
  core_.Listen(begun);
}

void Duplex::ServeModern(RpcMessage message, const Reply& reply) {
  auto read = ReadModernMeta(message.params);
  if (RpcError* error = std::get_if<RpcError>(&read)) return reply(ErrorMessage(message.id, *error, true));
  ModernMeta& meta = std::get<ModernMeta>(read);
  if (meta.version != kMcpModernVersion) return reply(ErrorMessage(message.id, UnsupportedVersion(meta.version), true));
  auto request = std::make_shared<Request>();
  request->era = McpEra::kModern;
  request->version = std::move(meta.version);
  request->client = std::move(meta.client);
  request->capabilities = std::move(meta.capabilities);
  request->log_level = meta.log_level;
  Serve(std::move(request), std::move(message), reply);
}

void Duplex::ServeLegacy(RpcMessage message, std::shared_ptr<Session> current, const Reply& reply) {
  auto request = std::make_shared<Request>();
  request->version = current->version();
  request->client = current->client();
  request->capabilities = current->capabilities();
  request->session = std::move(current);
  Serve(std::move(request), std::move(message), reply);
}

void Duplex::Serve(std::shared_ptr<Request> request, RpcMessage message, const Reply& reply) {
  if (!in_flight_.Enter(message.id, request->cancellation)) {
    return reply(
        ErrorMessage(message.id, {kInvalidRequest, "This id is in use by a request that has no answer yet", {}}, true));
  }
  {
    const std::lock_guard lock(mutex_);
    ++serving_;
  }
  request->id = std::move(message.id);
  request->method = std::move(message.method);
  request->params = std::move(message.params);
  request->caller = caller_;
  request->outlet = shared_from_this();
  request->done = [self = shared_from_this(), id = request->id, reply](Outcome outcome) {
    self->in_flight_.Leave(id);
    if (outcome.kind == Outcome::Kind::kResult) reply(ResultMessage(id, std::move(outcome.result)));
    if (outcome.kind == Outcome::Kind::kError) reply(ErrorMessage(id, outcome.error, true));
    const std::lock_guard lock(self->mutex_);
    --self->serving_;
    self->answered_.notify_all();
  };
  core_.Serve(std::move(request));
}

void Duplex::Close(Duration grace) {
  {
    std::unique_lock lock(mutex_);
    answered_.wait_for(lock, grace, [this] { return serving_ == 0; });
  }
  in_flight_.End();
  if (const std::shared_ptr<Session> current = session()) current->End();
  {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [this] { return serving_ == 0; });
  }
  const std::lock_guard lock(send_mutex_);
  send_ = nullptr;
}

}  // namespace weir::mcp

namespace weir {

McpConnection::McpConnection(McpServer& server, McpCaller caller, std::function<bool(std::string message)> send)
    : duplex_(std::make_shared<mcp::Duplex>(server.core(), std::move(caller), std::move(send))) {}

McpConnection::~McpConnection() { duplex_->Close(Duration(0)); }

void McpConnection::Receive(std::string_view message) { duplex_->Receive(message); }

void McpConnection::Close(Duration grace) { duplex_->Close(grace); }

}  // namespace weir
