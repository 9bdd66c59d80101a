#include "http_modern.h"

#include <chrono>
#include <utility>

#include "weir/http/sse.h"

namespace weir::mcp {
namespace {

constexpr Duration kPatience = std::chrono::seconds(30);

std::string Written(const Json& message) {
  SseEvent event;
  event.data = message.Dump();
  return FormatSse(event);
}

int StatusOf(const Outcome& outcome) {
  switch (outcome.error.code) {
    case kMethodNotFound: return 404;
    case kHeaderMismatch:
    case kMissingCapability:
    case kUnsupportedVersion:
    case kInvalidRequest:
    case kParseError: return 400;
    default: return 200;
  }
}

}  // namespace

void ModernExchange::Watch(const HttpRequest& http, const std::shared_ptr<Request>& request) {
  {
    const std::lock_guard lock(mutex_);
    cancellation_ = request->cancellation;
  }
  http.OnCancelled([weak = std::weak_ptr<Cancellation>(request->cancellation)] {
    if (const auto cancellation = weak.lock()) cancellation->Cancel();
  });
}

bool ModernExchange::OpenLocked() {
  if (stream_ != nullptr) return true;
  if (!accepts_.events || !reply_) return false;
  stream_ = reply_->OpenStream(SseStreamOptions(keep_alive_));
  reply_.reset();
  return true;
}

bool ModernExchange::Open() {
  std::shared_ptr<HttpStream> opened;
  std::weak_ptr<Cancellation> weak;
  {
    const std::lock_guard lock(mutex_);
    if (stream_ != nullptr) return true;
    if (!OpenLocked()) return false;
    opened = stream_;
    weak = cancellation_;
  }
  // Outside the lock: it may call back at once.
  opened->OnClosed([weak] {
    if (const auto cancellation = weak.lock()) cancellation->Cancel();
  });
  return true;
}

void ModernExchange::OnDrain(std::function<void()> callback) {
  std::shared_ptr<HttpStream> stream;
  {
    const std::lock_guard lock(mutex_);
    stream = stream_;
  }
  stream->OnDrain(std::move(callback));
}

bool ModernExchange::Send(const Json& message, Weight weight) {
  if (!Open()) return false;
  std::shared_ptr<HttpStream> stream;
  {
    const std::lock_guard lock(mutex_);
    stream = stream_;
  }
  return (weight == Weight::kNeeded ? stream->SendWaiting(Written(message), kPatience) : stream->Send(Written(message)))
      .has_value();
}

void ModernExchange::Finish(const Json& id, Outcome outcome) {
  std::optional<HttpReply> reply;
  std::shared_ptr<HttpStream> stream;
  {
    const std::lock_guard lock(mutex_);
    // A client that reads events alone gets its answer as one.
    if (!accepts_.json && outcome.kind == Outcome::Kind::kResult) OpenLocked();
    reply = std::exchange(reply_, std::nullopt);
    stream = stream_;
  }
  const bool is_result = outcome.kind == Outcome::Kind::kResult;
  const Json message =
      is_result ? ResultMessage(id, std::move(outcome.result)) : ErrorMessage(id, outcome.error, /*write_null_id=*/false);
  if (stream != nullptr) {
    if (outcome.kind != Outcome::Kind::kCancelled) (void)stream->SendWaiting(Written(message), kPatience);
    stream->Finish();
    return;
  }
  if (!reply) return;
  // Nobody reads the answer to a cancelled request; an empty one ends the exchange.
  if (outcome.kind == Outcome::Kind::kCancelled) return reply->Send(HttpResponse{202, {}, {}});
  HttpHeaders fields;
  const int special = is_result ? 200 : SpecialStatus(outcome, fields);
  HttpResponse response = JsonResponse(special != 0 ? special : StatusOf(outcome), message);
  for (const HttpHeaders::Field& field : fields) response.headers.Add(field.name, field.value);
  reply->Send(std::move(response));
}

}  // namespace weir::mcp
