#pragma once
// Workflow: which agents run, and which of them waits for which. An immutable value without I/O.
//
// Safe from all threads. Everything here is linear in steps and dependencies.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weir/base/result.h"

namespace weir {

struct WorkflowStep {
  std::string agent;
  std::vector<std::string> depends_on{};  // agents of other steps; one that stands twice counts once
  bool optional = false;                  // the workflow is complete without it
};

class Workflow {
 public:
  static constexpr size_t kStepsMax = 10'000;
  static constexpr size_t kDependenciesMax = 100'000;  // over all steps
  static constexpr size_t kNameBytesMax = 256;         // of the workflow and of each agent

  // All errors are invalid_argument and name the agents: no step, too many steps or dependencies, an empty or over-long
  // name, an agent that stands twice, an unknown dependency, a step that depends on itself, a cycle (whose agents are named
  // in order, each waiting for the next).
  static Result<Workflow> Create(std::string name, std::vector<WorkflowStep> steps);

  const std::string& name() const { return name_; }
  // In the order given.
  std::span<const WorkflowStep> steps() const { return steps_; }

  // The index of the agent's step.
  std::optional<uint32_t> Find(std::string_view agent) const;
  // Indices of the steps that it waits for, each once, in the order given. REQUIRES: step < steps().size().
  std::span<const uint32_t> Predecessors(uint32_t step) const;
  // All steps, each behind those that it waits for: first those that wait for none in the order given, then as they get
  // free.
  std::span<const uint32_t> Order() const { return order_; }

 private:
  Workflow() = default;
  Status IndexAgents();
  Status IndexDependencies();
  Status Sort();
  std::string CycleText(const std::vector<uint32_t>& waiting) const;

  std::string name_;
  std::vector<WorkflowStep> steps_;
  std::unordered_map<std::string, uint32_t> index_;
  std::vector<uint32_t> predecessors_;        // of all steps, one after another
  std::vector<uint32_t> predecessors_begin_;  // where those of a step begin; one more at the end
  std::vector<uint32_t> order_;
};

}  // namespace weir
