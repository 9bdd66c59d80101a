#pragma once
// WorkflowRun: how far one execution of a workflow has come, and how many steps away each agent is. A value without I/O.
//
// Steps to execution (Pan et al., KVFlow, arXiv:2507.07400): 0 when the agent runs now or may run now, else the number of
// steps that must pass before it can, which is the longest chain of unfinished steps that it waits for. Caches evict the
// farthest first and prefetch the nearest.
//
// Optional steps are transparent: one that is pending, skipped or failed adds no step and holds nobody up by itself, but
// what it waits for is waited for through it (A <- B optional <- C: C is 1 away while A is unfinished, and may run once A is
// done, whether or not B ran). Only while an optional step runs do its dependants wait for it.
// A required step that failed takes all that wait for it out of the run.
//
// One thread at a time. The workflow is shared and immutable. A move costs one pass over steps and dependencies, a question
// about one agent a look-up.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/workflow/workflow.h"

namespace weir {

enum class StepState : uint8_t { kPending, kRunning, kDone, kSkipped, kFailed };
// Lower-case, stable: "pending", "running", "done", "skipped", "failed".
std::string_view StepStateName(StepState state);
std::optional<StepState> ParseStepState(std::string_view name);

// What a store keeps of a run: plain fields.
struct WorkflowState {
  struct Step {
    std::string agent;
    StepState state = StepState::kPending;
    friend bool operator==(const Step&, const Step&) = default;
  };
  std::string workflow;     // its name
  std::vector<Step> steps;  // in the workflow's order of steps
  friend bool operator==(const WorkflowState&, const WorkflowState&) = default;
};

enum class WorkflowOutcome : uint8_t {
  kOpen,      // required steps remain
  kComplete,  // all required steps are done; optional ones may still run
  kFailed,    // a required step failed
};
std::string_view WorkflowOutcomeName(WorkflowOutcome outcome);  // "open", "complete", "failed"

struct AgentDistance {
  std::string_view agent;         // lives as long as the workflow
  std::optional<uint32_t> steps;  // as StepsToExecution
  friend bool operator==(const AgentDistance&, const AgentDistance&) = default;
};

class WorkflowRun {
 public:
  // Everything pending. REQUIRES: workflow is not null.
  explicit WorkflowRun(std::shared_ptr<const Workflow> workflow);

  // corrupt: it is no state that a run of this workflow can be in (another workflow's name or agents, a step that runs or is
  // done before what it waits for, a required step that was skipped). REQUIRES: workflow is not null.
  static Result<WorkflowRun> FromState(std::shared_ptr<const Workflow> workflow, const WorkflowState& state);
  WorkflowState state() const;

  // Moves. not_found: the agent is not part of the workflow; invalid_argument: not from its state, with the reason. Nothing
  // changes on an error.
  Status Start(std::string_view agent);   // pending -> running; what it waits for must be done (see above)
  Status Finish(std::string_view agent);  // running -> done
  Status Skip(std::string_view agent);    // pending -> skipped; optional steps only
  Status Fail(std::string_view agent);    // pending or running -> failed

  const Workflow& workflow() const { return *workflow_; }
  // Nothing: the agent is not part of it.
  std::optional<StepState> StateOf(std::string_view agent) const;
  WorkflowOutcome outcome() const { return outcome_; }

  // Nothing: the agent will not run any more (done, skipped, failed, or behind a required step that failed) or is not part
  // of it.
  std::optional<uint32_t> StepsToExecution(std::string_view agent) const;

  // Every agent in the order in which to evict: those that will not run any more, then the farthest first; equals in the
  // order of steps. Linear.
  std::vector<AgentDistance> FarthestFirst() const;
  // The agents at most `steps_max` away, nearest first; equals in the order of steps. Those that run now are among them.
  std::vector<AgentDistance> WithinSteps(uint32_t steps_max) const;

  // A guess that the order of steps gives for who starts next: the first in Workflow::Order() that may run
  // now and does not yet. Nothing when there is none.
  std::optional<std::string_view> NextByOrder() const;

 private:
  Result<uint32_t> StepOf(std::string_view agent) const;
  Error WrongMove(uint32_t step, std::string_view move, std::string_view reason) const;
  std::optional<uint32_t> DistanceOf(uint32_t step) const;
  std::vector<std::vector<uint32_t>> StepsByDistance() const;
  void Update();

  std::shared_ptr<const Workflow> workflow_;
  std::vector<StepState> states_;
  std::vector<uint32_t> waits_;  // steps before it can run, by step; kNever: it cannot
  WorkflowOutcome outcome_ = WorkflowOutcome::kOpen;
};

}  // namespace weir
