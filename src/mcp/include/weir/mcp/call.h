#pragma once
// McpCall: one running call of a tool, a prompt or a resource, as its handler sees it in either era of the protocol.
//
// Handlers run on threads of the server and may block. A McpCall belongs to the thread of its handler, save cancelled(),
// which any thread may ask; it ends when the handler returns.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

namespace mcp {
class CallState;
}

enum class McpEra {
  kLegacy,  // 2024-11-05 to 2025-11-25: initialize, sessions, requests to the client
  kModern,  // 2026-07-28: every request stands alone
};

// By severity (RFC 5424), the least first.
enum class McpLogLevel { kDebug, kInfo, kNotice, kWarning, kError, kCritical, kAlert, kEmergency };

// On whose behalf a message came, as the owner of the transport found out. Sessions and request states are bound to
// (workspace, subject); tools and resources may ask for a scope.
struct McpCaller {
  std::string workspace{};
  std::string subject{};              // who, for example the name of a token; may be empty
  std::vector<std::string> scopes{};  // granted; "*" grants all
  // Whatever the owner wants to find again in its handlers; the server only carries it.
  std::shared_ptr<const void> context{};

  bool Has(std::string_view scope) const;  // true for an empty scope
};

// Something that only the client can tell: its user, its model or its folders.
struct McpQuestion {
  std::string key;     // names the answer; unique in one call, the same each time the handler runs
  std::string method;  // "elicitation/create", "sampling/createMessage" or "roots/list"
  Json params = Json::MakeObject();

  // Asks the user to fill a form: `schema` is an object of primitive properties.
  static McpQuestion Form(std::string key, std::string_view message, Json schema);
  // Asks the user to open an address.
  static McpQuestion Visit(std::string key, std::string_view message, std::string_view url, std::string_view elicitation_id);
  // Asks the client's model; params of sampling/createMessage.
  static McpQuestion Sample(std::string key, Json params);
  static McpQuestion Roots(std::string key);

  // The client's capability that the question needs: "elicitation", "sampling", "roots".
  std::string_view capability() const;
};

class McpCall {
 public:
  explicit McpCall(mcp::CallState& state) : state_(state) {}
  McpCall(const McpCall&) = delete;
  McpCall& operator=(const McpCall&) = delete;

  // The tool, the prompt, or the URI of the resource.
  const std::string& name() const;
  // An object: arguments that fit the tool's input schema; arguments of a prompt (strings); variables of a URI template
  // (strings, decoded).
  const Json& arguments() const;
  // The request's _meta, or an empty object: trace context and the like.
  const Json& meta() const;
  const McpCaller& caller() const;
  McpEra era() const;
  const std::string& protocol_version() const;
  // {"name", "version", ...} as the client says, or an empty object. For display alone.
  const Json& client() const;
  // Whether the client declared the capability ("elicitation", "sampling", "roots").
  bool ClientCan(std::string_view capability) const;

  // True once nobody waits for the result: the handler should stop soon; what it returns is dropped.
  bool cancelled() const;
  // Calls back once, on any thread, when the call is cancelled; at once, on this thread, if it is already. It may still be
  // running when the handler returns, so what it touches must not lie in the handler's frame; it has ended before the call's
  // answer goes out. Keep it short; it must not throw.
  void OnCancelled(std::function<void()> callback);

  // Tells the client how far the call is, if it asked to know. Values that do not increase are left out, and so are those
  // that a slow client has no room for. Returns at once.
  void Progress(double done, std::optional<double> total = std::nullopt, std::string_view message = {});
  // Sends a log message to the client, if it wants messages of this level. Never secrets or text of others.
  void Log(McpLogLevel level, std::string_view logger, Json data);

  // Asks the client and gives the answers in the order of the questions: results of elicitation/create (object with
  // "action"), sampling/createMessage or roots/list. All questions of one Ask go out together.
  //
  // Legacy: requests on the call's stream; this blocks until all are answered, the call is cancelled, or the server's
  // ask_timeout has passed. Modern: the handler must return the error at once; the server then answers "input_required", and
  // when the client comes back with answers the handler runs again from its start, where this call, and all Asks before it,
  // give the answers. So a handler does nothing that may not be repeated before its last Ask.
  //
  // Errors, to be handed up: unsupported (the client lacks the capability; modern clients are told which), unavailable (the
  // client is gone, or refused by an error), deadline, invalid_argument (an answer that does not fit the form).
  Result<std::vector<Json>> Ask(const std::vector<McpQuestion>& questions);
  Result<Json> Ask(const McpQuestion& question);

  // Ends the connection that carries the call, not the call: a legacy client over HTTP comes back for the result (resumption
  // by Last-Event-ID) after about `retry`. Does nothing for others.
  void LetGo(Duration retry = std::chrono::seconds(1));

 private:
  mcp::CallState& state_;
};

}  // namespace weir
