// Caps and what they leave behind: spaces, agents, index bytes, and a restart where all is full.

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "registry_cases.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

TEST(RegistryCaps, SpacesThatEmptyAreGivenBack) {
  RegistryCase setup;
  setup.options.spaces_max = 3;
  Registry& registry = setup.Open();
  for (int i = 0; i < 20; ++i) {
    ContextInput input = TextInput("agent", Words(1, 100));
    input.salt = "salt " + std::to_string(i);
    ASSERT_TRUE(registry.Register(input)) << i;
    EXPECT_EQ(registry.stats().spaces, 1u);
    ASSERT_TRUE(registry.Remove("agent"));
  }
  EXPECT_EQ(registry.stats().spaces, 0u);
  EXPECT_EQ(registry.stats().index_bytes(), 0u);
  // A refused registration leaves none either.
  ContextInput input = TextInput("agent", "\xff");
  input.salt = "another";
  ASSERT_FALSE(registry.Register(input));
  EXPECT_EQ(registry.stats().spaces, 0u);
}

TEST(RegistryCaps, NoMoreAgentsThanAllowedHoweverManyComeAtOnce) {
  RegistryCase setup;
  setup.options.contexts_max = 20;
  Registry& registry = setup.Open();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        const auto done = registry.Register(TextInput(std::to_string(thread) + "/" + std::to_string(i), Words(1, 2000)));
        EXPECT_TRUE(done || done.error().code == ErrorCode::kExhausted);
        EXPECT_LE(registry.stats().contexts, 20u);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.stats().contexts, 20u);
  ASSERT_TRUE(registry.Remove(registry.List().front().terms.agent));
  EXPECT_TRUE(registry.Register(TextInput("one more", "text")));
  registry.CheckInvariants();
}

TEST(RegistryCaps, AFullRegistryOpensAgainWithWhatWasPinnedInMemory) {
  RegistryCase setup;
  setup.options.contexts_bytes = 1 << 20;
  setup.options.index_bytes = 1 << 20;
  uint64_t registered = 0;
  {
    Registry& registry = setup.Open();
    for (; registered < 300; ++registered) {
      ContextInput input = TextInput("agent " + std::to_string(registered), Words(registered, 3000));
      input.pinned = registered % 50 == 0;
      if (!registry.Register(input)) break;
    }
  }
  ASSERT_GT(registered, 60u);
  Registry& registry = setup.Open();
  registry.CheckInvariants();
  EXPECT_EQ(registry.stats().contexts, registered);
  for (const ContextSummary& line : registry.List()) {
    EXPECT_FALSE(line.terms.pinned && line.cold) << line.terms.agent;
  }
  // Reading everything back keeps to the cap, but for the blocks, which stay for all.
  for (uint64_t i = 0; i < registered; ++i) ASSERT_TRUE(registry.Get("agent " + std::to_string(i)));
  EXPECT_LT(registry.stats().span_index_bytes + registry.stats().near_index_bytes, (1u << 20) + (64u << 10));
  registry.CheckInvariants();
}

}  // namespace
}  // namespace weir
