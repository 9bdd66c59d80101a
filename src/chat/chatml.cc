#include "weir/base/check.h"
#include "weir/chat/chat_template.h"

namespace weir {
namespace {

constexpr std::string_view kChatMl = R"jinja(
{%- macro tool_list() -%}
  {{- "# Tools" }}
  {%- for tool in tools -%}
    {{- "\n" ~ (tool | tojson) }}
  {%- endfor -%}
{%- endmacro -%}
{%- set takes_tools = messages[0].role in ["system", "developer"] -%}
{%- if tools and not takes_tools -%}
  {{- "<|im_start|>system\n" ~ tool_list() ~ "<|im_end|>\n" }}
{%- endif -%}
{%- for message in messages -%}
  {{- "<|im_start|>" ~ message.role ~ "\n" }}
  {{- message.content or "" }}
  {%- if message.tool_calls -%}
    {%- for call in message.tool_calls -%}
      {{- "\n" ~ (call | tojson) }}
    {%- endfor -%}
  {%- endif -%}
  {%- if loop.first and tools and takes_tools -%}
    {{- "\n\n" ~ tool_list() }}
  {%- endif -%}
  {{- "<|im_end|>\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- "<|im_start|>assistant\n" }}
{%- endif -%}
)jinja";

}  // namespace

ChatTemplate ChatTemplate::ChatMl() {
  Result<ChatTemplate> made = FromSource(kChatMl);
  WEIR_CHECK(made.has_value(), "{}", made.has_value() ? "" : made.error().ToString());
  return *std::move(made);
}

}  // namespace weir
