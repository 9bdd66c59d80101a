#include "json_rpc.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace weir::mcp {
namespace {

bool IsId(const Json& value) { return value.is_string() || value.is_integer(); }

BadMessage Bad(Json id, std::string message) { return {std::move(id), {kInvalidRequest, std::move(message), std::nullopt}}; }

std::variant<RpcMessage, BadMessage> ReadResponse(Json value, RpcMessage message) {
  message.kind = RpcMessage::Kind::kResponse;
  if (Json* result = value.Find("result")) {
    message.result = std::move(*result);
    return message;
  }
  const Json* error = value.Find("error");
  if (error == nullptr || !error->is_object()) return Bad(message.id, "a response needs a result or an error");
  if (const Json* code = error->Find("code"); code != nullptr && code->get_if_int() != nullptr) {
    message.error.code = static_cast<int>(std::clamp<int64_t>(*code->get_if_int(), INT32_MIN, INT32_MAX));
  }
  if (const std::string* text = StringMember(*error, "message")) message.error.message = *text;
  return message;
}

Json Envelope() {
  Json message = Json::MakeObject();
  message.Set("jsonrpc", "2.0");
  return message;
}

}  // namespace

std::variant<RpcMessage, BadMessage> ReadMessage(Json value) {
  if (!value.is_object()) return Bad(nullptr, "a message is a JSON object");
  RpcMessage message;
  const Json* id = value.Find("id");
  const bool has_id = id != nullptr;
  if (has_id && IsId(*id)) message.id = *id;
  const std::string* version = StringMember(value, "jsonrpc");
  if (version == nullptr || *version != "2.0") return Bad(message.id, "\"jsonrpc\" must be \"2.0\"");
  if (has_id && message.id.is_null()) return Bad(nullptr, "\"id\" must be a string or an integer");
  const Json* method = value.Find("method");
  if (method == nullptr && has_id) return ReadResponse(std::move(value), std::move(message));
  if (method == nullptr || !method->is_string()) return Bad(message.id, "\"method\" must be a string");
  message.kind = has_id ? RpcMessage::Kind::kRequest : RpcMessage::Kind::kNotification;
  message.method = method->as_string();
  if (Json* params = value.Find("params")) {
    if (!params->is_object()) return BadMessage{message.id, {kInvalidParams, "\"params\" must be an object", std::nullopt}};
    message.params = std::move(*params);
  }
  return message;
}

Json ResultMessage(const Json& id, Json result) {
  Json message = Envelope();
  message.Set("id", id);
  message.Set("result", std::move(result));
  return message;
}

Json ErrorMessage(const Json& id, const RpcError& error, bool write_null_id) {
  Json message = Envelope();
  if (!id.is_null() || write_null_id) message.Set("id", id);
  Json body = Json::MakeObject();
  body.Set("code", error.code);
  body.Set("message", error.message);
  if (error.data) body.Set("data", *error.data);
  message.Set("error", std::move(body));
  return message;
}

Json NotificationMessage(std::string_view method, Json params) {
  Json message = Envelope();
  message.Set("method", method);
  if (!params.as_object().empty()) message.Set("params", std::move(params));
  return message;
}

Json RequestMessage(const Json& id, std::string_view method, Json params) {
  Json message = Envelope();
  message.Set("id", id);
  message.Set("method", method);
  message.Set("params", std::move(params));
  return message;
}

const std::string* StringMember(const Json& object, std::string_view name) {
  const Json* member = object.Find(name);
  return member != nullptr && member->is_string() ? &member->as_string() : nullptr;
}

}  // namespace weir::mcp
