#pragma once
// Request: one request of a client on its way through the core, and Outlet, the way back to that client. Private to the
// room.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cancellation.h"
#include "json_rpc.h"
#include "weir/mcp/call.h"

namespace weir::mcp {

class Session;

// Where messages to a client go: a stream of a request, a session's own stream, a line of output. Thread-safe.
class Outlet {
 public:
  enum class Weight {
    kDroppable,  // left out when the client is slow
    kNeeded,
  };

  virtual ~Outlet() = default;
  // False: the client will not get it.
  virtual bool Send(const Json& message, Weight weight) = 0;
  // Ends the connection but not the stream, if the client can come back for the rest.
  virtual void LetGo(Duration) {}
};

// How a request ended.
struct Outcome {
  enum class Kind { kResult, kError, kCancelled };

  Kind kind = Kind::kResult;
  Json result = Json::MakeObject();
  RpcError error{};
  std::string missing_scope{};  // set: the caller may not; over HTTP this is 403
  bool overloaded = false;      // over HTTP this is 503

  static Outcome Of(Json value) { return {Kind::kResult, std::move(value), {}, {}, false}; }
  static Outcome Fault(int code, std::string message, std::optional<Json> data = std::nullopt) {
    return {Kind::kError, Json::MakeObject(), {code, std::move(message), std::move(data)}, {}, false};
  }
  static Outcome Fault(RpcError error) { return {Kind::kError, Json::MakeObject(), std::move(error), {}, false}; }
  static Outcome Cancelled() { return {Kind::kCancelled, Json::MakeObject(), {}, {}, false}; }
};

struct Request {
  McpEra era = McpEra::kLegacy;
  std::string version{};
  Json id{};
  std::string method{};
  Json params = Json::MakeObject();
  McpCaller caller{};
  Json client = Json::MakeObject();
  Json capabilities = Json::MakeObject();  // of the client
  std::optional<McpLogLevel> log_level{};  // modern: what the request asks for
  std::shared_ptr<Session> session{};      // legacy; null before initialize
  std::shared_ptr<Outlet> outlet{};        // never null
  std::shared_ptr<Cancellation> cancellation = std::make_shared<Cancellation>();
  std::function<void(Outcome)> done{};  // called once

  bool modern() const { return era == McpEra::kModern; }
};

// The identity that sessions and states are bound to.
inline std::string CallerKey(const McpCaller& caller) {
  return std::to_string(caller.workspace.size()) + ":" + caller.workspace + caller.subject;
}

std::string_view LogLevelName(McpLogLevel level);
std::optional<McpLogLevel> ParseLogLevel(std::string_view name);

// What a modern request says of itself in _meta.
struct ModernMeta {
  std::string version{};
  Json client = Json::MakeObject();
  Json capabilities = Json::MakeObject();
  std::optional<McpLogLevel> log_level{};
};
inline constexpr std::string_view kMetaPrefix = "io.modelcontextprotocol/";
// True if _meta has a field that only modern requests have.
bool LooksModern(const Json& params);
// The fields, or -32602. Whether the version is served is another question.
std::variant<ModernMeta, RpcError> ReadModernMeta(const Json& params);
RpcError UnsupportedVersion(std::string_view requested);
std::string MetaKey(std::string_view name);

}  // namespace weir::mcp
