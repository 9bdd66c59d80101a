#include "context_body.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <optional>

#include "weir/report/registry_view.h"

namespace weir::api {
namespace {

// Seconds since 1970 as a clock on the wall here shows them: what templates print.
int64_t NowLocal() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (::localtime_r(&now, &local) == nullptr) return now;
  return static_cast<int64_t>(now) + local.tm_gmtoff;
}

// The segments' texts one after the other; where each lies.
Result<ContextInput> InputFromSegments(const Json& segments) {
  ContextInput input;
  for (const Json& one : segments.as_array()) {
    const std::string text = TextOf(one, "text");
    if (input.text.size() + text.size() >= UINT32_MAX) return InvalidArgument("/segments: more than 4 GiB of text");
    Segment segment;
    segment.kind = ParseSegmentKind(TextOf(one, "kind")).value_or(SegmentKind::kText);
    segment.name = TextOf(one, "name", SegmentKindName(segment.kind));
    segment.fixed = BoolOf(one, "fixed", false);
    segment.bytes.begin = static_cast<uint32_t>(input.text.size());
    input.text += text;
    segment.bytes.end = static_cast<uint32_t>(input.text.size());
    input.segments.push_back(std::move(segment));
  }
  return input;
}

Result<ContextInput> InputFromMessages(const Service& service, const Json& body, std::string agent) {
  const ChatTemplate* const chat_template = service.chat_template();
  if (chat_template == nullptr) {
    return Unsupported("/messages: this daemon has no chat template",
                       "send text or segments, or set chat_template in its configuration");
  }
  Json chat = Json::MakeObject();
  for (const std::string_view name : {"messages", "tools", "chat_template_kwargs", "add_generation_prompt"}) {
    if (const Json* member = body.Find(name)) chat.Set(name, *member);
  }
  WEIR_ASSIGN(const ChatRequest request, ChatRequest::From(std::move(chat)));
  return InputFromChat(std::move(agent), request, *chat_template, NowLocal());
}

Result<ContextInput> TextInputOf(const Service& service, const Json& body, std::string agent) {
  const Json* const text = body.Find("text");
  const Json* const segments = body.Find("segments");
  const Json* const messages = body.Find("messages");
  if ((text != nullptr) + (segments != nullptr) + (messages != nullptr) != 1) {
    return InvalidArgument("exactly one of text, segments and messages says what the prompt is");
  }
  ContextInput input;
  if (text != nullptr) {
    input.text = text->as_string();
  } else if (segments != nullptr) {
    WEIR_ASSIGN(input, InputFromSegments(*segments));
  } else {
    WEIR_ASSIGN(input, InputFromMessages(service, body, agent));
  }
  input.agent = std::move(agent);
  return input;
}

}  // namespace

std::vector<Member> PromptMembers() {
  Json segment = ObjectSchema({{"name", TextSchema("For people; unique in the context.", 1)},
                               {"kind", ChoiceSchema("What it is; decides what a layout may move.",
                                                     {"text", "system", "tools", "user", "assistant", "tool"})},
                               {"fixed", BoolSchema("The author forbids moving it.")},
                               {"text", TextSchema("The segment's text."), true}});
  return {{"text", TextSchema("The whole prompt.", 1)},
          {"segments", ListSchema(std::move(segment), "The prompt in parts, one after the other.", 1, 100'000)},
          {"messages", ListSchema(Json::Object{{"type", "object"}},
                                  "A chat request's messages, rendered by the daemon's chat template.", 1, 100'000)},
          {"tools", ListSchema(Json::Object{{"type", "object"}}, "Tool definitions that go with `messages`.", 0, 10'000)},
          {"chat_template_kwargs", Json::Object{{"type", "object"}, {"description", "Variables of the chat template."}}},
          {"add_generation_prompt", BoolSchema("Whether the template opens the assistant's turn; true without it.")},
          {"tokenizer", TextSchema("One of the daemon's tokenizers by name; its default without it.")},
          {"model", TextSchema("Of the space: nothing is shared across models.")},
          {"lora", TextSchema("Of the space: nothing is shared across adapters.")},
          {"salt", TextSchema("Of the space: keeps tenants of one engine apart.")},
          {"add_special_tokens", BoolSchema("Whether the tokenizer adds its own special tokens.")}};
}

std::vector<Member> ContextMembers() {
  std::vector<Member> members = PromptMembers();
  members.push_back({"group", TextSchema("Agents of one group are meant to begin alike; 'default' without it.", 1)});
  members.push_back({"role", TextSchema("Some roles, such as judge and critic, are dense by policy.")});
  members.push_back({"pinned", BoolSchema("Not evicted and not expired.")});
  members.push_back({"dense", BoolSchema("No approximate reuse for it; by the role without it.")});
  members.push_back({"ttl_s", CountSchema("Seconds until it expires; 0: never.", 0, 10'000'000'000)});
  return members;
}

Result<ContextInput> ContextInputOf(const Service& service, const Json& body, std::string agent) {
  WEIR_ASSIGN(ContextInput input, TextInputOf(service, body, std::move(agent)));
  input.group = TextOf(body, "group", "default");
  input.role = TextOf(body, "role");
  input.tokenizer = TextOf(body, "tokenizer");
  input.model = TextOf(body, "model");
  input.lora = TextOf(body, "lora");
  input.salt = TextOf(body, "salt");
  input.add_special_tokens = BoolOf(body, "add_special_tokens", false);
  input.pinned = BoolOf(body, "pinned", false);
  if (body.Find("dense") != nullptr) input.dense = BoolOf(body, "dense", false);
  if (body.Find("ttl_s") != nullptr) input.ttl = std::chrono::seconds(CountOf(body, "ttl_s", 0));
  return input;
}

Result<std::string> PromptOf(const Service& service, const Json& body) {
  WEIR_ASSIGN(ContextInput input, TextInputOf(service, body, "prompt"));
  return std::move(input.text);
}

Json SummaryJson(const ContextSummary& summary) {
  Json json = ContextTermsJson(summary.terms);
  json.Set("tokens", uint64_t{summary.tokens});
  json.Set("blocks", uint64_t{summary.blocks});
  json.Set("text_bytes", summary.text_bytes);
  json.Set("cold", summary.cold);
  json.Set("steps_to_execution", summary.steps_to_execution ? Json(uint64_t{*summary.steps_to_execution}) : Json());
  return json;
}

std::string TagOf(uint64_t revision, int64_t created_ms) { return fmt::format("\"{}-{:x}\"", revision, created_ms); }

}  // namespace weir::api
