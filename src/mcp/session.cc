#include "session.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::mcp {

bool Session::Subscribe(const std::string& uri, size_t uris_max) {
  const std::lock_guard lock(mutex_);
  if (uris_.size() >= uris_max && !uris_.contains(uri)) return false;
  uris_.insert(uri);
  return true;
}

void Session::Unsubscribe(const std::string& uri) {
  const std::lock_guard lock(mutex_);
  uris_.erase(uri);
}

std::vector<std::string> Session::Subscribed() {
  const std::lock_guard lock(mutex_);
  return {uris_.begin(), uris_.end()};
}

bool Session::Tell(const Change& change) {
  if (change.workspace && *change.workspace != caller_.workspace) return false;
  Json params = Json::MakeObject();
  if (change.kind == Change::Kind::kUpdated) {
    const std::lock_guard lock(mutex_);
    if (!uris_.contains(change.uri)) return false;
    params.Set("uri", change.uri);
  }
  return push_ != nullptr &&
         push_->Send(NotificationMessage(change.method(), std::move(params)), Outlet::Weight::kDroppable);
}

std::optional<Error> Session::Send(const std::vector<McpQuestion>& questions, const std::vector<int64_t>& ids,
                                   Outlet& outlet) {
  for (size_t i = 0; i < questions.size(); ++i) {
    if (!outlet.Send(RequestMessage(ids[i], questions[i].method, questions[i].params), Outlet::Weight::kNeeded)) {
      return Unavailable("the client cannot be asked: it takes no stream, or is gone");
    }
  }
  return std::nullopt;
}

Result<std::vector<Json>> Session::Ask(const std::vector<McpQuestion>& questions, Outlet& outlet, Cancellation& cancellation,
                                       Duration timeout) {
  std::vector<int64_t> ids;
  {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < questions.size(); ++i) {
      ids.push_back(next_id_++);
      waiting_.try_emplace(ids.back());
    }
  }
  std::optional<Error> error = Send(questions, ids, outlet);
  // The request holds this session until its cancellation is settled.
  cancellation.OnCancelled([this] {
    const std::lock_guard lock(mutex_);
    answered_.notify_all();
  });
  std::vector<Json> answers;
  std::vector<int64_t> open;
  {
    std::unique_lock lock(mutex_);
    const auto all = [&] {
      return std::all_of(ids.begin(), ids.end(), [&](int64_t id) { return waiting_[id].response.has_value(); });
    };
    const bool woken =
        error.has_value() || answered_.wait_for(lock, timeout, [&] { return ended_ || cancellation.cancelled() || all(); });
    if (!woken) error = Error{ErrorCode::kDeadline, "the client did not answer in time", ""};
    for (size_t i = 0; i < ids.size(); ++i) {
      const std::optional<RpcMessage> response = std::move(waiting_[ids[i]].response);
      waiting_.erase(ids[i]);
      if (!response) {
        open.push_back(ids[i]);
        if (!error) error = Unavailable("the client is gone, or cancelled the call");
      } else if (!response->result) {
        if (!error)
          error = Unavailable(fmt::format("the client refused {}: {}", questions[i].method, response->error.message));
      } else {
        answers.push_back(*response->result);
      }
    }
  }
  for (const int64_t id : open) {
    Json params = Json::MakeObject();
    params.Set("requestId", id);
    outlet.Send(NotificationMessage("notifications/cancelled", std::move(params)), Outlet::Weight::kDroppable);
  }
  if (error) return *std::move(error);
  return answers;
}

void Session::Answer(RpcMessage response) {
  const int64_t* id = response.id.get_if_int();
  if (id == nullptr) return;
  const std::lock_guard lock(mutex_);
  const auto place = waiting_.find(*id);
  if (place == waiting_.end()) return;
  place->second.response = std::move(response);
  answered_.notify_all();
}

void Session::End() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  answered_.notify_all();
}

}  // namespace weir::mcp
