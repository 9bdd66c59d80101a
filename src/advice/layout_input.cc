#include "weir/advice/layout_input.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace weir {
namespace {

constexpr std::string_view kSystemName = "system";
constexpr std::string_view kToolsName = "tools";

bool IsSystemRole(std::string_view role) { return role == "system" || role == "developer"; }

SegmentKind KindOfRole(std::string_view role) {
  if (IsSystemRole(role)) return SegmentKind::kSystem;
  if (role == "assistant") return SegmentKind::kAssistant;
  if (role == "tool" || role == "function") return SegmentKind::kToolResult;
  return SegmentKind::kUser;
}

std::string_view RoleOf(const Json& message) {
  const Json* role = message.Find("role");
  return role != nullptr && role->is_string() ? std::string_view(role->as_string()) : std::string_view("user");
}

// The one text that a message's content is: a string, or a list with a single text part. Null otherwise.
template <typename J>
J* TextOf(J& message) {
  J* content = message.Find("content");
  if (content == nullptr) return nullptr;
  if (content->is_string()) return content;
  if (!content->is_array() || content->as_array().size() != 1) return nullptr;
  J* text = content->as_array()[0].Find("text");
  return text != nullptr && text->is_string() ? text : nullptr;
}

}  // namespace

LayoutCall LayoutCallOf(const Context& context) {
  LayoutCall call;
  call.agent = context.agent();
  for (const Segment& segment : context.segments()) {
    LayoutPiece piece;
    piece.name = segment.name;
    piece.kind = segment.kind;
    piece.text = std::string(context.text().substr(segment.bytes.begin, segment.bytes.size()));
    piece.fixed = segment.fixed;
    piece.verbatim = segment.fixed;
    call.pieces.push_back(std::move(piece));
  }
  return call;
}

LayoutCall LayoutCallOf(const ChatRequest& request, std::string agent) {
  LayoutCall call;
  call.agent = std::move(agent);
  const Json::Array& messages = request.messages().as_array();
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string_view role = RoleOf(messages[i]);
    const Json* text = TextOf(messages[i]);
    LayoutPiece piece;
    piece.kind = KindOfRole(role);
    if (i == 0 && IsSystemRole(role) && text != nullptr) {
      piece.name = std::string(kSystemName);
      piece.text = text->as_string();
    } else {
      piece.name = fmt::format("{} {}", role, i + 1);
      piece.text = text != nullptr ? text->as_string() : messages[i].Dump();
      piece.fixed = true;
      piece.verbatim = true;
    }
    call.pieces.push_back(std::move(piece));
    if (i == 0 && request.tools() != nullptr) {
      LayoutPiece tools;
      tools.name = std::string(kToolsName);
      tools.kind = SegmentKind::kTools;
      tools.text = request.tools()->Dump();
      tools.fixed = true;
      call.pieces.push_back(std::move(tools));
    }
  }
  return call;
}

std::vector<LayoutCall> LayoutCallsOf(std::span<const PromptCall> prompts) {
  std::vector<LayoutCall> calls;
  calls.reserve(prompts.size());
  for (const PromptCall& prompt : prompts) {
    calls.push_back(prompt.request != nullptr ? LayoutCallOf(*prompt.request, prompt.agent) : LayoutCallOf(*prompt.context));
  }
  return calls;
}

Result<Json> RequestWithPieces(const ChatRequest& request, std::span<const LayoutPiece> pieces) {
  Json body = request.body();
  std::string system;
  bool has_system = false;
  for (const LayoutPiece& piece : pieces) {
    if (piece.kind == SegmentKind::kSystem && !piece.verbatim) {
      system += piece.text;
      has_system = true;
    } else if (piece.kind == SegmentKind::kTools) {
      WEIR_ASSIGN(Json tools, Json::Parse(piece.text));
      if (!tools.is_array()) return InvalidArgument("the tools piece is not a JSON array");
      body.Set("tools", std::move(tools));
    }
  }
  if (has_system) {
    Json* text = TextOf(body.Find("messages")->as_array()[0]);
    if (text == nullptr) return InvalidArgument("the system message has no text to replace");
    // A line that moved to the end brought its newline along.
    const bool ended_open = !text->as_string().ends_with('\n');
    if (ended_open && system.ends_with('\n')) system.pop_back();
    *text = Json(std::move(system));
  }
  return body;
}

LayoutRenderer RendererOf(std::span<const PromptCall> prompts, const ChatTemplate* chat_template, int64_t now_local_s) {
  return [=](size_t call, std::span<const LayoutPiece> pieces) -> Result<std::string> {
    const PromptCall& prompt = prompts[call];
    if (prompt.request == nullptr) {
      std::string text;
      for (const LayoutPiece& piece : pieces) text += piece.text;
      return text;
    }
    if (chat_template == nullptr) return InvalidArgument("a chat request needs a chat template");
    WEIR_ASSIGN(Json body, RequestWithPieces(*prompt.request, pieces));
    ChatRenderOptions options;
    options.add_generation_prompt = prompt.request->add_generation_prompt();
    options.variables = prompt.request->TemplateVariables();
    options.now_local_s = now_local_s;
    options.with_segments = false;
    WEIR_ASSIGN(RenderedPrompt rendered, chat_template->Render(*body.Find("messages"), body.Find("tools"), options));
    return std::move(rendered.text);
  };
}

}  // namespace weir
