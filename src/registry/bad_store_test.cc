// A store that cannot be used, and records in it that are not what they should be.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry_cases.h"
#include "registry_view.h"
#include "store_key.h"
#include "temporary_folder.h"
#include "weir/registry/context_record.h"

namespace weir {
namespace {

using registry::StoreKeyOf;
using testing::RegistryCase;
using testing::TemporaryFolder;
using testing::TextInput;
using testing::ViewOf;
using testing::Words;

std::unique_ptr<Store> Opened(const StoreOptions& options) {
  auto store = OpenStore(options);
  EXPECT_TRUE(store) << store.error().ToString();
  return store ? *std::move(store) : nullptr;
}

// A registry with agents "kept" and "spoilt", the record of the latter changed by hand before a restart.
class BadRecord : public ::testing::Test {
 protected:
  BadRecord() {
    case_.options.vector_dimensions = 3;
    Registry& registry = case_.Open();
    for (const char* agent : {"kept", "spoilt"}) {
      ContextInput input = InputFromPrompts(agent, Words(1, 200), Words(static_cast<uint64_t>(agent[0]), 300));
      input.vector = {1, 2, 3};
      EXPECT_TRUE(registry.Register(input));
    }
    record_ = **case_.store->Get(StoreTable::kContext, StoreKeyOf("spoilt"));
  }

  void Put(std::string_view agent, const std::string& bytes) {
    StoreBatch batch;
    batch.Put(StoreTable::kContext, StoreKeyOf(agent), bytes);
    EXPECT_TRUE(case_.store->Apply(batch));
  }
  // The record is set aside, the others are there, and the agent can be registered anew: at once, or when a record that
  // another Weir could use has been removed.
  void ExpectSetAside(const std::string& what, bool is_precious = false) {
    SCOPED_TRACE(what);
    Registry& registry = case_.Open();
    registry.CheckInvariants();
    EXPECT_EQ(registry.stats().set_aside, 1u);
    EXPECT_TRUE(registry.Contains("kept"));
    EXPECT_FALSE(registry.Contains("spoilt"));
    if (is_precious) {
      EXPECT_EQ(registry.Register(TextInput("spoilt", "anew")).error().code, ErrorCode::kAlreadyExists);
      EXPECT_TRUE(registry.Remove("spoilt"));
    }
    EXPECT_TRUE(registry.Register(TextInput("spoilt", "anew")));
    EXPECT_EQ((*registry.Get("spoilt"))->text(), "anew");
    registry.CheckInvariants();
    Put("spoilt", record_);
  }

  RegistryCase case_;
  std::string record_;
};

TEST_F(BadRecord, ThatIsNoContext) {
  for (const std::string& bytes : {std::string(), std::string("x"), std::string(104, '\0'), std::string(5000, '\xff'),
                                   record_.substr(0, record_.size() - 1), record_ + "x"}) {
    Put("spoilt", bytes);
    ExpectSetAside(std::to_string(bytes.size()) + " bytes");
  }
}

TEST_F(BadRecord, OfANewerFormat) {
  std::string bytes = record_;
  bytes[0] = kContextRecordVersion + 1;
  Put("spoilt", bytes);
  ExpectSetAside("a newer version", true);
}

TEST_F(BadRecord, UnderAnothersKey) {
  Put("spoilt", **case_.store->Get(StoreTable::kContext, StoreKeyOf("kept")));
  ExpectSetAside("another's record");
}

TEST_F(BadRecord, OfAnotherBlockSizeOrVectors) {
  case_.options.block_size = 32;
  EXPECT_EQ(case_.Open().stats().set_aside, 2u);
  EXPECT_EQ(case_.registry->stats().contexts, 0u);
  case_.options.block_size = 16;
  case_.options.vector_dimensions = 4;
  EXPECT_EQ(case_.Open().stats().set_aside, 2u);
  case_.options.vector_dimensions = 3;
  EXPECT_EQ(case_.Open().stats().set_aside, 0u);
  EXPECT_EQ(case_.registry->stats().contexts, 2u);
}

// Whatever byte is changed: set aside, or a context that holds together.
TEST_F(BadRecord, WithAnyByteFlipped) {
  for (size_t at = 0; at < record_.size(); at += at < 160 ? 1 : 7) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      SCOPED_TRACE("byte " + std::to_string(at) + " ^ " + std::to_string(mask));
      std::string bytes = record_;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      Put("spoilt", bytes);
      Registry& registry = case_.Open();
      registry.CheckInvariants();
      ASSERT_TRUE(registry.Contains("kept"));
      if (registry.stats().set_aside == 1) continue;
      static_cast<void>(registry.Get("spoilt"));
      static_cast<void>(registry.FindShared({}, "kept"));
      static_cast<void>(registry.Append("spoilt", {"more"}));
      registry.Tend();
      registry.CheckInvariants();
    }
  }
}

// Spoilt while it was cold: an error for whoever needs it, for nobody else, and it can be removed.
TEST_F(BadRecord, OfAColdContext) {
  Registry& registry = case_.Open();
  registry.contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
  ASSERT_EQ(registry.stats().cold, 2u);
  Put("spoilt", record_.substr(0, 200));
  const auto held = registry.Get("spoilt");
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().code, ErrorCode::kCorrupt) << held.error().ToString();
  EXPECT_EQ(registry.Append("spoilt", {"more"}).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(registry.Get("kept"));
  const auto report = registry.FindShared({}, "kept");
  ASSERT_TRUE(report);
  ASSERT_EQ(report->results.size(), 1u);
  EXPECT_TRUE(report->results[0].cold);
  EXPECT_EQ(report->results[0].exact.blocks, 12u);
  registry.CheckInvariants();
  ASSERT_TRUE(registry.Replace(TextInput("spoilt", "anew")));
  EXPECT_EQ((*registry.Get("spoilt"))->text(), "anew");
  ASSERT_TRUE(registry.Remove("spoilt"));
  registry.CheckInvariants();
  EXPECT_FALSE(case_.Open().Contains("spoilt"));
}

TEST_F(BadRecord, OfAWorkflow) {
  {
    Registry& registry = case_.Open();
    ASSERT_TRUE(registry.DeclareWorkflow(*Workflow::Create("flow", {{"a", {}}, {"b", {"a"}}})));
    ASSERT_TRUE(registry.Advance("flow", "a", Registry::Step::kStart));
  }
  const StoreKey key = StoreKeyOf("flow");
  const std::string record = **case_.store->Get(StoreTable::kWorkflow, key);
  for (size_t at = 0; at < record.size(); ++at) {
    for (const int mask : {0x01, 0x10, 0xff}) {
      std::string bytes = record;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      StoreBatch batch;
      batch.Put(StoreTable::kWorkflow, key, bytes);
      ASSERT_TRUE(case_.store->Apply(batch));
      Registry& registry = case_.Open();
      EXPECT_EQ(registry.WorkflowNames().size() + registry.stats().set_aside, 1u) << "byte " << at;
      EXPECT_EQ(registry.stats().contexts, 2u);
    }
  }
}

TEST(BadStore, LockedReadOnlyOrFull) {
  const TemporaryFolder folder;
  StoreOptions options;
  options.folder = folder.path() / "store";
  RegistryCase setup;
  {
    const auto store = Opened(options);
    EXPECT_EQ(OpenStore(options).error().code, ErrorCode::kUnavailable);
    setup.options.store = store.get();
    ASSERT_TRUE(setup.Open().Register(TextInput("a", Words(1, 500))));
    setup.registry.reset();
  }
  options.read_only = true;
  {
    const auto store = Opened(options);
    setup.options.store = store.get();
    Registry& registry = setup.Open();
    const std::string before = ViewOf(registry);
    EXPECT_EQ(registry.Register(TextInput("b", "text")).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(registry.Replace(TextInput("a", "text")).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(registry.Append("a", {"text"}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(registry.Remove("a").error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(registry.Clear().error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(registry.DeclareWorkflow(*Workflow::Create("w", {{"a", {}}})).error().code, ErrorCode::kInvalidArgument);
    registry.CheckInvariants();
    EXPECT_EQ(ViewOf(registry), before);
    EXPECT_TRUE(registry.Match(Words(1, 300)));
    setup.registry.reset();
  }
  options.read_only = false;
  options.bytes_max = 8'000;
  const auto store = Opened(options);
  setup.options.store = store.get();
  Registry& registry = setup.Open();
  const std::string before = ViewOf(registry);
  EXPECT_EQ(registry.Register(TextInput("b", Words(2, 3000))).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(registry.Append("a", {Words(2, 3000)}).error().code, ErrorCode::kExhausted);
  registry.CheckInvariants();
  EXPECT_EQ(ViewOf(registry), before);
  ASSERT_TRUE(registry.Remove("a"));
  EXPECT_TRUE(registry.Register(TextInput("b", Words(2, 1000))));
  setup.registry.reset();
}

}  // namespace
}  // namespace weir
