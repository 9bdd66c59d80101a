// Many threads on one store.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "store_cases.h"
#include "temporary_folder.h"
#include "weir/store/store.h"

namespace weir {
namespace {

constexpr uint64_t kWriters = 6;
constexpr uint64_t kKeys = 4;  // of each writer
constexpr uint64_t kBatches = testing::kSanitized ? 60 : 400;

// Each writer sets all its keys to one number, that only grows; the records also name their key.
std::string RecordOf(uint64_t writer, uint64_t key, uint64_t number) {
  return std::to_string(number) + " of " + std::to_string(writer) + "/" + std::to_string(key) + std::string(700, '.');
}

struct Progress {
  std::array<std::atomic<uint64_t>, kWriters> acknowledged{};
  std::atomic<uint64_t> writers_left{kWriters};
};

void Write(Store& store, uint64_t writer, Progress& progress) {
  for (uint64_t number = 1; number <= kBatches; ++number) {
    StoreBatch batch;
    for (uint64_t key = 0; key < kKeys; ++key) {
      batch.Put(StoreTable::kContext, {writer, key}, RecordOf(writer, key, number));
    }
    EXPECT_TRUE(store.Apply(batch));
    progress.acknowledged[writer] = number;
  }
  --progress.writers_left;
}

void ReadOne(const Store& store, Progress& progress, Random& random) {
  const uint64_t writer = random.Below(kWriters), key = random.Below(kKeys);
  const uint64_t before = progress.acknowledged[writer];
  const auto got = store.Get(StoreTable::kContext, {writer, key});
  ASSERT_TRUE(got) << got.error().ToString();
  if (!got->has_value()) {
    EXPECT_EQ(before, 0u);
    return;
  }
  const uint64_t number = std::stoull(**got);
  EXPECT_GE(number, before) << "an acknowledged record went back";
  EXPECT_EQ(**got, RecordOf(writer, key, number));
}

void ReadAll(const Store& store, Progress& progress) {
  std::array<uint64_t, kWriters> before{}, numbers{};
  for (uint64_t i = 0; i < kWriters; ++i) before[i] = progress.acknowledged[i];
  const Status status = store.Scan(StoreTable::kContext, [&](const StoreKey& key, std::string_view bytes) -> Status {
    const uint64_t number = std::stoull(std::string(bytes.substr(0, 12)));
    EXPECT_TRUE(key.low == 0 || numbers[key.high] == number) << "half of a batch";
    numbers[key.high] = number;
    return {};
  });
  EXPECT_TRUE(status) << status.error().ToString();
  for (uint64_t i = 0; i < kWriters; ++i) EXPECT_GE(numbers[i], before[i]);
}

void RunOn(Store& store) {
  Progress progress;
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] { Write(store, writer, progress); });
  }
  threads.emplace_back([&] {
    Random random(testing::TestSeed());
    while (progress.writers_left > 0) ReadOne(store, progress, random);
  });
  threads.emplace_back([&] {
    while (progress.writers_left > 0) ReadAll(store, progress);
  });
  for (std::thread& thread : threads) thread.join();
  ReadAll(store, progress);
  const StoreStats stats = store.stats();
  EXPECT_EQ(stats.applies, kWriters * kBatches);
  EXPECT_EQ(stats.of(StoreTable::kContext).records, kWriters * kKeys);
  EXPECT_EQ(stats.unreadable, 0u);
}

TEST(StoreThreads, WriteReadAndScanInMemory) { RunOn(*NewMemoryStore()); }

TEST(StoreThreads, WriteReadAndScanOnDiskAndShareSyncs) {
  const testing::TemporaryFolder folder;
  const StoreOptions options{.folder = folder.path(), .buffer_bytes = 64 << 10};
  {
    const auto store = testing::Opened(options);
    RunOn(*store);
    const StoreStats stats = store->stats();
    EXPECT_LT(stats.syncs, stats.applies) << "no two callers ever shared a write";
    EXPECT_GT(stats.syncs, 0u);
  }
  const auto store = testing::Opened(options);
  EXPECT_EQ(testing::ContentsOf(*store).size(), kWriters * kKeys);
  EXPECT_EQ(store->stats().missing + store->stats().set_aside, 0u);
}

TEST(StoreThreads, ARefusedBatchLeavesItsGroupAlone) {
  const testing::TemporaryFolder folder;
  const StoreOptions options{.folder = folder.path(), .bytes_max = 100'000};
  const auto store = testing::Opened(options);
  std::atomic<uint64_t> refused{0};
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (uint64_t i = 0; i < 200; ++i) {
        const bool too_large = i % 3 == 0;
        StoreBatch batch;
        batch.Put(StoreTable::kContext, {writer, i % 8}, std::string(too_large ? 200'000 : 300, 'x'));
        const Status status = store->Apply(batch);
        EXPECT_EQ(status.has_value(), !too_large);
        refused += status ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store->stats().applies_failed, refused);
  EXPECT_EQ(store->stats().of(StoreTable::kContext).records, kWriters * 8);
  EXPECT_EQ(store->stats().bytes, kWriters * 8 * (300 + kStoreRecordOverheadBytes));
}

}  // namespace
}  // namespace weir
