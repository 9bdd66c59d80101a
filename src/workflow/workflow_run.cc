#include "weir/workflow/workflow_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr uint32_t kNever = UINT32_MAX;

constexpr std::array<std::string_view, 5> kStateNames = {"pending", "running", "done", "skipped", "failed"};

}  // namespace

std::string_view StepStateName(StepState state) { return kStateNames[static_cast<size_t>(state)]; }

std::optional<StepState> ParseStepState(std::string_view name) {
  for (size_t i = 0; i < kStateNames.size(); ++i) {
    if (kStateNames[i] == name) return static_cast<StepState>(i);
  }
  return std::nullopt;
}

std::string_view WorkflowOutcomeName(WorkflowOutcome outcome) {
  static constexpr std::array<std::string_view, 3> kNames = {"open", "complete", "failed"};
  return kNames[static_cast<size_t>(outcome)];
}

WorkflowRun::WorkflowRun(std::shared_ptr<const Workflow> workflow) : workflow_(std::move(workflow)) {
  WEIR_CHECK(workflow_ != nullptr, "a run needs its workflow");
  states_.assign(workflow_->steps().size(), StepState::kPending);
  waits_.assign(states_.size(), 0);
  Update();
}

Result<WorkflowRun> WorkflowRun::FromState(std::shared_ptr<const Workflow> workflow, const WorkflowState& state) {
  WorkflowRun run(std::move(workflow));
  const auto steps = run.workflow_->steps();
  if (state.workflow != run.workflow_->name()) {
    return Corrupt(fmt::format("a state of workflow '{}', not of '{}'", state.workflow, run.workflow_->name()));
  }
  if (state.steps.size() != steps.size()) {
    return Corrupt(fmt::format("a state of {} steps for a workflow of {}", state.steps.size(), steps.size()));
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto& [agent, step_state] = state.steps[i];
    if (agent != steps[i].agent) return Corrupt(fmt::format("step {} is '{}', not '{}'", i + 1, steps[i].agent, agent));
    if (static_cast<size_t>(step_state) >= kStateNames.size()) return Corrupt(fmt::format("no state of '{}'", agent));
    if (step_state == StepState::kSkipped && !steps[i].optional) {
      return Corrupt(fmt::format("'{}' was skipped but is required", agent));
    }
    run.states_[i] = step_state;
  }
  // Whether all required steps before it are done, through optional ones. An optional one may have started afterwards.
  std::vector<bool> held(steps.size());
  for (const uint32_t step : run.workflow_->Order()) {
    for (const uint32_t before : run.workflow_->Predecessors(step)) {
      if (run.states_[before] == StepState::kDone) continue;
      held[step] = held[step] || held[before] || !steps[before].optional;
    }
    const bool has_started = run.states_[step] == StepState::kRunning || run.states_[step] == StepState::kDone;
    if (held[step] && has_started) {
      return Corrupt(
          fmt::format("'{}' is {} before what it waits for", steps[step].agent, StepStateName(run.states_[step])));
    }
  }
  run.Update();
  return run;
}

WorkflowState WorkflowRun::state() const {
  WorkflowState state{workflow_->name(), {}};
  state.steps.reserve(states_.size());
  for (size_t i = 0; i < states_.size(); ++i) state.steps.push_back({workflow_->steps()[i].agent, states_[i]});
  return state;
}

Result<uint32_t> WorkflowRun::StepOf(std::string_view agent) const {
  if (const std::optional<uint32_t> step = workflow_->Find(agent)) return *step;
  return NotFound(
      fmt::format("'{}' is no agent of the workflow '{}'", agent.substr(0, Workflow::kNameBytesMax), workflow_->name()));
}

Error WorkflowRun::WrongMove(uint32_t step, std::string_view move, std::string_view reason) const {
  return InvalidArgument(fmt::format("'{}' cannot {}: {}", workflow_->steps()[step].agent, move, reason));
}

Status WorkflowRun::Start(std::string_view agent) {
  WEIR_ASSIGN(const uint32_t step, StepOf(agent));
  if (states_[step] != StepState::kPending) {
    return WrongMove(step, "start", fmt::format("it is {}", StepStateName(states_[step])));
  }
  if (waits_[step] == kNever) return WrongMove(step, "start", "a required step before it failed");
  if (waits_[step] > 0) return WrongMove(step, "start", fmt::format("{} steps must pass first", waits_[step]));
  states_[step] = StepState::kRunning;
  Update();
  return {};
}

Status WorkflowRun::Finish(std::string_view agent) {
  WEIR_ASSIGN(const uint32_t step, StepOf(agent));
  if (states_[step] != StepState::kRunning) {
    return WrongMove(step, "finish", fmt::format("it is {}", StepStateName(states_[step])));
  }
  states_[step] = StepState::kDone;
  Update();
  return {};
}

Status WorkflowRun::Skip(std::string_view agent) {
  WEIR_ASSIGN(const uint32_t step, StepOf(agent));
  if (!workflow_->steps()[step].optional) return WrongMove(step, "be skipped", "it is required");
  if (states_[step] != StepState::kPending) {
    return WrongMove(step, "be skipped", fmt::format("it is {}", StepStateName(states_[step])));
  }
  states_[step] = StepState::kSkipped;
  Update();
  return {};
}

Status WorkflowRun::Fail(std::string_view agent) {
  WEIR_ASSIGN(const uint32_t step, StepOf(agent));
  if (states_[step] != StepState::kPending && states_[step] != StepState::kRunning) {
    return WrongMove(step, "fail", fmt::format("it is {}", StepStateName(states_[step])));
  }
  states_[step] = StepState::kFailed;
  Update();
  return {};
}

std::optional<StepState> WorkflowRun::StateOf(std::string_view agent) const {
  const std::optional<uint32_t> step = workflow_->Find(agent);
  return step ? std::optional(states_[*step]) : std::nullopt;
}

void WorkflowRun::Update() {
  const auto steps = workflow_->steps();
  bool is_complete = true;
  bool is_failed = false;
  for (const uint32_t step : workflow_->Order()) {
    uint32_t wait = 0;
    for (const uint32_t before : workflow_->Predecessors(step)) {
      if (states_[before] == StepState::kDone) continue;
      if (states_[before] == StepState::kRunning) {
        wait = std::max(wait, 1u);
      } else if (steps[before].optional) {
        wait = std::max(wait, waits_[before]);
      } else if (states_[before] == StepState::kFailed || waits_[before] == kNever) {
        wait = kNever;
      } else {
        wait = std::max(wait, waits_[before] + 1);
      }
    }
    waits_[step] = wait;
    if (steps[step].optional) continue;
    is_complete = is_complete && states_[step] == StepState::kDone;
    is_failed = is_failed || states_[step] == StepState::kFailed;
  }
  outcome_ = is_failed ? WorkflowOutcome::kFailed : is_complete ? WorkflowOutcome::kComplete : WorkflowOutcome::kOpen;
}

std::optional<uint32_t> WorkflowRun::StepsToExecution(std::string_view agent) const {
  const std::optional<uint32_t> step = workflow_->Find(agent);
  return step ? DistanceOf(*step) : std::nullopt;
}

std::optional<uint32_t> WorkflowRun::DistanceOf(uint32_t step) const {
  if (states_[step] == StepState::kRunning) return 0;
  if (states_[step] != StepState::kPending || waits_[step] == kNever) return std::nullopt;
  return waits_[step];
}

std::vector<std::vector<uint32_t>> WorkflowRun::StepsByDistance() const {
  std::vector<std::vector<uint32_t>> by_distance;
  for (uint32_t step = 0; step < states_.size(); ++step) {
    const std::optional<uint32_t> distance = DistanceOf(step);
    if (!distance) continue;
    if (by_distance.size() <= *distance) by_distance.resize(*distance + 1);
    by_distance[*distance].push_back(step);
  }
  return by_distance;
}

std::vector<AgentDistance> WorkflowRun::FarthestFirst() const {
  const auto steps = workflow_->steps();
  std::vector<AgentDistance> agents;
  agents.reserve(steps.size());
  for (uint32_t step = 0; step < steps.size(); ++step) {
    if (!DistanceOf(step)) agents.push_back({steps[step].agent, std::nullopt});
  }
  const std::vector<std::vector<uint32_t>> by_distance = StepsByDistance();
  for (size_t distance = by_distance.size(); distance-- > 0;) {
    for (const uint32_t step : by_distance[distance]) agents.push_back({steps[step].agent, static_cast<uint32_t>(distance)});
  }
  return agents;
}

std::vector<AgentDistance> WorkflowRun::WithinSteps(uint32_t steps_max) const {
  std::vector<AgentDistance> agents;
  const std::vector<std::vector<uint32_t>> by_distance = StepsByDistance();
  for (uint32_t distance = 0; distance < by_distance.size() && distance <= steps_max; ++distance) {
    for (const uint32_t step : by_distance[distance]) agents.push_back({workflow_->steps()[step].agent, distance});
  }
  return agents;
}

std::optional<std::string_view> WorkflowRun::NextByOrder() const {
  for (const uint32_t step : workflow_->Order()) {
    if (states_[step] == StepState::kPending && waits_[step] == 0) return workflow_->steps()[step].agent;
  }
  return std::nullopt;
}

}  // namespace weir
