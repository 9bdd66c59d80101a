#pragma once
// `weir contexts`: its flags, and one function for each of its actions. Internal to app.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data_choice.h"
#include "embed_setup.h"
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
  bool without_vectors = false;
  std::string group;
  std::string role;
  std::string ttl;
  std::string kind;
  std::string target;
  std::string threshold;
  std::string by;
  std::string query;
  std::optional<uint64_t> k;
  SpaceFlags space;
};

// Whatever is in the folder must open, also what a process with a larger cap put there, if only to be removed.
inline constexpr uint64_t kIndexBytesMax = uint64_t{1} << 40;

// The folder that --data, the environment or the configuration file names; a usage error when none does.
Result<std::string> ChosenDataFolder(Session& session);

// What contexts are embedded with. Outlives the registry that uses it.
struct ContextsEmbedding {
  std::unique_ptr<EmbedSetup> setup{};  // null: see `why_none`
  std::string why_none{};               // with what to do

  // Makes it the registry's.
  void Serve(RegistryOptions& registry) const;
};
// The model that the settings name. A model that was not fetched, and a folder whose vectors come from callers, are no
// errors here. `keep`: vectors are looked for and kept in the folder.
enum class KeepVectors : uint8_t { kNo, kYes };
Result<ContextsEmbedding> OpenContextsEmbedding(Session& session, const std::string& folder, KeepVectors keep);

Result<DataFolder> OpenForLooking(const std::string& folder, const ContextsEmbedding* embedding = nullptr);
// Opens for changing; what has expired goes at once.
Result<DataFolder> OpenForChanges(DataFolderOptions options);
// A folder that cannot be changed now.
Error Refused(Session& session, Error error);

// One prompt: --query, or a file.
struct OnePrompt {
  std::string text;
  std::vector<TokenId> tokens;
  ExitCode exit_code = ExitCode::kOk;
};
Result<OnePrompt> ReadOnePrompt(const ContextsOptions& options, Session& session, const std::string& folder);

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
Result<ExitCode> ContextsStats(const ContextsOptions& options, Session& session);

// contexts_meaning.cc
Result<ExitCode> SimilarContexts(const ContextsOptions& options, Session& session);
Result<ExitCode> EmbedContexts(const ContextsOptions& options, Session& session);

// "no agent 'x'", with the nearest name that there is.
Error UnknownAgent(Session& session, const Registry& registry, const std::string& name);

}  // namespace weir
