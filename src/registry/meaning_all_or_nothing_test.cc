// A fault at every step of a change that has vectors made: nothing of it is left. What is embedded is known already, so that
// one thread runs.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "counted_new.h"
#include "fake_embedder.h"
#include "faulty_store.h"
#include "registry_cases.h"
#include "registry_view.h"

namespace weir {
namespace {

using testing::AllocationWasRefused;
using testing::FakeModel;
using testing::FaultTime;
using testing::FaultyStore;
using testing::ModelOf;
using testing::RefuseAllocationAfter;
using testing::RegistryCase;
using testing::StoreCall;
using testing::ViewAfterRestart;
using testing::ViewOf;
using testing::Words;

ContextInput Whole(std::string agent, uint64_t seed) {
  return InputFromPrompts(std::move(agent), Words(1, 150), Words(seed, 130));
}

struct Operation {
  std::string name;
  std::function<Status(Registry&)> run;
  std::function<void(Registry&)> undo;
};

template <typename T>
Status StatusOf(const Result<T>& result) {
  return result ? Status() : Status(result.error());
}

class MeaningAllOrNothing : public ::testing::Test {
 protected:
  MeaningAllOrNothing() : faulty_(*case_.store) {
    Result<std::unique_ptr<EmbedCache>> made = EmbedCache::Create({});
    EXPECT_TRUE(made);
    cache_ = *std::move(made);
    EXPECT_TRUE(cache_->AddModel(ModelOf(fake_)));
    case_.options.store = &faulty_;
    case_.options.embeddings = cache_.get();
    case_.options.embedding_model = "fake-model";
    Registry& registry = case_.Open();
    for (const char* agent : {"a", "b"}) EXPECT_TRUE(registry.Register(Whole(agent, static_cast<uint64_t>(agent[0]))));
    // Once each: their vectors are known afterwards.
    for (const Operation& operation : operations_) {
      EXPECT_TRUE(operation.run(registry)) << operation.name;
      operation.undo(registry);
    }
  }

  void ExpectAsBefore(const std::string& before, const std::string& when) {
    case_.registry->CheckInvariants();
    ASSERT_EQ(ViewOf(*case_.registry), before) << when;
    ASSERT_EQ(ViewAfterRestart(case_.options, *case_.store), before) << when;
  }

  FakeModel fake_;
  std::unique_ptr<EmbedCache> cache_;
  RegistryCase case_;
  FaultyStore faulty_;
  const ContextInput new_input_ = Whole("new", 99);
  const ContextInput replacement_ = Whole("a", 98);
  const AppendInput addition_{"and more of it, a good deal more", SegmentKind::kUser};
  const std::function<void(Registry&)> put_back_ = [](Registry& r) {
    ASSERT_TRUE(r.Remove("a"));
    ASSERT_TRUE(r.Register(Whole("a", 'a')));
  };
  const std::vector<Operation> operations_{
      {"register", [this](Registry& r) { return StatusOf(r.Register(new_input_)); },
       [](Registry& r) { ASSERT_TRUE(r.Remove("new")); }},
      {"replace", [this](Registry& r) { return StatusOf(r.Replace(replacement_)); }, put_back_},
      {"append", [this](Registry& r) { return StatusOf(r.Append("a", addition_)); }, put_back_},
  };
};

TEST_F(MeaningAllOrNothing, WhenAnyAllocationIsRefused) {
  Registry& registry = *case_.registry;
  const uint64_t texts = fake_.texts;
  for (const Operation& operation : operations_) {
    std::string before = ViewOf(registry);
    int64_t successes = 0;
    uint64_t without = 0;
    for (;; ++successes) {
      ASSERT_LT(successes, 100'000) << operation.name;
      RefuseAllocationAfter(successes);
      const Status done = operation.run(registry);
      const bool refused = AllocationWasRefused();
      RefuseAllocationAfter(-1);
      const std::string when = operation.name + ", allocation " + std::to_string(successes + 1);
      if (!done) {
        ASSERT_EQ(done.error().code, ErrorCode::kExhausted) << when << ": " << done.error().ToString();
        ASSERT_NO_FATAL_FAILURE(ExpectAsBefore(before, when));
        continue;
      }
      // Without a vector, or without something else that it is done without.
      registry.CheckInvariants();
      without += registry.stats().vectors < registry.stats().contexts ? 1 : 0;
      ASSERT_EQ(ViewAfterRestart(case_.options, *case_.store), ViewOf(registry)) << when;
      operation.undo(registry);
      if (!refused) break;
      before = ViewOf(registry);
    }
    EXPECT_GT(successes, 10) << operation.name << ": nothing was refused";
    EXPECT_GT(without, 0u) << operation.name << ": no refusal met the embedding";
  }
  EXPECT_EQ(fake_.texts, texts);
  ASSERT_TRUE(registry.Clear());
  EXPECT_EQ(registry.stats().vector_index_bytes, 0u);
  EXPECT_EQ(registry.stats().held_bytes, 0u);
}

TEST_F(MeaningAllOrNothing, WhenTheStoreRefusesBeforeOrAfterItWrote) {
  for (const FaultTime time : {FaultTime::kBefore, FaultTime::kAfter}) {
    for (const Operation& operation : operations_) {
      const std::string before = ViewOf(*case_.registry);
      faulty_.Add({StoreCall::kApply, faulty_.calls(StoreCall::kApply), Unavailable("the disk is gone"), time, false});
      const Status done = operation.run(*case_.registry);
      faulty_.Heal();
      ASSERT_FALSE(done) << operation.name;
      ASSERT_NO_FATAL_FAILURE(ExpectAsBefore(before, operation.name));
    }
  }
}

}  // namespace
}  // namespace weir
