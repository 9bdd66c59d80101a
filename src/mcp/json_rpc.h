#pragma once
// JSON-RPC 2.0 messages as the protocol uses them. Private to the room.

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "weir/codec/json.h"

namespace weir::mcp {

enum RpcCode : int {
  kParseError = -32700,
  kInvalidRequest = -32600,
  kMethodNotFound = -32601,
  kInvalidParams = -32602,
  kInternalError = -32603,
  kResourceNotFound = -32002,  // legacy
  kHeaderMismatch = -32020,    // the rest: modern
  kMissingCapability = -32021,
  kUnsupportedVersion = -32022,
};

struct RpcError {
  int code = kInternalError;
  std::string message{};
  std::optional<Json> data{};
};

struct RpcMessage {
  enum class Kind { kRequest, kNotification, kResponse };

  Kind kind = Kind::kNotification;
  Json id{};                         // string or integer; null in a notification
  std::string method{};              // of requests and notifications
  Json params = Json::MakeObject();  // an object
  std::optional<Json> result{};      // of a response, else it holds an error
  RpcError error{};
};

// A message that is none: what to answer, with the id where it could be read.
struct BadMessage {
  Json id{};
  RpcError error{};
};

// Takes one parsed value (not a batch).
std::variant<RpcMessage, BadMessage> ReadMessage(Json value);

Json ResultMessage(const Json& id, Json result);
// An id of null is left out in the modern era and written as null in the legacy one.
Json ErrorMessage(const Json& id, const RpcError& error, bool write_null_id);
Json NotificationMessage(std::string_view method, Json params);
Json RequestMessage(const Json& id, std::string_view method, Json params);

// The member when it is a string, else null.
const std::string* StringMember(const Json& object, std::string_view name);

}  // namespace weir::mcp
