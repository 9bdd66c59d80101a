#include "command.h"

namespace weir {

std::span<const Command> Commands() {
  static const std::vector<Command> kCommands = {
      ShareCommand(),  ExplainCommand(),  LayoutCommand(),     ContextsCommand(), DemoCommand(),
      EmbedCommand(),  IndexCommand(),    SearchCommand(),     ModelsCommand(),   ServeCommand(),
      McpCommand(),    TokenCommand(),    HealthCommand(),     TokenizeCommand(), HashCommand(),
      PoolsCommand(),  PressureCommand(), TopCommand(),        LedgerCommand(),   BenchCommand(),
      DoctorCommand(), ConfigCommand(),   CompletionCommand(), ManCommand(),      VersionCommand(),
  };
  return kCommands;
}

}  // namespace weir
