// Faults that registries of this kind have had, one test each: what must never be so here. Those of HTTP, MCP and metrics
// belong to the service in front of the registry and stand with its tests.

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <vector>

#include "faulty_store.h"
#include "registry_cases.h"
#include "registry_view.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

class OriginalFault : public ::testing::Test {
 protected:
  OriginalFault() { case_.Open(); }
  Registry& registry() { return *case_.registry; }
  Registered Add(ContextInput input) {
    auto done = registry().Register(std::move(input));
    EXPECT_TRUE(done) << done.error().ToString();
    return done ? *done : Registered();
  }
  // No question finds the agent.
  void ExpectNoTrace(const std::string& agent, const std::string& text) {
    registry().CheckInvariants();
    EXPECT_FALSE(registry().Contains(agent));
    EXPECT_TRUE(registry().Match(text)->results.empty());
    EXPECT_TRUE(registry().FindSimilar(text, {.threshold = 0})->results.empty());
    if (case_.options.vector_dimensions > 0) {
      const std::vector<float> vector(case_.options.vector_dimensions, 1);
      EXPECT_TRUE(registry().FindSimilarVector(vector, {.threshold = -1})->results.empty());
    }
    EXPECT_EQ(registry().stats().held_bytes, 0u);
    EXPECT_EQ(registry().stats().contexts, 0u);
    EXPECT_EQ(registry().stats().tokens, 0u);
  }

  RegistryCase case_;
};

TEST_F(OriginalFault, AHashOf64BitsHas64IndependentOnes) {
  Random random(1);
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 2000; ++i) {
    std::vector<TokenId> block;
    for (int token = 0; token < 16; ++token) block.push_back(static_cast<TokenId>(random.Below(50'000)));
    hashes.push_back(NearHash(block));
  }
  for (int a = 0; a < 64; ++a) {
    for (int b = 0; b < a; ++b) {
      int equal = 0;
      for (const uint64_t hash : hashes) equal += ((hash >> a) & 1) == ((hash >> b) & 1) ? 1 : 0;
      // 6 standard deviations of a fair coin.
      EXPECT_NEAR(equal, 1000, 6 * 22.4) << "bits " << a << " and " << b;
    }
  }
  EXPECT_NE(NearHash(std::vector<TokenId>(16, 0)), 0u);
  const std::vector<TokenId> one = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const std::vector<TokenId> turned(one.rbegin(), one.rend());
  EXPECT_GT(std::popcount(NearHash(one) ^ NearHash(turned)), 8);
}

TEST_F(OriginalFault, ANearBlockIsNeverReuse) {
  const std::string text = Words(1, 320);
  std::string edited = text;
  for (size_t i = 3; i < edited.size(); i += 16) edited[i] = '#';
  Add(TextInput("edited", edited));
  const auto report = registry().Match(text);
  ASSERT_TRUE(report);
  for (const SharedContext& result : report->results) {
    EXPECT_EQ(result.tokens_saved, 0u);
    EXPECT_EQ(result.confidence, 0);
    for (const NearBlock& near : result.near) EXPECT_GT(near.tokens_differ, 0u);
  }
  EXPECT_EQ(report->tokens_saved, 0u);
}

TEST_F(OriginalFault, PositionAndHistoryMatter) {
  const std::string block = Words(1, 160);
  Add(TextInput("shifted", "x" + block));
  Add(TextInput("later", std::string(16, '#') + block));
  const auto report = registry().Match(block);
  EXPECT_EQ(report->tokens_saved, 0u);
  for (const SharedContext& result : report->results) {
    EXPECT_EQ(result.tokens_saved, 0u);
    EXPECT_EQ(result.moved_tokens, 160u);
  }
  EXPECT_EQ(report->results.size(), 2u);
}

TEST_F(OriginalFault, SavingsAreTheLongestChainAndNoSum) {
  const std::string text = Words(1, 160);
  for (int i = 0; i < 50; ++i)
    Add(TextInput("agent " + std::to_string(i), text + Words(static_cast<uint64_t>(i) + 10, 100)));
  const auto report = registry().Match(text);
  EXPECT_EQ(report->results.size(), 50u);
  EXPECT_EQ(report->tokens_saved, 160u);
  EXPECT_EQ(Add(TextInput("another", text)).shared_blocks, 10u);
}

TEST_F(OriginalFault, UnknownSavingsAreNull) { EXPECT_EQ(registry().Match(Words(1, 160))->tokens_saved, std::nullopt); }

TEST_F(OriginalFault, NobodyIsLikeThemselves) {
  case_.options.vector_dimensions = 2;
  case_.Open();
  ContextInput input = TextInput("alone", Words(1, 160));
  input.vector = {1, 1};
  Add(input);
  EXPECT_TRUE(registry().FindShared({}, "alone")->results.empty());
  EXPECT_EQ(registry().FindShared({}, "alone")->compared, 0u);
  EXPECT_TRUE(registry().FindSimilar(Words(1, 160), {.exclude = "alone"})->results.empty());
  EXPECT_TRUE(registry().FindSimilarVector(input.vector, {.exclude = "alone"})->results.empty());
  const std::vector<std::string> twice = {"alone", "alone"};
  EXPECT_TRUE(registry().FindShared(twice, "alone")->results.empty());
}

// Who is left out lives in another space: nobody is taken off the count here.
TEST_F(OriginalFault, AnExcludedAgentOfAnotherSpaceIsNotCounted) {
  ContextInput elsewhere = TextInput("elsewhere", Words(1, 160));
  elsewhere.salt = "salt";
  Add(elsewhere);
  Add(TextInput("here", Words(1, 160)));
  MatchOptions options;
  options.exclude = "elsewhere";
  EXPECT_EQ(registry().Match(Words(1, 160), options)->compared, 1u);
  ASSERT_TRUE(registry().Remove("here"));
  EXPECT_EQ(registry().Match(Words(1, 160), options)->compared, 0u);
}

TEST_F(OriginalFault, SystemPromptsAreComparedInTheirGroupAndModel) {
  const std::string system = Words(1, 100);
  const auto with = [](ContextInput input, std::string group, std::string model) {
    input.group = std::move(group);
    input.model = std::move(model);
    return input;
  };
  Add(InputFromPrompts("a", system, "one"));
  EXPECT_TRUE(Add(with(InputFromPrompts("b", Words(2, 100), "x"), "others", "")).system.identical);
  EXPECT_TRUE(Add(with(InputFromPrompts("c", Words(3, 100), "x"), "default", "m")).system.identical);

  std::string changed = system;
  changed[37] = '#';
  const SystemIdentity identity = Add(InputFromPrompts("d", changed, "x")).system;
  EXPECT_FALSE(identity.identical);
  ASSERT_TRUE(identity.divergence);
  EXPECT_EQ(identity.divergence->token, 37u);
  EXPECT_EQ(identity.divergence->block, 2u);
  EXPECT_EQ(identity.divergence->byte, 37u);
  EXPECT_EQ(identity.divergence->lost_tokens, 102u - 32u);
}

TEST_F(OriginalFault, AReplacedSystemPromptIsNotComparedWithItself) {
  Add(InputFromPrompts("a", Words(1, 100), "x"));
  const auto alone = registry().Replace(InputFromPrompts("a", Words(2, 100), "x"));
  EXPECT_TRUE(alone->system.identical);
  EXPECT_EQ(alone->system.members, 1u);
  EXPECT_EQ(alone->system.same, 1u);
  EXPECT_FALSE(Add(InputFromPrompts("b", Words(1, 100), "x")).system.identical);
  const auto joined = registry().Replace(InputFromPrompts("b", Words(2, 100), "x"));
  EXPECT_TRUE(joined->system.identical);
  EXPECT_EQ(joined->system.same, 2u);
}

TEST_F(OriginalFault, ARefusalLeavesNothing) {
  case_.registry.reset();
  case_.options.vector_dimensions = 3;
  testing::FaultyStore store(*case_.store);
  case_.options.store = &store;
  case_.Open();
  store.Add({testing::StoreCall::kApply, 0, Unavailable("the disk is gone"), testing::FaultTime::kBefore, true});
  ContextInput input = TextInput("refused", Words(1, 300));
  input.vector = {1, 1, 1};
  EXPECT_FALSE(registry().Register(input));
  ExpectNoTrace("refused", input.text);
  case_.registry.reset();
}

TEST_F(OriginalFault, EvictionLeavesNoPhantoms) {
  case_.registry.reset();
  case_.options.vector_dimensions = 3;
  case_.options.store = nullptr;
  case_.Open();
  ContextInput input = TextInput("evicted", Words(1, 300));
  input.vector = {1, 1, 1};
  Add(input);
  registry().contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
  ExpectNoTrace("evicted", input.text);
}

TEST_F(OriginalFault, EveryWayInIsFoundByEveryQuestion) {
  const std::string text = Words(1, 300);
  Add(TextInput("registered", text));
  ASSERT_TRUE(registry().Put(TextInput("put", text)));
  Add(TextInput("replaced", "something else"));
  ASSERT_TRUE(registry().Replace(TextInput("replaced", text)));
  Add(TextInput("appended", text.substr(0, 100)));
  ASSERT_TRUE(registry().Append("appended", {text.substr(100)}));
  Add(InputFromPrompts("prompts", "", text));
  const auto report = registry().Match(text);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->results.size(), 5u);
  for (const SharedContext& result : report->results) EXPECT_EQ(result.exact.tokens, 300u) << result.agent;
  EXPECT_EQ(registry().FindSimilar(text)->results.size(), 5u);
  case_.Open();
  EXPECT_EQ(registry().Match(text)->results.size(), 5u);
  EXPECT_EQ(registry().FindSimilar(text)->results.size(), 5u);
}

TEST_F(OriginalFault, TimesToLiveAreEnforced) {
  const std::string text = Words(1, 300);
  ContextInput input = TextInput("short", text);
  input.ttl = std::chrono::seconds(10);
  Add(input);
  Add(TextInput("for ever", "text"));
  case_.now_ms += 9'999;
  EXPECT_TRUE(registry().Contains("short"));
  case_.now_ms += 1;
  EXPECT_FALSE(registry().Contains("short"));
  EXPECT_TRUE(registry().Match(text)->results.empty());
  EXPECT_EQ(registry().List().size(), 1u);
  EXPECT_EQ(registry().Tend().expired, 1u);
  EXPECT_EQ(registry().stats().contexts, 1u);
  registry().CheckInvariants();
  EXPECT_EQ(case_.Open().stats().contexts, 1u);
}

TEST_F(OriginalFault, CapsAreEnforced) {
  case_.options.contexts_max = 3;
  case_.options.groups_max = 2;
  case_.options.spaces_max = 2;
  case_.options.workflows_max = 1;
  case_.Open();
  const auto with = [](std::string agent, std::string group, std::string salt) {
    ContextInput input = TextInput(std::move(agent), "text");
    input.group = std::move(group);
    input.salt = std::move(salt);
    return input;
  };
  Add(with("a", "one", ""));
  Add(with("b", "two", ""));
  EXPECT_EQ(registry().Register(with("c", "three", "")).error().code, ErrorCode::kExhausted);
  ASSERT_TRUE(registry().Remove("b"));
  Add(with("b", "one", "salt"));
  EXPECT_EQ(registry().Register(with("c", "one", "another salt")).error().code, ErrorCode::kExhausted);
  Add(with("c", "one", ""));
  EXPECT_EQ(registry().Register(with("d", "one", "")).error().code, ErrorCode::kExhausted);
  ASSERT_TRUE(registry().DeclareWorkflow(*Workflow::Create("w", {{"a", {}}})));
  EXPECT_EQ(registry().DeclareWorkflow(*Workflow::Create("v", {{"a", {}}})).error().code, ErrorCode::kExhausted);
  registry().CheckInvariants();
}

TEST_F(OriginalFault, ATextIsTokenizedOnce) {
  Add(TextInput("a", Words(1, 300)));
  EXPECT_EQ(registry().stats().tokens_encoded, 300u);
  ASSERT_TRUE(registry().FindShared({}, "a"));
  ASSERT_TRUE(registry().Get("a"));
  ASSERT_TRUE(registry().SetPinned("a", true));
  EXPECT_EQ(registry().stats().tokens_encoded, 300u);
  const auto appended = registry().Append("a", {Words(2, 50)});
  EXPECT_EQ(appended->tokens_encoded, 50u);
  const auto replaced = registry().Replace(TextInput("a", Words(1, 300) + Words(2, 50) + "abc"));
  EXPECT_EQ(replaced->tokens_encoded, 3u);
  EXPECT_EQ(registry().stats().tokens_encoded, 353u);
  case_.Open();
  EXPECT_EQ(registry().stats().tokens_encoded, 0u);
}

TEST_F(OriginalFault, RemovalIsNoTombstone) {
  case_.options.vector_dimensions = 2;
  case_.Open();
  const auto with = [](const std::string& agent) {
    ContextInput input = TextInput(agent, Words(1, 200) + agent);
    input.vector = {1, static_cast<float>(agent.size())};
    return input;
  };
  Add(with("stays"));
  uint64_t bytes = 0;
  for (int i = 0; i < 200; ++i) {
    Add(with("goes"));
    ASSERT_TRUE(registry().Replace(with("goes")));
    ASSERT_TRUE(registry().Remove("goes"));
    if (i == 20) bytes = registry().stats().index_bytes();
  }
  EXPECT_LE(registry().stats().index_bytes(), bytes);
  const std::vector<float> vector = {1, 4};
  const auto similar = registry().FindSimilarVector(vector, {.k = 1, .threshold = -1});
  ASSERT_EQ(similar->results.size(), 1u);
  EXPECT_EQ(similar->results[0].agent, "stays");
  EXPECT_EQ(registry().Match(Words(1, 200), {.find = {.results_max = 1}})->results.size(), 1u);
  registry().CheckInvariants();
}

TEST_F(OriginalFault, WithoutAModelSemanticMatchingIsReportedAsDisabled) {
  Add(TextInput("a", "The weather is fine."));
  Add(TextInput("b", "Stocks fell by a third."));
  const auto report = registry().FindShared({}, "a");
  EXPECT_EQ(report->semantic_note, "disabled: there is no embedding model");
  for (const SharedContext& result : report->results) EXPECT_FALSE(result.similarity);
  const std::vector<float> vector = {1, 2};
  const auto similar = registry().FindSimilarVector(vector);
  EXPECT_TRUE(similar->results.empty());
  EXPECT_EQ(similar->note, "disabled: there is no embedding model");
}

TEST_F(OriginalFault, AnUnknownTokenizerFailsLoudly) {
  ContextInput input = TextInput("a", "text");
  input.tokenizer = "no-such-model";
  const auto done = registry().Register(input);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNotFound);
  EXPECT_NE(done.error().ToString().find("no-such-model"), std::string::npos);
  EXPECT_NE(done.error().ToString().find("bytes"), std::string::npos) << "names those there are";
  EXPECT_FALSE(registry().Contains("a"));
  // Nor is a stored context used with another one.
  Add(TextInput("kept", "text"));
  case_.registry.reset();
  case_.options.tokenizers = {{"another", std::make_shared<testing::ByteTokenizer>(std::vector<std::string>{"<|end|>"})}};
  case_.Open();
  EXPECT_TRUE(registry().Match("text")->results.empty());
  EXPECT_EQ(registry().Append("kept", {"more"}).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weir
