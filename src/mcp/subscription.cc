#include "subscription.h"

#include <fmt/format.h>

#include <tuple>

#include "core.h"

namespace weir::mcp {

Json Subscription::Filter::ToJson() const {
  Json out = Json::MakeObject();
  if (tools) out.Set("toolsListChanged", true);
  if (prompts) out.Set("promptsListChanged", true);
  if (resources) out.Set("resourcesListChanged", true);
  if (!uris.empty()) {
    Json& list = out.Set("resourceSubscriptions", Json::MakeArray());
    for (const std::string& uri : uris) list.Append(uri);
  }
  return out;
}

Json Subscription::Meta() const {
  Json meta = Json::MakeObject();
  meta.Set(MetaKey("subscriptionId"), request_->id);
  return meta;
}

bool Subscription::Acknowledge() {
  const std::lock_guard lock(mutex_);
  if (ended_) return false;
  acknowledged_ = true;
  Json params = Json::MakeObject();
  params.Set("_meta", Meta());
  params.Set("notifications", filter_.ToJson());
  return request_->outlet->Send(NotificationMessage("notifications/subscriptions/acknowledged", std::move(params)),
                                Outlet::Weight::kNeeded);
}

bool Subscription::Wants(const Change& change) const {
  if (change.workspace && *change.workspace != request_->caller.workspace) return false;
  switch (change.kind) {
    case Change::Kind::kTools: return filter_.tools;
    case Change::Kind::kPrompts: return filter_.prompts;
    case Change::Kind::kResources: return filter_.resources;
    case Change::Kind::kUpdated: break;
  }
  return filter_.uris.contains(change.uri);
}

bool Subscription::Tell(const Change& change) {
  if (!Wants(change)) return false;
  Json params = Json::MakeObject();
  params.Set("_meta", Meta());
  if (change.kind == Change::Kind::kUpdated) params.Set("uri", change.uri);
  const Json message = NotificationMessage(change.method(), std::move(params));
  bool sent = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || !acknowledged_) return false;
    sent = request_->outlet->Send(message, Outlet::Weight::kDroppable);
  }
  // A client that has missed a change must not believe that there was none.
  if (!sent) request_->cancellation->Cancel();
  return sent;
}

void Subscription::End(bool in_good_order) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
  }
  request_->cancellation->Settle();
  if (in_good_order) {
    Json result = Json::MakeObject();
    result.Set("resultType", "complete");
    result.Set("_meta", Meta());
    // Not as the outcome: the end of many waits for none that does not read.
    request_->outlet->Send(ResultMessage(request_->id, std::move(result)), Outlet::Weight::kDroppable);
  }
  request_->done(Outcome::Cancelled());
}

namespace {

// The filter as far as it is served, or an error.
std::variant<Subscription::Filter, RpcError> ReadFilter(const Json& params, const McpOptions& options,
                                                        const Catalog& catalog) {
  const auto fault = [](std::string message) { return RpcError{kInvalidParams, std::move(message), std::nullopt}; };
  const Json* wanted = params.Find("notifications");
  if (wanted == nullptr || !wanted->is_object()) return fault("notifications must be an object");
  Subscription::Filter filter;
  const std::tuple<std::string_view, bool, bool*> flags[] = {{"toolsListChanged", options.tools, &filter.tools},
                                                             {"promptsListChanged", options.prompts, &filter.prompts},
                                                             {"resourcesListChanged", options.resources, &filter.resources}};
  for (const auto& [name, is_served, flag] : flags) {
    const Json* value = wanted->Find(name);
    if (value == nullptr) continue;
    if (!value->is_bool()) return fault(fmt::format("notifications.{} must be true or false", name));
    *flag = value->as_bool() && is_served;
  }
  const Json* uris = wanted->Find("resourceSubscriptions");
  if (uris == nullptr) return filter;
  if (!uris->is_array()) return fault("notifications.resourceSubscriptions must be an array of URIs");
  if (uris->as_array().size() > options.subscribed_uris_max) {
    return fault(fmt::format("notifications.resourceSubscriptions: at most {} URIs", options.subscribed_uris_max));
  }
  for (const Json& uri : uris->as_array()) {
    if (!uri.is_string()) return fault("notifications.resourceSubscriptions must be an array of URIs");
    if (options.resources && catalog.Knows(uri.as_string())) filter.uris.insert(uri.as_string());
  }
  return filter;
}

}  // namespace

void Core::OpenSubscription(const std::shared_ptr<Request>& request) {
  auto filter = ReadFilter(request->params, options_, catalog_);
  if (RpcError* error = std::get_if<RpcError>(&filter)) return Finish(nullptr, *request, Outcome::Fault(std::move(*error)));
  const auto subscription = std::make_shared<Subscription>(request, std::move(std::get<Subscription::Filter>(filter)));
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    taken = !draining_ && subscriptions_.size() < options_.subscriptions_max;
    if (taken) subscriptions_.insert(subscription);
  }
  if (!taken) {
    Outcome refused =
        Outcome::Fault(kInternalError, "Too many subscriptions, or the server is shutting down; try again later");
    refused.overloaded = true;
    counters_.calls_refused.fetch_add(1, std::memory_order_relaxed);
    return Finish(nullptr, *request, std::move(refused));
  }
  hub_.Add(subscription);
  const std::weak_ptr<Subscription> weak = subscription;
  request->cancellation->OnCancelled([this, weak] {
    if (const std::shared_ptr<Subscription> gone = weak.lock()) {
      Forget(gone);
      gone->End(false);
    }
  });
  if (!subscription->Acknowledge()) request->cancellation->Cancel();
}

void Core::Forget(const std::shared_ptr<Subscription>& subscription) {
  const std::lock_guard lock(mutex_);
  subscriptions_.erase(subscription);
}

void Core::EndSubscriptions() {
  std::set<std::shared_ptr<Subscription>> ending;
  {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    ending.swap(subscriptions_);
  }
  for (const auto& subscription : ending) subscription->End(true);
}

}  // namespace weir::mcp
