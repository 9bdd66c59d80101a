#include "weir/workflow/workflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "graphs.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const Result<Workflow>& result) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  return result.error().message;
}

TEST(Workflow, OrdersStepsBehindWhatTheyWaitFor) {
  const Workflow workflow =
      Workflow::Create("pipeline", {{"writer", {"judge", "search"}}, {"search"}, {"judge", {"search", "search"}, true}})
          .value();
  EXPECT_EQ(workflow.name(), "pipeline");
  EXPECT_EQ(workflow.Find("judge"), 2u);
  EXPECT_EQ(workflow.Find("nobody"), std::nullopt);
  EXPECT_THAT(workflow.Predecessors(0), ::testing::ElementsAre(2, 1));
  EXPECT_THAT(workflow.Predecessors(1), ::testing::IsEmpty());
  EXPECT_THAT(workflow.Predecessors(2), ::testing::ElementsAre(1));  // twice counts once
  EXPECT_THAT(workflow.Order(), ::testing::ElementsAre(1, 2, 0));
}

TEST(Workflow, RefusesWhatIsWrong) {
  const std::string long_name(257, 'x');
  EXPECT_THAT(ErrorOf(Workflow::Create("", {{"a"}})), HasSubstr("name is empty"));
  EXPECT_THAT(ErrorOf(Workflow::Create(long_name, {{"a"}})), HasSubstr("257 bytes"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {})), HasSubstr("no step"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{"a"}, {""}})), HasSubstr("step 2 is empty"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{long_name}})), HasSubstr("257 bytes"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{"a"}, {"b"}, {"a"}})), HasSubstr("'a' stands in two steps"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{"a", {"b"}}})), HasSubstr("'a' depends on 'b', which is no step"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{"a", {long_name}}})), HasSubstr("which is no step"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{"a", {"a"}}})), HasSubstr("'a' depends on itself"));
  EXPECT_THAT(ErrorOf(Workflow::Create("w", {{"x"}, {"a", {"x", "c"}}, {"b", {"a"}}, {"c", {"b"}}, {"y", {"a"}}})),
              HasSubstr("a -> c -> b -> a"));
}

TEST(Workflow, Limits) {
  std::vector<WorkflowStep> steps;
  for (size_t i = 0; i < Workflow::kStepsMax; ++i) steps.push_back({"agent" + std::to_string(i)});
  for (size_t i = 1; i < steps.size(); ++i) steps[i].depends_on = {steps[i - 1].agent};
  const Workflow chain = Workflow::Create("chain", steps).value();
  EXPECT_EQ(chain.Order().back(), Workflow::kStepsMax - 1);

  steps[0].depends_on = {steps.back().agent};
  const std::string cycle = ErrorOf(Workflow::Create("ring", steps));
  EXPECT_THAT(cycle, HasSubstr("... (10000 agents)"));
  EXPECT_LT(cycle.size(), 1000u);

  steps[0].depends_on.assign(Workflow::kDependenciesMax, steps[1].agent);
  EXPECT_THAT(ErrorOf(Workflow::Create("dense", steps)), HasSubstr("dependencies"));
  steps[0].depends_on.clear();
  steps.push_back({"one_more"});
  EXPECT_THAT(ErrorOf(Workflow::Create("long", steps)), HasSubstr("10001 steps"));
}

// Against Warshall's closure: a cycle is found exactly where a step reaches itself, and the one named is real.
TEST(Workflow, CyclesAsTheClosureSays) {
  int cyclic = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::vector<WorkflowStep> steps = testing::RandomSteps(random, 1 + random.Below(8), false);
    const std::vector<std::vector<bool>> reach = testing::Closure(steps);
    bool expected = false;
    for (size_t i = 0; i < steps.size(); ++i) expected = expected || reach[i][i];
    const Result<Workflow> workflow = Workflow::Create("w", steps);
    ASSERT_EQ(!workflow, expected);
    if (!expected) {
      std::vector<size_t> place(steps.size());
      for (size_t i = 0; i < steps.size(); ++i) place[workflow->Order()[i]] = i;
      for (uint32_t i = 0; i < steps.size(); ++i) {
        for (const uint32_t before : workflow->Predecessors(i)) ASSERT_LT(place[before], place[i]);
      }
      continue;
    }
    ++cyclic;
    const std::string& text = workflow.error().message;
    std::vector<std::string> agents;
    for (size_t at = text.find(": ") + 2; at != std::string::npos + 4;) {
      const size_t end = text.find(" -> ", at);
      agents.push_back(text.substr(at, end == std::string::npos ? end : end - at));
      at = end + 4;
      if (end == std::string::npos) break;
    }
    ASSERT_GE(agents.size(), 3u) << text;
    EXPECT_EQ(agents.front(), agents.back());
    EXPECT_EQ(std::set<std::string>(agents.begin(), agents.end()).size(), agents.size() - 1) << text;
    for (size_t i = 0; i + 1 < agents.size(); ++i) {
      const auto step =
          std::find_if(steps.begin(), steps.end(), [&](const WorkflowStep& s) { return s.agent == agents[i]; });
      ASSERT_NE(step, steps.end()) << text;
      EXPECT_NE(std::find(step->depends_on.begin(), step->depends_on.end(), agents[i + 1]), step->depends_on.end()) << text;
    }
  }
  EXPECT_GT(cyclic, 300);
}

}  // namespace
}  // namespace weir
