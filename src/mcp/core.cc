#include "core.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "subscription.h"

namespace weir::mcp {
namespace {

// A session keeps clientInfo and capabilities.
constexpr size_t kClientBytesMax = 64 * 1024;

}  // namespace

const Core::Route* Core::FindRoute(std::string_view name) {
  static constexpr bool kLegacy = true, kModern = true, kNo = false, kHandlers = true, kCacheable = true;
  static constexpr Route kRoutes[] = {
      {"ping", kLegacy, kNo, nullptr, &Core::Ping, false, false},
      {"logging/setLevel", kLegacy, kNo, &McpOptions::logging, &Core::SetLevel, false, false},
      {"server/discover", kNo, kModern, nullptr, &Core::Discover, false, kCacheable},
      {"subscriptions/listen", kNo, kModern, nullptr, nullptr, false, false},
      {"tools/list", kLegacy, kModern, &McpOptions::tools, &Core::ListTools, false, kCacheable},
      {"tools/call", kLegacy, kModern, &McpOptions::tools, &Core::CallTool, kHandlers, false},
      {"resources/list", kLegacy, kModern, &McpOptions::resources, &Core::ListResources, kHandlers, kCacheable},
      {"resources/templates/list", kLegacy, kModern, &McpOptions::resources, &Core::ListTemplates, false, kCacheable},
      {"resources/read", kLegacy, kModern, &McpOptions::resources, &Core::ReadResource, kHandlers, kCacheable},
      {"resources/subscribe", kLegacy, kNo, &McpOptions::resources, &Core::Subscribe, false, false},
      {"resources/unsubscribe", kLegacy, kNo, &McpOptions::resources, &Core::Unsubscribe, false, false},
      {"prompts/list", kLegacy, kModern, &McpOptions::prompts, &Core::ListPrompts, false, kCacheable},
      {"prompts/get", kLegacy, kModern, &McpOptions::prompts, &Core::GetPrompt, kHandlers, false},
      {"completion/complete", kLegacy, kModern, &McpOptions::completions, &Core::Complete, kHandlers, false},
  };
  const auto* found =
      std::find_if(std::begin(kRoutes), std::end(kRoutes), [&](const Route& route) { return route.name == name; });
  return found == std::end(kRoutes) ? nullptr : found;
}

Core::Core(McpOptions options, const Clock& clock, std::string key)
    : options_(std::move(options)),
      clock_(clock),
      states_(std::move(key), clock, options_.state_lifetime),
      pool_(options_.calls_max, options_.calls_waiting_max) {}

Core::~Core() {
  EndSubscriptions();
  std::set<std::shared_ptr<Cancellation>> running;
  {
    const std::lock_guard lock(mutex_);
    running = running_;
  }
  for (const auto& cancellation : running) cancellation->Cancel();
}

bool Core::IsServed(const Route& route, const Request& request) const {
  if (!(request.modern() ? route.modern : route.legacy)) return false;
  return route.feature == nullptr || options_.*route.feature;
}

void Core::Serve(std::shared_ptr<Request> request) {
  (request->modern() ? counters_.requests_modern : counters_.requests_legacy).fetch_add(1, std::memory_order_relaxed);
  const Route* route = FindRoute(request->method);
  if (route == nullptr || !IsServed(*route, *request)) {
    return Finish(nullptr, *request, Outcome::Fault(kMethodNotFound, "Method not found: " + request->method.substr(0, 100)));
  }
  if (route->method == nullptr) return OpenSubscription(request);
  if (route->runs_handlers) return RunOnPool(*route, request);
  Finish(route, *request, (this->*route->method)(*request));
}

void Core::RunOnPool(const Route& route, const std::shared_ptr<Request>& request) {
  {
    const std::lock_guard lock(mutex_);
    running_.insert(request->cancellation);
  }
  const bool taken = pool_.Run([this, &route, request] {
    Outcome outcome = request->cancellation->cancelled() ? Outcome::Cancelled() : (this->*route.method)(*request);
    {
      const std::lock_guard lock(mutex_);
      running_.erase(request->cancellation);
    }
    if (request->cancellation->cancelled()) outcome = Outcome::Cancelled();
    Finish(&route, *request, std::move(outcome));
  });
  if (taken) return;
  {
    const std::lock_guard lock(mutex_);
    running_.erase(request->cancellation);
  }
  counters_.calls_refused.fetch_add(1, std::memory_order_relaxed);
  Outcome refused = Outcome::Fault(kInternalError, "Too many calls at once; try again later");
  refused.overloaded = true;
  Finish(&route, *request, std::move(refused));
}

void Core::Finish(const Route* route, Request& request, Outcome outcome) {
  request.cancellation->Settle();
  if (outcome.kind == Outcome::Kind::kError) counters_.errors.fetch_add(1, std::memory_order_relaxed);
  if (outcome.kind == Outcome::Kind::kCancelled) counters_.calls_cancelled.fetch_add(1, std::memory_order_relaxed);
  if (outcome.kind == Outcome::Kind::kResult && request.modern() && route != nullptr) DressModern(*route, outcome.result);
  request.done(std::move(outcome));
}

void Core::DressModern(const Route& route, Json& result) const {
  if (result.Find("resultType") == nullptr) result.Set("resultType", "complete");
  const bool is_complete = *result.Find("resultType") == Json("complete");
  if (route.cacheable && is_complete && result.Find("ttlMs") == nullptr) {
    result.Set("ttlMs", options_.list_ttl_ms);
    result.Set("cacheScope", "public");
  }
  Json* meta = result.Find("_meta");
  if (meta == nullptr || !meta->is_object()) meta = &result.Set("_meta", Json::MakeObject());
  meta->Set(MetaKey("serverInfo"), Identity());
}

Json Core::Identity() const {
  Json identity = Json::MakeObject();
  identity.Set("name", options_.name);
  identity.Set("version", options_.version);
  if (!options_.title.empty()) identity.Set("title", options_.title);
  if (!options_.website.empty()) identity.Set("websiteUrl", options_.website);
  return identity;
}

Json Core::Capabilities() const {
  Json list_changed = Json::MakeObject();
  list_changed.Set("listChanged", true);
  Json capabilities = Json::MakeObject();
  if (options_.tools) capabilities.Set("tools", list_changed);
  if (options_.prompts) capabilities.Set("prompts", list_changed);
  if (options_.resources) capabilities.Set("resources", list_changed).Set("subscribe", true);
  if (options_.completions) capabilities.Set("completions", Json::MakeObject());
  if (options_.logging) capabilities.Set("logging", Json::MakeObject());
  return capabilities;
}

Outcome Core::Initialize(const Json& params, const McpCaller& caller, std::shared_ptr<Session>& session) {
  counters_.requests_legacy.fetch_add(1, std::memory_order_relaxed);
  const auto fault = [&](std::string_view what) {
    counters_.errors.fetch_add(1, std::memory_order_relaxed);
    return Outcome::Fault(kInvalidParams, fmt::format("initialize: {}", what));
  };
  const std::string* requested = StringMember(params, "protocolVersion");
  if (requested == nullptr) return fault("protocolVersion must be a string");
  const Json* capabilities = params.Find("capabilities");
  if (capabilities == nullptr || !capabilities->is_object()) return fault("capabilities must be an object");
  const Json* client = params.Find("clientInfo");
  if (client == nullptr || !client->is_object()) return fault("clientInfo must be an object");
  if (capabilities->Dump().size() + client->Dump().size() > kClientBytesMax)
    return fault("the client says too much of itself");
  const bool is_served =
      std::find(std::begin(kMcpLegacyVersions), std::end(kMcpLegacyVersions), *requested) != std::end(kMcpLegacyVersions);
  const std::string version(is_served ? std::string_view(*requested) : *std::prev(std::end(kMcpLegacyVersions)));
  session = std::make_shared<Session>(version, caller, *client, *capabilities);
  Json result = Json::MakeObject();
  result.Set("protocolVersion", version);
  result.Set("capabilities", Capabilities());
  result.Set("serverInfo", Identity());
  if (!options_.instructions.empty()) result.Set("instructions", options_.instructions);
  return Outcome::Of(std::move(result));
}

Outcome Core::Discover(Request&) {
  Json result = Json::MakeObject();
  result.Set("supportedVersions", Json::Array{Json(kMcpModernVersion)});
  result.Set("capabilities", Capabilities());
  if (!options_.instructions.empty()) result.Set("instructions", options_.instructions);
  return Outcome::Of(std::move(result));
}

Outcome Core::Ping(Request&) { return Outcome::Of(Json::MakeObject()); }

Outcome Core::SetLevel(Request& request) {
  const std::string* name = StringMember(request.params, "level");
  const std::optional<McpLogLevel> level = name == nullptr ? std::nullopt : ParseLogLevel(*name);
  if (!level)
    return Outcome::Fault(kInvalidParams,
                          "level must be one of debug, info, notice, warning, error, critical, alert, emergency");
  request.session->set_log_level(*level);
  return Outcome::Of(Json::MakeObject());
}

void Core::AllChanged(const std::optional<std::string>& workspace) {
  counters_.changes_sent.fetch_add(hub_.TellAll(workspace), std::memory_order_relaxed);
}

void Core::Changed(const Change& change) { counters_.changes_sent.fetch_add(hub_.Tell(change), std::memory_order_relaxed); }

McpStats Core::stats() const {
  const auto read = [](const std::atomic<uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  McpStats stats;
  stats.requests_legacy = read(counters_.requests_legacy);
  stats.requests_modern = read(counters_.requests_modern);
  stats.notifications = read(counters_.notifications);
  stats.errors = read(counters_.errors);
  stats.tool_errors = read(counters_.tool_errors);
  stats.calls_running = pool_.running();
  stats.calls_waiting = pool_.waiting();
  stats.calls_refused = read(counters_.calls_refused);
  stats.calls_cancelled = read(counters_.calls_cancelled);
  stats.questions = read(counters_.questions);
  stats.sessions_open = read(counters_.sessions_open);
  stats.sessions_total = read(counters_.sessions_total);
  stats.changes_sent = read(counters_.changes_sent);
  const std::lock_guard lock(mutex_);
  stats.subscriptions_open = subscriptions_.size();
  return stats;
}

}  // namespace weir::mcp
