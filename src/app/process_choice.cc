#include "process_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "weir/inspect/inspect_client.h"

namespace weir {
namespace {

// Longer than a relief may take.
constexpr Duration kAnswerTime = std::chrono::seconds(15);

std::string NameOf(const InspectedProcess& process) {
  return process.name.empty() ? fmt::format("{}", process.pid) : fmt::format("{} ({})", process.pid, Visible(process.name));
}

}  // namespace

void DeclareProcessFlags(Flags& flags, ProcessFlags& process) {
  flags.Count("--pid", process.pid, "The process to look into, by id; not needed when only one has pools");
  flags.Text("--socket", process.socket, "FILE", "The process to look into, by its socket", ValueKind::kFile);
}

Result<std::filesystem::path> ChooseProcess(const ProcessFlags& process) {
  if (!process.socket.empty()) return std::filesystem::path(process.socket);
  const std::filesystem::path folder = InspectFolder();
  const std::vector<InspectedProcess> found = FindInspected(folder);
  if (found.empty()) {
    return NotFound(fmt::format("no process with pools is running: nobody answers in {}", folder.string()),
                    "start one in another terminal, for example 'weir demo --hold'");
  }
  std::string names;
  for (const InspectedProcess& one : found) names += (names.empty() ? "" : ", ") + NameOf(one);
  if (process.pid) {
    const auto named = std::find_if(found.begin(), found.end(), [&](const InspectedProcess& one) {
      return one.pid >= 0 && static_cast<uint64_t>(one.pid) == *process.pid;
    });
    if (named != found.end()) return named->socket;
    return NotFound(fmt::format("process {} does not answer", *process.pid), fmt::format("running with pools: {}", names));
  }
  if (found.size() > 1) {
    return InvalidArgument(fmt::format("{} processes with pools are running", found.size()),
                           fmt::format("say which with --pid: {}", names));
  }
  return found.front().socket;
}

Result<Json> AskChosen(const std::filesystem::path& socket, Json::Object request) {
  return AskProcess(socket, Json(std::move(request)), kAnswerTime);
}

}  // namespace weir
