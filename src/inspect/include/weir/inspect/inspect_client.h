#pragma once
// The other side of InspectServer: finds processes of this user that answer, and asks them. Free functions; thread-safe.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

// Where the sockets lie: ${XDG_RUNTIME_DIR}/weir, or /tmp/weir-UID when that is unset or no folder. Not created.
std::filesystem::path InspectFolder();

struct InspectedProcess {
  int64_t pid = 0;
  std::string name;
  std::filesystem::path socket;
};

// Processes that answer on a socket in the folder, by rising id. Sockets that nobody listens on any more are removed.
std::vector<InspectedProcess> FindInspected(const std::filesystem::path& folder);

// Sends one request and returns the answer. Errors: the one that the process answered with; not_found (no socket there);
// unavailable (nobody listens, the connection broke); deadline; corrupt (no JSON, or a longer answer than any honest one).
Result<Json> AskProcess(const std::filesystem::path& socket, const Json& request, Duration timeout);

}  // namespace weir
