#include "weir/prompts/chat_request.h"

#include <fmt/format.h>

#include <utility>

namespace weir {
namespace {

// "an array", "a string".
std::string Kind(const Json& value) {
  const std::string_view name = value.type_name();
  return fmt::format("{} {}", name == "array" || name == "object" ? "an" : "a", name);
}

Status CheckContent(const Json& message, size_t position) {
  const Json* content = message.Find("content");
  if (content == nullptr || content->is_null() || content->is_string()) return {};
  if (!content->is_array()) {
    return InvalidArgument(
        fmt::format("messages[{}].content is {}, not a string, null or a list of parts", position, Kind(*content)));
  }
  size_t index = 0;
  for (const Json& part : content->as_array()) {
    const Json* type = part.Find("type");
    if (type == nullptr || !type->is_string()) {
      return InvalidArgument(fmt::format("messages[{}].content[{}] is not an object with a `type`", position, index));
    }
    ++index;
  }
  return {};
}

Status CheckMessages(const Json& body) {
  const Json* messages = body.Find("messages");
  if (messages == nullptr) return InvalidArgument("not a chat request: it has no `messages`");
  if (!messages->is_array()) {
    return InvalidArgument(fmt::format("`messages` is {}, not an array", Kind(*messages)));
  }
  if (messages->as_array().empty()) return InvalidArgument("`messages` is empty", "remove the request or give it a message");
  size_t position = 0;
  for (const Json& message : messages->as_array()) {
    if (!message.is_object()) {
      return InvalidArgument(fmt::format("messages[{}] is {}, not an object", position, Kind(message)));
    }
    const Json* role = message.Find("role");
    if (role == nullptr || !role->is_string() || role->as_string().empty()) {
      return InvalidArgument(fmt::format("messages[{}] has no `role`", position));
    }
    WEIR_TRY(CheckContent(message, position));
    const Json* calls = message.Find("tool_calls");
    if (calls != nullptr && !calls->is_null() && !calls->is_array()) {
      return InvalidArgument(fmt::format("messages[{}].tool_calls is {}, not an array", position, Kind(*calls)));
    }
    ++position;
  }
  return {};
}

Status CheckTools(const Json& body) {
  const Json* tools = body.Find("tools");
  if (tools == nullptr || tools->is_null()) return {};
  if (!tools->is_array()) return InvalidArgument(fmt::format("`tools` is {}, not an array", Kind(*tools)));
  size_t position = 0;
  for (const Json& tool : tools->as_array()) {
    if (!tool.is_object()) {
      return InvalidArgument(fmt::format("tools[{}] is {}, not an object", position, Kind(tool)));
    }
    ++position;
  }
  return {};
}

}  // namespace

Result<ChatRequest> ChatRequest::From(Json body) {
  if (!body.is_object()) {
    return InvalidArgument(fmt::format("not a chat request: {}, not an object", Kind(body)));
  }
  if (body.Find("messages") == nullptr) {
    Json* wrapped = body.Find("body");
    if (wrapped != nullptr && wrapped->is_object()) {
      Json inner = std::move(*wrapped);
      body = std::move(inner);
    }
  }
  WEIR_TRY(CheckMessages(body));
  WEIR_TRY(CheckTools(body));
  return ChatRequest(std::move(body));
}

Result<ChatRequest> ChatRequest::Parse(std::string_view json_text) {
  WEIR_ASSIGN(Json body, Json::Parse(json_text));
  return From(std::move(body));
}

const Json* ChatRequest::tools() const {
  const Json* tools = body_.Find("tools");
  return tools != nullptr && tools->is_array() && !tools->as_array().empty() ? tools : nullptr;
}

std::optional<std::string> ChatRequest::agent() const {
  const auto named = [](const Json* value) { return value != nullptr && value->is_string() && !value->as_string().empty(); };
  const Json* metadata = body_.Find("metadata");
  if (metadata != nullptr && named(metadata->Find("agent"))) return metadata->Find("agent")->as_string();
  if (named(body_.Find("user"))) return body_.Find("user")->as_string();
  return std::nullopt;
}

Json ChatRequest::TemplateVariables() const {
  Json variables = Json::MakeObject();
  for (const std::string_view name : {"documents", "reasoning_effort"}) {
    const Json* value = body_.Find(name);
    if (value != nullptr && !value->is_null()) variables.Set(name, *value);
  }
  const Json* extra = body_.Find("chat_template_kwargs");
  if (extra != nullptr && extra->is_object()) {
    for (const auto& [name, value] : extra->as_object()) variables.Set(name, value);
  }
  return variables;
}

bool ChatRequest::add_generation_prompt() const {
  const Json* value = body_.Find("add_generation_prompt");
  return value == nullptr || !value->is_bool() || value->as_bool();
}

}  // namespace weir
