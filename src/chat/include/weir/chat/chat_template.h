#pragma once
// ChatTemplate: a model's own chat template; chat messages and tools to the exact prompt, and where each part lies in it.
//
// The text equals what Hugging Face's apply_chat_template(tokenize=False) gives for the same template and variables
// (Jinja2 in its sandbox with trim_blocks, lstrip_blocks and loop controls, tojson without escapes, strftime_now,
// raise_exception, reasoning visible under each of its names). What would not come out the same is refused by name
// (unsupported), never approximated: among others changing the case of text beyond ASCII, and %-formatting other than
// %s and %d. Templates are read by llama.cpp's lexer and parser; running them is ours.
//
// Immutable after loading; Render() may be called by any number of threads at once.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"
#include "weir/tokens/context.h"

namespace weir {

// What the template sees of the messages.
enum class ChatInput {
  // As vLLM's chat endpoint hands an OpenAI request to the template: tool-call arguments become an object (a JSON string
  // is parsed; what is no object becomes {}), an empty list of calls is dropped, a missing or null content is "", and a
  // list of text parts becomes one string joined by newlines; or, when the template itself walks over content parts, a
  // string becomes a list of one text part. Tool definitions are passed as given.
  kEngine,
  // Unchanged, as apply_chat_template does.
  kAsGiven,
};

struct ChatRenderOptions {
  ChatInput input = ChatInput::kEngine;
  bool add_generation_prompt = true;
  // Further template variables (enable_thinking, documents, ...), an object; they win over the special tokens.
  Json variables = Json::MakeObject();
  // What strftime_now() formats: local time as seconds since 1970-01-01 00:00, without a zone. The caller decides it, so
  // that rendering is a function of its inputs.
  int64_t now_local_s = 0;
  // Also find the segments; without, `segments` stays empty and rendering takes half the time.
  bool with_segments = true;
};

// The prompt and its parts. Segments tile the text in order. They are named after the role and the position of the
// message, counted from 1 behind a leading system message, which has no number: "system", "tools", "user 1",
// "assistant 2", "tool 3". "generation prompt" (fixed) is what add_generation_prompt added.
//
// Ranges are known, not searched: every string of the request carries its message (or the tools) through the template's
// operations into the output. Text of the template itself (role markers, separators, instructions around the tools)
// belongs to the message whose loop iteration wrote it, else to what follows it; before the first message, to the first
// segment; behind the last, to the last. What a template writes as one string out of several parts is one segment, fixed
// and named after the last message in it ("user 3 and earlier"); when it writes a part again later, everything from the
// first time on is that part's segment: segments become coarser then, never wrong. A message that wrote nothing of its
// own has no segment. Nothing known at all: one segment "text".
struct RenderedPrompt {
  std::string text;
  std::vector<Segment> segments;  // `tokens` is not filled in
};

class ChatTemplate {
 public:
  // `path` is a tokenizer_config.json (or another JSON object with `chat_template`), a file holding the template itself
  // (any name not ending in .json), a tokenizer.json, or a folder: the last two look for tokenizer_config.json and
  // chat_template.jinja in that folder. not_found when there is no template; the hint says where to get one.
  static Result<ChatTemplate> Load(const std::filesystem::path& path);

  // From the contents of a tokenizer_config.json. `chat_template` is a string or a list of {name, template}; special
  // tokens are strings or {content}.
  static Result<ChatTemplate> FromTokenizerConfig(const Json& config);

  // From template source; `special_tokens` is an object such as {"bos_token": "<s>"}.
  // invalid_argument: not a template (with the place); unsupported: a feature that is not rendered exactly.
  static Result<ChatTemplate> FromSource(std::string_view source, const Json& special_tokens = Json::MakeObject());

  // Plain ChatML, for tokenizers that come without a template: what it renders is a stand-in, not what an engine would
  // send; callers label it so. Tools follow the first system message, one JSON object a line.
  static ChatTemplate ChatMl();

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `messages` is an array of objects with `role`; `tools` is null (or null JSON, or empty: no tools) or an array of tool
  // definitions. Of several named templates, "tool_use" renders requests with tools, "default" the others.
  // invalid_argument carries what the template raised (raise_exception) or the operation that failed.
  Result<RenderedPrompt> Render(const Json& messages, const Json* tools, const ChatRenderOptions& options) const;

  // 32 hexadecimal digits over the sources and the special tokens.
  const std::string& fingerprint() const;
  // The template walks over the parts of a message's content (see ChatInput::kEngine).
  bool walks_content_parts() const;

 private:
  struct Parts;
  explicit ChatTemplate(std::unique_ptr<const Parts> parts);
  std::unique_ptr<const Parts> parts_;
};

}  // namespace weir
