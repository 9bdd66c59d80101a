// Prompt files of every kind; the first byte picks it.

#include "fuzz_input.h"
#include "testing/byte_tokenizer.h"
#include "weir/chat/chat_template.h"
#include "weir/prompts/prompt_reader.h"

void weir::fuzz::Run(std::string_view input) {
  if (input.empty()) return;
  static constexpr const char* kNames[] = {"input.txt", "input.jsonl", "input.json", "input.md"};
  static const weir::testing::ByteTokenizer kTokenizer;
  const std::filesystem::path path = InputFile(input.substr(1), kNames[static_cast<unsigned char>(input[0]) % 4]);
  PromptReadOptions options;
  options.threads = 1;
  static const ChatTemplate kTemplate =
      ChatTemplate::FromSource("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{{ tools }}").value();
  options.chat_template = &kTemplate;
  const std::vector<std::filesystem::path> paths = {path};
  const Result<PromptSet> prompts = ReadPrompts(paths, kTokenizer, options);
  if (!prompts) return;
  for (const PromptCall& call : prompts->calls) {
    WEIR_FUZZ_CHECK(call.context != nullptr);
    uint32_t end = 0;
    for (const Segment& segment : call.context->segments()) {
      WEIR_FUZZ_CHECK(segment.bytes.begin == end);
      end = segment.bytes.end;
    }
    WEIR_FUZZ_CHECK(end == call.context->text().size());
  }
}
