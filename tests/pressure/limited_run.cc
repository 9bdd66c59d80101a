#include "limited_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <optional>

#include "weir/base/bytes.h"

namespace weir::pressure {
namespace {

constexpr uint64_t kStallTargetUs = 20'000;

sigset_t WatchedSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  return signals;
}

[[noreturn]] void BecomeStream(const LimitedRun& run, const MemoryGroup& group, const sigset_t& mask) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  const Status entered = group.Enter();
  if (!entered) {
    fmt::print(stderr, "{}\n", entered.error().ToString());
    _exit(static_cast<int>(Verdict::kSkip));
  }
  const std::string bytes = std::to_string(run.stream_bytes);
  const std::string pace(NameOf(run.pace));
  execl(run.program.c_str(), run.program.c_str(), "stream", bytes.c_str(), pace.c_str(), nullptr);
  _exit(127);
}

// Exit status as waitpid gives it; null: it was ended here (too long, or a signal told us to stop).
std::optional<int> WaitFor(pid_t child, const sigset_t& signals, uint64_t seconds_max) {
  const timespec limit{static_cast<time_t>(seconds_max), 0};
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &limit);
    if (signal < 0 && errno == EINTR) continue;
    int status = 0;
    if (signal == SIGCHLD && waitpid(child, &status, WNOHANG) == 0) continue;
    if (signal == SIGCHLD) return status;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return std::nullopt;
  }
}

std::string Size(std::optional<uint64_t> bytes) { return bytes ? FormatByteSize(*bytes) : "not told"; }
std::string Count(std::optional<uint64_t> count) { return count ? std::to_string(*count) : "not told"; }

void PrintUse(const GroupUse& use, Pace pace) {
  fmt::print("kernel: peak {}, after the run {}\n", Size(use.peak_bytes), Size(use.current_bytes));
  fmt::print("kernel: events high {}, max {}, oom_kill {}\n", Count(use.high_events), Count(use.max_events),
             Count(use.oom_kills));
  if (!use.some_stall_us) return;
  const double some_ms = static_cast<double>(*use.some_stall_us) / 1000;
  const double full_ms = static_cast<double>(use.full_stall_us.value_or(0)) / 1000;
  fmt::print("kernel: memory stall some {:.1f} ms, full {:.1f} ms", some_ms, full_ms);
  if (pace != Pace::kUnmanaged) {
    fmt::print("; at most {} ms wanted: {}", kStallTargetUs / 1000,
               *use.some_stall_us <= kStallTargetUs ? "met" : "NOT met");
  }
  fmt::print("\n");
}

Verdict Say(Verdict verdict, std::string_view text) {
  fmt::print("{} {}\n", verdict == Verdict::kPass ? "PASS" : verdict == Verdict::kFail ? "FAIL" : "SKIP", text);
  std::fflush(stdout);
  return verdict;
}

Verdict Judge(Pace pace, int status, const GroupUse& use) {
  const bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (pace == Pace::kUnmanaged) {
    return is_killed ? Say(Verdict::kPass, "killed, as it must be without the broker")
                     : Say(Verdict::kFail, "lived on without the broker: the limit is none");
  }
  if (WIFSIGNALED(status)) return Say(Verdict::kFail, fmt::format("killed by signal {}", WTERMSIG(status)));
  if (WEXITSTATUS(status) == static_cast<int>(Verdict::kSkip)) return Say(Verdict::kSkip, "no process may enter the group");
  if (WEXITSTATUS(status) != 0) return Say(Verdict::kFail, fmt::format("the stream gave {}", WEXITSTATUS(status)));
  if (use.oom_kills.value_or(0) != 0) return Say(Verdict::kFail, "the kernel killed for memory");
  return Say(Verdict::kPass, "0 processes killed, all data intact");
}

}  // namespace

Verdict RunLimited(const LimitedRun& run) {
  const sigset_t signals = WatchedSignals();
  sigset_t before;
  sigprocmask(SIG_BLOCK, &signals, &before);
  GroupLimits limits = run.limits;
  if (run.pace == Pace::kUnmanaged) limits.high_bytes = limits.max_bytes;  // killed at once, not slowed down first
  const Result<MemoryGroup> group = MemoryGroup::Make(limits, run.placement);
  if (!group) return Say(Verdict::kSkip, group.error().message);
  fmt::print("group: cgroup v{}, {}at most {}, {}; the broker's pace is {}\n", group->version(),
             group->version() == 2 ? fmt::format("high {}, ", FormatByteSize(limits.high_bytes)) : "",
             FormatByteSize(limits.max_bytes),
             run.placement == Placement::kOwn ? "limits on the process's own group" : "limits on the group above",
             NameOf(run.pace));
  std::fflush(stdout);

  const pid_t child = fork();
  if (child < 0) return Say(Verdict::kSkip, "cannot start a process");
  if (child == 0) BecomeStream(run, *group, before);
  const std::optional<int> status = WaitFor(child, signals, run.seconds_max);
  const GroupUse use = group->Use();
  PrintUse(use, run.pace);
  if (!status) return Say(Verdict::kFail, fmt::format("ended after {} s or by a signal", run.seconds_max));
  return Judge(run.pace, *status, use);
}

}  // namespace weir::pressure
