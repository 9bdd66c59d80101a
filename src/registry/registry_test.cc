// The registry's main path: register, read, replace, append, find, forget, restart.

#include "weir/registry/registry.h"

#include <gtest/gtest.h>

#include "registry_cases.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

TEST(Registry, KeepsWhatIsRegistered) {
  RegistryCase setup;
  Registry& registry = setup.Open();
  const auto answer = registry.Register(TextInput("writer", "hello world, this is a prompt"));
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->tokens, 29u);
  EXPECT_EQ(answer->blocks, 1u);
  EXPECT_EQ(answer->revision, 1u);
  {
    const auto held = registry.Get("writer");
    ASSERT_TRUE(held) << held.error().ToString();
    EXPECT_EQ((*held)->text(), "hello world, this is a prompt");
    EXPECT_EQ((*held)->tokens().size(), 29u);
  }
  EXPECT_EQ(registry.Register(TextInput("writer", "again")).error().code, ErrorCode::kAlreadyExists);
  ASSERT_TRUE(registry.Replace(TextInput("writer", "hello there")));
  EXPECT_EQ((*registry.Get("writer"))->text(), "hello there");
  EXPECT_EQ((*registry.Get("writer"))->revision(), 2u);
  registry.CheckInvariants();
  ASSERT_TRUE(registry.Remove("writer"));
  EXPECT_EQ(registry.Get("writer").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(registry.Remove("writer").error().code, ErrorCode::kNotFound);
  registry.CheckInvariants();
}

TEST(Registry, FindsWhatAgentsShareKindByKind) {
  RegistryCase setup;
  Registry& registry = setup.Open();
  const std::string head = Words(1, 160);
  const std::string moved = Words(2, 96);
  ASSERT_TRUE(registry.Register(TextInput("a", head + moved + Words(3, 64))));
  ASSERT_TRUE(registry.Register(TextInput("b", head + Words(4, 50) + moved + Words(5, 64))));
  ASSERT_TRUE(registry.Register(TextInput("c", Words(6, 300))));
  const auto report = registry.FindShared({}, "a");
  ASSERT_TRUE(report) << report.error().ToString();
  ASSERT_FALSE(report->results.empty());
  const SharedContext& best = report->results.front();
  EXPECT_EQ(best.agent, "b");
  EXPECT_GE(best.exact.tokens, 160u);
  EXPECT_EQ(best.exact.blocks, best.exact.tokens / 16);
  EXPECT_EQ(best.tokens_saved, best.exact.blocks * 16);
  EXPECT_EQ(report->tokens_saved, best.tokens_saved);
  ASSERT_TRUE(best.moved_tokens);
  EXPECT_GE(*best.moved_tokens, 96u);
  EXPECT_EQ(report->compared, 2u);
  EXPECT_EQ(report->semantic_note, "disabled: there is no embedding model");
  const std::vector<std::string> pair = {"b"};
  const auto one = registry.FindShared(pair, "a");
  ASSERT_TRUE(one);
  ASSERT_EQ(one->results.size(), 1u);
  EXPECT_EQ(one->results[0].exact.tokens, best.exact.tokens);
  EXPECT_EQ(one->results[0].moved, best.moved);
  EXPECT_EQ(one->results[0].near_blocks, best.near_blocks);
}

TEST(Registry, SurvivesARestart) {
  RegistryCase setup;
  const std::string head = Words(1, 160);
  {
    Registry& registry = setup.Open();
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(registry.Register(TextInput("agent " + std::to_string(i), head + Words(i + 10, 200))));
    }
    ASSERT_TRUE(registry.Append("agent 3", {" and more", SegmentKind::kUser}));
    ASSERT_TRUE(registry.Remove("agent 4"));
  }
  Registry& registry = setup.Open();
  registry.CheckInvariants();
  EXPECT_EQ(registry.stats().contexts, 19u);
  EXPECT_EQ(registry.stats().restored, 19u);
  EXPECT_EQ((*registry.Get("agent 3"))->text(), head + Words(13, 200) + " and more");
  const auto report = registry.Match(head + "something else");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->tokens_saved, 160u);
  EXPECT_EQ(report->results.size(), 19u);
}

TEST(Registry, EvictsAndReadsBack) {
  RegistryCase setup;
  setup.options.contexts_bytes = 2 << 20;
  Registry& registry = setup.Open();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(registry.Register(TextInput("agent " + std::to_string(i), Words(i, 2000))));
  }
  registry.CheckInvariants();
  EXPECT_GT(registry.stats().cold, 0u);
  EXPECT_EQ(registry.stats().contexts, 400u);
  for (int i = 0; i < 400; ++i) {
    const auto held = registry.Get("agent " + std::to_string(i));
    ASSERT_TRUE(held) << held.error().ToString();
    EXPECT_EQ((*held)->text(), Words(i, 2000));
  }
  registry.CheckInvariants();
  EXPECT_GT(registry.stats().reloaded, 0u);
}

TEST(Registry, ForgetsWithoutAStore) {
  RegistryCase setup;
  setup.options.store = nullptr;
  setup.options.contexts_bytes = 2 << 20;
  Registry& registry = setup.Open();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(registry.Register(TextInput("agent " + std::to_string(i), Words(i, 2000))));
  }
  registry.CheckInvariants();
  EXPECT_LT(registry.stats().contexts, 400u);
  EXPECT_EQ(registry.stats().contexts + registry.stats().forgotten, 400u);
  const auto cleared = registry.Clear();
  ASSERT_TRUE(cleared);
  EXPECT_EQ(*cleared, registry.stats().removed);
  registry.CheckInvariants();
  EXPECT_EQ(registry.stats().held_bytes, 0u);
}

}  // namespace
}  // namespace weir
