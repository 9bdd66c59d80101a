#pragma once
// Which process with pools a command looks into.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "flags.h"
#include "session.h"
#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

struct ProcessFlags {
  std::optional<uint64_t> pid;
  std::string socket;
};
// Declares --pid and --socket.
void DeclareProcessFlags(Flags& flags, ProcessFlags& process);

// The socket of the process that was named, or of the only one there is. not_found: none runs, or none of that id;
// invalid_argument: there are several, and which is meant is not said.
Result<std::filesystem::path> ChooseProcess(const ProcessFlags& process);

// Asks that process; the answer is an object.
Result<Json> AskChosen(const std::filesystem::path& socket, Json::Object request);

}  // namespace weir
