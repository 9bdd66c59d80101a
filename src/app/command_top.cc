#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "command.h"
#include "pools_view.h"
#include "process_choice.h"
#include "session.h"

namespace weir {
namespace {

struct Options {
  std::optional<uint64_t> interval_s;
  std::optional<uint64_t> count;
  bool once = false;
  ProcessFlags process;
};

constexpr uint64_t kIntervalMax = 3600;

// One look and what is shown of it; a failed first look is the command's failure, a later one its end.
class View {
 public:
  View(Session& session, bool redraw) : session_(session), redraw_(redraw) {}

  Status Show(const std::filesystem::path& socket) {
    WEIR_ASSIGN(Json now, AskChosen(socket, {{"op", "snapshot"}}));
    const TimePoint at = SteadyClock().Now();
    if (session_.json()) {
      session_.WriteJson(now);
    } else {
      if (redraw_) session_.out().Write("\x1b[H\x1b[J");
      session_.out().Write(DrawTop(now, shown_ ? &before_ : nullptr, at - before_at_, session_.style()));
      if (redraw_) session_.out().Line("\n  ends with Ctrl-C");
    }
    before_ = std::move(now);
    before_at_ = at;
    shown_ = true;
    return session_.out().Flush();
  }

  bool shown() const { return shown_; }

 private:
  Session& session_;
  const bool redraw_;
  bool shown_ = false;
  Json before_;
  TimePoint before_at_{};
};

Result<ExitCode> Run(const Options& options, Session& session) {
  const uint64_t interval_s = options.interval_s.value_or(1);
  if (interval_s == 0 || interval_s > kIntervalMax) {
    return session.Fail(ExitCode::kUsage, InvalidArgument(fmt::format("--interval is 1 to {} seconds", kIntervalMax)));
  }
  WEIR_ASSIGN(const std::filesystem::path socket, ChooseProcess(options.process));
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const uint64_t without_count = terminal || session.json() ? UINT64_MAX : 1;  // a file needs no endless picture
  const uint64_t count = options.once ? 1 : options.count.value_or(without_count);
  View view(session, terminal && count > 1 && !session.json());
  for (uint64_t i = 0; i < count; ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::seconds(interval_s));
    const Status shown = view.Show(socket);
    if (session.out().failed()) break;  // the caller sees it when it flushes
    if (shown) continue;
    if (!view.shown()) return shown.error();
    if (shown.error().code == ErrorCode::kDeadline) continue;  // it is busy
    session.Note("the process has ended");
    break;
  }
  return ExitCode::kOk;
}

CommandBody Declare(Flags& flags) {
  auto options = std::make_shared<Options>();
  flags.Count("--interval", options->interval_s, "Seconds between two looks; 1 when not given");
  flags.Count("--count", options->count, "Looks; without it, until Ctrl-C on a terminal or with --json, else one");
  flags.Switch("--once", options->once, "One look");
  DeclareProcessFlags(flags, options->process);
  return [options](Session& session) { return Run(*options, session); };
}

}  // namespace

Command TopCommand() {
  return {
      .name = "top",
      .summary = "watch the pools of a running process",
      .description =
          "Shows pools, rates since the last look, and what relief has done, again and again. Where standard output is no "
          "terminal it looks once; with --json it writes one object per look, the same as weir pools --json, until it is "
          "stopped or the process ends.",
      .examples = {{"weir top", "until Ctrl-C"},
                   {"weir top --once", "one look"},
                   {"weir top --json --count 60 > pools.jsonl", "a minute for a script"}},
      .declare = Declare};
}

}  // namespace weir
