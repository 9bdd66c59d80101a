#include "weir/workflow/workflow_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "graphs.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const Workflow> Make(std::vector<WorkflowStep> steps) {
  return std::make_shared<const Workflow>(Workflow::Create("w", std::move(steps)).value());
}

// search <- rank (optional) <- write <- judge, and log beside them.
std::shared_ptr<const Workflow> Pipeline() {
  return Make({{"search"}, {"rank", {"search"}, true}, {"write", {"rank"}}, {"judge", {"write"}}, {"log", {}, true}});
}

std::vector<std::optional<uint32_t>> DistancesOf(const WorkflowRun& run) {
  std::vector<std::optional<uint32_t>> distances;
  for (const WorkflowStep& step : run.workflow().steps()) distances.push_back(run.StepsToExecution(step.agent));
  return distances;
}

std::string RefusalOf(const Status& status, ErrorCode code = ErrorCode::kInvalidArgument) {
  if (status) return "accepted";
  EXPECT_EQ(status.error().code, code);
  return status.error().message;
}

TEST(WorkflowRun, CountsStepsToExecution) {
  WorkflowRun run(Pipeline());
  EXPECT_THAT(DistancesOf(run), ElementsAre(0, 1, 1, 2, 0));  // rank holds write up no further than search does
  EXPECT_EQ(run.StepsToExecution("nobody"), std::nullopt);
  EXPECT_EQ(run.NextByOrder(), "search");
  ASSERT_TRUE(run.Start("search"));
  EXPECT_EQ(run.NextByOrder(), "log");
  EXPECT_THAT(DistancesOf(run), ElementsAre(0, 1, 1, 2, 0));  // it runs now
  ASSERT_TRUE(run.Finish("search"));
  EXPECT_THAT(DistancesOf(run), ElementsAre(std::nullopt, 0, 0, 1, 0));
  ASSERT_TRUE(run.Start("rank"));
  EXPECT_THAT(DistancesOf(run), ElementsAre(std::nullopt, 0, 1, 2, 0));  // while it runs, it is waited for
  ASSERT_TRUE(run.Finish("rank"));
  ASSERT_TRUE(run.Start("write"));
  ASSERT_TRUE(run.Finish("write"));
  ASSERT_TRUE(run.Start("judge"));
  EXPECT_EQ(run.outcome(), WorkflowOutcome::kOpen);
  ASSERT_TRUE(run.Finish("judge"));
  EXPECT_EQ(run.outcome(), WorkflowOutcome::kComplete);  // without the optional log
  EXPECT_EQ(run.StepsToExecution("log"), 0u);
}

TEST(WorkflowRun, SkippingAnOptionalStepFreesNobodyFromWhatItWaitedFor) {
  WorkflowRun run(Pipeline());
  ASSERT_TRUE(run.Skip("rank"));
  EXPECT_THAT(DistancesOf(run), ElementsAre(0, std::nullopt, 1, 2, 0));
  EXPECT_THAT(RefusalOf(run.Start("write")), HasSubstr("'write' cannot start: 1 steps must pass first"));
}

TEST(WorkflowRun, AFailureTakesOutWhatWaitsForIt) {
  WorkflowRun run(Pipeline());
  ASSERT_TRUE(run.Start("search"));
  ASSERT_TRUE(run.Fail("search"));
  EXPECT_EQ(run.outcome(), WorkflowOutcome::kFailed);
  EXPECT_THAT(DistancesOf(run), ElementsAre(std::nullopt, std::nullopt, std::nullopt, std::nullopt, 0));
  EXPECT_THAT(RefusalOf(run.Start("judge")), HasSubstr("a required step before it failed"));

  WorkflowRun other(Pipeline());
  ASSERT_TRUE(other.Fail("rank"));  // optional: nothing is lost
  EXPECT_THAT(DistancesOf(other), ElementsAre(0, std::nullopt, 1, 2, 0));
  EXPECT_EQ(other.outcome(), WorkflowOutcome::kOpen);
}

TEST(WorkflowRun, RefusesIllegalMoves) {
  WorkflowRun run(Pipeline());
  const WorkflowState before = run.state();
  EXPECT_THAT(RefusalOf(run.Start("nobody"), ErrorCode::kNotFound), HasSubstr("'nobody' is no agent of the workflow 'w'"));
  EXPECT_THAT(RefusalOf(run.Finish("nobody"), ErrorCode::kNotFound), HasSubstr("nobody"));
  EXPECT_THAT(RefusalOf(run.Skip("nobody"), ErrorCode::kNotFound), HasSubstr("nobody"));
  EXPECT_THAT(RefusalOf(run.Fail("nobody"), ErrorCode::kNotFound), HasSubstr("nobody"));
  EXPECT_THAT(RefusalOf(run.Start("judge")), HasSubstr("2 steps must pass first"));
  EXPECT_THAT(RefusalOf(run.Finish("search")), HasSubstr("'search' cannot finish: it is pending"));
  EXPECT_THAT(RefusalOf(run.Skip("search")), HasSubstr("'search' cannot be skipped: it is required"));
  EXPECT_EQ(run.state(), before);
  ASSERT_TRUE(run.Start("log"));
  EXPECT_THAT(RefusalOf(run.Start("log")), HasSubstr("it is running"));
  EXPECT_THAT(RefusalOf(run.Skip("log")), HasSubstr("it is running"));
  ASSERT_TRUE(run.Finish("log"));
  for (const Status& status : {run.Start("log"), run.Finish("log"), run.Skip("log"), run.Fail("log")}) {
    EXPECT_THAT(RefusalOf(status), HasSubstr("it is done"));
  }
}

TEST(WorkflowRun, SortsAgentsByDistance) {
  WorkflowRun run(Pipeline());
  ASSERT_TRUE(run.Skip("log"));
  EXPECT_THAT(run.FarthestFirst(),
              ElementsAre(AgentDistance{"log", std::nullopt}, AgentDistance{"judge", 2}, AgentDistance{"rank", 1},
                          AgentDistance{"write", 1}, AgentDistance{"search", 0}));
  EXPECT_THAT(run.WithinSteps(0), ElementsAre(AgentDistance{"search", 0}));
  EXPECT_THAT(run.WithinSteps(1),
              ElementsAre(AgentDistance{"search", 0}, AgentDistance{"rank", 1}, AgentDistance{"write", 1}));
  EXPECT_EQ(run.WithinSteps(UINT32_MAX).size(), 4u);
}

TEST(WorkflowRun, RefusesAStateOfSomethingElse) {
  const auto refusal = [](const WorkflowState& state) {
    const Result<WorkflowRun> run = WorkflowRun::FromState(Pipeline(), state);
    return run ? "accepted" : RefusalOf(Status(run.error()), ErrorCode::kCorrupt);
  };
  const WorkflowState good = WorkflowRun(Pipeline()).state();
  EXPECT_EQ(refusal(good), "accepted");
  WorkflowState state = good;
  state.workflow = "v";
  EXPECT_THAT(refusal(state), HasSubstr("of workflow 'v'"));
  state = good;
  state.steps.pop_back();
  EXPECT_THAT(refusal(state), HasSubstr("4 steps for a workflow of 5"));
  state = good;
  state.steps[1].agent = "search";
  EXPECT_THAT(refusal(state), HasSubstr("step 2 is 'rank', not 'search'"));
  state = good;
  state.steps[0].state = static_cast<StepState>(9);
  EXPECT_THAT(refusal(state), HasSubstr("no state of 'search'"));
  state = good;
  state.steps[0].state = StepState::kSkipped;
  EXPECT_THAT(refusal(state), HasSubstr("'search' was skipped but is required"));
  state = good;
  state.steps[2].state = StepState::kDone;
  EXPECT_THAT(refusal(state), HasSubstr("'write' is done before what it waits for"));
}

TEST(WorkflowRun, NamesOfStatesAreStable) {
  for (const auto& [state, name] : std::map<StepState, std::string>{{StepState::kPending, "pending"},
                                                                    {StepState::kRunning, "running"},
                                                                    {StepState::kDone, "done"},
                                                                    {StepState::kSkipped, "skipped"},
                                                                    {StepState::kFailed, "failed"}}) {
    EXPECT_EQ(StepStateName(state), name);
    EXPECT_EQ(ParseStepState(name), state);
  }
  EXPECT_EQ(ParseStepState("Done"), std::nullopt);
}

// Plays the workflow in rounds: every required step that may start does and is done one round later, optional ones are
// passed over. The round in which a step might have started is its distance.
std::vector<std::optional<uint32_t>> PlayedDistances(const Workflow& workflow, std::vector<StepState> states) {
  const size_t count = states.size();
  std::vector<std::optional<uint32_t>> distances(count);
  for (uint32_t step = 0; step < count; ++step) {
    if (states[step] == StepState::kRunning) distances[step] = 0;
  }
  for (uint32_t round = 0; round <= count + 1; ++round) {
    std::vector<bool> may_run(count, true);  // as if nothing held it up; the rest is taken away until nothing changes
    for (bool changed = true; changed;) {
      changed = false;
      for (uint32_t step = 0; step < count; ++step) {
        for (const uint32_t before : workflow.Predecessors(step)) {
          const bool is_passed =
              workflow.steps()[before].optional && states[before] != StepState::kRunning && may_run[before];
          if (states[before] == StepState::kDone || is_passed || !may_run[step]) continue;
          may_run[step] = false;
          changed = true;
        }
      }
    }
    std::vector<StepState> next = states;
    for (uint32_t step = 0; step < count; ++step) {
      if (states[step] == StepState::kRunning) next[step] = StepState::kDone;
      if (states[step] != StepState::kPending || !may_run[step]) continue;
      if (!distances[step]) distances[step] = round;
      if (!workflow.steps()[step].optional) next[step] = StepState::kDone;
    }
    states = next;
  }
  return distances;
}

std::vector<StepState> StatesOf(const WorkflowRun& run) {
  std::vector<StepState> states;
  for (const WorkflowState::Step& step : run.state().steps) states.push_back(step.state);
  return states;
}

void CheckViews(const WorkflowRun& run) {
  const std::vector<AgentDistance> farthest = run.FarthestFirst();
  ASSERT_EQ(farthest.size(), run.workflow().steps().size());
  uint32_t reachable = 0;
  for (size_t i = 0; i < farthest.size(); ++i) {
    ASSERT_EQ(farthest[i].steps, run.StepsToExecution(farthest[i].agent));
    reachable += farthest[i].steps ? 1 : 0;
    if (i == 0 || !farthest[i - 1].steps) continue;
    ASSERT_TRUE(farthest[i].steps && *farthest[i].steps <= *farthest[i - 1].steps);
  }
  const std::vector<AgentDistance> near = run.WithinSteps(UINT32_MAX);
  ASSERT_EQ(near.size(), reachable);
  for (size_t i = 1; i < near.size(); ++i) ASSERT_LE(*near[i - 1].steps, *near[i].steps);
}

TEST(WorkflowRun, DistancesAsPlayedThroughAtEveryMove) {
  uint64_t moves = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const size_t count = 1 + random.Below(9);
    WorkflowRun run(Make(testing::RandomSteps(random, count, true)));
    for (int move = 0; move < 40; ++move) {
      ASSERT_EQ(DistancesOf(run), PlayedDistances(run.workflow(), StatesOf(run)));
      ASSERT_NO_FATAL_FAILURE(CheckViews(run));
      const Result<WorkflowRun> again =
          WorkflowRun::FromState(Make({run.workflow().steps().begin(), run.workflow().steps().end()}), run.state());
      ASSERT_TRUE(again) << again.error().ToString();
      ASSERT_EQ(again->state(), run.state());
      ASSERT_EQ(DistancesOf(*again), DistancesOf(run));
      ASSERT_EQ(again->outcome(), run.outcome());

      const auto step = static_cast<uint32_t>(random.Below(count));
      const std::string agent = run.workflow().steps()[step].agent;
      const bool is_optional = run.workflow().steps()[step].optional;
      const StepState state = *run.StateOf(agent);
      const bool may_start = state == StepState::kPending && run.StepsToExecution(agent) == 0u;
      switch (random.Below(8)) {
        case 0: ASSERT_EQ(run.Skip(agent).has_value(), is_optional && state == StepState::kPending); break;
        case 1:
          if (random.Below(4) > 0) continue;
          ASSERT_EQ(run.Fail(agent).has_value(), state == StepState::kPending || state == StepState::kRunning);
          break;
        case 2:
        case 3:
        case 4: ASSERT_EQ(run.Finish(agent).has_value(), state == StepState::kRunning); break;
        default: ASSERT_EQ(run.Start(agent).has_value(), may_start); break;
      }
      moves += run.StateOf(agent) != state ? 1 : 0;
    }
  }
  EXPECT_GT(moves, 1000u);
}

// Every state of small workflows: accepted exactly where legal moves lead to it.
TEST(WorkflowRun, StatesAcceptedAreThoseReached) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const size_t count = 1 + random.Below(4);
    const auto workflow = Make(testing::RandomSteps(random, count, true));
    std::set<std::vector<StepState>> reached;
    std::vector<WorkflowRun> frontier = {WorkflowRun(workflow)};
    while (!frontier.empty()) {
      const WorkflowRun run = frontier.back();
      frontier.pop_back();
      if (!reached.insert(StatesOf(run)).second) continue;
      for (const WorkflowStep& step : workflow->steps()) {
        for (Status (WorkflowRun::*move)(std::string_view) :
             {&WorkflowRun::Start, &WorkflowRun::Finish, &WorkflowRun::Skip, &WorkflowRun::Fail}) {
          WorkflowRun next = run;
          if ((next.*move)(step.agent)) frontier.push_back(std::move(next));
        }
      }
    }
    size_t total = 1;
    for (size_t i = 0; i < count; ++i) total *= 5;
    for (size_t code = 0; code < total; ++code) {
      WorkflowState state = WorkflowRun(workflow).state();
      std::vector<StepState> states;
      size_t rest = code;
      for (WorkflowState::Step& step : state.steps) {
        step.state = static_cast<StepState>(rest % 5);
        states.push_back(step.state);
        rest /= 5;
      }
      ASSERT_EQ(WorkflowRun::FromState(workflow, state).has_value(), reached.contains(states)) << "state " << code;
    }
  }
}

TEST(WorkflowRun, TheLargestWorkflowRuns) {
  std::vector<WorkflowStep> steps;
  for (size_t i = 0; i < Workflow::kStepsMax; ++i) steps.push_back({"agent" + std::to_string(i)});
  for (size_t i = 1; i < steps.size(); ++i) steps[i].depends_on = {steps[i - 1].agent};
  WorkflowRun run(Make(std::move(steps)));
  EXPECT_EQ(run.StepsToExecution("agent9999"), 9999u);
  EXPECT_EQ(run.FarthestFirst().front().agent, "agent9999");
  EXPECT_EQ(run.WithinSteps(2).size(), 3u);
}

}  // namespace
}  // namespace weir
