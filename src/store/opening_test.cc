// Opening a store that is locked, foreign, newer or damaged; and reading beside a writer.

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "database.h"
#include "envelope.h"
#include "store_cases.h"
#include "store_folder.h"
#include "temporary_folder.h"
#include "totals.h"
#include "weir/base/log.h"
#include "weir/codec/xxh3.h"
#include "weir/store/store.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using testing::ContentsOf;
using testing::Opened;
using testing::StoreModel;

constexpr StoreTable kTable = StoreTable::kContext;

void Put(Store& store, const StoreKey& key, std::string_view bytes) {
  StoreBatch batch;
  batch.Put(kTable, key, bytes);
  const Status status = store.Apply(batch);
  EXPECT_TRUE(status) << status.error().ToString();
}

Error ErrorOf(const StoreOptions& options) {
  auto opened = OpenStore(options);
  EXPECT_FALSE(opened) << "opens";
  return opened ? Error() : opened.error();
}

class StoreOpening : public ::testing::Test {
 protected:
  StoreOpening() { SetLogLevel(LogLevel::kOff); }
  ~StoreOpening() override { SetLogLevel(LogLevel::kWarning); }

  fs::path path() const { return folder_.path() / "store"; }
  StoreOptions options() const { return {.folder = path(), .buffer_bytes = 64 << 10}; }
  // Records 0..count, of `bytes` each.
  StoreModel Fill(uint64_t count, size_t bytes) const {
    const auto store = Opened(options());
    Random random(7);
    for (uint64_t i = 0; i < count; ++i) Put(*store, {i, i}, testing::RandomBytes(random, bytes));
    return ContentsOf(*store);
  }
  // The store's database in the hands of somebody who knows nothing of its rules.
  template <typename Change>
  void Tamper(const Change& change) const {
    fs::remove(path() / "seal");
    store::WriteSet changes;
    change(changes);
    auto database = store::Database::Open(path() / "db", {});
    ASSERT_TRUE(database) << database.error().ToString();
    ASSERT_TRUE((*database)->Write(changes));
    ASSERT_TRUE((*database)->Flush());
  }
  // Changes a byte in the middle of the largest table: in one record, when records are large.
  void DamageOneRecord() const {
    fs::remove(path() / "seal");
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(path() / "db")) {
      if (entry.path().extension() != ".sst") continue;
      if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
    }
    std::fstream file(largest, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(largest) / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(middle);
    file.put(byte);
  }

  testing::TemporaryFolder folder_;
};

std::string Enveloped(const StoreKey& key, std::string_view bytes) {
  const auto head = store::EnvelopeHead(store::RecordChecksum(store::EncodeKey(kTable, key), bytes));
  return std::string(head.data(), head.size()).append(bytes);
}
std::string KeyOf(const StoreKey& key) { return std::string(store::View(store::EncodeKey(kTable, key))); }

TEST_F(StoreOpening, RefusesOptionsThatMakeNoSense) {
  EXPECT_EQ(ErrorOf({}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ErrorOf({.folder = path(), .buffer_bytes = 1}).code, ErrorCode::kInvalidArgument);
}

TEST_F(StoreOpening, OneProcessWritesAtATime) {
  const auto store = Opened(options());
  const Error error = ErrorOf(options());
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("store/lock"), std::string::npos) << error.message;
}

TEST_F(StoreOpening, LeavesOtherFoldersAlone) {
  fs::create_directories(path());
  std::ofstream(path() / "notes.txt") << "mine";
  EXPECT_EQ(ErrorOf(options()).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(std::distance(fs::directory_iterator(path()), fs::directory_iterator()), 1) << "something was left there";

  auto foreign = store::Database::Open(folder_.path() / "foreign", {.create = true});
  ASSERT_TRUE(foreign);
  foreign->reset();
  EXPECT_EQ(ErrorOf({.folder = folder_.path() / "foreign"}).code, ErrorCode::kInvalidArgument);
  std::ofstream(folder_.path() / "file") << "x";
  EXPECT_EQ(ErrorOf({.folder = folder_.path() / "file"}).code, ErrorCode::kInvalidArgument);
}

TEST_F(StoreOpening, RefusesANewerFormat) {
  Fill(1, 10);
  const std::string text = "weir-store 2 ready\n";
  char check[18];
  std::snprintf(check, sizeof(check), "%016lx\n", Xxh3_64(text));
  std::ofstream(path() / "STORE", std::ios::trunc) << text << check;
  const Error error = ErrorOf(options());
  EXPECT_EQ(error.code, ErrorCode::kUnsupported);
  EXPECT_NE(error.message.find("format 2"), std::string::npos);
  std::ofstream(path() / "STORE", std::ios::trunc) << text << "0123456789abcdef\n";
  EXPECT_EQ(ErrorOf(options()).code, ErrorCode::kCorrupt);
}

TEST_F(StoreOpening, ReadingNeedsAStore) {
  StoreOptions reading = options();
  reading.read_only = true;
  EXPECT_EQ(ErrorOf(reading).code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(path()));
  const StoreModel model = Fill(3, 100);
  const auto store = Opened(reading);
  EXPECT_TRUE(ContentsOf(*store) == model);
  StoreBatch batch;
  batch.Erase(kTable, {0, 0});
  EXPECT_EQ(store->Apply(batch).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(StoreOpening, AStoreThatWasNeverFinishedIsMadeAgain) {
  Fill(1, 10);
  const std::string text = "weir-store 1 creating\n";
  char check[18];
  std::snprintf(check, sizeof(check), "%016lx\n", Xxh3_64(text));
  std::ofstream(path() / "STORE", std::ios::trunc) << text << check;
  fs::remove(path() / "seal");
  fs::remove(path() / "db" / "CURRENT");
  EXPECT_TRUE(ContentsOf(*Opened(options())).empty());
}

TEST_F(StoreOpening, AFolderWithoutPermissionIsUnavailable) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  fs::create_directories(path());
  fs::permissions(path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(ErrorOf(options()).code, ErrorCode::kUnavailable);
}

TEST_F(StoreOpening, ASealTellsOfAFileThatWasCutOrTakenAway) {
  Fill(20, 2000);
  for (const auto& entry : fs::directory_iterator(path() / "db")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".sst") && !name.starts_with("MANIFEST-")) continue;
    const fs::path kept = folder_.path() / "kept";
    fs::copy_file(entry.path(), kept, fs::copy_options::overwrite_existing);
    fs::resize_file(entry.path(), fs::file_size(kept) - 1);
    EXPECT_EQ(ErrorOf(options()).code, ErrorCode::kCorrupt) << name;
    fs::remove(entry.path());
    EXPECT_EQ(ErrorOf(options()).code, ErrorCode::kCorrupt) << name;
    fs::copy_file(kept, entry.path());
  }
  EXPECT_EQ(Opened(options())->stats().of(kTable).records, 20u);
}

TEST_F(StoreOpening, WhatFailsIsSetAsideAndKept) {
  StoreModel model = Fill(10, 100);
  const std::string newer = "\x02 bytes of a newer Weir";
  Tamper([&](store::WriteSet& changes) {
    changes.Put(store::Family::kRecords, KeyOf({1, 1}), newer);                          // listed, another version
    changes.Put(store::Family::kRecords, KeyOf({2, 2}), Enveloped({2, 2}, "old"));       // intact, but not the last
    changes.Put(store::Family::kRecords, KeyOf({99, 99}), Enveloped({99, 99}, "back"));  // was never, or is erased
    changes.Put(store::Family::kRecords, "\x01 no key of ours", "whatever");
    changes.Erase(store::Family::kRecords, KeyOf({3, 3}));  // gone without a trace but the directory's
  });
  for (const StoreKey& key : {StoreKey{1, 1}, StoreKey{2, 2}, StoreKey{3, 3}}) model.erase({kTable, key});
  for (int opening = 0; opening < 2; ++opening) {
    const auto store = Opened(options());
    EXPECT_TRUE(ContentsOf(*store) == model);
    EXPECT_EQ(store->stats().set_aside, 4u);
    EXPECT_EQ(store->stats().missing, 1u);
    EXPECT_EQ(store->stats().salvages, 0u);
    EXPECT_EQ(store->Get(kTable, {2, 2}).value(), std::nullopt);
  }
  fs::remove(path() / "seal");
  auto database = store::Database::Open(path() / "db", {});
  EXPECT_EQ((*database)->Get(store::Family::kAside, KeyOf({1, 1}))->bytes, newer);
}

TEST_F(StoreOpening, ReadingBesidesDamageSkipsAndCountsIt) {
  StoreModel model = Fill(10, 100);
  Tamper([&](store::WriteSet& changes) { changes.Put(store::Family::kRecords, KeyOf({2, 2}), Enveloped({2, 2}, "old")); });
  model.erase({kTable, {2, 2}});
  StoreOptions reading = options();
  reading.read_only = true;
  const auto store = Opened(reading);
  EXPECT_TRUE(ContentsOf(*store) == model);
  EXPECT_EQ(store->stats().unreadable, 1u);
  EXPECT_EQ(store->Get(kTable, {2, 2}).error().code, ErrorCode::kCorrupt);
}

TEST_F(StoreOpening, ARecordThatVanishedWithItsEntryIsMissing) {
  Fill(10, 100);
  Tamper([&](store::WriteSet& changes) {
    changes.Erase(store::Family::kRecords, KeyOf({4, 4}));
    changes.Erase(store::Family::kDirectory, KeyOf({4, 4}));
  });
  EXPECT_EQ(Opened(options())->stats().missing, 1u);
  // An older record, with an older entry: the digest tells.
  Tamper([&](store::WriteSet& changes) {
    const std::string old = Enveloped({5, 5}, "old");
    changes.Put(store::Family::kRecords, KeyOf({5, 5}), old);
    const uint64_t checksum = store::RecordChecksum(store::EncodeKey(kTable, {5, 5}), "old");
    changes.Put(store::Family::kDirectory, KeyOf({5, 5}), store::EncodeEntry({checksum, 3}));
  });
  EXPECT_EQ(Opened(options())->stats().missing, 2u);
  EXPECT_EQ(Opened(options())->stats().missing, 2u) << "counted once";
}

TEST_F(StoreOpening, ADamagedBlockCostsItsRecordAndNoOther) {
  const StoreModel model = Fill(60, 20000);
  DamageOneRecord();
  StoreModel left;
  for (int opening = 0; opening < 2; ++opening) {
    const auto store = Opened(options());
    left = ContentsOf(*store);
    EXPECT_EQ(left.size(), 59u);
    for (const auto& [key, bytes] : left) EXPECT_TRUE(model.at(key) == bytes);
    const StoreStats stats = store->stats();
    EXPECT_EQ(stats.missing, 1u);
    EXPECT_EQ(stats.salvages, 1u);
    EXPECT_EQ(stats.aside_folders, 1u);
    EXPECT_EQ(stats.of(kTable).records, 59u);
  }
  // All of it can be rewritten, which reads every table again.
  const auto store = Opened(options());
  for (const auto& [key, bytes] : left) Put(*store, key.second, bytes + "more");
  EXPECT_EQ(ContentsOf(*store).size(), 59u);
}

TEST_F(StoreOpening, FinishesAReplacementThatWasInterrupted) {
  const StoreModel model = Fill(5, 100);
  // Before it was complete.
  fs::create_directories(path() / "new");
  std::ofstream(path() / "new" / "CURRENT") << "half of a database";
  EXPECT_TRUE(ContentsOf(*Opened(options())) == model);
  EXPECT_FALSE(fs::exists(path() / "new"));
  // Between the two renames.
  fs::remove(path() / "seal");
  fs::rename(path() / "db", path() / "new");
  fs::create_directories(path() / "aside-1");
  EXPECT_TRUE(ContentsOf(*Opened(options())) == model);
  EXPECT_FALSE(fs::exists(path() / "new"));
  // No database at all is not an empty store.
  fs::remove_all(path() / "db");
  fs::remove(path() / "seal");
  EXPECT_EQ(ErrorOf(options()).code, ErrorCode::kCorrupt);
}

TEST_F(StoreOpening, ReadsBesideAWriter) {
  auto writer = Opened(options());
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<bool> stop{false};
  std::thread writing([&] {
    Random random(1);
    for (uint64_t i = 1; !stop; ++i) {
      StoreBatch batch;  // two records that are always equal, and ballast so that tables are written and merged
      const std::string number = std::to_string(i);
      batch.Put(kTable, {1, 0}, number);
      batch.Put(kTable, {2, 0}, number);
      batch.Put(kTable, {3, random.Below(20)}, testing::RandomBytes(random, 3000));
      ASSERT_TRUE(writer->Apply(batch));
      acknowledged = i;
    }
  });
  StoreOptions reading = options();
  reading.read_only = true;
  uint64_t opened_count = 0;
  for (int i = 0; i < (testing::kSanitized ? 5 : 25); ++i) {
    const uint64_t before = acknowledged;
    auto opened = OpenStore(reading);
    if (!opened) {
      EXPECT_EQ(opened.error().code, ErrorCode::kUnavailable) << opened.error().ToString();
      continue;
    }
    ++opened_count;
    StoreModel contents = ContentsOf(**opened);
    const std::string first = contents[{kTable, {1, 0}}], second = contents[{kTable, {2, 0}}];
    EXPECT_EQ(first, second);
    EXPECT_GE(first.empty() ? 0 : std::stoull(first), before);
    EXPECT_EQ((*opened)->stats().unreadable, 0u);
  }
  stop = true;
  writing.join();
  EXPECT_GT(opened_count, 0u);
}

}  // namespace
}  // namespace weir
