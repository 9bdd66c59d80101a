// What a registry of this kind has always been asked for, one test an operation: what users of the original rely on. The
// rows about HTTP, health and metrics belong to the service in front of the registry and stand with its tests.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "folder.h"
#include "registry_cases.h"
#include "weir/ledger/verify.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

class OriginalBehaviour : public ::testing::Test {
 protected:
  OriginalBehaviour() { case_.Open(); }
  Registry& registry() { return *case_.registry; }
  Registered Add(ContextInput input) {
    auto done = registry().Register(std::move(input));
    EXPECT_TRUE(done) << done.error().ToString();
    return done ? *done : Registered();
  }

  RegistryCase case_;
};

TEST_F(OriginalBehaviour, RegisterAgentJoinsSystemAndRoleByTwoNewlines) {
  const Registered answer = Add(InputFromPrompts("writer", "You are helpful.", "Write."));
  const auto held = registry().Get("writer");
  EXPECT_EQ((*held)->text(), "You are helpful.\n\nWrite.");
  EXPECT_EQ(answer.agent, "writer");
  EXPECT_EQ(answer.tokens, 24u);
  const std::vector<Segment> segments = (*held)->Segments();
  ASSERT_EQ(segments.size(), 2u);
  EXPECT_EQ(segments[0].kind, SegmentKind::kSystem);
  EXPECT_EQ(segments[0].tokens, (Range{0, 18}));
}

TEST_F(OriginalBehaviour, RegisterAgentIndexesBlocksOf16AndDropsThePartialTail) {
  EXPECT_EQ(Add(TextInput("15", Words(1, 15))).blocks, 0u);
  EXPECT_EQ(Add(TextInput("16", Words(1, 16))).blocks, 1u);
  EXPECT_EQ(Add(TextInput("47", Words(1, 47))).blocks, 2u);
  EXPECT_EQ(registry().Match(Words(1, 47))->tokens_saved, 32u);
}

TEST_F(OriginalBehaviour, RegisterAgentChecksThatSystemPromptsAreIdenticalToTheByte) {
  const std::string system = Words(1, 100);
  EXPECT_TRUE(Add(InputFromPrompts("a", system, "one")).system.identical);
  const SystemIdentity same = Add(InputFromPrompts("b", system, "two")).system;
  EXPECT_TRUE(same.identical);
  EXPECT_EQ(same.members, 2u);
  EXPECT_EQ(same.same, 2u);
  const SystemIdentity other = Add(InputFromPrompts("c", system + " ", "three")).system;
  EXPECT_FALSE(other.identical);
  EXPECT_EQ(other.members, 3u);
  EXPECT_EQ(other.same, 1u);
}

TEST_F(OriginalBehaviour, GetSharedContextIsSortedByConfidence) {
  const std::string text = Words(1, 320);
  Add(TextInput("target", text));
  Add(TextInput("a third", text.substr(0, 112) + Words(2, 200)));
  Add(TextInput("most", text.substr(0, 304) + Words(3, 200)));
  Add(TextInput("half", text.substr(0, 160) + Words(4, 200)));
  Add(TextInput("nothing", Words(5, 300)));
  const std::vector<std::string> agents = {"nothing", "a third", "most", "half"};
  const auto report = registry().FindShared(agents, "target");
  ASSERT_TRUE(report);
  ASSERT_EQ(report->results.size(), 4u);
  const std::vector<std::pair<std::string, double>> expected = {
      {"most", 304.0 / 320}, {"half", 0.5}, {"a third", 112.0 / 320}, {"nothing", 0}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(report->results[i].agent, expected[i].first);
    EXPECT_DOUBLE_EQ(report->results[i].confidence, expected[i].second);
  }
  EXPECT_EQ(report->tokens_saved, 304u);
}

TEST_F(OriginalBehaviour, GetSharedContextWithoutATargetComparesWithTheFirst) {
  for (const char* agent : {"a", "b", "c"})
    Add(TextInput(agent, Words(1, 160) + Words(static_cast<uint64_t>(agent[0]), 90)));
  const std::vector<std::string> agents = {"b", "c", "a"};
  const auto report = registry().FindShared(agents, std::nullopt);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->target, "b");
  EXPECT_EQ(report->results.size(), 2u);
}

TEST_F(OriginalBehaviour, FindSimilarGivesSimilarityAndTheSharedPrefix) {
  const std::string text = Words(1, 320);
  Add(TextInput("all of it", text + Words(2, 100)));
  Add(TextInput("half", text.substr(0, 160) + Words(3, 160)));
  const auto report = registry().FindSimilar(text);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->results.size(), 1u) << "the threshold is 0.85";
  EXPECT_EQ(report->results[0].agent, "all of it");
  EXPECT_FLOAT_EQ(report->results[0].similarity, 1);
  EXPECT_EQ(report->results[0].shared_prefix.value().tokens, 320u);
  EXPECT_EQ(registry().FindSimilar(text, {.threshold = 0.5f})->results.size(), 2u);
  EXPECT_EQ(registry().FindSimilar(text, {.k = 1, .threshold = 0.5f})->results.size(), 1u);
}

TEST_F(OriginalBehaviour, RegisterGetListAndClear) {
  Add(TextInput("b", "a text"));
  Add(TextInput("a", "another"));
  EXPECT_EQ((*registry().Get("a"))->text(), "another");
  const auto list = registry().List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].terms.agent, "a");
  EXPECT_EQ(list[1].terms.agent, "b");
  ASSERT_TRUE(registry().Remove("a"));
  EXPECT_FALSE(registry().Contains("a"));
  EXPECT_TRUE(registry().Contains("b"));
  EXPECT_EQ(*registry().Clear(), 1u);
  EXPECT_TRUE(registry().List().empty());
}

TEST_F(OriginalBehaviour, TheBlockMatcherLeavesAnOwnerOut) {
  const std::string text = Words(1, 160);
  Add(TextInput("own", text));
  Add(TextInput("other", text.substr(0, 64) + Words(2, 100)));
  MatchOptions options;
  EXPECT_EQ(registry().Match(text, options)->tokens_saved, 160u);
  options.exclude = "own";
  EXPECT_EQ(registry().Match(text, options)->tokens_saved, 64u);
  ASSERT_TRUE(registry().Remove("other"));
  const auto report = registry().Match(text, options);
  EXPECT_TRUE(report->results.empty());
  EXPECT_EQ(report->compared, 0u);
}

TEST_F(OriginalBehaviour, TheBlockMatcherFindsBlocksWithin8Bits) {
  const std::string text = Words(1, 160);
  std::string edited = text;
  edited[40] = '#';
  Add(TextInput("edited", edited));
  const auto report = registry().Match(text);
  ASSERT_EQ(report->results.size(), 1u);
  const SharedContext& result = report->results[0];
  EXPECT_EQ(result.exact.tokens, 40u);
  const auto block = [](const std::string& of) {
    std::vector<TokenId> tokens;
    for (size_t i = 32; i < 48; ++i) tokens.push_back(static_cast<unsigned char>(of[i]));
    return tokens;
  };
  const auto distance = static_cast<uint32_t>(std::popcount(NearHash(block(text)) ^ NearHash(block(edited))));
  ASSERT_EQ(result.near.size(), distance <= 8 ? 1u : 0u);
  if (distance <= 8) {
    EXPECT_EQ(result.near[0].distance, distance);
    EXPECT_EQ(result.near[0].tokens_differ, 1u);
  }
}

TEST_F(OriginalBehaviour, TheVectorIndexAddsSearchesAndRemoves) {
  case_.options.vector_dimensions = 2;
  case_.Open();
  const auto add = [&](const char* agent, std::vector<float> vector) {
    ContextInput input = TextInput(agent, std::string("text of ") + agent);
    input.vector = std::move(vector);
    Add(input);
  };
  add("east", {1, 0});
  add("north east", {1, 1});
  add("north", {0, 5});
  add("west", {-1, 0});
  const std::vector<float> east = {3, 0};
  auto report = registry().FindSimilarVector(east, {.k = 10, .threshold = 0.5f});
  ASSERT_EQ(report->results.size(), 2u);
  EXPECT_EQ(report->results[0].agent, "east");
  EXPECT_FLOAT_EQ(report->results[0].similarity, 1);
  EXPECT_EQ(report->results[1].agent, "north east");
  EXPECT_NEAR(report->results[1].similarity, 0.70711, 1e-4);
  ASSERT_TRUE(registry().Remove("east"));
  report = registry().FindSimilarVector(east, {.k = 1, .threshold = -1});
  ASSERT_EQ(report->results.size(), 1u);
  EXPECT_EQ(report->results[0].agent, "north east");
}

TEST_F(OriginalBehaviour, TokensAreCounted) {
  EXPECT_EQ(Add(TextInput("a", "twelve bytes")).tokens, 12u);
  EXPECT_EQ(Add(TextInput("b", "a few more")).tokens, 10u);
  EXPECT_EQ(registry().stats().tokens, 22u);
  ASSERT_TRUE(registry().Remove("a"));
  EXPECT_EQ(registry().stats().tokens, 10u);
}

TEST_F(OriginalBehaviour, ASaltIsolates) {
  ContextInput input = TextInput("isolated", Words(1, 160));
  input.salt = "iso";
  Add(input);
  EXPECT_EQ(registry().Match(Words(1, 160))->tokens_saved, std::nullopt);
  MatchOptions options;
  options.salt = "iso";
  EXPECT_EQ(registry().Match(Words(1, 160), options)->tokens_saved, 160u);
}

TEST_F(OriginalBehaviour, WorkflowsCountStepsToExecution) {
  Add(TextInput("b", "text"));
  ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("w", {{"a", {}}, {"b", {"a"}}, {"c", {"b"}}})));
  EXPECT_EQ(registry().StepsToExecution("a"), 0u);
  EXPECT_EQ(registry().StepsToExecution("b"), 1u);
  EXPECT_EQ(registry().StepsToExecution("c"), 2u);
  EXPECT_EQ(registry().List()[0].steps_to_execution, 1u);
  ASSERT_TRUE(registry().Advance("w", "a", Registry::Step::kStart));
  ASSERT_TRUE(registry().Advance("w", "a", Registry::Step::kFinish));
  EXPECT_EQ(registry().StepsToExecution("a"), std::nullopt);
  EXPECT_EQ(registry().StepsToExecution("c"), 1u);
}

TEST_F(OriginalBehaviour, TheFarthestIsEvictedFirst) {
  for (const char* agent : {"a", "b", "c"}) Add(TextInput(agent, Words(1, 100)));
  ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("w", {{"a", {}}, {"b", {"a"}}, {"c", {"b"}}})));
  const std::string pool(registry().contexts_pool().name());
  const std::vector<PoolKey> order = registry().FarthestFirst(pool, UINT64_MAX);
  ASSERT_EQ(order.size(), 3u);
  // Keys rise with registration.
  EXPECT_GT(order[0].high, order[1].high);
  EXPECT_GT(order[1].high, order[2].high);
  EXPECT_EQ(registry().FarthestFirst(pool, 1).size(), 1u);
  EXPECT_TRUE(registry().FarthestFirst("another pool", UINT64_MAX).empty());
}

TEST_F(OriginalBehaviour, WhatRunsWithinTwoStepsIsPrefetched) {
  for (const char* agent : {"a", "b", "c", "d"}) Add(TextInput(agent, Words(1, 100)));
  ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("w", {{"a", {}}, {"b", {"a"}}, {"c", {"b"}}, {"d", {"c"}}})));
  registry().contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
  ASSERT_EQ(registry().stats().cold, 4u);
  EXPECT_EQ(registry().Tend().prefetched, 3u);
  EXPECT_TRUE(registry().List()[3].cold);
}

TEST_F(OriginalBehaviour, TheNextAgentIsPredictedFromHistory) {
  // The order of steps says a, b, c; they run c, a, b.
  for (int run = 0; run < 60; ++run) {
    ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("w", {{"a", {}}, {"b", {}}, {"c", {}}})));
    for (const char* agent : {"c", "a", "b"}) {
      ASSERT_TRUE(registry().Advance("w", agent, Registry::Step::kStart));
      ASSERT_TRUE(registry().Advance("w", agent, Registry::Step::kFinish));
    }
    EXPECT_TRUE(run > 0 || !registry().PredictNext(1).enabled);
  }
  ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("w", {{"a", {}}, {"b", {}}, {"c", {}}})));
  ASSERT_TRUE(registry().Advance("w", "c", Registry::Step::kStart));
  const NextAgents next = registry().PredictNext(2);
  EXPECT_TRUE(next.enabled);
  ASSERT_FALSE(next.agents.empty());
  EXPECT_EQ(next.agents[0].agent, "a");
}

TEST_F(OriginalBehaviour, JudgesAndCriticsAreDense) {
  for (const char* role : {"judge", "critic", "Judge", "writer"}) {
    ContextInput input = TextInput(role, Words(1, 160) + Words(2, 96) + role);
    input.role = role;
    Add(input);
  }
  ContextInput opted = TextInput("opted in", Words(1, 160) + Words(2, 96) + "y");
  opted.role = "judge";
  opted.dense = false;
  Add(opted);
  const auto report = registry().Match(Words(1, 160) + Words(9, 20) + Words(2, 96));
  ASSERT_EQ(report->results.size(), 5u);
  for (const SharedContext& result : report->results) {
    const bool dense = result.agent != "writer" && result.agent != "opted in";
    EXPECT_EQ(result.exact.blocks, 10u) << result.agent;
    EXPECT_EQ(result.moved_tokens.has_value(), !dense) << result.agent;
    EXPECT_EQ(result.near_blocks.has_value(), !dense) << result.agent;
  }
  const auto by_judge = registry().FindShared({}, "judge");
  EXPECT_EQ(by_judge->near_note, "dense by policy: exact results alone");
  for (const SharedContext& result : by_judge->results) EXPECT_FALSE(result.moved_tokens) << result.agent;
}

TEST_F(OriginalBehaviour, TheLedgerVerifiesAndNamesTheFirstBadLine) {
  const testing::Folder folder;
  LedgerOptions options;
  options.path = folder / "ledger";
  options.flush_interval_ms = 0;
  auto ledger = *Ledger::Open(options);
  case_.options.ledger = ledger.get();
  case_.Open();
  Add(TextInput("a", "the secret text of a"));
  static_cast<void>(registry().Register(TextInput("a", "again")));
  ASSERT_TRUE(registry().Match("the secret text of a and more"));
  ASSERT_TRUE(registry().Remove("a"));
  ASSERT_TRUE(ledger->Flush());
  EXPECT_EQ(registry().stats().ledger_failures, 0u);
  case_.registry.reset();
  ledger.reset();
  ASSERT_TRUE(VerifyLedger(options.path)->clean());
  std::string bytes;
  {
    std::ifstream file(options.path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_EQ(bytes.find("secret"), std::string::npos);
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), '\n'), 4);
  const size_t second = bytes.find('\n') + 1;
  const size_t digit = bytes.find("already_exists", second);
  ASSERT_NE(digit, std::string::npos);
  bytes[digit] = 'b';
  std::ofstream(options.path, std::ios::binary) << bytes;
  const auto verdict = VerifyLedger(options.path);
  ASSERT_TRUE(verdict->fault);
  EXPECT_EQ(verdict->fault->line, 2u);
}

}  // namespace
}  // namespace weir
