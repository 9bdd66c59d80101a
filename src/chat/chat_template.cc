#include "weir/chat/chat_template.h"

#include <fmt/format.h>

#include <utility>

#include "chat_messages.h"
#include "chat_segments.h"
#include "jinja_interpreter.h"
#include "jinja_program.h"
#include "weir/base/file.h"
#include "weir/codec/xxh3.h"

namespace weir {
namespace {

constexpr uint64_t kConfigBytesMax = 64 << 20;

struct Source {
  std::string name;
  std::string text;
};

// Members named "..._token" that are a string, or an object with `content`.
Json SpecialTokensOf(const Json& config) {
  Json tokens = Json::MakeObject();
  for (const auto& [name, value] : config.as_object()) {
    if (!name.ends_with("_token")) continue;
    const Json* text = value.is_object() ? value.Find("content") : &value;
    if (text != nullptr && text->is_string()) tokens.Set(name, *text);
  }
  return tokens;
}

Result<std::vector<Source>> SourcesOf(const Json& config) {
  const Json* value = config.Find("chat_template");
  if (value == nullptr || value->is_null()) {
    return NotFound("it has no `chat_template`", "pass the model's template with --chat-template FILE");
  }
  if (value->is_string()) return std::vector<Source>{{"default", value->as_string()}};
  std::vector<Source> sources;
  if (value->is_array()) {
    for (const Json& entry : value->as_array()) {
      const Json* name = entry.Find("name");
      const Json* text = entry.Find("template");
      if (name == nullptr || text == nullptr || !name->is_string() || !text->is_string()) {
        return InvalidArgument("an entry of `chat_template` is not {name, template}");
      }
      sources.push_back({name->as_string(), text->as_string()});
    }
  }
  if (sources.empty()) return InvalidArgument("`chat_template` is neither a string nor a list of {name, template}");
  return sources;
}

Error At(const std::filesystem::path& path, Error error) {
  error.message = fmt::format("{}: {}", path.string(), error.message);
  return error;
}

Result<Json> ReadConfig(const std::filesystem::path& path) {
  WEIR_ASSIGN(const std::string text, ReadFile(path, kConfigBytesMax));
  Result<Json> config = Json::Parse(text);
  if (!config) return At(path, config.error());
  if (!config->is_object()) return InvalidArgument(fmt::format("{}: not a JSON object", path.string()));
  return config;
}

}  // namespace

struct ChatTemplate::Parts {
  struct Named {
    std::string name;
    jinja_rendering::Program program;
  };
  std::vector<Named> programs;
  Json special_tokens;
  std::string fingerprint;

  static Result<ChatTemplate> Make(std::vector<Source> sources, Json special_tokens);
  const jinja_rendering::Program& Choose(bool has_tools) const;
};

Result<ChatTemplate> ChatTemplate::Parts::Make(std::vector<Source> sources, Json special_tokens) {
  auto parts = std::make_unique<Parts>();
  std::string identity = special_tokens.Dump();
  for (const Source& source : sources) {
    Result<jinja_rendering::Program> program = jinja_rendering::Compile(source.text);
    if (!program) return program.error();
    parts->programs.push_back({source.name, *std::move(program)});
    identity += fmt::format("\n{} {} {}\n", source.name, source.text.size(), source.text);
  }
  const Hash128 digest = Xxh3_128(identity);
  parts->special_tokens = std::move(special_tokens);
  parts->fingerprint = fmt::format("{:016x}{:016x}", digest.high, digest.low);
  return ChatTemplate(std::unique_ptr<const Parts>(std::move(parts)));
}

const jinja_rendering::Program& ChatTemplate::Parts::Choose(bool has_tools) const {
  for (const std::string_view wanted :
       {has_tools ? std::string_view("tool_use") : std::string_view("default"), std::string_view("default")}) {
    for (const Named& named : programs) {
      if (named.name == wanted) return named.program;
    }
  }
  return programs.front().program;
}

ChatTemplate::ChatTemplate(std::unique_ptr<const Parts> parts) : parts_(std::move(parts)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

const std::string& ChatTemplate::fingerprint() const { return parts_->fingerprint; }

bool ChatTemplate::walks_content_parts() const { return parts_->programs.front().program.iterates_content; }

Result<ChatTemplate> ChatTemplate::FromSource(std::string_view source, const Json& special_tokens) {
  if (!special_tokens.is_object()) return InvalidArgument("special tokens are not an object");
  return Parts::Make({{"default", std::string(source)}}, SpecialTokensOf(special_tokens));
}

Result<ChatTemplate> ChatTemplate::FromTokenizerConfig(const Json& config) {
  if (!config.is_object()) return InvalidArgument("a tokenizer configuration is a JSON object");
  WEIR_ASSIGN(std::vector<Source> sources, SourcesOf(config));
  return Parts::Make(std::move(sources), SpecialTokensOf(config));
}

Result<ChatTemplate> ChatTemplate::Load(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  if (!is_folder && path.extension() == ".json" && path.filename() != "tokenizer.json") {
    WEIR_ASSIGN(const Json config, ReadConfig(path));
    Result<ChatTemplate> loaded = FromTokenizerConfig(config);
    if (!loaded) return At(path, loaded.error());
    return loaded;
  }
  const std::filesystem::path folder = is_folder ? path : path.parent_path();
  const std::filesystem::path config_path = folder / "tokenizer_config.json";
  Json config = Json::MakeObject();
  if (std::filesystem::exists(config_path, ignored)) {
    WEIR_ASSIGN(config, ReadConfig(config_path));
  }
  const bool is_template = !is_folder && path.filename() != "tokenizer.json";
  const std::filesystem::path template_path = is_template ? path : folder / "chat_template.jinja";
  if (is_template || std::filesystem::exists(template_path, ignored)) {
    WEIR_ASSIGN(const std::string source, ReadFile(template_path, kConfigBytesMax));
    Result<ChatTemplate> loaded = Parts::Make({{"default", source}}, SpecialTokensOf(config));
    if (!loaded) return At(template_path, loaded.error());
    return loaded;
  }
  Result<std::vector<Source>> sources = SourcesOf(config);
  if (!sources && config.as_object().empty()) {
    return NotFound(fmt::format("no chat template in {}", folder.empty() ? "." : folder.string()),
                    "keep tokenizer_config.json beside tokenizer.json, or pass --chat-template FILE");
  }
  if (!sources) return At(config_path, sources.error());
  Result<ChatTemplate> loaded = Parts::Make(*std::move(sources), SpecialTokensOf(config));
  if (!loaded) return At(config_path, loaded.error());
  return loaded;
}

Result<RenderedPrompt> ChatTemplate::Render(const Json& messages, const Json* tools,
                                            const ChatRenderOptions& options) const {
  if (!messages.is_array()) return InvalidArgument("messages are not an array");
  for (const Json& message : messages.as_array()) {
    if (!message.is_object()) return InvalidArgument("a message is not an object");
  }
  const bool has_tools = tools != nullptr && tools->is_array() && !tools->as_array().empty();
  const jinja_rendering::Program& program = parts_->Choose(has_tools);
  jinja_rendering::Interpreter rendering(options.now_local_s);
  jinja_rendering::Interpreter unprompted(options.now_local_s);
  const bool find_prompt_end = options.with_segments && options.add_generation_prompt;
  RenderedPrompt prompt;
  std::string shorter;
  try {
    using jinja_rendering::Value;
    std::vector<std::pair<std::string, Value>> variables;
    for (const auto& [name, value] : parts_->special_tokens.as_object()) {
      variables.emplace_back(name, Value::FromJson(value, jinja_rendering::kFromTemplate));
    }
    variables.emplace_back("documents", jinja_rendering::None());
    if (options.variables.is_object()) {
      for (const auto& [name, value] : options.variables.as_object()) {
        variables.emplace_back(name, Value::FromJson(value, jinja_rendering::kFromTemplate));
      }
    }
    variables.emplace_back("messages", MessagesForTemplate(messages, options.input, program.iterates_content));
    variables.emplace_back("tools",
                           has_tools ? Value::FromJson(*tools, jinja_rendering::kFromTools) : jinja_rendering::None());
    for (const auto& [name, value] : variables) {
      rendering.SetVariable(name, value);
      if (find_prompt_end) unprompted.SetVariable(name, value);
    }
    rendering.SetVariable("add_generation_prompt", options.add_generation_prompt);
    prompt.text = rendering.Run(program);
  } catch (const jinja_rendering::TemplateFault& fault) {
    const std::string message = fmt::format("chat template, line {}: {}", rendering.line(), fault.message);
    return fault.unsupported ? Unsupported(message, "this part of Jinja is not rendered; use another template")
                             : InvalidArgument(message);
  }
  if (!options.with_segments) return prompt;
  size_t prompt_end = prompt.text.size();
  if (find_prompt_end) {
    try {
      unprompted.SetVariable("add_generation_prompt", false);
      shorter = unprompted.Run(program);
      if (prompt.text.starts_with(shorter)) prompt_end = shorter.size();
    } catch (const jinja_rendering::TemplateFault&) {
      // The template wants a generation prompt here; then it belongs to the last segment.
    }
  }
  prompt.segments = SegmentsOf(rendering, messages, prompt.text.size(), prompt_end);
  return prompt;
}

}  // namespace weir
