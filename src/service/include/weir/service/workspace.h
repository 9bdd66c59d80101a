#pragma once
// Workspace: what one tenant owns, and the questions that take more than one part of it to answer.
//
// Each workspace has a registry, a ledger and an index of its own, in a data folder of its own; nothing is found or shared
// across workspaces. Vectors of texts are kept apart by workspace as well, so that a hit never tells what others embedded.
//
// Threads: every method from any thread. Answers hold prompt text: do not log them.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/advice/explain.h"
#include "weir/advice/layout.h"
#include "weir/advice/share.h"
#include "weir/base/result.h"
#include "weir/indexer/indexer.h"
#include "weir/registry/data_folder.h"
#include "weir/registry/registry.h"
#include "weir/store/store.h"
#include "weir/tokens/context.h"

namespace weir {

// Contexts as they were at one moment, for advice. Copies of their own.
struct HeldPrompts {
  std::vector<std::shared_ptr<const Context>> contexts;
  std::vector<const Context*> pointers() const;
  std::vector<std::string> names() const;
};

struct SharedPrompts {
  HeldPrompts prompts;
  ShareReport report;
};

struct BrokenPrefixes {
  std::vector<std::string> names;
  std::vector<GroupBreak> breaks;
};

// One agent's prompt, laid out so that the engine reuses more of it beside the others of its group.
struct OptimizedContext {
  std::string agent;
  std::string group;
  std::string text;            // the prompt as proposed; as registered when nothing helps
  bool changed = false;        // text differs from what is registered
  uint32_t tokens_before = 0;  // of this prompt
  uint32_t tokens_after = 0;
  uint32_t reusable_before = 0;  // of those, what the simulated cache holds when this prompt comes, all agents in turn
  uint32_t reusable_after = 0;
  std::vector<std::string> order;           // of segments, as proposed for the group
  std::vector<std::string> normalisations;  // that the proposal applies
  std::string note;
};

struct WorkspaceParts {
  std::string name;
  std::string vector_owner;
  std::unique_ptr<Store> index_store;   // null: `shared_index_store` is used
  Store* shared_index_store = nullptr;  // borrowed
};

class Workspace {
 public:
  // The service makes them.
  Workspace(WorkspaceParts parts, DataFolder folder) : parts_(std::move(parts)), folder_(std::move(folder)) {}

  const std::string& name() const { return parts_.name; }
  Registry& registry() { return *folder_.registry; }
  // Whose vectors this workspace sees in the embedding cache: EmbedCall::owner.
  const std::string& vector_owner() const { return parts_.vector_owner; }
  const DataFolderSettings& settings() const { return folder_.settings; }
  // Where the index of folders is kept.
  Store& index_store() { return parts_.index_store != nullptr ? *parts_.index_store : *parts_.shared_index_store; }

  // The named agents' contexts; all of them when none is named, at most `most`. not_found names the agent; unavailable or
  // corrupt where a cold one cannot be read back; exhausted: more than `most`.
  Result<HeldPrompts> Hold(std::span<const std::string> agents, size_t most = kPromptsMax);
  static constexpr size_t kPromptsMax = 4096;

  Result<SharedPrompts> Share(std::span<const std::string> agents, const ShareOptions& options = {});
  // `tokenizer` measures what a fix gains; null: gains are null.
  Result<Explanation> Explain(const std::string& a, const std::string& b, const Tokenizer* tokenizer);
  Result<BrokenPrefixes> ExplainAll(std::span<const std::string> agents, const Tokenizer* tokenizer);
  Result<LayoutReport> Layout(std::span<const std::string> agents, const Tokenizer& tokenizer, uint64_t cache_tokens);
  Result<OptimizedContext> Optimize(const std::string& agent, const Tokenizer& tokenizer, uint64_t cache_tokens);

 private:
  WorkspaceParts parts_;
  DataFolder folder_;
};

}  // namespace weir
