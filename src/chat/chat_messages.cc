#include "chat_messages.h"

#include <fmt/format.h>

#include <string>
#include <utility>

namespace weir {
namespace {

using jinja_rendering::Dict;
using jinja_rendering::FindNamed;
using jinja_rendering::List;
using jinja_rendering::Origin;
using jinja_rendering::SetMember;
using jinja_rendering::Value;

// The arguments of one call as a dict: a JSON string is parsed; what is not an object becomes an empty one.
Value Arguments(const Json* arguments, Origin origin) {
  Dict empty;
  empty.origin = origin;
  if (arguments == nullptr || arguments->is_object()) {
    return arguments == nullptr ? Value(std::move(empty)) : Value::FromJson(*arguments, origin);
  }
  if (!arguments->is_string()) return empty;
  Result<Json> parsed = Json::Parse(arguments->as_string());
  return parsed && parsed->is_object() ? Value::FromJson(*parsed, origin) : Value(std::move(empty));
}

Value ToolCalls(const Json::Array& calls, Origin origin) {
  List list;
  for (const Json& call : calls) {
    const Json* function = call.Find("function");
    if (function == nullptr || !function->is_object()) {
      jinja_rendering::Fail("a tool call has no `function` object");
    }
    Dict function_value = Value::FromJson(*function, origin).dict();
    SetMember(function_value, Value("arguments", origin), Arguments(function->Find("arguments"), origin));
    Dict call_value = Value::FromJson(call, origin).dict();
    SetMember(call_value, Value("function", origin), std::move(function_value));
    list.items.push_back(std::move(call_value));
  }
  return list;
}

Value TextPart(std::string text, Origin origin) {
  Dict part;
  part.origin = origin;
  part.members = {{Value("type", origin), Value("text", origin)}, {Value("text", origin), Value(std::move(text), origin)}};
  return part;
}

Value Content(const Json* content, bool keep_parts, Origin origin) {
  std::vector<std::string> texts;
  if (content != nullptr && content->is_string()) {
    texts.push_back(content->as_string());
  } else if (content != nullptr && content->is_array()) {
    for (const Json& part : content->as_array()) {
      const Json* text = part.is_string() ? &part : part.Find("text");
      if (text == nullptr || !text->is_string()) {
        const Json* type = part.Find("type");
        jinja_rendering::Refuse(fmt::format("a message part of type '{}'",
                                            type != nullptr && type->is_string() ? type->as_string() : "unknown"));
      }
      texts.push_back(text->as_string());
    }
  }
  if (keep_parts) {
    List parts;
    for (std::string& text : texts) parts.items.push_back(TextPart(std::move(text), origin));
    return parts;
  }
  std::string joined;
  for (size_t i = 0; i < texts.size(); ++i) joined += (i == 0 ? "" : "\n") + texts[i];
  return Value(std::move(joined), origin);
}

Dict AsEngine(const Json& message, bool keep_parts, Origin origin) {
  Dict dict;
  dict.origin = origin;
  bool has_content = false;
  for (const auto& [name, value] : message.as_object()) {
    if (name == "content") {
      has_content = true;
      dict.members.emplace_back(Value(name, origin), Content(&value, keep_parts, origin));
    } else if (name == "tool_calls" && value.is_array()) {
      if (!value.as_array().empty()) dict.members.emplace_back(Value(name, origin), ToolCalls(value.as_array(), origin));
    } else {
      dict.members.emplace_back(Value(name, origin), Value::FromJson(value, origin));
    }
  }
  if (!has_content) SetMember(dict, Value("content", origin), Content(nullptr, keep_parts, origin));
  return dict;
}

// Reasoning under any of its names is visible under the standard one, and under the one that gpt-oss reads.
Dict WithReasoning(Dict message) {
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    const Value* found = FindNamed(message, name);
    if (found == nullptr || found->is_none()) continue;
    const Value reasoning = *found;
    if (FindNamed(message, "thinking") == nullptr) {
      message.members.insert(message.members.begin(), {Value("thinking", message.origin), reasoning});
    }
    SetMember(message, Value("reasoning_content", message.origin), reasoning);
    break;
  }
  return message;
}

}  // namespace

Value MessagesForTemplate(const Json& messages, ChatInput input, bool keep_parts) {
  List list;
  Origin origin = 0;
  for (const Json& message : messages.as_array()) {
    Dict dict =
        input == ChatInput::kEngine ? AsEngine(message, keep_parts, origin) : Value::FromJson(message, origin).dict();
    list.items.push_back(WithReasoning(std::move(dict)));
    ++origin;
  }
  return list;
}

}  // namespace weir
