#include "prompt_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "suggest.h"
#include "weir/base/bytes.h"
#include "weir/registry/data_folder.h"

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
                  "standard input. A registry's data folder as well, alone",
                  false, ValueKind::kFile);
  flags.Setting("data");
  flags.Setting("tokenizer");
  flags.Setting("chat_template");
  flags.Setting("block_size");
  flags.Switch("--lossy", target.lossy, "Replace what is not UTF-8 by U+FFFD instead of leaving the prompt out");
  flags.Text("--group", target.group, "NAME", "Of a data folder: only the agents of this group");
  DeclareSpaceFlags(flags, target.space, "Of a data folder: only contexts");
}

Result<PromptInput> ReadPromptFiles(Session& session, const PromptFlags& flags, LoadedTokenizer tokenizer,
                                    size_t block_size) {
  PromptInput input;
  input.choice = std::move(tokenizer.choice);
  input.tokenizer = std::move(tokenizer.tokenizer);
  WEIR_TRY(LoadTemplate(session, input));
  input.block_size = block_size;
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

namespace {

// The data folder that the flags and settings mean; nothing: files.
Result<std::optional<std::string>> FolderOf(Session& session, const PromptFlags& flags) {
  const Setting& data = session.settings().Get("data");
  if (flags.paths.empty()) {
    if (!data.value.empty()) return std::optional(data.value);
    return session.As(ExitCode::kUsage,
                      InvalidArgument("no prompts given", "PATH..., or --data DIR for what a registry holds"));
  }
  if (IsGiven(data)) {
    return session.As(ExitCode::kUsage, InvalidArgument("both PATH and --data are given", "one of them"));
  }
  const auto found =
      std::find_if(flags.paths.begin(), flags.paths.end(), [](const std::string& path) { return IsDataFolder(path); });
  if (found == flags.paths.end()) return std::optional<std::string>();
  if (flags.paths.size() == 1) return std::optional(*found);
  return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("{} is a registry's data folder", *found),
                                                      "give it alone, or prompt files"));
}

bool IsAsked(const PromptFlags& flags, const ContextTerms& terms) {
  const auto fits = [](const std::string& asked, const std::string& has) { return asked.empty() || asked == has; };
  return fits(flags.group, terms.group) && fits(flags.space.model, terms.space.model) &&
         fits(flags.space.lora, terms.space.lora) && fits(flags.space.salt, terms.space.salt);
}

// Without --model, --lora and --salt, what was registered without them, when there are several spaces.
Status PickSpace(Session& session, const PromptFlags& flags, const StoredContexts& stored, PromptInput& input,
                 std::vector<const StoredContext*>& picked) {
  std::optional<Space> plain;
  if (!flags.space.any()) plain = Space{stored.settings.fingerprint, "", "", ""};
  const auto is_of = [](const Space& space) { return [&](const StoredContext* one) { return one->terms.space == space; }; };
  if (picked.empty() || std::ranges::all_of(picked, is_of(picked.front()->terms.space))) return {};
  if (!plain || std::ranges::none_of(picked, is_of(*plain))) {
    return session.As(ExitCode::kUsage,
                      InvalidArgument(fmt::format("{} holds contexts of several spaces (tokenizer, model, LoRA, salt), and "
                                                  "nothing is shared across spaces",
                                                  input.data_folder),
                                      "pick one: --group, --model, --lora or --salt"));
  }
  input.other_space = static_cast<uint64_t>(std::erase_if(picked, std::not_fn(is_of(*plain))));
  session.Note(fmt::format("{} of other spaces left aside: --model, --lora or --salt picks them",
                           Counted(input.other_space, "context")));
  return {};
}

// The contexts that were asked for, as calls.
Status TakeContexts(Session& session, const PromptFlags& flags, StoredContexts stored, PromptInput& input) {
  const PromptOrigin origin{DataFolderStore(input.data_folder), 0};
  for (Error& problem : stored.problems) {
    problem.message = fmt::format("{}: {}", input.data_folder, problem.message);
    input.prompts.problems.push_back({origin, std::move(problem)});
  }
  ReportProblems(session, input.prompts);
  std::vector<const StoredContext*> picked;
  for (const StoredContext& one : stored.contexts) {
    if (IsAsked(flags, one.terms)) picked.push_back(&one);
  }
  WEIR_TRY(PickSpace(session, flags, stored, input, picked));
  for (const StoredContext* one : picked) {
    input.prompts.calls.push_back({one->terms.agent, 0, one->terms.agent, one->context, nullptr, origin});
  }
  if (!picked.empty()) return {};
  if (!input.prompts.problems.empty()) return input.prompts.problems.front().error;
  if (stored.contexts.empty()) {
    return NotFound(fmt::format("{} holds no contexts", input.data_folder), "'weir contexts add' fills it");
  }
  return NotFound(fmt::format("{} holds no context of that group and space", input.data_folder),
                  "'weir contexts list' shows what it holds");
}

Status FindTokenizer(Session& session, TokenizerUse use, PromptInput& input) {
  if (use == TokenizerUse::kNone) return {};
  Result<LoadedTokenizer> loaded = LoadFolderTokenizer(session, input.data_folder);
  if (loaded) {
    input.choice = std::move(loaded->choice);
    input.tokenizer = std::move(loaded->tokenizer);
    return {};
  }
  if (use == TokenizerUse::kRequired || IsGiven(session.settings().Get("tokenizer"))) return std::move(loaded).error();
  session.Note(fmt::format("what fixes would gain is not measured: {}", loaded.error().ToString()));
  return {};
}

Result<PromptInput> ReadFolderInput(Session& session, const PromptFlags& flags, const std::string& folder,
                                    TokenizerUse use) {
  PromptInput input;
  input.data_folder = folder;
  const auto progress = session.StartProgress("reading contexts");
  WEIR_ASSIGN(StoredContexts stored, ReadContexts(folder, WallMs()));
  const Setting& block_size = session.settings().Get("block_size");
  if (IsGiven(block_size) && session.settings().Count("block_size") != stored.settings.block_size) {
    return session.As(ExitCode::kUsage, InvalidArgument(fmt::format("{} has blocks of {} tokens, not {}", folder,
                                                                    stored.settings.block_size, block_size.value),
                                                        "leave --block-size out"));
  }
  input.block_size = stored.settings.block_size;
  input.choice.name = stored.settings.tokenizer;
  WEIR_TRY(TakeContexts(session, flags, std::move(stored), input));
  WEIR_TRY(FindTokenizer(session, use, input));
  return input;
}

}  // namespace

Result<PromptInput> ReadPromptInput(Session& session, const PromptFlags& flags, TokenizerUse use) {
  WEIR_ASSIGN(const std::optional<std::string> folder, FolderOf(session, flags));
  if (folder) return ReadFolderInput(session, flags, *folder, use);
  if (!flags.group.empty() || flags.space.any()) {
    return session.As(ExitCode::kUsage,
                      InvalidArgument("--group, --model, --lora and --salt choose among the contexts of a data folder",
                                      "leave them out for files"));
  }
  WEIR_ASSIGN(LoadedTokenizer tokenizer, LoadChosenTokenizer(session));
  return ReadPromptFiles(session, flags, std::move(tokenizer), session.settings().Count("block_size"));
}

Agents AgentsOf(const PromptSet& prompts) {
  Agents agents;
  for (const size_t index : prompts.LastCalls()) {
    agents.contexts.push_back(prompts.calls[index].context.get());
    agents.names.push_back(prompts.calls[index].agent);
  }
  return agents;
}

Status NeedTwoAgents(Session& session, const PromptInput& input, std::string_view purpose) {
  const PromptSet& prompts = input.prompts;
  const std::vector<size_t> last = prompts.LastCalls();
  if (last.size() > 1) return {};
  const std::string& agent = prompts.calls[last.front()].agent;
  const size_t calls = prompts.calls.size();
  std::string hint = fmt::format("{}: give another file, or a folder with one file per agent", purpose);
  if (!input.data_folder.empty()) hint = fmt::format("{}: 'weir contexts add' adds more", purpose);
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
  return {{"data", input.data_folder.empty() ? Json() : Json(input.data_folder)},
          {"other_space", input.other_space},
          {"chat_template", std::move(chat_template)},
          {"problems", std::move(problems)}};
}

}  // namespace weir
