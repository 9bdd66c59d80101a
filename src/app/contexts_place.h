#pragma once
// ContextsPlace: where `weir contexts` changes contexts: a data folder that this process takes for itself, or the daemon
// that has it. Answers and errors are the registry's own either way.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "contexts_options.h"
#include "daemon_client.h"
#include "session.h"
#include "weir/base/result.h"
#include "weir/registry/data_folder.h"

namespace weir {

class ContextsPlace {
 public:
  virtual ~ContextsPlace() = default;

  virtual Result<Registered> Add(const ContextInput& input, bool replace) = 0;
  // REQUIRES: UTF-8.
  virtual Result<Registered> Append(const std::string& agent, const AppendInput& input) = 0;
  virtual Result<bool> Contains(const std::string& agent) = 0;
  virtual Result<std::vector<std::string>> Agents() = 0;  // by name
  virtual Status Remove(const std::string& agent) = 0;
  // Of one group, or all; number removed.
  virtual Result<uint64_t> Clear(const std::optional<std::string>& group) = 0;
  virtual Result<uint64_t> Count() = 0;
};

// Opens the folder for changes and holds it.
Result<std::unique_ptr<ContextsPlace>> PlaceInFolder(Session& session, DataFolderOptions options);
// The place behind a daemon that was found. An error whose cause is the daemon itself ends as a folder that cannot be
// changed does.
std::unique_ptr<ContextsPlace> PlaceAtDaemon(Session& session, std::unique_ptr<DaemonClient> client);

// The daemon of the folder, where one runs, else the folder; `options` as for removing.
Result<std::unique_ptr<ContextsPlace>> ChosenPlace(Session& session, const std::string& folder);

}  // namespace weir
