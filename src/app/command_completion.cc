#include <memory>

#include "command.h"
#include "manual.h"
#include "session.h"

namespace weir {
namespace {

CommandBody Declare(Flags& flags) {
  auto shell = std::make_shared<std::string>();
  flags.Argument("SHELL", *shell, "The shell that will read the script", true, ValueKind::kText, {"bash", "zsh", "fish"});
  return [shell](Session& session) -> Result<ExitCode> {
    const std::string script = CompletionScript(*shell);
    if (session.json()) {
      Json object = Json::MakeObject();
      object.Set("shell", *shell);
      object.Set("script", script);
      session.WriteJson(object);
    } else {
      session.out().Write(script);
    }
    return ExitCode::kOk;
  };
}

}  // namespace

Command CompletionCommand() {
  return {.name = "completion",
          .summary = "print a completion script for a shell",
          .description = "Completes commands, flags, their values, files and the names of fetched tokenizers.",
          .examples = {{"source <(weir completion bash)", "this shell only"},
                       {"weir completion zsh > ~/.zfunc/_weir", "zsh, for good"},
                       {"weir completion fish > ~/.config/fish/completions/weir.fish", "fish, for good"}},
          .declare = Declare,
          .needs_settings = false};
}

}  // namespace weir
