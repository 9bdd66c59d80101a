// pressure_stream: streams far more than fits through two pools inside a memory-limited control group.
//
// Started as the first process of a virtual machine it is the whole guest (tests/pressure/run); started by ctest it makes
// a group on this machine, or says why it cannot and exits with 77.

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "guest.h"
#include "limited_run.h"
#include "stream.h"

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

constexpr std::string_view kUsage =
    "usage: pressure_stream limited [own|nested]\n"
    "         in a new control group: high 150 MiB (version 2), max 200 MiB, 600 MiB streamed\n"
    "       pressure_stream stream BYTES quick|ordinary\n"
    "         as it is, in whatever group this is\n";

}  // namespace

int main(int argc, char** argv) {
  using weir::pressure::LimitedRun;
  using weir::pressure::Pace;
  using weir::pressure::Placement;
  LimitedRun run{"/proc/self/exe", {150 * kMiB, 200 * kMiB}, Placement::kOwn, Pace::kQuick, 600 * kMiB, 300};
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (getpid() == 1) weir::pressure::RunGuest(run);
  if (arguments.size() == 3 && arguments[0] == "stream") {
    const uint64_t bytes = std::strtoull(argv[2], nullptr, 10);
    return weir::pressure::Stream(bytes, arguments[2] == "quick" ? Pace::kQuick : Pace::kOrdinary) ? 0 : 1;
  }
  if (arguments.empty() || arguments.size() > 2 || arguments[0] != "limited") {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  fmt::print("SKIP a sanitizer's own memory does not fit the limit\n");
  return static_cast<int>(weir::pressure::Verdict::kSkip);
#endif
  if (arguments.size() == 2 && arguments[1] == "nested") run.placement = Placement::kNested;
  return static_cast<int>(weir::pressure::RunLimited(run));
}
