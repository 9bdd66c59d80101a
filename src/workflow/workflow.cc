#include "weir/workflow/workflow.h"

#include <fmt/format.h>

#include <utility>

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr size_t kCycleAgentsShown = 16;

Status CheckName(std::string_view name, const std::string& what) {
  if (name.empty()) return InvalidArgument(what + " is empty");
  if (name.size() > Workflow::kNameBytesMax) {
    return InvalidArgument(fmt::format("{} has {} bytes", what, name.size()),
                           fmt::format("at most {}", Workflow::kNameBytesMax));
  }
  return {};
}

}  // namespace

Result<Workflow> Workflow::Create(std::string name, std::vector<WorkflowStep> steps) {
  WEIR_TRY(CheckName(name, "the workflow's name"));
  if (steps.empty()) return InvalidArgument(fmt::format("the workflow '{}' has no step", name));
  if (steps.size() > kStepsMax) {
    return InvalidArgument(fmt::format("the workflow '{}' has {} steps", name, steps.size()),
                           fmt::format("at most {}", kStepsMax));
  }
  Workflow workflow;
  workflow.name_ = std::move(name);
  workflow.steps_ = std::move(steps);
  WEIR_TRY(workflow.IndexAgents());
  WEIR_TRY(workflow.IndexDependencies());
  WEIR_TRY(workflow.Sort());
  return workflow;
}

std::optional<uint32_t> Workflow::Find(std::string_view agent) const {
  if (agent.size() > kNameBytesMax) return std::nullopt;
  const auto found = index_.find(std::string(agent));
  return found != index_.end() ? std::optional(found->second) : std::nullopt;
}

std::span<const uint32_t> Workflow::Predecessors(uint32_t step) const {
  WEIR_CHECK(step < steps_.size(), "step {} of {}", step, steps_.size());
  const uint32_t begin = predecessors_begin_[step];
  return std::span(predecessors_).subspan(begin, predecessors_begin_[step + 1] - begin);
}

Status Workflow::IndexAgents() {
  index_.reserve(steps_.size());
  for (uint32_t step = 0; step < steps_.size(); ++step) {
    const std::string& agent = steps_[step].agent;
    WEIR_TRY(CheckName(agent, fmt::format("the agent's name of step {}", step + 1)));
    if (!index_.emplace(agent, step).second)
      return InvalidArgument(fmt::format("the agent '{}' stands in two steps", agent));
  }
  return {};
}

Status Workflow::IndexDependencies() {
  size_t total = 0;
  for (const WorkflowStep& step : steps_) total += step.depends_on.size();
  if (total > kDependenciesMax) {
    return InvalidArgument(fmt::format("the workflow '{}' has {} dependencies", name_, total),
                           fmt::format("at most {}", kDependenciesMax));
  }
  predecessors_.reserve(total);
  predecessors_begin_.assign(1, 0);
  std::vector<uint32_t> named_by(steps_.size(), UINT32_MAX);  // the last step that named it
  for (uint32_t step = 0; step < steps_.size(); ++step) {
    for (const std::string& agent : steps_[step].depends_on) {
      const std::optional<uint32_t> other = Find(agent);
      if (!other) {
        return InvalidArgument(
            fmt::format("'{}' depends on '{}', which is no step", steps_[step].agent, agent.substr(0, kNameBytesMax)));
      }
      if (*other == step) return InvalidArgument(fmt::format("'{}' depends on itself", agent));
      if (named_by[*other] == step) continue;
      named_by[*other] = step;
      predecessors_.push_back(*other);
    }
    predecessors_begin_.push_back(static_cast<uint32_t>(predecessors_.size()));
  }
  return {};
}

// Kahn 1962; order_ is the queue as well.
Status Workflow::Sort() {
  const auto count = static_cast<uint32_t>(steps_.size());
  std::vector<uint32_t> waiting(count);  // for how many steps
  std::vector<uint32_t> begin(count + 1, 0);
  for (const uint32_t predecessor : predecessors_) ++begin[predecessor + 1];
  for (uint32_t step = 0; step < count; ++step) begin[step + 1] += begin[step];
  std::vector<uint32_t> successors(predecessors_.size());
  std::vector<uint32_t> filled(begin.begin(), begin.end() - 1);
  for (uint32_t step = 0; step < count; ++step) {
    waiting[step] = static_cast<uint32_t>(Predecessors(step).size());
    for (const uint32_t predecessor : Predecessors(step)) successors[filled[predecessor]++] = step;
  }
  order_.reserve(count);
  for (uint32_t step = 0; step < count; ++step) {
    if (waiting[step] == 0) order_.push_back(step);
  }
  for (size_t next = 0; next < order_.size(); ++next) {
    for (uint32_t i = begin[order_[next]]; i < begin[order_[next] + 1]; ++i) {
      if (--waiting[successors[i]] == 0) order_.push_back(successors[i]);
    }
  }
  if (order_.size() == count) return {};
  return InvalidArgument("a cycle, each waiting for the next: " + CycleText(waiting), "take one of these dependencies out");
}

// Every step that still waits has a predecessor that waits too; following those must come back to a step seen before.
std::string Workflow::CycleText(const std::vector<uint32_t>& waiting) const {
  std::vector<uint32_t> path;
  std::vector<uint32_t> place(steps_.size(), UINT32_MAX);  // in path
  uint32_t step = 0;
  while (waiting[step] == 0) ++step;
  while (place[step] == UINT32_MAX) {
    place[step] = static_cast<uint32_t>(path.size());
    path.push_back(step);
    for (const uint32_t predecessor : Predecessors(step)) {
      if (waiting[predecessor] == 0) continue;
      step = predecessor;
      break;
    }
  }
  path.erase(path.begin(), path.begin() + place[step]);
  std::string text;
  for (size_t i = 0; i < path.size() && i < kCycleAgentsShown; ++i) text += steps_[path[i]].agent + " -> ";
  if (path.size() > kCycleAgentsShown) text += fmt::format("... ({} agents) -> ", path.size());
  return text + steps_[path.front()].agent;
}

}  // namespace weir
