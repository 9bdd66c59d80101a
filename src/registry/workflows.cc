#include "workflows.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "store_key.h"
#include "weir/codec/cbor.h"
#include "weir/codec/utf8.h"

namespace weir::registry {
namespace {

constexpr uint64_t kRecordVersion = 1;
constexpr size_t kPredicted = 3;

Error Unknown(std::string_view name) { return NotFound(fmt::format("no workflow '{}'", name), "declare it first"); }

Error Broken(std::string_view what) { return Corrupt(fmt::format("not a workflow record: {}", what)); }

// A record could not be read back with names of anything else.
Status CheckNames(const Workflow& workflow) {
  const auto is_clean = [](std::string_view name) {
    return IsValidUtf8(name) && std::ranges::none_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  };
  const bool clean = is_clean(workflow.name()) && std::ranges::all_of(workflow.steps(), is_clean, &WorkflowStep::agent);
  if (clean) return {};
  return InvalidArgument("a workflow with a name that is not clean", "use UTF-8 without control characters");
}

}  // namespace

// [version, revision, name, [[agent, optional, state, [depends_on...]]...]]
std::string WriteWorkflowRecord(const WorkflowRun& run, uint64_t revision) {
  std::string bytes;
  CborWriter writer(bytes);
  const WorkflowState state = run.state();
  writer.Array(4);
  writer.Unsigned(kRecordVersion);
  writer.Unsigned(revision);
  writer.Text(run.workflow().name());
  writer.Array(state.steps.size());
  for (size_t i = 0; i < state.steps.size(); ++i) {
    const WorkflowStep& step = run.workflow().steps()[i];
    writer.Array(4);
    writer.Text(step.agent);
    writer.Bool(step.optional);
    writer.Text(StepStateName(state.steps[i].state));
    writer.Array(step.depends_on.size());
    for (const std::string& agent : step.depends_on) writer.Text(agent);
  }
  return bytes;
}

Result<StoredWorkflow> ReadWorkflowRecord(std::string_view bytes) {
  CborReader reader(bytes);
  WEIR_ASSIGN(const uint64_t parts, reader.Array());
  if (parts != 4) return Broken("another number of parts");
  WEIR_ASSIGN(const uint64_t version, reader.Unsigned());
  if (version != kRecordVersion) return Unsupported(fmt::format("a workflow record of version {}", version));
  WEIR_ASSIGN(const uint64_t revision, reader.Unsigned());
  WEIR_ASSIGN(const std::string_view name, reader.Text());
  WEIR_ASSIGN(const uint64_t count, reader.Array());
  if (count > Workflow::kStepsMax) return Broken("too many steps");
  std::vector<WorkflowStep> steps(count);
  WorkflowState state;
  state.workflow = name;
  for (WorkflowStep& step : steps) {
    WEIR_ASSIGN(const uint64_t members, reader.Array());
    if (members != 4) return Broken("a step of another shape");
    WEIR_ASSIGN(step.agent, reader.Text());
    WEIR_ASSIGN(step.optional, reader.Bool());
    WEIR_ASSIGN(const std::string_view state_name, reader.Text());
    const std::optional<StepState> step_state = ParseStepState(state_name);
    if (!step_state) return Broken("an unknown state of a step");
    WEIR_ASSIGN(const uint64_t dependencies, reader.Array());
    if (dependencies > Workflow::kDependenciesMax) return Broken("too many dependencies");
    for (uint64_t i = 0; i < dependencies; ++i) {
      WEIR_ASSIGN(const std::string_view agent, reader.Text());
      step.depends_on.emplace_back(agent);
    }
    state.steps.push_back({step.agent, *step_state});
  }
  if (!reader.ended()) return Broken("more bytes than it has");
  WEIR_ASSIGN(Workflow workflow, Workflow::Create(std::string(name), std::move(steps)));
  WEIR_ASSIGN(WorkflowRun run, WorkflowRun::FromState(std::make_shared<const Workflow>(std::move(workflow)), state));
  return StoredWorkflow{std::move(run), revision};
}

Result<std::unique_ptr<Workflows>> Workflows::Create(uint32_t workflows_max, Store* store) {
  WEIR_ASSIGN(NextAgentPredictor predictor, NextAgentPredictor::Create());
  return std::unique_ptr<Workflows>(new Workflows(workflows_max, store, std::move(predictor)));
}

Status Workflows::Keep(const WorkflowRun& run, uint64_t revision, const Kept* before) {
  if (store_ == nullptr) return {};
  const StoreKey key = StoreKeyOf(run.workflow().name());
  StoreBatch batch;
  batch.Put(StoreTable::kWorkflow, key, WriteWorkflowRecord(run, revision));
  return ApplyOrPutBack(batch, key, before);
}

// A batch that failed may have been written all the same; puts back what was there, as far as the store lets it.
Status Workflows::ApplyOrPutBack(const StoreBatch& batch, const StoreKey& key, const Kept* before) {
  StoreBatch back;
  if (before == nullptr) {
    back.Erase(StoreTable::kWorkflow, key);
  } else {
    back.PutString(StoreTable::kWorkflow, key, WriteWorkflowRecord(before->run, before->revision));
  }
  Status applied = store_->Apply(batch);
  if (!applied) static_cast<void>(store_->Apply(back));
  return applied;
}

Status Workflows::Restore(std::string_view record) {
  WEIR_ASSIGN(StoredWorkflow stored, ReadWorkflowRecord(record));
  const std::lock_guard lock(mutex_);
  const std::string name = stored.run.workflow().name();
  kept_.insert_or_assign(name, Kept{std::move(stored.run), stored.revision});
  return {};
}

Status Workflows::Declare(Workflow workflow) {
  WEIR_TRY(CheckNames(workflow));
  const std::lock_guard lock(mutex_);
  const std::string name = workflow.name();
  const auto before = kept_.find(name);
  if (before == kept_.end() && kept_.size() >= workflows_max_) {
    return Exhausted(fmt::format("there are {} workflows already", kept_.size()), "remove some, or raise workflows_max");
  }
  const bool is_new = before == kept_.end();
  const uint64_t revision = is_new ? 1 : before->second.revision + 1;
  WorkflowRun run(std::make_shared<const Workflow>(std::move(workflow)));
  if (is_new) {
    // Made first, so that nothing can fail once it is stored.
    std::map<std::string, Kept, std::less<>> entry;
    entry.emplace(name, Kept{run, revision});
    WEIR_TRY(Keep(run, revision, nullptr));
    kept_.merge(entry);
  } else {
    WEIR_TRY(Keep(run, revision, &before->second));
    before->second = Kept{std::move(run), revision};
  }
  predictor_.Restart();
  return {};
}

Status Workflows::Remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(name);
  if (found == kept_.end()) return Unknown(name);
  if (store_ != nullptr) {
    StoreBatch batch;
    batch.Erase(StoreTable::kWorkflow, StoreKeyOf(name));
    WEIR_TRY(ApplyOrPutBack(batch, StoreKeyOf(name), &found->second));
  }
  kept_.erase(found);
  return {};
}

Status Workflows::Advance(std::string_view name, std::string_view agent, Registry::Step step) {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(name);
  if (found == kept_.end()) return Unknown(name);
  WorkflowRun next = found->second.run;
  const auto moved = [&] {
    switch (step) {
      case Registry::Step::kStart: return next.Start(agent);
      case Registry::Step::kFinish: return next.Finish(agent);
      case Registry::Step::kSkip: return next.Skip(agent);
      case Registry::Step::kFail: return next.Fail(agent);
    }
    return Status(InvalidArgument("no such step"));
  };
  WEIR_TRY(moved());
  WEIR_TRY(Keep(next, found->second.revision + 1, &found->second));
  ++found->second.revision;
  std::swap(found->second.run, next);
  if (step == Registry::Step::kStart) {
    try {
      predictor_.Observe(agent, next.NextByOrder());
    } catch (const std::bad_alloc&) {
      // The move is made; what history lacks is one observation.
    }
  }
  return {};
}

std::vector<std::string> Workflows::Names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, kept] : kept_) names.push_back(name);
  return names;
}

Result<WorkflowRun> Workflows::Get(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(name);
  if (found == kept_.end()) return Unknown(name);
  return found->second.run;
}

bool Workflows::empty() const {
  const std::lock_guard lock(mutex_);
  return kept_.empty();
}

std::optional<uint32_t> Workflows::StepsToExecution(std::string_view agent) const {
  const std::lock_guard lock(mutex_);
  std::optional<uint32_t> least;
  for (const auto& [name, kept] : kept_) {
    const std::optional<uint32_t> steps = kept.run.StepsToExecution(agent);
    if (steps && (!least || *steps < *least)) least = steps;
  }
  return least;
}

std::map<std::string, uint32_t, std::less<>> Workflows::Distances() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, uint32_t, std::less<>> distances;
  for (const auto& [name, kept] : kept_) {
    for (const AgentDistance& one : kept.run.FarthestFirst()) {
      if (!one.steps) continue;
      const auto [place, is_new] = distances.try_emplace(std::string(one.agent), *one.steps);
      if (!is_new) place->second = std::min(place->second, *one.steps);
    }
  }
  return distances;
}

std::vector<std::string> Workflows::Upcoming(uint32_t steps) const {
  std::vector<std::pair<uint32_t, std::string>> near;
  for (const auto& [agent, distance] : Distances()) {
    if (distance <= steps) near.emplace_back(distance, agent);
  }
  std::ranges::sort(near);
  std::vector<std::string> agents;
  for (auto& [distance, agent] : near) agents.push_back(std::move(agent));
  const NextAgents next = PredictNext(kPredicted);
  if (!next.enabled) return agents;
  for (const AgentProbability& one : next.agents) {
    if (std::ranges::find(agents, one.agent) == agents.end()) agents.push_back(one.agent);
  }
  return agents;
}

NextAgents Workflows::PredictNext(size_t n) const {
  const std::lock_guard lock(mutex_);
  return {predictor_.enabled(), predictor_.score(), predictor_.Predict(n)};
}

}  // namespace weir::registry
