#pragma once
// Core: what an McpServer is made of. Routes requests of both eras to the methods, runs handlers, and shapes results as each
// era wants them. Knows nothing of transports. Thread-safe. Private to the room.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "call_pool.h"
#include "call_state.h"
#include "catalog.h"
#include "hub.h"
#include "in_flight.h"
#include "request.h"
#include "request_state.h"
#include "session.h"
#include "weir/mcp/server.h"

namespace weir::mcp {

class Subscription;

struct Counters {
  std::atomic<uint64_t> requests_legacy{0}, requests_modern{0}, notifications{0}, errors{0}, tool_errors{0},
      calls_refused{0}, calls_cancelled{0}, questions{0}, sessions_open{0}, sessions_total{0}, changes_sent{0};
};

class Core {
 public:
  Core(McpOptions options, const Clock& clock, std::string key);
  ~Core();

  // Answers through request->done, on this thread or on another; never twice. REQUIRES: a legacy request has a session.
  void Serve(std::shared_ptr<Request> request);
  // initialize: a session that the transport gives its ways, and the result; or an error.
  Outcome Initialize(const Json& params, const McpCaller& caller, std::shared_ptr<Session>& session);
  // Tells the session of changes from now on.
  void Listen(const std::shared_ptr<Session>& session) { hub_.Add(session); }

  void Changed(const Change& change);
  void AllChanged(const std::optional<std::string>& workspace);
  void EndSubscriptions();
  // For the end of a subscription by its client.
  void Forget(const std::shared_ptr<Subscription>& subscription);

  const McpOptions& options() const { return options_; }
  const Clock& clock() const { return clock_; }
  Catalog& catalog() { return catalog_; }
  Counters& counters() { return counters_; }
  McpStats stats() const;

 private:
  using Method = Outcome (Core::*)(Request&);
  struct Route {
    std::string_view name;
    bool legacy, modern;
    bool McpOptions::*feature;  // null: always there
    Method method;
    bool runs_handlers;
    bool cacheable;
  };
  static const Route* FindRoute(std::string_view name);
  bool IsServed(const Route& route, const Request& request) const;
  void RunOnPool(const Route& route, const std::shared_ptr<Request>& request);
  void Finish(const Route* route, Request& request, Outcome outcome);
  void DressModern(const Route& route, Json& result) const;

  // Methods, in core_lists.cc, core_calls.cc and core.cc.
  Outcome Ping(Request&);
  Outcome SetLevel(Request& request);
  Outcome Discover(Request&);
  Outcome ListTools(Request& request);
  Outcome ListResources(Request& request);
  Outcome ListTemplates(Request& request);
  Outcome ListPrompts(Request& request);
  Outcome Subscribe(Request& request);
  Outcome Unsubscribe(Request& request);
  Outcome CallTool(Request& request);
  Outcome ReadResource(Request& request);
  Outcome GetPrompt(Request& request);
  Outcome Complete(Request& request);

  void OpenSubscription(const std::shared_ptr<Request>& request);
  Json Identity() const;
  Json Capabilities() const;
  Outcome ToolOutcome(const ToolEntry& entry, const Request& request, McpToolResult result);
  template <typename Value>
  Result<Value> RunHandler(const std::function<Result<Value>(McpCall&)>& handler, CallState& state);

  const McpOptions options_;
  const Clock& clock_;
  const RequestStates states_;
  Catalog catalog_;
  Hub hub_;
  Counters counters_;
  mutable std::mutex mutex_;
  std::set<std::shared_ptr<Subscription>> subscriptions_;  // under mutex_
  std::set<std::shared_ptr<Cancellation>> running_;        // under mutex_
  bool draining_ = false;                                  // under mutex_
  mutable CallPool pool_;                                  // last: its threads use the rest
};

}  // namespace weir::mcp
