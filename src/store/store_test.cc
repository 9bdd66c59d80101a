// Both stores against a plain map: random batches, every answer and counter compared.

#include "weir/store/store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "faulty_store.h"
#include "store_cases.h"
#include "temporary_folder.h"

namespace weir {
namespace {

using testing::ApplyTo;
using testing::ContentsOf;
using testing::Opened;
using testing::RandomBytes;
using testing::StoreModel;

uint64_t BytesOf(const StoreModel& model) {
  uint64_t bytes = 0;
  for (const auto& [key, value] : model) bytes += value.size() + kStoreRecordOverheadBytes;
  return bytes;
}

void ExpectEqual(const Store& store, const StoreModel& model) {
  EXPECT_TRUE(ContentsOf(store) == model);
  const StoreStats stats = store.stats();
  EXPECT_EQ(stats.bytes, BytesOf(model));
  for (const StoreTable table : kStoreTables) {
    const auto mine = [&](const auto& entry) { return entry.first.first == table; };
    EXPECT_EQ(stats.of(table).records, static_cast<uint64_t>(std::count_if(model.begin(), model.end(), mine)));
  }
  EXPECT_EQ(stats.missing + stats.set_aside + stats.unreadable + stats.salvages, 0u);
}

StoreKey RandomKey(Random& random) { return {random.Below(2) * UINT64_MAX, random.Below(12)}; }

StoreBatch RandomBatch(Random& random) {
  StoreBatch batch;
  for (uint64_t n = random.Below(5); n > 0; --n) {
    const StoreTable table = kStoreTables[random.Below(kStoreTables.size())];
    if (random.Below(3) == 0) {
      batch.Erase(table, RandomKey(random));
    } else {
      const size_t size = random.Below(20) == 0 ? random.Below(90000) : random.Below(300);
      batch.Put(table, RandomKey(random), RandomBytes(random, size));
    }
  }
  return batch;
}

// `reopen` gives the store back after it was closed; null: it cannot be.
void CompareWithModel(std::unique_ptr<Store> store, const std::function<std::unique_ptr<Store>()>& reopen,
                      uint64_t bytes_max, int steps) {
  const uint64_t seed = testing::TestSeed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  StoreModel model;
  uint64_t applies = 0, refused = 0;
  for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
    const StoreBatch batch = RandomBatch(random);
    StoreModel after = model;
    ApplyTo(after, batch);
    const Status status = store->Apply(batch);
    const bool fits = bytes_max == 0 || BytesOf(after) <= bytes_max || BytesOf(after) <= BytesOf(model);
    ASSERT_EQ(status.has_value(), fits) << (status ? "" : status.error().ToString());
    ++(fits ? applies : refused);
    if (fits) {
      model = after;
    } else {
      EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
    }
    const StoreTable table = kStoreTables[random.Below(kStoreTables.size())];
    const StoreKey key = RandomKey(random);
    const auto found = model.find({table, key});
    const auto got = store->Get(table, key);
    ASSERT_TRUE(got) << got.error().ToString();
    EXPECT_EQ(*got, found == model.end() ? std::nullopt : std::optional(found->second));
    EXPECT_EQ(store->stats().applies, applies);
    EXPECT_EQ(store->stats().applies_failed, refused);
    if (random.Below(40) == 0) ExpectEqual(*store, model);
    if (reopen != nullptr && random.Below(100) == 0) {
      store.reset();
      store = reopen();
      ASSERT_NE(store, nullptr);
      applies = refused = 0;
      ExpectEqual(*store, model);
    }
  }
  ExpectEqual(*store, model);
}

TEST(Store, InMemoryEqualsAMap) {
  CompareWithModel(NewMemoryStore(), nullptr, 0, 4000);
  CompareWithModel(NewMemoryStore({.bytes_max = 60000}), nullptr, 60000, 4000);
}

TEST(Store, OnDiskEqualsAMap) {
  for (const uint64_t bytes_max : {uint64_t{0}, uint64_t{60000}}) {
    const testing::TemporaryFolder folder;
    StoreOptions options;
    options.folder = folder.path() / "a" / "store";
    options.buffer_bytes = 64 << 10;  // so that tables are written, and merged, all the time
    options.bytes_max = bytes_max;
    const auto open = [&] { return Opened(options); };
    CompareWithModel(open(), open, bytes_max, testing::kSanitized ? 300 : 1500);
  }
}

TEST(Store, OfTwoChangesOfOneKeyTheLaterHolds) {
  const testing::TemporaryFolder folder;
  const auto disk = Opened({.folder = folder.path()});
  const auto memory = NewMemoryStore();
  for (Store* store : {disk.get(), memory.get()}) {
    StoreBatch batch;
    batch.Put(StoreTable::kContext, {1, 1}, "first");
    batch.Put(StoreTable::kContext, {1, 1}, "second");
    batch.Put(StoreTable::kContext, {1, 2}, "gone");
    batch.Erase(StoreTable::kContext, {1, 2});
    batch.Erase(StoreTable::kContext, {1, 3});
    batch.Put(StoreTable::kContext, {1, 3}, "there");
    EXPECT_EQ(batch.size(), 6u);
    ASSERT_TRUE(store->Apply(batch));
    ExpectEqual(*store, {{{StoreTable::kContext, {1, 1}}, "second"}, {{StoreTable::kContext, {1, 3}}, "there"}});
  }
}

TEST(Store, RefusesWhatIsNoRecord) {
  const auto store = NewMemoryStore();
  StoreBatch batch;
  EXPECT_TRUE(store->Apply(batch));
  batch.Put(StoreTable::kContext, {1, 1}, "kept out with the rest of its batch");
  batch.Put(static_cast<StoreTable>(9), {1, 1}, "");
  EXPECT_EQ(store->Apply(batch).error().code, ErrorCode::kInvalidArgument);
  batch.Clear();
  batch.PutString(StoreTable::kContext, {1, 1}, std::string(kStoreRecordBytesMax + 1, 'x'));
  EXPECT_EQ(store->Apply(batch).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(ContentsOf(*store).empty());
}

TEST(Store, AVisitorCanEndAScanAndUseTheStore) {
  const testing::TemporaryFolder folder;
  const auto disk = Opened({.folder = folder.path()});
  const auto memory = NewMemoryStore();
  for (Store* store : {disk.get(), memory.get()}) {
    StoreBatch batch;
    for (uint64_t i = 0; i < 9; ++i) batch.Put(StoreTable::kWorkflow, {i, 0}, std::to_string(i));
    ASSERT_TRUE(store->Apply(batch));
    uint64_t visits = 0;
    const Status status = store->Scan(StoreTable::kWorkflow, [&](const StoreKey& key, std::string_view bytes) -> Status {
      EXPECT_EQ(store->Get(StoreTable::kWorkflow, key).value(), bytes);
      StoreBatch more;
      more.Put(StoreTable::kWorkflow, {100 + visits, 0}, "not seen by this scan");
      EXPECT_TRUE(store->Apply(more));
      if (++visits == 5) return NotFound("enough");
      return {};
    });
    EXPECT_EQ(status.error().message, "enough");
    EXPECT_EQ(visits, 5u);
    EXPECT_EQ(store->stats().of(StoreTable::kWorkflow).records, 14u);
  }
}

TEST(Store, KeepsALargeRecord) {
  const testing::TemporaryFolder folder;
  const StoreOptions options{.folder = folder.path()};
  std::string bytes(testing::kSanitized ? 10'000'000 : 100'000'000, '\0');
  for (size_t i = 0; i < bytes.size(); i += 997) bytes[i] = static_cast<char>(i >> 8);
  {
    const auto store = Opened(options);
    StoreBatch batch;
    batch.Put(StoreTable::kContext, {1, 1}, bytes);
    ASSERT_TRUE(store->Apply(batch));
    EXPECT_TRUE(store->Get(StoreTable::kContext, {1, 1}).value() == bytes);
  }
  EXPECT_TRUE(Opened(options)->Get(StoreTable::kContext, {1, 1}).value() == bytes);
}

TEST(FaultyStore, FailsTheCallItWasToldToBeforeOrAfter) {
  const auto store = NewMemoryStore();
  testing::FaultyStore faulty(*store);
  faulty.Add({.call = testing::StoreCall::kApply, .index = 1, .error = Unavailable("before")});
  faulty.Add(
      {.call = testing::StoreCall::kApply, .index = 2, .error = Unavailable("after"), .time = testing::FaultTime::kAfter});
  faulty.Add({.call = testing::StoreCall::kGet, .index = 1, .error = Corrupt("bad"), .forever = true});
  std::vector<std::string> errors;
  for (uint64_t i = 0; i < 4; ++i) {
    StoreBatch batch;
    batch.Put(StoreTable::kContext, {i, 0}, "x");
    const Status status = faulty.Apply(batch);
    errors.push_back(status ? "" : status.error().message);
  }
  EXPECT_EQ(errors, (std::vector<std::string>{"", "before", "after", ""}));
  EXPECT_EQ(store->stats().of(StoreTable::kContext).records, 3u);
  EXPECT_TRUE(faulty.Get(StoreTable::kContext, {2, 0}));
  EXPECT_FALSE(faulty.Get(StoreTable::kContext, {2, 0}));
  EXPECT_FALSE(faulty.Get(StoreTable::kContext, {2, 0}));
  EXPECT_EQ(faulty.calls(testing::StoreCall::kGet), 3u);
  faulty.Heal();
  EXPECT_TRUE(faulty.Get(StoreTable::kContext, {2, 0}));
}

}  // namespace
}  // namespace weir
