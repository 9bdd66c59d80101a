#include "weir/prompts/prompt_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "prompt_inputs.h"
#include "prompt_text.h"
#include "weir/base/bytes.h"
#include "weir/base/file.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

constexpr uint64_t kTextBytesMax = (uint64_t{1} << 32) - 1;  // Encoding's limit
constexpr size_t kBinaryProbeBytes = 8192;
constexpr std::chrono::milliseconds kProgressEvery{100};

// What became of one item. Neither: a binary file that is passed over.
struct Outcome {
  std::optional<PromptCall> call;
  std::optional<Error> error;
  bool names_agent = false;  // the request does, not its file
};

// Turns items into contexts. One per thread: it owns an encoder.
class PromptMaker {
 public:
  PromptMaker(const Tokenizer& tokenizer, const PromptReadOptions& options)
      : encoder_(tokenizer.NewEncoder()),
        options_(options),
        space_{tokenizer.fingerprint(), options.model, options.lora, options.salt} {}

  Outcome Make(PromptItem& item) {
    Outcome outcome;
    PromptCall call;
    call.origin = item.origin;
    call.agent = item.file_agent;
    try {
      Result<bool> made = item.is_request ? MakeFromRequest(item, call, outcome.names_agent) : MakeFromText(item, call);
      if (!made) {
        outcome.error = At(item.origin, made.error());
      } else if (*made) {
        outcome.call = std::move(call);
      }
    } catch (const std::bad_alloc&) {
      outcome.error =
          At(item.origin, Exhausted(fmt::format("not enough memory for a prompt of {}", FormatByteSize(item.bytes)),
                                    "split it, or read it on a machine with more memory"));
    }
    item.loaded.reset();
    item.owner.reset();
    item.parsed.reset();
    return outcome;
  }

 private:
  // False: a binary file in a folder.
  Result<bool> MakeFromText(PromptItem& item, PromptCall& call) {
    std::string text;
    if (item.loaded) {
      text = *item.loaded;
    } else {
      WEIR_ASSIGN(text, ReadFile(item.origin.file, std::min(options_.prompt_bytes_max, kTextBytesMax)));
    }
    if (std::string_view(text).substr(0, kBinaryProbeBytes).find('\0') != std::string_view::npos) {
      if (item.from_folder) return false;
      return InvalidArgument("a binary file, or text in UTF-16", "convert it to UTF-8");
    }
    WEIR_TRY(CheckUtf8(text, 0));
    MarkedText marked = SplitSegments(std::move(text));
    if (marked.text.empty()) return InvalidArgument("the prompt is empty", "write the prompt, or remove the file");
    WEIR_TRY(BuildContext(call, std::move(marked.text), std::move(marked.segments), options_.add_special_tokens));
    return true;
  }

  Result<bool> MakeFromRequest(PromptItem& item, PromptCall& call, bool& names_agent) {
    WEIR_ASSIGN(ChatRequest request, ParseRequest(item));
    if (const std::optional<std::string> agent = request.agent()) {
      call.agent = *agent;
      names_agent = true;
    }
    ChatRenderOptions rendering;
    rendering.add_generation_prompt = request.add_generation_prompt();
    rendering.variables = request.TemplateVariables();
    rendering.now_local_s = options_.now_local_s;
    WEIR_ASSIGN(RenderedPrompt prompt, options_.chat_template->Render(request.messages(), request.tools(), rendering));
    if (prompt.text.empty()) return InvalidArgument("the chat template renders it to nothing");
    if (prompt.text.size() > options_.prompt_bytes_max) return Exhausted("the prompt is too large");
    WEIR_TRY(BuildContext(call, std::move(prompt.text), std::move(prompt.segments), false));
    if (options_.keep_requests) call.request = std::make_shared<const ChatRequest>(std::move(request));
    return true;
  }

  Result<ChatRequest> ParseRequest(PromptItem& item) {
    if (item.parsed) return ChatRequest::From(std::move(*item.parsed));
    if (!options_.lossy || IsValidUtf8(*item.loaded)) {
      std::string_view line = *item.loaded;
      if (const auto bad = FindInvalidUtf8(line)) {
        return InvalidArgument(fmt::format("not UTF-8 at byte {} of the line", *bad), "mend it, or pass --lossy");
      }
      return ChatRequest::Parse(line);
    }
    return ChatRequest::Parse(ReplaceInvalidUtf8(*item.loaded));
  }

  Status CheckUtf8(std::string& text, size_t base) {
    const std::optional<size_t> bad = FindInvalidUtf8(text);
    if (!bad) return {};
    if (!options_.lossy) {
      return InvalidArgument(fmt::format("not UTF-8 at byte {}", base + *bad),
                             "mend the file, or pass --lossy to read such bytes as U+FFFD");
    }
    text = ReplaceInvalidUtf8(text);
    return {};
  }

  Status BuildContext(PromptCall& call, std::string text, std::vector<Segment> segments, bool add_special_tokens) {
    ContextSource source;
    source.agent = call.agent;
    source.text = std::move(text);
    source.segments = std::move(segments);
    source.add_special_tokens = add_special_tokens;
    WEIR_ASSIGN(Context context, Context::Build(std::move(source), *encoder_, space_, options_.block_size));
    call.context = std::make_shared<const Context>(std::move(context));
    return {};
  }

  std::unique_ptr<Encoder> encoder_;
  const PromptReadOptions& options_;
  Space space_;
};

// Every item turned, on as many threads as asked for; outcomes in the order of the items.
std::vector<Outcome> MakeAll(std::vector<PromptItem>& items, const Tokenizer& tokenizer, const PromptReadOptions& options) {
  std::vector<Outcome> outcomes(items.size());
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> bytes_done{0};
  std::atomic<size_t> prompts_done{0};
  std::mutex mutex;
  std::condition_variable ended;
  size_t running = 0;  // under mutex

  const auto work = [&] {
    PromptMaker maker(tokenizer, options);
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < items.size();) {
      outcomes[i] = maker.Make(items[i]);
      bytes_done.fetch_add(items[i].bytes, std::memory_order_relaxed);
      prompts_done.fetch_add(1, std::memory_order_relaxed);
    }
    const std::lock_guard lock(mutex);
    if (--running == 0) ended.notify_all();
  };

  ReadProgress progress;
  for (const PromptItem& item : items) progress.bytes_total += item.bytes;
  const auto report = [&] {
    progress.bytes_done = bytes_done.load(std::memory_order_relaxed);
    progress.prompts_done = prompts_done.load(std::memory_order_relaxed);
    if (options.progress) options.progress(progress);
  };

  const size_t asked = options.threads > 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  const size_t count = std::min(asked, items.size());
  running = count;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) threads.emplace_back(work);
  for (std::unique_lock lock(mutex); running > 0;) {
    if (ended.wait_for(lock, kProgressEvery, [&] { return running == 0; })) break;
    lock.unlock();
    report();
    lock.lock();
  }
  for (std::thread& thread : threads) thread.join();
  report();
  return outcomes;
}

// Where an agent was seen first.
struct FirstSeen {
  PromptOrigin origin;
  bool is_request;
  bool names_agent;
  size_t calls = 0;
};

Error Collision(const std::string& agent, const PromptOrigin& first, const PromptOrigin& second) {
  return {ErrorCode::kAlreadyExists,
          fmt::format("{} and {} both give the agent '{}'", ToString(first), ToString(second), agent),
          "rename one of the files, pass their common parent folder, or set metadata.agent in the requests"};
}

// Numbers the calls of each agent; two inputs may share an agent only when both are requests that name it.
Status NameCalls(std::vector<PromptCall>& calls, const std::vector<std::pair<bool, bool>>& kinds) {
  std::unordered_map<std::string, FirstSeen> agents;
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto [is_request, names_agent] = kinds[i];
    const auto [at, is_new] = agents.try_emplace(calls[i].agent, FirstSeen{calls[i].origin, is_request, names_agent});
    FirstSeen& first = at->second;
    const bool same_file = first.origin.file == calls[i].origin.file && is_request && first.is_request;
    if (!is_new && !same_file && !(names_agent && first.names_agent)) {
      return Collision(calls[i].agent, first.origin, calls[i].origin);
    }
    calls[i].index = first.calls++;
  }
  for (PromptCall& call : calls) {
    call.label = agents.at(call.agent).calls > 1 ? fmt::format("{}#{}", call.agent, call.index + 1) : call.agent;
  }
  std::unordered_map<std::string_view, const PromptCall*> labels;
  for (const PromptCall& call : calls) {
    const auto [other, is_new] = labels.try_emplace(call.label, &call);
    if (!is_new) return Collision(call.label, other->second->origin, call.origin);
  }
  return {};
}

}  // namespace

std::string ToString(const PromptOrigin& origin) {
  const std::string file = origin.file == "-" ? "standard input" : origin.file.string();
  return origin.line == 0 ? file : fmt::format("{}:{}", file, origin.line);
}

std::vector<size_t> PromptSet::LastCalls() const {
  std::vector<size_t> last;
  std::unordered_map<std::string_view, size_t> agents;
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto [at, is_new] = agents.try_emplace(calls[i].agent, last.size());
    if (is_new) last.push_back(i);
    last[at->second] = i;
  }
  return last;
}

const PromptCall* PromptSet::Find(std::string_view agent_or_label) const {
  const PromptCall* found = nullptr;
  for (const PromptCall& call : calls) {
    if (call.label == agent_or_label) return &call;
    if (call.agent == agent_or_label) found = &call;
  }
  return found;
}

Result<PromptSet> ReadPrompts(std::span<const std::filesystem::path> inputs, const Tokenizer& tokenizer,
                              const PromptReadOptions& options) {
  if (inputs.empty()) return InvalidArgument("no input is given", "name a folder, a text file or a .jsonl file");
  WEIR_ASSIGN(PromptItems found, FindPrompts(inputs, options));
  const auto request =
      std::find_if(found.items.begin(), found.items.end(), [](const PromptItem& i) { return i.is_request; });
  if (request != found.items.end() && options.chat_template == nullptr) {
    return InvalidArgument(
        fmt::format("{} holds chat requests, and the model's chat template is not known", request->origin.file.string()),
        "pass --chat-template FILE, or keep tokenizer_config.json beside tokenizer.json");
  }
  std::vector<Outcome> outcomes = MakeAll(found.items, tokenizer, options);
  PromptSet set;
  set.problems = std::move(found.problems);
  std::vector<std::pair<bool, bool>> kinds;  // is a request, names its agent
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i].error) set.problems.push_back({found.items[i].origin, *std::move(outcomes[i].error)});
    if (!outcomes[i].call) continue;
    set.calls.push_back(*std::move(outcomes[i].call));
    kinds.emplace_back(found.items[i].is_request, outcomes[i].names_agent);
  }
  if (set.calls.empty() && !set.problems.empty()) return std::move(set.problems.front().error);
  if (set.calls.empty()) {
    return InvalidArgument(fmt::format("{}: no text file in it", inputs[0].string()), "put one text file per agent in it");
  }
  WEIR_TRY(NameCalls(set.calls, kinds));
  return set;
}

}  // namespace weir
