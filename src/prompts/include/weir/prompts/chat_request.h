#pragma once
// ChatRequest: one recorded OpenAI chat request, checked for shape and kept whole.
//
// A plain value, immutable after From(). Nothing is normalised here: what the template sees is decided when rendering.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

class ChatRequest {
 public:
  // `body` is the request object; a line of an OpenAI batch file ({"custom_id", "body": {...}}) is unwrapped.
  // invalid_argument names the field: no object, no `messages` array, no messages, a message without a string `role`,
  // `content` that is neither string, null nor a list of parts, `tools` that is no array of objects.
  static Result<ChatRequest> From(Json body);
  static Result<ChatRequest> Parse(std::string_view json_text);

  const Json& body() const { return body_; }
  // REQUIRED to be a non-empty array of objects by From().
  const Json& messages() const { return *body_.Find("messages"); }
  // Null when there are none.
  const Json* tools() const;
  // metadata.agent, else `user`, when it is a non-empty string.
  std::optional<std::string> agent() const;
  // `chat_template_kwargs` and, where given, `documents` and `reasoning_effort`: variables for the template.
  Json TemplateVariables() const;
  // `add_generation_prompt`, true when absent.
  bool add_generation_prompt() const;

 private:
  explicit ChatRequest(Json body) : body_(std::move(body)) {}

  Json body_;  // an object
};

}  // namespace weir
