#include "prompt_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "suggest.h"
#include "weir/base/bytes.h"

namespace weir {
namespace {

// Local time as seconds since 1970-01-01 00:00 without a zone: what a template's strftime_now() prints.
int64_t LocalSeconds() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  if (localtime_r(&now, &local) == nullptr) return now;
  return static_cast<int64_t>(now) + local.tm_gmtoff;
}

constexpr std::string_view kChatMlName = "chatml";
constexpr std::string_view kChatMlAssumed = "chatml (assumed)";

// The template that was named, or the one beside the tokenizer, or ChatML in its place.
Status LoadTemplate(const Session& session, PromptInput& input) {
  const std::string& named = session.settings().Text("chat_template");
  if (named == kChatMlName) {
    input.chat_template = ChatTemplate::ChatMl();
    input.template_source = kChatMlName;
    return {};
  }
  Result<ChatTemplate> loaded = ChatTemplate::Load(named.empty() ? input.choice.file : std::filesystem::path(named));
  if (loaded) {
    input.chat_template = *std::move(loaded);
    return {};
  }
  if (!named.empty()) return std::move(loaded).error();
  if (loaded.error().code != ErrorCode::kNotFound) {
    session.Note(fmt::format("the chat template beside the tokenizer is left aside: {}", loaded.error().ToString()));
  }
  input.chat_template = ChatTemplate::ChatMl();
  input.template_source = kChatMlAssumed;
  return {};
}

bool HasChatRequests(const PromptSet& prompts) {
  return std::any_of(prompts.calls.begin(), prompts.calls.end(),
                     [](const PromptCall& call) { return call.request != nullptr; });
}

std::string ProgressText(const ReadProgress& progress) {
  const std::string prompts = Counted(progress.prompts_done, "prompt");
  if (progress.bytes_total == 0) return prompts;
  return fmt::format("{}, {} of {}", prompts, FormatByteSize(progress.bytes_done), FormatByteSize(progress.bytes_total));
}

void ReportProblems(const Session& session, const PromptSet& prompts) {
  constexpr size_t kShown = 20;
  for (size_t i = 0; i < std::min(prompts.problems.size(), kShown); ++i) {
    session.Note(fmt::format("left out: {}", prompts.problems[i].error.ToString()));
  }
  if (prompts.problems.size() > kShown) session.Note(fmt::format("left out: {} more", prompts.problems.size() - kShown));
}

}  // namespace

void DeclarePromptFlags(Flags& flags, PromptFlags& target) {
  flags.Arguments("PATH", target.paths,
                  "A folder (one agent per text file), a text file, or JSONL with one OpenAI chat request per line; - is "
                  "standard input",
                  true, ValueKind::kFile);
  flags.Setting("tokenizer");
  flags.Setting("chat_template");
  flags.Setting("block_size");
  flags.Switch("--lossy", target.lossy, "Replace what is not UTF-8 by U+FFFD instead of leaving the prompt out");
}

Result<std::unique_ptr<Tokenizer>> LoadChosenTokenizer(Session& session, TokenizerChoice& choice) {
  Result<TokenizerChoice> chosen = ChooseTokenizer(session.settings().Text("tokenizer"), session.environment());
  if (!chosen) {
    Error error = std::move(chosen).error();
    return error.code == ErrorCode::kInvalidArgument ? session.As(ExitCode::kUsage, std::move(error)) : error;
  }
  choice = *std::move(chosen);
  const auto progress = session.StartProgress("loading the tokenizer");
  TokenizerLoadOptions options;
  options.cache_folder = session.environment().CacheFolder() / "flat";
  return LoadTokenizer(choice.file, options);
}

Result<PromptInput> ReadPromptInput(Session& session, const PromptFlags& flags) {
  PromptInput input;
  WEIR_ASSIGN(input.tokenizer, LoadChosenTokenizer(session, input.choice));
  WEIR_TRY(LoadTemplate(session, input));
  input.block_size = session.settings().Count("block_size");
  input.now_local_s = LocalSeconds();

  PromptReadOptions options;
  options.chat_template = input.chat_template ? &*input.chat_template : nullptr;
  options.lossy = flags.lossy;
  options.block_size = input.block_size;
  options.now_local_s = input.now_local_s;
  {
    const auto progress = session.StartProgress("reading prompts");
    options.progress = [&](const ReadProgress& done) { progress->Update(ProgressText(done)); };
    const std::vector<std::filesystem::path> paths(flags.paths.begin(), flags.paths.end());
    WEIR_ASSIGN(input.prompts, ReadPrompts(paths, *input.tokenizer, options));
  }
  ReportProblems(session, input.prompts);
  if (input.template_source == kChatMlAssumed && HasChatRequests(input.prompts)) {
    session.Note(
        "the tokenizer comes without a chat template: chat requests are laid out as plain ChatML, so token counts are "
        "not an engine's; pass --chat-template, or keep tokenizer_config.json beside tokenizer.json");
  }
  return input;
}

Agents AgentsOf(const PromptSet& prompts) {
  Agents agents;
  for (const size_t index : prompts.LastCalls()) {
    agents.contexts.push_back(prompts.calls[index].context.get());
    agents.names.push_back(prompts.calls[index].agent);
  }
  return agents;
}

Status NeedTwoAgents(Session& session, const PromptSet& prompts, std::string_view purpose) {
  const std::vector<size_t> last = prompts.LastCalls();
  if (last.size() > 1) return {};
  const std::string& agent = prompts.calls[last.front()].agent;
  const size_t calls = prompts.calls.size();
  std::string hint = fmt::format("{}: give another file, or a folder with one file per agent", purpose);
  if (calls > 1)
    hint = fmt::format("compare its own calls: weir explain ... --a '{}#{}' --b '{}#{}'", agent, calls - 1, agent, calls);
  return session.As(ExitCode::kBadData, InvalidArgument(fmt::format("only one agent: {}", agent), std::move(hint)));
}

Result<size_t> FindAgent(Session& session, const Agents& agents, const std::string& name) {
  const auto found = std::find(agents.names.begin(), agents.names.end(), name);
  if (found != agents.names.end()) return static_cast<size_t>(found - agents.names.begin());
  return session.As(ExitCode::kUsage, NotFound(fmt::format("no agent '{}'", name), SuggestionHint(name, agents.names)));
}

Json::Object InputJson(const PromptInput& input) {
  Json problems = Json::MakeArray();
  for (const InputProblem& problem : input.prompts.problems) {
    Json object = ErrorJson(problem.error);
    object.Set("file", problem.origin.file.string());
    object.Set("line", problem.origin.line == 0 ? Json() : Json(uint64_t{problem.origin.line}));
    problems.Append(std::move(object));
  }
  Json chat_template;
  if (HasChatRequests(input.prompts)) chat_template = input.template_source;
  return {{"chat_template", std::move(chat_template)}, {"problems", std::move(problems)}};
}

}  // namespace weir
