// A fault at every step of every change: nothing of it is left, in memory, in the indexes, or in the store.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "counted_new.h"
#include "faulty_store.h"
#include "registry_cases.h"
#include "registry_view.h"

namespace weir {
namespace {

using testing::AllocationWasRefused;
using testing::FaultTime;
using testing::FaultyStore;
using testing::RefuseAllocationAfter;
using testing::RegistryCase;
using testing::StoreCall;
using testing::TextInput;
using testing::ViewAfterRestart;
using testing::ViewOf;
using testing::Words;

using Attempted = std::function<Status(Registry&)>;

// An operation, and what takes it back when it succeeded. Prepared first, so that its run allocates nothing of its own.
struct Operation {
  std::string name;
  std::function<Attempted()> prepare;
  std::function<void(Registry&)> undo;

  Status Do(Registry& registry) const { return prepare()(registry); }
};

template <typename T>
Status StatusOf(const Result<T>& result) {
  return result ? Status() : Status(result.error());
}

ContextInput Whole(std::string agent, uint64_t seed) {
  ContextInput input = InputFromPrompts(std::move(agent), Words(1, 200), Words(seed, 300));
  input.role = "writer";
  input.vector = {1, static_cast<float>(seed), 3, 4};
  return input;
}

Workflow Chain(const std::string& name, const std::vector<std::string>& agents) {
  std::vector<WorkflowStep> steps;
  for (const std::string& agent : agents) {
    WorkflowStep step;
    step.agent = agent;
    if (!steps.empty()) step.depends_on.push_back(steps.back().agent);
    steps.push_back(std::move(step));
  }
  auto workflow = Workflow::Create(name, std::move(steps));
  EXPECT_TRUE(workflow);
  return *std::move(workflow);
}

// Agents a to d and a workflow, over a store whose calls can be made to fail.
class AllOrNothing : public ::testing::Test {
 protected:
  AllOrNothing() : faulty_(*case_.store) {
    case_.options.store = &faulty_;
    case_.options.vector_dimensions = 4;
    Restart();
  }

  void Restart() {
    Registry& registry = case_.Open();
    if (!registry.Contains("a")) Fill(registry);
  }
  static void Fill(Registry& registry) {
    for (const char* agent : {"a", "b", "c", "d"}) {
      const auto done = registry.Register(Whole(agent, static_cast<uint64_t>(agent[0])));
      ASSERT_TRUE(done) << done.error().ToString();
    }
    ASSERT_TRUE(registry.DeclareWorkflow(Chain("chain", {"a", "b", "c"})));
  }
  Registry& registry() { return *case_.registry; }
  // What the indexes hold when nothing is registered; everything is back afterwards.
  uint64_t EmptiedBytes() {
    EXPECT_TRUE(registry().Clear());
    EXPECT_EQ(registry().stats().held_bytes, 0u);
    const uint64_t bytes = registry().stats().index_bytes();
    Fill(registry());
    return bytes;
  }

  void ExpectAsBefore(const std::string& before, const std::string& when) {
    registry().CheckInvariants();
    ASSERT_EQ(ViewOf(registry()), before) << when;
    ASSERT_EQ(ViewAfterRestart(case_.options, *case_.store), before) << when;
  }

  static std::vector<Operation> Changes() {
    const auto replace_back = [](Registry& registry) {
      ASSERT_TRUE(registry.Remove("a"));
      ASSERT_TRUE(registry.Register(Whole("a", 'a')));
    };
    const auto redeclare = [](Registry& r) { ASSERT_TRUE(r.DeclareWorkflow(Chain("chain", {"a", "b", "c"}))); };
    ContextInput elsewhere = TextInput("new", Words(77, 400));
    elsewhere.salt = "salt of somebody else whose name is long";
    elsewhere.group = "a group that nobody else is in";
    return {
        {"register",
         [] { return Attempted([input = Whole("new", 99)](Registry& r) { return StatusOf(r.Register(input)); }); },
         [](Registry& r) { ASSERT_TRUE(r.Remove("new")); }},
        {"register in another space, without a system prompt",
         [elsewhere] { return Attempted([elsewhere](Registry& r) { return StatusOf(r.Register(elsewhere)); }); },
         [](Registry& r) { ASSERT_TRUE(r.Remove("new")); }},
        {"replace", [] { return Attempted([input = Whole("a", 98)](Registry& r) { return StatusOf(r.Replace(input)); }); },
         replace_back},
        {"append",
         [] {
           AppendInput input{"and more of it, a good deal more", SegmentKind::kUser};
           return Attempted([input](Registry& r) { return StatusOf(r.Append("a", input)); });
         },
         replace_back},
        {"pin", [] { return Attempted([](Registry& r) { return r.SetPinned("a", true); }); }, replace_back},
        {"remove", [] { return Attempted([](Registry& r) { return r.Remove("a"); }); },
         [](Registry& r) { ASSERT_TRUE(r.Register(Whole("a", 'a'))); }},
        {"declare a workflow",
         [] {
           return Declaring(Chain("other", {"x", "y", "a"}));
         },
         [](Registry& r) { ASSERT_TRUE(r.RemoveWorkflow("other")); }},
        {"declare a workflow again",
         [] {
           return Declaring(Chain("chain", {"c", "b"}));
         },
         redeclare},
        {"advance", [] { return Attempted([](Registry& r) { return r.Advance("chain", "a", Registry::Step::kStart); }); },
         redeclare},
        {"remove a workflow", [] { return Attempted([](Registry& r) { return r.RemoveWorkflow("chain"); }); }, redeclare},
    };
  }
  static Attempted Declaring(Workflow workflow) {
    const auto kept = std::make_shared<Workflow>(std::move(workflow));
    return [kept](Registry& r) { return r.DeclareWorkflow(std::move(*kept)); };
  }

  RegistryCase case_;
  FaultyStore faulty_;
};

TEST_F(AllOrNothing, WhenAnyAllocationOfAChangeIsRefused) {
  for (const Operation& operation : Changes()) {
    ASSERT_TRUE(operation.Do(registry())) << operation.name;
    operation.undo(registry());
  }
  const uint64_t emptied_before = EmptiedBytes();
  for (const Operation& operation : Changes()) {
    ASSERT_TRUE(operation.Do(registry())) << operation.name;
    operation.undo(registry());
    uint64_t index_bytes = registry().stats().index_bytes();
    uint64_t held_bytes = registry().stats().held_bytes;
    std::string before = ViewOf(registry());
    int64_t successes = 0;
    for (;; ++successes) {
      ASSERT_LT(successes, 100'000) << operation.name;
      const Attempted run = operation.prepare();
      RefuseAllocationAfter(successes);
      const Status done = run(registry());
      const bool refused = AllocationWasRefused();
      RefuseAllocationAfter(-1);
      const std::string when = operation.name + ", allocation " + std::to_string(successes + 1);
      if (done) {
        // Something that is done without went missing, or nothing was refused at all.
        registry().CheckInvariants();
        ASSERT_EQ(ViewAfterRestart(case_.options, *case_.store), ViewOf(registry())) << when;
        operation.undo(registry());
        if (!refused) break;
        before = ViewOf(registry());
        index_bytes = registry().stats().index_bytes();
        continue;
      }
      ASSERT_EQ(done.error().code, ErrorCode::kExhausted) << when << ": " << done.error().ToString();
      ExpectAsBefore(before, when);
      // A list may have grown without what was to stand in it.
      ASSERT_LE(registry().stats().index_bytes(), index_bytes + 8192) << when;
      ASSERT_EQ(registry().stats().held_bytes, held_bytes) << when;
    }
    EXPECT_GT(successes, 3) << operation.name << ": nothing was refused";
  }
  EXPECT_EQ(EmptiedBytes(), emptied_before);
}

TEST_F(AllOrNothing, WhenAnyAllocationOfAQuestionIsRefused) {
  const std::vector<std::string> others = {"b", "c", "d"};
  const std::vector<float> vector = {1, 2, 3, 4};
  const std::string prompt = Words(1, 200) + Words(5, 300);
  const std::string text = Words(1, 200);
  const std::vector<std::pair<std::string, Attempted>> questions = {
      {"get", [](Registry& r) { return StatusOf(r.Get("a")); }},
      {"find_shared, all", [](Registry& r) { return StatusOf(r.FindShared({}, "a")); }},
      {"find_shared, some", [&](Registry& r) { return StatusOf(r.FindShared(others, "a")); }},
      {"match", [&](Registry& r) { return StatusOf(r.Match(prompt)); }},
      {"find_similar", [&](Registry& r) { return StatusOf(r.FindSimilar(text, {.threshold = 0.1f})); }},
      {"find_similar by vector", [&](Registry& r) { return StatusOf(r.FindSimilarVector(vector)); }},
      {"get_workflow", [](Registry& r) { return StatusOf(r.GetWorkflow("chain")); }},
  };
  const std::string before = ViewOf(registry());
  for (const auto& [name, run] : questions) {
    for (int64_t successes = 0;; ++successes) {
      RefuseAllocationAfter(successes);
      const Status done = run(registry());
      const bool refused = AllocationWasRefused();
      RefuseAllocationAfter(-1);
      if (!refused) {
        ASSERT_TRUE(done) << name << ": " << done.error().ToString();
        break;
      }
      if (!done) {
        ASSERT_EQ(done.error().code, ErrorCode::kExhausted) << name << ": " << done.error().ToString();
      }
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAsBefore(before, name));
  }
}

TEST_F(AllOrNothing, WhenTheStoreRefusesBeforeOrAfterItWrote) {
  for (const FaultTime time : {FaultTime::kBefore, FaultTime::kAfter}) {
    for (const Operation& operation : Changes()) {
      const std::string before = ViewOf(registry());
      const uint64_t refused = registry().stats().refused;
      faulty_.Add({StoreCall::kApply, faulty_.calls(StoreCall::kApply), Unavailable("the disk is gone"), time, false});
      const Status done = operation.Do(registry());
      faulty_.Heal();
      const std::string when = operation.name + (time == FaultTime::kAfter ? ", after" : ", before");
      ASSERT_FALSE(done) << when;
      EXPECT_EQ(done.error().code, ErrorCode::kUnavailable) << when;
      ASSERT_NO_FATAL_FAILURE(ExpectAsBefore(before, when));
      EXPECT_LE(registry().stats().refused, refused + 1) << when;
    }
  }
}

// The write that puts things back is refused as well: the process goes on as it was, and a restart finds one of both, whole.
TEST_F(AllOrNothing, WhenTheStoreFailsForGood) {
  for (const Operation& operation : Changes()) {
    const std::string before = ViewOf(registry());
    faulty_.Add(
        {StoreCall::kApply, faulty_.calls(StoreCall::kApply), Unavailable("the disk is gone"), FaultTime::kAfter, true});
    ASSERT_FALSE(operation.Do(registry())) << operation.name;
    faulty_.Heal();
    registry().CheckInvariants();
    EXPECT_EQ(ViewOf(registry()), before) << operation.name;
    static_cast<void>(ViewAfterRestart(case_.options, *case_.store));
    ASSERT_TRUE(operation.Do(registry())) << operation.name;
    EXPECT_EQ(ViewAfterRestart(case_.options, *case_.store), ViewOf(registry())) << operation.name;
    operation.undo(registry());
  }
}

// The same with contexts whose records are only in the store: what a lost acknowledgement overwrote comes back.
TEST_F(AllOrNothing, WhenTheStoreFailsUnderAColdContext) {
  for (const FaultTime time : {FaultTime::kBefore, FaultTime::kAfter}) {
    for (const Operation& operation : Changes()) {
      const std::string before = ViewOf(registry());
      registry().contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
      ASSERT_EQ(registry().stats().cold, 4u);
      faulty_.Add({StoreCall::kApply, faulty_.calls(StoreCall::kApply), Unavailable("the disk is gone"), time, false});
      ASSERT_FALSE(operation.Do(registry())) << operation.name;
      faulty_.Heal();
      ASSERT_NO_FATAL_FAILURE(ExpectAsBefore(before, operation.name + (time == FaultTime::kAfter ? ", after" : ", before")));
    }
  }
}

TEST_F(AllOrNothing, WhenReadingBackFails) {
  registry().contexts_pool().Reclaim(UINT64_MAX, TimePoint::max());
  faulty_.Add({StoreCall::kGet, faulty_.calls(StoreCall::kGet), Unavailable("the disk is gone"), FaultTime::kBefore, true});
  EXPECT_EQ(registry().Get("a").error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(registry().Append("a", {"more"}).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(registry().SetPinned("a", true).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(registry().FindShared({}, "a").error().code, ErrorCode::kUnavailable);
  registry().CheckInvariants();
  faulty_.Heal();
  EXPECT_EQ((*registry().Get("a"))->text(), Whole("a", 'a').text);
}

TEST_F(AllOrNothing, WhenThePoolRefuses) {
  case_.registry.reset();
  case_.options.contexts_bytes = 2 << 20;
  Registry& registry = case_.Open();
  ASSERT_TRUE(registry.Clear());
  const std::string before = ViewOf(registry);
  const auto too_large = registry.Register(TextInput("large", Words(5, 900'000)));
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, ErrorCode::kExhausted);
  ExpectAsBefore(before, "too large for the budget");

  int pinned = 0;
  for (;; ++pinned) {
    ContextInput input = TextInput("pinned " + std::to_string(pinned), Words(static_cast<uint64_t>(pinned), 20'000));
    input.pinned = true;
    const std::string view = ViewOf(registry);
    const auto done = registry.Register(input);
    if (done) continue;
    EXPECT_EQ(done.error().code, ErrorCode::kExhausted);
    ExpectAsBefore(view, "all is pinned");
    break;
  }
  ASSERT_GT(pinned, 5);
  // What the message advises works.
  for (int i = 0; i < pinned; ++i) {
    const Status unpinned = registry.SetPinned("pinned " + std::to_string(i), false);
    ASSERT_TRUE(unpinned) << unpinned.error().ToString();
  }
  EXPECT_TRUE(registry.Register(TextInput("another", Words(9, 20'000))));
  registry.CheckInvariants();
}

TEST_F(AllOrNothing, WhenAColdReplacementFindsNoRoom) {
  case_.registry.reset();
  case_.options.store = nullptr;
  case_.options.contexts_bytes = 2 << 20;
  Registry& registry = case_.Open();
  ASSERT_TRUE(registry.Register(TextInput("a", Words(1, 1000))));
  EXPECT_EQ(registry.Replace(TextInput("a", Words(5, 900'000))).error().code, ErrorCode::kExhausted);
  registry.CheckInvariants();
  ASSERT_TRUE(registry.Contains("a"));
  EXPECT_EQ((*registry.Get("a"))->text(), Words(1, 1000));
}

TEST_F(AllOrNothing, WhenTheIndexesAreFull) {
  case_.registry.reset();
  case_.store = NewMemoryStore();
  FaultyStore store(*case_.store);
  case_.options.store = &store;
  case_.options.index_bytes = 1 << 20;
  Registry& registry = case_.Open();
  for (uint64_t i = 0;; ++i) {
    ASSERT_LT(i, 100'000u);
    const std::string before = i % 100 == 0 || i > 300 ? ViewOf(registry) : std::string();
    const auto done = registry.Register(TextInput("agent " + std::to_string(i), Words(i, 4000)));
    if (done) continue;
    EXPECT_EQ(done.error().code, ErrorCode::kExhausted);
    EXPECT_NE(done.error().message.find("index"), std::string::npos) << done.error().message;
    registry.CheckInvariants();
    EXPECT_FALSE(registry.Contains("agent " + std::to_string(i)));
    break;
  }
  ASSERT_TRUE(registry.Clear());
  EXPECT_TRUE(registry.Register(TextInput("agent", Words(1, 4000))));
}

TEST_F(AllOrNothing, WhenThereAreTooManyContexts) {
  case_.registry.reset();
  case_.options.contexts_max = 4;
  Registry& registry = case_.Open();
  const std::string before = ViewOf(registry);
  EXPECT_EQ(registry.Register(Whole("e", 5)).error().code, ErrorCode::kExhausted);
  ExpectAsBefore(before, "contexts_max");
  EXPECT_TRUE(registry.Replace(Whole("a", 6)));
  ASSERT_TRUE(registry.Remove("b"));
  EXPECT_TRUE(registry.Register(Whole("e", 5)));
}

}  // namespace
}  // namespace weir
