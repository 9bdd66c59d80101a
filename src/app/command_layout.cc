#include <memory>

#include "command.h"
#include "prompt_input.h"
#include "weir/advice/layout.h"
#include "weir/advice/layout_input.h"
#include "weir/report/layout_view.h"

namespace weir {
namespace {

Result<ExitCode> Run(const PromptFlags& flags, Session& session) {
  WEIR_ASSIGN(const PromptInput input, ReadPromptInput(session, flags, TokenizerUse::kRequired));
  if (input.prompts.calls.size() < 2) WEIR_TRY(NeedTwoAgents(session, input, "a layout takes two calls"));
  const std::vector<LayoutCall> calls = LayoutCallsOf(input.prompts.calls);
  LayoutOptions options;
  options.cache_tokens = session.settings().Count("cache_tokens");
  options.block_size = input.block_size;
  options.renderer =
      RendererOf(input.prompts.calls, input.chat_template ? &*input.chat_template : nullptr, input.now_local_s);
  auto progress = session.StartProgress("trying layouts");
  const std::unique_ptr<Encoder> encoder = input.tokenizer->NewEncoder();
  WEIR_ASSIGN(const LayoutReport report, Layout(calls, *encoder, options));
  progress.reset();
  if (session.json()) {
    Json json = LayoutJson(report, options.cache_tokens);
    for (Json::Member& member : InputJson(input)) json.Set(member.first, std::move(member.second));
    session.WriteJson(json);
  } else {
    session.out().Write(DrawLayout(report, options.cache_tokens, session.style()));
  }
  return input.exit_code();
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<PromptFlags>();
  DeclarePromptFlags(flags, *options);
  flags.Setting("cache_tokens");
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command LayoutCommand() {
  return {.name = "layout",
          .summary = "an order of segments, and lossless changes, that make the cache hit",
          .description =
              "Searches an order of the prompts' segments and changes that keep their meaning (JSON key order, tool order, "
              "trailing blanks, volatile lines last) so that an engine's block cache of the given size reuses more over the "
              "recorded calls. Both numbers come from simulating that cache with the prompts really tokenized. A segment "
              "never crosses one it depends on, nor one marked fixed.",
          .examples = {{"weir layout calls.jsonl --tokenizer qwen3", "recorded chat requests"},
                       {"weir layout prompts/ --tokenizer qwen3 --cache-tokens 20000", "a small cache"},
                       {"weir layout --data registry", "the contexts of a registry, one call each"},
                       {"weir layout calls.jsonl --tokenizer qwen3 --json | jq .reusable_tokens", "for scripts"}},
          .declare = Declare};
}

}  // namespace weir
