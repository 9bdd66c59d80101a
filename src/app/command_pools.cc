#include <memory>

#include "command.h"
#include "pools_view.h"
#include "process_choice.h"
#include "session.h"

namespace weir {
namespace {

Result<ExitCode> Run(const ProcessFlags& process, Session& session) {
  WEIR_ASSIGN(const std::filesystem::path socket, ChooseProcess(process));
  WEIR_ASSIGN(const Json snapshot, AskChosen(socket, {{"op", "snapshot"}}));
  if (session.json()) {
    session.WriteJson(snapshot);
  } else {
    session.out().Write(DrawPools(snapshot, session.style()));
  }
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto process = std::make_shared<ProcessFlags>();
  DeclareProcessFlags(flags, *process);
  return [process](Session& session) { return Run(*process, session); };
}

}  // namespace

Command PoolsCommand() {
  return {.name = "pools",
          .summary = "the pools of a running process: what they hold, may hold, and are guaranteed",
          .description =
              "Asks a process of this user that has pools and prints one row per pool, fullest first: tier, bytes used and "
              "budgeted, minimum share and grants, entries, hits, and what its cheapest memory is worth (microseconds of "
              "work per KiB; none: nothing can be given up now). Figures that nobody could read are n/a, in JSON null.",
          .examples = {{"weir pools", "of the only process that runs"},
                       {"weir pools --pid 4711", "of that one"},
                       {"weir pools --json", "every figure, for scripts"}},
          .declare = Declare};
}

}  // namespace weir
