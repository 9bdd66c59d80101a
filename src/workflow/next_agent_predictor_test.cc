#include "weir/workflow/next_agent_predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "weir/base/random.h"

namespace weir {
namespace {

NextAgentPredictor Make(PredictorOptions options = {}) { return NextAgentPredictor::Create(options).value(); }

// Feeds a string, one letter an agent.
void ObserveAll(NextAgentPredictor& predictor, const std::string& letters) {
  for (const char letter : letters) predictor.Observe(std::string(1, letter));
}

std::string FirstGuess(const NextAgentPredictor& predictor) {
  const auto guesses = predictor.Predict(1);
  return guesses.empty() ? "" : guesses[0].agent;
}

TEST(NextAgentPredictor, KnowsNothingAtFirst) {
  NextAgentPredictor predictor = Make();
  EXPECT_TRUE(predictor.Predict(5).empty());
  EXPECT_FALSE(predictor.enabled());
  EXPECT_EQ(predictor.score().samples, 0u);
  predictor.Observe("a");
  ASSERT_EQ(predictor.Predict(5).size(), 1u);
  EXPECT_TRUE(predictor.Predict(0).empty());
}

TEST(NextAgentPredictor, RefusesWrongOptions) {
  for (const PredictorOptions& options :
       {PredictorOptions{.order_max = 4}, PredictorOptions{.agents_max = 3}, PredictorOptions{.agents_max = (1u << 20) + 1},
        PredictorOptions{.contexts_max = 15}}) {
    EXPECT_EQ(NextAgentPredictor::Create(options).error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(NextAgentPredictor, LongerContextsSeeWhatShorterOnesCannot) {
  // After "a" comes "b" or "c" by turns: only who came before "a" tells.
  const auto rate_of = [](uint32_t order) {
    NextAgentPredictor predictor = Make({.order_max = order});
    for (int round = 0; round < 200; ++round) ObserveAll(predictor, "abac");
    return predictor.score().hit_rate;
  };
  EXPECT_LE(rate_of(0), 0.50);
  EXPECT_LE(rate_of(1), 0.75);
  EXPECT_EQ(rate_of(2), 1.0);
  EXPECT_EQ(rate_of(3), 1.0);
}

TEST(NextAgentPredictor, BacksOffWhereTheContextIsNew) {
  NextAgentPredictor predictor = Make();
  ObserveAll(predictor, "abcabcabc");
  ObserveAll(predictor, "xb");  // "xb" was never followed by anything, "b" was by "c"
  EXPECT_EQ(FirstGuess(predictor), "c");
  predictor.Restart();
  ASSERT_FALSE(predictor.Predict(1).empty());  // from counts alone
  EXPECT_EQ(FirstGuess(predictor), "b");
}

// PPM with escape C and exclusion, straight from the definition and the whole history.
std::map<std::string, double> NaivePrediction(const std::string& history, size_t order_max) {
  std::map<std::string, double> prediction;
  double left = 1.0;
  for (size_t order = std::min(order_max, history.size()) + 1; order-- > 0;) {
    const std::string context = history.substr(history.size() - order);
    std::map<std::string, double> counts;
    for (size_t at = order; at < history.size(); ++at) {
      const std::string follower(1, history[at]);
      if (history.compare(at - order, order, context) == 0 && !prediction.contains(follower)) counts[follower] += 1;
    }
    double total = 0;
    for (const auto& [agent, count] : counts) total += count;
    const auto distinct = static_cast<double>(counts.size());
    if (counts.empty()) continue;
    for (const auto& [agent, count] : counts) prediction[agent] = left * count / (total + distinct);
    left *= distinct / (total + distinct);
  }
  return prediction;
}

TEST(NextAgentPredictor, AgreesWithTheDefinition) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const uint32_t order_max = static_cast<uint32_t>(random.Below(4));
    const uint64_t letters = 1 + random.Below(6);
    NextAgentPredictor predictor = Make({.order_max = order_max});
    std::string history;
    for (int i = 0; i < 60; ++i) {
      history.push_back(static_cast<char>('a' + std::min(random.Below(letters), random.Below(letters))));
      predictor.Observe(std::string(1, history.back()));
      std::map<std::string, double> expected = NaivePrediction(history, order_max);
      const auto guesses = predictor.Predict(100);
      ASSERT_EQ(guesses.size(), expected.size());
      double sum = 0;
      for (size_t g = 0; g < guesses.size(); ++g) {
        ASSERT_NEAR(guesses[g].probability, expected[guesses[g].agent], 1e-12) << history;
        ASSERT_TRUE(g == 0 || guesses[g].probability <= guesses[g - 1].probability);
        sum += guesses[g].probability;
      }
      ASSERT_LT(sum, 1.0);
      const auto first = predictor.Predict(1);
      ASSERT_EQ(first[0].agent, guesses[0].agent);
    }
  }
}

TEST(NextAgentPredictor, TurnsOnWhereItBeatsTheOrder) {
  NextAgentPredictor predictor = Make();
  for (int round = 0; round < 100; ++round) {
    predictor.Observe("plan", "plan");
    predictor.Observe("code", "test");  // the order's guess is wrong each time
    predictor.Observe("test", "code");
    EXPECT_TRUE(predictor.score().samples >= NextAgentPredictor::kSamplesMin || !predictor.enabled());
  }
  EXPECT_TRUE(predictor.enabled());
  EXPECT_GT(predictor.score().hit_rate, 0.99);
  EXPECT_NEAR(predictor.score().static_rate, 1.0 / 3, 0.01);
}

TEST(NextAgentPredictor, StaysOffWhereTheOrderIsAsGood) {
  NextAgentPredictor predictor = Make();
  for (int i = 0; i < 1000; ++i) {
    const std::string agent(1, "abcd"[i % 4]);
    predictor.Observe(agent, agent);
    ASSERT_FALSE(predictor.enabled());
  }
}

TEST(NextAgentPredictor, StaysOffWhereNothingCanBeKnown) {
  Random random(7);
  NextAgentPredictor predictor = Make();
  for (int i = 0; i < 5000; ++i) {
    predictor.Observe(
        std::string(1, static_cast<char>('a' + random.Below(8))));  // no guess of an order: it misses each time
    ASSERT_FALSE(predictor.enabled()) << i;
  }
}

TEST(NextAgentPredictor, TurnsOffWhenTheOrderCatchesUpAndNotBefore) {
  NextAgentPredictor predictor = Make();
  for (int i = 0; i < 300; ++i) predictor.Observe(std::string(1, "abc"[i % 3]));
  ASSERT_TRUE(predictor.enabled());
  int switches = 0;
  bool was_enabled = true;
  for (int i = 300; i < 900; ++i) {
    const std::string agent(1, "abc"[i % 3]);
    predictor.Observe(agent, agent);
    const PredictorScore score = predictor.score();
    const double lead = score.hit_rate - score.static_rate;
    ASSERT_EQ(predictor.enabled(), lead >= NextAgentPredictor::kMarginOff) << i;  // between the margins it keeps its state
    switches += predictor.enabled() != was_enabled ? 1 : 0;
    was_enabled = predictor.enabled();
  }
  EXPECT_EQ(switches, 1);
  EXPECT_FALSE(predictor.enabled());
}

TEST(NextAgentPredictor, FollowsAChange) {
  NextAgentPredictor predictor = Make({.order_max = 1});
  for (int i = 0; i < 1000; ++i) ObserveAll(predictor, "ab");
  for (int i = 0; i < 100; ++i) ObserveAll(predictor, "ac");
  ObserveAll(predictor, "a");
  EXPECT_EQ(FirstGuess(predictor), "c");  // a thousand "b" weigh no more than kCountMax
}

TEST(NextAgentPredictor, ADroppedAgentLeavesNothingToItsSuccessor) {
  NextAgentPredictor predictor = Make({.order_max = 3, .agents_max = 4});
  ObserveAll(predictor, "xyxyxyxya");
  ObserveAll(predictor, std::string(20, 'b'));
  ObserveAll(predictor, "z");  // takes the place of "x", after which "y" came
  EXPECT_EQ(predictor.agents(), 4u);
  EXPECT_EQ(FirstGuess(predictor), "b");
}

TEST(NextAgentPredictor, StaysWithinItsBounds) {
  const PredictorOptions options{.order_max = 3, .agents_max = 64, .contexts_max = 128};
  Random random(11);
  NextAgentPredictor predictor = Make(options);
  for (int i = 0; i < 20'000; ++i) {
    predictor.Observe("agent" + std::to_string(random.Below(i % 1000 < 500 ? 10 : 500)));
    ASSERT_LE(predictor.agents(), options.agents_max);
    ASSERT_LE(predictor.contexts(), options.contexts_max);
    double sum = 0;
    for (const AgentProbability& guess : predictor.Predict(1000)) sum += guess.probability;
    ASSERT_LT(sum, 1.0);
    ASSERT_GT(sum, 0.0);
  }
  // What is left over does not stand in the way of what comes.
  for (int i = 0; i < 1000; ++i) ObserveAll(predictor, "xyz");
  EXPECT_GT(predictor.score().hit_rate, 0.95);
}

TEST(NextAgentPredictor, SameObservationsSameAnswers) {
  const PredictorOptions options{.order_max = 3, .agents_max = 16, .contexts_max = 40};
  NextAgentPredictor first = Make(options);
  NextAgentPredictor second = Make(options);
  Random random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string agent = "agent" + std::to_string(std::min(random.Below(40), random.Below(40)));
    first.Observe(agent);
    second.Observe(agent);
    const auto a = first.Predict(5);
    const auto b = second.Predict(5);
    ASSERT_EQ(a.size(), b.size());
    for (size_t g = 0; g < a.size(); ++g) {
      ASSERT_EQ(a[g].agent, b[g].agent);
      ASSERT_EQ(a[g].probability, b[g].probability);
    }
  }
}

}  // namespace
}  // namespace weir
