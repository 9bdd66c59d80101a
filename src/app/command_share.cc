#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "prompt_input.h"
#include "weir/base/file.h"
#include "weir/report/share_view.h"

namespace weir {
namespace {

struct Options {
  PromptFlags input;
  std::string target;
  std::string html;
};

Status WritePage(Session& session, const std::string& file, const ShareView& view) {
  const Status written = WriteFileAtomically(file, SharePage(view));
  if (written) return {};
  return session.As(ExitCode::kCannotCreate, written.error());
}

Result<ExitCode> Run(const Options& options, Session& session) {
  WEIR_ASSIGN(const PromptInput input, ReadPromptInput(session, options.input, TokenizerUse::kNone));
  WEIR_TRY(NeedTwoAgents(session, input, "sharing takes two prompts"));
  const Agents agents = AgentsOf(input.prompts);
  ShareOptions share_options;
  if (!options.target.empty()) {
    WEIR_ASSIGN(share_options.target, FindAgent(session, agents, options.target));
  }
  auto progress = session.StartProgress("comparing");
  WEIR_ASSIGN(const ShareReport report, Share(agents.contexts, share_options));
  const ShareView view{report, agents.contexts, input.choice.name, input.block_size};
  if (!options.html.empty()) WEIR_TRY(WritePage(session, options.html, view));
  progress.reset();

  if (session.json()) {
    const std::string members = Json(InputJson(input)).Dump();
    WriteShareJson(view, members.substr(1, members.size() - 2), [&](std::string_view piece) { session.out().Write(piece); });
    session.out().Write("\n");
  } else {
    session.out().Write(DrawShare(view, session.style()));
    if (!options.html.empty()) session.Note(fmt::format("wrote {}", options.html));
  }
  return input.exit_code();
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  DeclarePromptFlags(flags, options->input);
  flags.Text("--target", options->target, "AGENT", "Only the pairs of this agent with the others");
  flags.Text("--html", options->html, "FILE", "Also write one self-contained page: heatmap, prefix tree, tables",
             ValueKind::kFile);
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command ShareCommand() {
  return {.name = "share",
          .summary = "what agents' prompts have in common, token by token",
          .description =
              "Compares the prompts of many agents: exact prefixes, which an engine's prefix cache can reuse, and moved "
              "spans, the same text at another place, which it cannot. Near blocks, alike but not equal, are hints of what "
              "could be "
              "made equal; the three are never added up. Of an agent with several calls, the last counts. "
              "An input that is broken is left out and named; the exit code is then 3.",
          .examples = {{"weir share prompts/ --tokenizer qwen3", "a folder with one text file per agent"},
                       {"weir share calls.jsonl --tokenizer qwen3 --html report.html", "recorded chat requests, and a page"},
                       {"weir share prompts/ --tokenizer qwen3 --target critic", "one agent against all others"},
                       {"weir share --data registry", "what a registry holds; its tokenizer is not needed"},
                       {"weir share prompts/ --tokenizer qwen3 --json | jq .totals", "for scripts"}},
          .declare = Declare};
}

}  // namespace weir
