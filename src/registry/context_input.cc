#include "weir/registry/context_input.h"

#include <utility>

namespace weir {

ContextInput InputFromPrompts(std::string agent, std::string_view system_prompt, std::string_view role_prompt) {
  ContextInput input;
  input.agent = std::move(agent);
  const auto add = [&](std::string_view text, std::string_view name, SegmentKind kind) {
    Segment segment;
    segment.name = name;
    segment.kind = kind;
    segment.bytes = {static_cast<uint32_t>(input.text.size()), static_cast<uint32_t>(input.text.size() + text.size())};
    input.text += text;
    input.segments.push_back(std::move(segment));
  };
  if (!system_prompt.empty()) {
    std::string system(system_prompt);
    if (!role_prompt.empty()) system += "\n\n";
    add(system, "system", SegmentKind::kSystem);
  }
  if (!role_prompt.empty()) add(role_prompt, "role", SegmentKind::kText);
  return input;
}

Result<ContextInput> InputFromChat(std::string agent, const ChatRequest& request, const ChatTemplate& chat_template,
                                   int64_t now_local_s) {
  ChatRenderOptions options;
  options.add_generation_prompt = request.add_generation_prompt();
  options.variables = request.TemplateVariables();
  options.now_local_s = now_local_s;
  WEIR_ASSIGN(RenderedPrompt rendered, chat_template.Render(request.messages(), request.tools(), options));
  ContextInput input;
  input.agent = std::move(agent);
  input.text = std::move(rendered.text);
  input.segments = std::move(rendered.segments);
  return input;
}

}  // namespace weir
