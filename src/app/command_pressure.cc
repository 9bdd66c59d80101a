#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "pools_view.h"
#include "process_choice.h"
#include "session.h"
#include "weir/base/bytes.h"

namespace weir {
namespace {

struct Options {
  std::string action;
  std::string bytes;
  ProcessFlags process;
};

// What the process says in its own words, line by line.
void WriteText(Session& session, const Json& answer) {
  const Json* const text = answer.Find("text");
  const std::string lines = text != nullptr && text->is_string() ? text->as_string() : "";
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    session.out().Line(Visible(lines.substr(begin, end - begin)));
    begin = end + 1;
  }
}

Result<ExitCode> Run(const Options& options, Session& session) {
  Json bytes;
  if (!options.bytes.empty()) {
    if (options.action.empty()) {
      return session.Fail(ExitCode::kUsage, InvalidArgument("--bytes goes with 'plan' or 'relieve'"));
    }
    const Result<uint64_t> size = ParseByteSize(options.bytes);
    if (!size) return session.Fail(ExitCode::kUsage, size.error());
    bytes = *size;
  }
  WEIR_ASSIGN(const std::filesystem::path socket, ChooseProcess(options.process));
  const std::string op = options.action.empty() ? "snapshot" : options.action;
  WEIR_ASSIGN(const Json answer, AskChosen(socket, {{"op", op}, {"bytes", bytes}}));
  if (session.json()) {
    session.WriteJson(answer);
  } else if (options.action.empty()) {
    session.out().Write(DrawPressure(answer, session.style()));
  } else {
    WriteText(session, answer);
  }
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Argument("ACTION", options->action, "What to do; without it, what is the case", false, ValueKind::kText,
                 {"plan", "relieve"});
  flags.Text(
      "--bytes", options->bytes, "SIZE",
      "How much to give back, for example 64M; without it, plan shows what the next tick would do and relieve does what "
      "the fill rule says");
  DeclareProcessFlags(flags, options->process);
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command PressureCommand() {
  return {.name = "pressure",
          .summary = "memory pressure of a running process, and what it gives back: by plan or by hand",
          .description =
              "Without an action: every memory that pools lie in with its mode (relaxed, normal, pressure, critical, "
              "emergency), the kernel's own figures, grants of workflows and what relief has done. 'plan' shows which pool "
              "would give how much and why, and changes nothing. 'relieve' gives memory back now, cheapest bytes first, and "
              "says what the kernel counts afterwards; minimum shares, grants and pinned entries stay.",
          .examples = {{"weir pressure", "how things stand"},
                       {"weir pressure plan", "what the next tick would do"},
                       {"weir pressure plan --bytes 256M", "who would give 256 MiB"},
                       {"weir pressure relieve --bytes 256M", "and now really"}},
          .declare = Declare};
}

}  // namespace weir
