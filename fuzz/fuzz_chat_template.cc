// A chat template from anywhere, rendered over a small conversation: refused or rendered, and its segments tile the text.

#include "fuzz_input.h"
#include "weir/chat/chat_template.h"

void weir::fuzz::Run(std::string_view input) {
  const Result<ChatTemplate> chat_template = ChatTemplate::FromSource(input);
  if (!chat_template) return;
  static const Json kMessages =
      Json::Parse(
          R"([{"role":"system","content":"s"},{"role":"user","content":"u \u00e9"},{"role":"assistant","content":"a"}])")
          .value();
  static const Json kTools = Json::Parse(R"([{"type":"function","function":{"name":"f","parameters":{}}}])").value();
  const Result<RenderedPrompt> prompt = chat_template->Render(kMessages, &kTools, {});
  if (!prompt) {
    WEIR_FUZZ_CHECK(!prompt.error().message.empty());
    return;
  }
  uint32_t end = 0;
  for (const Segment& segment : prompt->segments) {
    WEIR_FUZZ_CHECK(segment.bytes.begin == end && segment.bytes.end >= end);
    end = segment.bytes.end;
  }
  WEIR_FUZZ_CHECK(prompt->segments.empty() || end == prompt->text.size());
}
