#pragma once
// `weir contexts`: its flags, and one function for each of its actions. Internal to app.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data_choice.h"
#include "exit_code.h"
#include "session.h"
#include "weir/base/result.h"

namespace weir {

struct ContextsOptions {
  std::string action;
  std::vector<std::string> items;  // paths, or agents
  bool replace = false;
  bool pinned = false;
  bool lossy = false;
  bool all = false;
  bool text = false;
  std::string group;
  std::string role;
  std::string ttl;
  std::string kind;
  std::string target;
  std::string threshold;
  std::optional<uint64_t> k;
  SpaceFlags space;
};

// Whatever is in the folder must open, also what a process with a larger cap put there, if only to be removed.
inline constexpr uint64_t kIndexBytesMax = uint64_t{1} << 40;

// The folder that --data, the environment or the configuration file names; a usage error when none does.
Result<std::string> ChosenDataFolder(Session& session);

// contexts_changes.cc: take the folder for themselves.
Result<ExitCode> AddContexts(const ContextsOptions& options, Session& session);
Result<ExitCode> AppendToContext(const ContextsOptions& options, Session& session);
Result<ExitCode> RemoveContexts(const ContextsOptions& options, Session& session);
Result<ExitCode> ClearContexts(const ContextsOptions& options, Session& session);

// contexts_questions.cc: look only, beside whoever changes it.
Result<ExitCode> ListContexts(const ContextsOptions& options, Session& session);
Result<ExitCode> ShowContext(const ContextsOptions& options, Session& session);
Result<ExitCode> MatchPrompt(const ContextsOptions& options, Session& session);
Result<ExitCode> SharedContexts(const ContextsOptions& options, Session& session);
Result<ExitCode> SimilarContexts(const ContextsOptions& options, Session& session);
Result<ExitCode> ContextsStats(const ContextsOptions& options, Session& session);

// "no agent 'x'", with the nearest name that there is.
Error UnknownAgent(Session& session, const Registry& registry, const std::string& name);

}  // namespace weir
