// A child process applies batches and reports each acknowledgement; it is killed at any moment; what was acknowledged must
// be there, and nothing else but the one batch of each thread that was on its way, whole or not at all.
//
// The child is this same test binary with another filter: a process that forks without exec has none of RocksDB's threads.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store_cases.h"
#include "temporary_folder.h"
#include "weir/base/log.h"
#include "weir/store/store.h"

extern char** environ;

namespace weir {
namespace {

using testing::ApplyTo;
using testing::ContentsOf;
using testing::Opened;
using testing::RandomBytes;
using testing::StoreModel;

constexpr uint64_t kThreads = 3;
constexpr uint64_t kBatchesMax = 120;  // of one thread in one round: then the child closes its store and ends

// The batches of one thread in one round: a function of the seed. Each thread has keys of its own.
StoreBatch BatchOf(uint64_t seed, uint64_t thread, uint64_t index) {
  Random random(seed * 1'000'003 + thread * 1'009 + index);
  StoreBatch batch;
  for (uint64_t n = 1 + random.Below(4); n > 0; --n) {
    const StoreTable table = kStoreTables[random.Below(kStoreTables.size())];
    const StoreKey key{thread, random.Below(20)};
    if (random.Below(4) == 0) {
      batch.Erase(table, key);
    } else {
      batch.Put(table, key, RandomBytes(random, random.Below(16) == 0 ? random.Below(70000) : random.Below(3000)));
    }
  }
  return batch;
}

StoreOptions OptionsFor(const std::filesystem::path& folder) {
  return {.folder = folder, .buffer_bytes = 64 << 10};  // tables are written and merged every few batches
}

// What the child does instead of running tests. Seed 0: it only opens the store.
[[noreturn]] void RunChild(const char* folder, uint64_t seed) {
  SetLogLevel(LogLevel::kOff);
  auto opened = OpenStore(OptionsFor(folder));
  if (!opened) ::_exit(2);
  {
    const std::unique_ptr<Store> store = *std::move(opened);
    std::vector<std::thread> threads;
    for (uint64_t thread = 0; seed != 0 && thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (uint64_t i = 0; i < kBatchesMax; ++i) {
          if (!store->Apply(BatchOf(seed, thread, i))) ::_exit(3);
          const char acknowledged = static_cast<char>(thread);
          if (::write(3, &acknowledged, 1) != 1) ::_exit(4);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  ::_exit(0);
}

class ChildMode final : public ::testing::Environment {
 public:
  void SetUp() override {
    const char* folder = std::getenv("WEIR_STORE_CHILD_FOLDER");
    if (folder != nullptr) RunChild(folder, std::strtoull(std::getenv("WEIR_STORE_CHILD_SEED"), nullptr, 10));
  }
};
const ::testing::Environment* const kChildMode = ::testing::AddGlobalTestEnvironment(new ChildMode);

// The child; its acknowledgements come through `read_end`.
class Child {
 public:
  Child(const std::filesystem::path& folder, uint64_t seed) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_end_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    std::string filter = "--gtest_filter=StoreCrash.*";
    std::string name = "weir_store_test";
    char* arguments[] = {name.data(), filter.data(), nullptr};
    std::vector<std::string> texts = {"WEIR_STORE_CHILD_FOLDER=" + folder.string(),
                                      "WEIR_STORE_CHILD_SEED=" + std::to_string(seed)};
    std::vector<char*> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
    for (std::string& text : texts) variables.push_back(text.data());
    variables.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments, variables.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { ::close(read_end_); }

  // Takes up to `count` acknowledgements, waiting for each at most so long; then kills the child. Its exit status.
  int KillAfter(uint64_t count, std::chrono::microseconds patience, std::vector<uint64_t>& acknowledged) {
    for (uint64_t i = 0; i < count; ++i) {
      pollfd waiting{read_end_, POLLIN, 0};
      const timespec time{0, static_cast<long>(patience.count()) * 1000};
      if (::ppoll(&waiting, 1, &time, nullptr) <= 0 || !Take(acknowledged)) break;
    }
    ::kill(pid_, SIGKILL);
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    while (Take(acknowledged)) {
    }
    return status;
  }

 private:
  bool Take(std::vector<uint64_t>& acknowledged) {
    char thread = 0;
    if (::read(read_end_, &thread, 1) != 1) return false;
    ++acknowledged[static_cast<size_t>(thread)];
    return true;
  }

  pid_t pid_ = 0;
  int read_end_ = -1;
};

// The records of one thread.
StoreModel PartOf(const StoreModel& model, uint64_t thread) {
  StoreModel part;
  for (const auto& entry : model) {
    if (entry.first.second.high == thread) part.insert(entry);
  }
  return part;
}

TEST(StoreCrash, KillsLoseNothingThatWasAcknowledged) {
  const uint64_t seed = testing::TestSeed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  const testing::TemporaryFolder folder;
  const auto options = OptionsFor(folder.path() / "store");
  StoreModel model;
  uint64_t batches = 0, on_their_way = 0;
  const int rounds = testing::kSanitized ? 25 : 250;
  for (int round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) {
    const uint64_t round_seed = 1 + random.Below(1u << 30);
    std::vector<uint64_t> acknowledged(kThreads);
    {
      Child child(options.folder, round_seed);
      // Most are killed while they write; some while they open, some while they close.
      const uint64_t count = random.Below(10) == 0 ? kThreads * kBatchesMax : random.Below(60);
      const auto patience = std::chrono::microseconds(random.Below(8) == 0 ? 1 + random.Below(60000) : 900'000);
      const int status = child.KillAfter(count, patience, acknowledged);
      ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) != 0) << "the child failed: " << WEXITSTATUS(status);
    }
    const auto store = Opened(options);
    ASSERT_NE(store, nullptr);
    const StoreModel contents = ContentsOf(*store);
    StoreModel expected;
    for (uint64_t thread = 0; thread < kThreads; ++thread) {
      StoreModel part = PartOf(model, thread);
      for (uint64_t i = 0; i < acknowledged[thread]; ++i) ApplyTo(part, BatchOf(round_seed, thread, i));
      batches += acknowledged[thread];
      if (part != PartOf(contents, thread)) {
        ApplyTo(part, BatchOf(round_seed, thread, acknowledged[thread]));
        ++on_their_way;
      }
      expected.merge(part);
    }
    ASSERT_TRUE(contents == expected) << "round " << round;
    const StoreStats stats = store->stats();
    ASSERT_EQ(stats.missing + stats.set_aside + stats.salvages + stats.unreadable, 0u) << "round " << round;
    model = contents;
  }
  std::printf("seed %lu: %d kills, %lu batches acknowledged, %lu found that were on their way\n", seed, rounds, batches,
              on_their_way);
  EXPECT_GT(batches, 100u) << "the kills came too early to prove anything";
}

// The largest table of the database, with a byte changed in its middle.
void Damage(const std::filesystem::path& database) {
  std::filesystem::path largest;
  for (const auto& entry : std::filesystem::directory_iterator(database)) {
    if (entry.path().extension() != ".sst") continue;
    if (largest.empty() || entry.file_size() > std::filesystem::file_size(largest)) largest = entry.path();
  }
  std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
  const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(largest) / 2);
  file.seekg(middle);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(middle);
  file.put(byte);
}

TEST(StoreCrash, KillsDuringARepairLoseNothingMore) {
  const uint64_t seed = testing::TestSeed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  const testing::TemporaryFolder folder;
  const std::filesystem::path damaged = folder.path() / "damaged";
  StoreModel model;
  {
    const auto store = Opened({.folder = damaged});
    for (uint64_t i = 0; i < 150; ++i) {
      StoreBatch batch;
      batch.Put(StoreTable::kContext, {i, i}, RandomBytes(random, 20000));
      ASSERT_TRUE(store->Apply(batch));
      ApplyTo(model, batch);
    }
  }
  std::filesystem::remove(damaged / "seal");
  Damage(damaged / "db");
  SetLogLevel(LogLevel::kOff);
  int replaced = 0, rounds = testing::kSanitized ? 5 : 40;
  for (int round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) {
    const StoreOptions options{.folder = folder.path() / "store"};
    std::filesystem::remove_all(options.folder);
    std::filesystem::copy(damaged, options.folder, std::filesystem::copy_options::recursive);
    std::vector<uint64_t> acknowledged(kThreads);
    {
      // Killed between the start of the process and well after the repair; the pipe stays silent, or ends.
      Child child(options.folder, 0);
      child.KillAfter(1, std::chrono::microseconds(1 + random.Below(200000)), acknowledged);
    }
    replaced += std::filesystem::exists(options.folder / "aside-1") ? 1 : 0;
    const auto store = Opened(options);
    ASSERT_NE(store, nullptr);
    const StoreModel contents = ContentsOf(*store);
    EXPECT_EQ(contents.size(), model.size() - 1);
    for (const auto& [key, bytes] : contents) EXPECT_TRUE(model.at(key) == bytes);
    EXPECT_EQ(store->stats().missing, 1u);
    EXPECT_EQ(store->stats().salvages, 1u);
    EXPECT_EQ(store->stats().aside_folders, 1u);
  }
  SetLogLevel(LogLevel::kWarning);
  std::printf("seed %lu: %d kills, %d after the damaged database was moved aside\n", seed, rounds, replaced);
}

}  // namespace
}  // namespace weir
