#include "http_legacy.h"

#include <utility>

namespace weir::mcp {

bool LegacyExchange::OpenLocked() {
  if (channel_ != nullptr) return true;
  if (!accepts_.events || !reply_) return false;
  channel_ = session_->OpenChannel();
  HttpStreamOptions options = SseStreamOptions(keep_alive_);
  options.headers.Set("MCP-Session-Id", session_->id());
  channel_->Attach(reply_->OpenStream(std::move(options)), std::nullopt);
  reply_.reset();
  return true;
}

bool LegacyExchange::Send(const Json& message, Weight weight) {
  const std::lock_guard lock(mutex_);
  return OpenLocked() && channel_->Send(message, weight);
}

void LegacyExchange::LetGo(Duration retry) {
  const std::lock_guard lock(mutex_);
  if (OpenLocked()) channel_->LetGo(retry);
}

void LegacyExchange::Finish(const Json& id, Outcome outcome) {
  const std::lock_guard lock(mutex_);
  const bool is_last = --open_ == 0;
  if (outcome.kind != Outcome::Kind::kCancelled) {
    if (!is_batch_ && outcome.kind == Outcome::Kind::kError) only_ = outcome;
    Json message = outcome.kind == Outcome::Kind::kResult ? ResultMessage(id, std::move(outcome.result))
                                                          : ErrorMessage(id, outcome.error, /*write_null_id=*/true);
    if (!accepts_.json) OpenLocked();
    if (channel_ != nullptr) {
      channel_->Send(message, Weight::kNeeded);
    } else {
      answers_.push_back(std::move(message));
    }
  }
  if (is_last) AnswerLocked();
}

void LegacyExchange::AnswerLocked() {
  // Answers that came before the stream was opened go through it as well.
  if (channel_ != nullptr) {
    for (const Json& answer : answers_) channel_->Send(answer, Weight::kNeeded);
    channel_->End();
    return;
  }
  HttpReply reply = std::move(*reply_);
  reply_.reset();
  // All were cancelled: there is nothing to say.
  if (answers_.empty()) return reply.Send(HttpResponse{202, {}, {}});
  Json body = is_batch_ ? Json(std::move(answers_)) : std::move(answers_.front());
  HttpHeaders fields;
  const int special = only_ ? SpecialStatus(*only_, fields) : 0;
  HttpResponse response = JsonResponse(special != 0 ? special : 200, body);
  for (const HttpHeaders::Field& field : fields) response.headers.Add(field.name, field.value);
  reply.Send(std::move(response));
}

}  // namespace weir::mcp
