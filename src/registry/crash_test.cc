// A child process changes a registry over a store on disk and reports each acknowledgement; it is killed at any moment. What
// is registered again holds exactly what was acknowledged, and at most the one change that was on its way, whole.
//
// The child is this same test binary with another filter: a process that forks without exec has none of RocksDB's threads.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "registry_cases.h"
#include "registry_view.h"
#include "temporary_folder.h"

extern char** environ;

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::ViewOf;
using testing::Words;

constexpr uint64_t kChangesMax = 150;  // of one child: then it ends by itself

// Change number `index`: a function of the index and of what is registered. True: it was made.
bool Change(Registry& registry, uint64_t index) {
  Random random(index);
  const std::string agent = "agent " + std::to_string(random.Below(6));
  switch (random.Below(8)) {
    case 0: return registry.Remove(agent).has_value();
    case 1:
    case 2: return registry.Append(agent, {Words(index, random.Below(300) + 1), SegmentKind::kUser}).has_value();
    case 3: return registry.SetPinned(agent, random.Below(2) == 0).has_value();
    case 4: {
      const auto workflow = Workflow::Create("flow", {{agent, {}}, {"then " + std::to_string(random.Below(3)), {agent}}});
      if (random.Below(3) == 0) return registry.DeclareWorkflow(*workflow).has_value();
      return registry.Advance("flow", agent, Registry::Step::kStart).has_value();
    }
    default: return registry.Put(TextInput(agent, Words(index, 1 + random.Below(3000)))).has_value();
  }
}

StoreOptions OptionsFor(const std::filesystem::path& folder) { return {.folder = folder, .buffer_bytes = 64 << 10}; }

// What the child does instead of running tests.
[[noreturn]] void RunChild(const char* folder, uint64_t index) {
  auto store = OpenStore(OptionsFor(folder));
  if (!store) ::_exit(2);
  {
    RegistryCase setup;
    setup.options.store = store->get();
    Registry& registry = setup.Open();
    for (const uint64_t end = index + kChangesMax; index < end; ++index) {
      setup.now_ms = static_cast<int64_t>(1'000'000 + index);
      const char answer = Change(registry, index) ? 'y' : 'n';
      if (::write(3, &answer, 1) != 1) ::_exit(4);
    }
  }
  store->reset();
  ::_exit(0);
}

class ChildMode final : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* folder = std::getenv("WEIR_REGISTRY_CHILD_FOLDER");
    if (folder != nullptr) RunChild(folder, std::strtoull(std::getenv("WEIR_REGISTRY_CHILD_INDEX"), nullptr, 10));
  }
};
const ::testing::Environment* const kChildMode = ::testing::AddGlobalTestEnvironment(new ChildMode);

// Starts a child at change `index`, takes up to `count` acknowledgements, then kills it. All that came.
std::string AnswersOfKilledChild(const std::filesystem::path& folder, uint64_t index, uint64_t count) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  std::string name = "weir_registry_test";
  std::string filter = "--gtest_filter=RegistryCrash.*";
  char* arguments[] = {name.data(), filter.data(), nullptr};
  std::vector<std::string> texts = {"WEIR_REGISTRY_CHILD_FOLDER=" + folder.string(),
                                    "WEIR_REGISTRY_CHILD_INDEX=" + std::to_string(index)};
  std::vector<char*> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  for (std::string& text : texts) variables.push_back(text.data());
  variables.push_back(nullptr);
  pid_t pid = 0;
  EXPECT_EQ(::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, arguments, variables.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string answers;
  char answer = 0;
  while (answers.size() < count) {
    pollfd ready{ends[0], POLLIN, 0};
    if (::poll(&ready, 1, 60'000) <= 0) ADD_FAILURE() << "the child says nothing";
    if (::read(ends[0], &answer, 1) != 1) break;
    answers += answer;
  }
  ::kill(pid, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << "the child ended with " << WEXITSTATUS(status);
  while (::read(ends[0], &answer, 1) == 1) answers += answer;
  ::close(ends[0]);
  return answers;
}

TEST(RegistryCrash, ARestartHoldsWhatWasAcknowledged) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "store";
  RegistryCase model;
  model.Open();
  const auto change_model = [&](uint64_t index) {
    model.now_ms = static_cast<int64_t>(1'000'000 + index);
    return Change(*model.registry, index);
  };
  const char* set = std::getenv("WEIR_SEED");
  const uint64_t seed = set == nullptr ? 7 : std::strtoull(set, nullptr, 10);
  Random random(seed);
  uint64_t index = seed * 1'000'000;
  uint64_t in_flight = 0;
  for (int round = 0; round < 50 && !::testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE("WEIR_SEED=" + std::to_string(seed) + ", round " + std::to_string(round));
    const std::string answers = AnswersOfKilledChild(path, index, random.Below(40));
    for (const char answer : answers) ASSERT_EQ(change_model(index++), answer == 'y') << "change " << index;

    auto store = OpenStore(OptionsFor(path));
    ASSERT_TRUE(store) << store.error().ToString();
    EXPECT_EQ((*store)->stats().set_aside + (*store)->stats().missing, 0u);
    RegistryCase again;
    again.options.store = store->get();
    Registry& registry = again.Open();
    registry.CheckInvariants();
    const std::string found = ViewOf(registry);
    if (found != ViewOf(*model.registry)) {
      ++in_flight;
      change_model(index++);
      ASSERT_EQ(found, ViewOf(*model.registry));
    }
    again.registry.reset();
  }
  RecordProperty("in_flight", static_cast<int>(in_flight));
  EXPECT_GT(index, seed * 1'000'000 + 100);
}

}  // namespace
}  // namespace weir
