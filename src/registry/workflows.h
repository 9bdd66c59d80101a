#pragma once
// Workflows of a registry: the declared ones, how far each has come, and who is likely to run next. Internal to `registry`.
//
// Thread-safe: one lock, held for no I/O but the store's, so that what is stored is what is here.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/registry/registry.h"
#include "weir/store/store.h"
#include "weir/workflow/next_agent_predictor.h"
#include "weir/workflow/workflow.h"
#include "weir/workflow/workflow_run.h"

namespace weir::registry {

// A record of StoreTable::kWorkflow: canonical CBOR, docs/context-record.md.
std::string WriteWorkflowRecord(const WorkflowRun& run, uint64_t revision);
struct StoredWorkflow {
  WorkflowRun run;
  uint64_t revision = 0;
};
// corrupt, or what Workflow::Create says.
Result<StoredWorkflow> ReadWorkflowRecord(std::string_view bytes);

class Workflows {
 public:
  // `store` is borrowed; null: nothing is kept.
  static Result<std::unique_ptr<Workflows>> Create(uint32_t workflows_max, Store* store);

  Status Restore(std::string_view record);
  Status Declare(Workflow workflow);
  Status Remove(std::string_view name);
  Status Advance(std::string_view name, std::string_view agent, Registry::Step step);

  std::vector<std::string> Names() const;
  Result<WorkflowRun> Get(std::string_view name) const;
  bool empty() const;

  // The least over all workflows; null: in none that still needs it.
  std::optional<uint32_t> StepsToExecution(std::string_view agent) const;
  // Every agent that a workflow still needs, with the least of its distances.
  std::map<std::string, uint32_t, std::less<>> Distances() const;
  // Agents at most `steps` away, nearest first; then those that history says come next, while it says so better than the
  // order of steps does.
  std::vector<std::string> Upcoming(uint32_t steps) const;
  NextAgents PredictNext(size_t n) const;

 private:
  struct Kept {
    WorkflowRun run;
    uint64_t revision = 1;
  };

  Workflows(uint32_t workflows_max, Store* store, NextAgentPredictor predictor)
      : workflows_max_(workflows_max), store_(store), predictor_(std::move(predictor)) {}
  // `before`: what the store has of it; null: nothing.
  Status Keep(const WorkflowRun& run, uint64_t revision, const Kept* before);
  Status ApplyOrPutBack(const StoreBatch& batch, const StoreKey& key, const Kept* before);

  const uint32_t workflows_max_;
  Store* const store_;
  mutable std::mutex mutex_;
  std::map<std::string, Kept, std::less<>> kept_;  // guarded by mutex_, as all below
  NextAgentPredictor predictor_;
};

}  // namespace weir::registry
