#pragma once
// What share, explain and layout have in common: flags of the input, and reading it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flags.h"
#include "session.h"
#include "tokenizer_choice.h"
#include "weir/chat/chat_template.h"
#include "weir/prompts/prompt_reader.h"

namespace weir {

struct PromptFlags {
  std::vector<std::string> paths;
  bool lossy = false;
};

// PATH..., --tokenizer, --chat-template, --block-size, --lossy.
void DeclarePromptFlags(Flags& flags, PromptFlags& target);

// Owns what the prompts were made with.
struct PromptInput {
  TokenizerChoice choice;
  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::string template_source = "own";  // or "chatml", or "chatml (assumed)": none was named or found
  PromptSet prompts;
  size_t block_size = kDefaultBlockSize;
  int64_t now_local_s = 0;

  // kPartial when some input was left out.
  ExitCode exit_code() const { return prompts.problems.empty() ? ExitCode::kOk : ExitCode::kPartial; }
};

// Chooses and loads the tokenizer that the settings name. Shows progress.
Result<std::unique_ptr<Tokenizer>> LoadChosenTokenizer(Session& session, TokenizerChoice& choice);

// Reads everything, shows progress, and reports what was left out on standard error.
Result<PromptInput> ReadPromptInput(Session& session, const PromptFlags& flags);

// The last call of each agent, in order: what share and explain compare.
struct Agents {
  std::vector<const Context*> contexts;
  std::vector<std::string> names;
};
Agents AgentsOf(const PromptSet& prompts);

// An error unless there are two agents to compare. `purpose` is "a break takes two prompts".
Status NeedTwoAgents(Session& session, const PromptSet& prompts, std::string_view purpose);

// Position of the agent; a usage error with the nearest name when there is none.
Result<size_t> FindAgent(Session& session, const Agents& agents, const std::string& name);

// What every JSON answer about prompts ends with: "chat_template" (null without chat requests, "own", "chatml" or
// "chatml (assumed)") and "problems" [{"file","line","error":{...}}].
Json::Object InputJson(const PromptInput& input);

}  // namespace weir
