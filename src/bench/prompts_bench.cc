// Reading prompts and rendering chat requests.

#include <fmt/format.h>
#include <stdlib.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/chat/chat_template.h"
#include "weir/prompts/prompt_reader.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

// Pseudo-prose: words of a fixed vocabulary, about 4.7 bytes per token.
std::string Prose(Random& random, size_t bytes) {
  static const std::vector<std::string> kWords = [] {
    std::vector<std::string> words;
    Random letters(7);
    for (int i = 0; i < 4000; ++i) {
      std::string word;
      for (uint64_t left = 2 + letters.Below(8); left > 0; --left) word += "etaoinshrdlucmfwypvb"[letters.Below(20)];
      words.push_back(word);
    }
    return words;
  }();
  std::string text;
  while (text.size() < bytes) text += kWords[random.Below(kWords.size())] + (random.Below(14) == 0 ? ".\n" : " ");
  return text;
}

// A folder with files that goes away with this object.
class PromptFolder {
 public:
  PromptFolder() {
    std::string pattern = (fs::temp_directory_path() / "weir-bench-XXXXXX").string();
    path_ = mkdtemp(pattern.data()) != nullptr ? pattern : std::string();
    Random random(1);
    for (int i = 0; i < kFiles; ++i) {
      std::ofstream(path_ / fmt::format("agent{}.txt", i), std::ios::binary) << Prose(random, kFileBytes);
    }
  }
  PromptFolder(const PromptFolder&) = delete;
  PromptFolder& operator=(const PromptFolder&) = delete;
  ~PromptFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

  static constexpr int kFiles = 1000;
  static constexpr size_t kFileBytes = 8000;

 private:
  fs::path path_;
};

Status BenchRendering(const ChatTemplate& chat_template, const BenchSink& sink) {
  constexpr int kRequests = 200;
  constexpr int kRounds = 7;
  for (const int turns : {1, 10, 100}) {
    Random random(3);
    Json messages = Json::MakeArray();
    const auto add = [&](std::string_view role, size_t bytes) {
      messages.Append(Json(Json::Object{{"role", Json(role)}, {"content", Json(Prose(random, bytes))}}));
    };
    add("system", 2000);
    for (int turn = 0; turn < turns; ++turn) {
      if (turn > 0) add("assistant", 400);
      add("user", 200);
    }
    for (const bool with_segments : {false, true}) {
      ChatRenderOptions options;
      options.with_segments = with_segments;
      WEIR_TRY([&]() -> Status {
        WEIR_ASSIGN(const RenderedPrompt prompt, chat_template.Render(messages, nullptr, options));
        KeepResult(prompt.text.size());
        return {};
      }());
      const int requests = kRequests / turns + 1;
      const auto seconds = TimeRounds(kRounds, [&] {
        for (int i = 0; i < requests; ++i) KeepResult(chat_template.Render(messages, nullptr, options).has_value());
      });
      sink({"prompts",
            fmt::format("render {} messages{}", messages.as_array().size(), with_segments ? ", with segments" : ""),
            "best",
            seconds.front() * 1e6 / requests,
            "us/request",
            {}});
    }
  }
  return {};
}

}  // namespace

Status BenchPrompts(const BenchOptions& options, const BenchSink& sink) {
  if (options.tokenizer.empty()) return NotFound("this benchmark needs a tokenizer", "pass --tokenizer F");
  WEIR_ASSIGN(const std::unique_ptr<Tokenizer> tokenizer, LoadTokenizer(options.tokenizer, {}));
  const Result<ChatTemplate> chat_template = ChatTemplate::Load(options.tokenizer);
  std::unique_ptr<PromptFolder> made;
  std::vector<fs::path> inputs(options.arguments.begin(), options.arguments.end());
  if (inputs.empty()) {
    made = std::make_unique<PromptFolder>();
    inputs.push_back(made->path());
  }
  PromptReadOptions reading;
  if (chat_template) reading.chat_template = &*chat_template;
  for (const size_t threads : {size_t{1}, size_t{0}}) {
    reading.threads = threads;
    uint64_t tokens = 0;
    uint64_t prompts = 0;
    WEIR_TRY([&]() -> Status {
      WEIR_ASSIGN(const PromptSet set, ReadPrompts(inputs, *tokenizer, reading));
      for (const PromptCall& call : set.calls) tokens += call.context->tokens().size();
      prompts = set.calls.size();
      return {};
    }());
    const auto seconds = TimeRounds(5, [&] { KeepResult(ReadPrompts(inputs, *tokenizer, reading).has_value()); });
    sink({"prompts",
          threads == 1 ? "read, one thread" : "read, all threads",
          "best",
          seconds.front() * 1e3,
          "ms",
          {{"prompts", Json(prompts)}, {"tokens", Json(tokens)}}});
  }
  if (chat_template) return BenchRendering(*chat_template, sink);
  return {};
}

}  // namespace weir
