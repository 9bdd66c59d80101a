// pressure_stream: streams far more than fits through two pools inside a memory-limited control group.
//
// Started as the first process of a virtual machine it is the whole guest (tests/pressure/run); started by ctest it makes
// a group on this machine, or says why it cannot and exits with 77.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "guest.h"
#include "limited_run.h"
#include "stream.h"

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

constexpr std::string_view kUsage =
    "usage: pressure_stream limited own|nested PACE\n"
    "         in a new control group: high 150 MiB (version 2), max 200 MiB, 600 MiB streamed\n"
    "       pressure_stream stream BYTES PACE\n"
    "         as it is, in whatever group this is\n"
    "PACE: quick, ordinary or unmanaged\n";

}  // namespace

int main(int argc, char** argv) {
  using weir::pressure::LimitedRun;
  using weir::pressure::Pace;
  using weir::pressure::Placement;
  LimitedRun run{"/proc/self/exe", {150 * kMiB, 200 * kMiB}, Placement::kOwn, Pace::kQuick, 600 * kMiB, 300};
  if (getpid() == 1) weir::pressure::RunGuest(run);
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const std::optional<Pace> pace = arguments.size() == 3 ? weir::pressure::PaceOf(arguments[2]) : std::nullopt;
  if (!pace || (arguments[0] != "stream" && arguments[0] != "limited")) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  if (arguments[0] == "stream") return weir::pressure::Stream(std::strtoull(argv[2], nullptr, 10), *pace) ? 0 : 1;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  fmt::print("SKIP a sanitizer's own memory does not fit the limit\n");
  return static_cast<int>(weir::pressure::Verdict::kSkip);
#endif
  run.pace = *pace;
  if (arguments[1] == "nested") run.placement = Placement::kNested;
  return static_cast<int>(weir::pressure::RunLimited(run));
}
