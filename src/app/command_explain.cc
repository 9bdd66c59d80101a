#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "prompt_input.h"
#include "weir/advice/explain.h"
#include "weir/report/explain_view.h"

namespace weir {
namespace {

struct Options {
  PromptFlags input;
  std::string a;
  std::string b;
};

// A call is named by its agent (then its last call counts) or by its label, "agent#3".
Result<const PromptCall*> FindCall(Session& session, const PromptSet& prompts, const std::string& name) {
  if (const PromptCall* call = prompts.Find(name)) return call;
  WEIR_TRY(FindAgent(session, AgentsOf(prompts), name));
  return session.As(ExitCode::kUsage, NotFound(fmt::format("no agent '{}'", name)));
}

Result<ExitCode> ExplainPair(const Options& options, Session& session, const PromptInput& input, Encoder* encoder) {
  WEIR_ASSIGN(const PromptCall* const a, FindCall(session, input.prompts, options.a));
  WEIR_ASSIGN(const PromptCall* const b, FindCall(session, input.prompts, options.b));
  WEIR_ASSIGN(const Explanation explanation, Explain(*a->context, *b->context, encoder));
  if (session.json()) {
    Json json = ExplanationJson(explanation, options.a, options.b);
    for (Json::Member& member : InputJson(input)) json.Set(member.first, std::move(member.second));
    session.WriteJson(json);
  } else {
    session.out().Write(DrawExplanation(explanation, options.a, options.b, session.style()));
  }
  return input.exit_code();
}

Result<ExitCode> ExplainAll(Session& session, const PromptInput& input, Encoder* encoder) {
  WEIR_TRY(NeedTwoAgents(session, input, "a break takes two prompts"));
  const Agents agents = AgentsOf(input.prompts);
  auto progress = session.StartProgress("comparing");
  WEIR_ASSIGN(const std::vector<GroupBreak> breaks, ExplainBreaks(agents.contexts, encoder));
  progress.reset();
  if (session.json()) {
    Json json = Json::MakeObject();
    json.Set("breaks", BreaksJson(breaks, agents.names));
    for (Json::Member& member : InputJson(input)) json.Set(member.first, std::move(member.second));
    session.WriteJson(json);
  } else {
    session.out().Write(DrawBreaks(breaks, agents.names, session.style()));
  }
  return input.exit_code();
}

Result<ExitCode> Run(const Options& options, Session& session) {
  if (options.a.empty() != options.b.empty()) {
    return session.As(ExitCode::kUsage, InvalidArgument("give both --a and --b, or neither",
                                                        "without them, every break is explained, the costliest first"));
  }
  WEIR_ASSIGN(const PromptInput input, ReadPromptInput(session, options.input, TokenizerUse::kWhereFound));
  const std::unique_ptr<Encoder> encoder = input.tokenizer == nullptr ? nullptr : input.tokenizer->NewEncoder();
  return options.a.empty() ? ExplainAll(session, input, encoder.get()) : ExplainPair(options, session, input, encoder.get());
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  DeclarePromptFlags(flags, options->input);
  flags.Text("--a", options->a, "AGENT", "The one whose prompt came first; AGENT#3 is its third call");
  flags.Text("--b", options->b, "AGENT", "The other one");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command ExplainCommand() {
  return {
      .name = "explain",
      .summary = "where a shared prefix breaks, why, what it costs and what mends it",
      .description =
          "Shows the first token that differs, both texts there, the cause (a timestamp, an id, a counter, blanks, JSON "
          "keys or tools in another order, the template, ...), the tokens lost behind it, and what the fix would gain, "
          "measured by applying it. Without --a and --b it ranks every break by what it costs.",
      .examples = {{"weir explain prompts/ --a planner --b critic --tokenizer qwen3", "two agents"},
                   {"weir explain prompts/ --tokenizer qwen3", "every break, the costliest first"},
                   {"weir explain --data registry --a planner --b critic", "two contexts of a registry"},
                   {"weir explain calls.jsonl --a 'critic#1' --b 'critic#2' --tokenizer qwen3", "two calls of one agent"}},
      .declare = Declare};
}

}  // namespace weir
