#pragma once
// What share, explain and layout have in common: flags of the input, and reading it, from files or from a registry's data
// folder. `weir contexts` reads files the same way.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data_choice.h"
#include "flags.h"
#include "session.h"
#include "weir/chat/chat_template.h"
#include "weir/prompts/prompt_reader.h"

namespace weir {

struct PromptFlags {
  std::vector<std::string> paths;
  bool lossy = false;
  // Of a data folder: which of its contexts.
  std::string group;
  SpaceFlags space;
};

// PATH..., --data, --tokenizer, --chat-template, --block-size, --lossy, --group, --model, --lora, --salt.
void DeclarePromptFlags(Flags& flags, PromptFlags& target);

// Owns what the prompts were made with.
struct PromptInput {
  TokenizerChoice choice;
  std::shared_ptr<const Tokenizer> tokenizer;  // null: contexts of a data folder, and no tokenizer was asked for or found
  std::optional<ChatTemplate> chat_template;
  std::string template_source = "own";  // or "chatml", or "chatml (assumed)": none was named or found
  PromptSet prompts;
  std::string data_folder;   // that the contexts came from; empty: files
  uint64_t other_space = 0;  // contexts of that folder that were left aside: nothing is shared across spaces
  size_t block_size = kDefaultBlockSize;
  int64_t now_local_s = 0;

  // kPartial when some input was left out.
  ExitCode exit_code() const { return prompts.problems.empty() ? ExitCode::kOk : ExitCode::kPartial; }
};

// Reads the files at `flags.paths`, shows progress, and reports what was left out on standard error.
Result<PromptInput> ReadPromptFiles(Session& session, const PromptFlags& flags, LoadedTokenizer tokenizer,
                                    size_t block_size);

// What a command does with the tokenizer when contexts come out of a data folder.
enum class TokenizerUse { kNone, kWhereFound, kRequired };

// The files, or the data folder, that the flags name.
Result<PromptInput> ReadPromptInput(Session& session, const PromptFlags& flags, TokenizerUse use);

// The last call of each agent, in order: what share and explain compare.
struct Agents {
  std::vector<const Context*> contexts;
  std::vector<std::string> names;
};
Agents AgentsOf(const PromptSet& prompts);

// An error unless there are two agents to compare. `purpose` is "a break takes two prompts".
Status NeedTwoAgents(Session& session, const PromptInput& input, std::string_view purpose);

// Position of the agent; a usage error with the nearest name when there is none.
Result<size_t> FindAgent(Session& session, const Agents& agents, const std::string& name);

// What every JSON answer about prompts ends with: "data" (the folder, null for files), "other_space"
// (contexts of the folder left aside), "chat_template" (null without chat
// requests, "own", "chatml" or "chatml (assumed)") and "problems" [{"file","line","error":{...}}].
Json::Object InputJson(const PromptInput& input);

}  // namespace weir
