#pragma once
// Small random workflows, and what waits for what in them by brute force.

#include <string>
#include <vector>

#include "weir/base/random.h"
#include "weir/workflow/workflow.h"

namespace weir::testing {

// Agents "a", "b", ... in an order of their own; without a cycle when `acyclic`. No step depends on itself.
inline std::vector<WorkflowStep> RandomSteps(Random& random, size_t count, bool acyclic) {
  std::vector<size_t> rank(count);
  for (size_t i = 0; i < count; ++i) {
    rank[i] = i;
    std::swap(rank[i], rank[random.Below(i + 1)]);
  }
  const uint64_t density = 1 + random.Below(5);  // dependencies out of ten pairs
  std::vector<WorkflowStep> steps(count);
  for (size_t i = 0; i < count; ++i) {
    steps[i].agent = std::string(1, static_cast<char>('a' + i));
    steps[i].optional = random.Below(3) == 0;
    for (size_t j = 0; j < count; ++j) {
      if (i == j || random.Below(10) >= density || (acyclic && rank[j] >= rank[i])) continue;
      steps[i].depends_on.push_back(std::string(1, static_cast<char>('a' + j)));
    }
  }
  return steps;
}

// [i][j]: step i waits for step j, directly or not (Warshall 1962). Agents as RandomSteps names them.
inline std::vector<std::vector<bool>> Closure(const std::vector<WorkflowStep>& steps) {
  const size_t count = steps.size();
  std::vector<std::vector<bool>> reach(count, std::vector<bool>(count));
  for (size_t i = 0; i < count; ++i) {
    for (const std::string& agent : steps[i].depends_on) reach[i][static_cast<size_t>(agent[0] - 'a')] = true;
  }
  for (size_t k = 0; k < count; ++k) {
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < count; ++j) {
        if (reach[i][k] && reach[k][j]) reach[i][j] = true;
      }
    }
  }
  return reach;
}

}  // namespace weir::testing
