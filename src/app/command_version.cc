#include <fmt/format.h>

#include "command.h"
#include "session.h"

namespace weir {
namespace {

Result<ExitCode> Run(Session& session) {
  if (session.json()) {
    Json version = Json::MakeObject();
    version.Set("name", "weir");
    version.Set("version", WEIR_VERSION);
    session.WriteJson(version);
  } else {
    session.out().Line(fmt::format("weir {}", WEIR_VERSION));
  }
  return ExitCode::kOk;
}

CommandBody Declare(Flags&) { return Run; }

}  // namespace

Command VersionCommand() {
  return {.name = "version",
          .summary = "print the version",
          .description = "Prints the name and version of this build.",
          .examples = {{"weir version", "one line"}, {"weir version --json", "for scripts"}},
          .declare = Declare,
          .needs_settings = false};
}

}  // namespace weir
