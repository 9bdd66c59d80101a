// A store on a disk that is full, or that can only be read.

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <memory>
#include <string>

#include "store_cases.h"
#include "temporary_folder.h"
#include "weir/base/log.h"
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

// A file system of its own and of a given size, for as long as it lives.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& path) : path_(path) {
    fs::create_directories(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  void Grow() const { ASSERT_EQ(::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0); }
  void MakeReadOnly() const { ASSERT_EQ(::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0); }

 private:
  fs::path path_;
  bool mounted_ = false;
};

class StoreDisk : public ::testing::Test {
 protected:
  StoreDisk() { SetLogLevel(LogLevel::kOff); }
  ~StoreDisk() override { SetLogLevel(LogLevel::kWarning); }

  testing::TemporaryFolder folder_;
  SmallDisk disk_{folder_.path() / "disk"};
  StoreOptions options_{.folder = folder_.path() / "disk" / "store", .buffer_bytes = 64 << 10};
};

TEST_F(StoreDisk, AFullDiskRefusesAndRecovers) {
  if (!disk_.mounted()) GTEST_SKIP() << "needs the right to mount a small disk";
  StoreModel model;
  Random random(5);
  {
    const auto store = Opened(options_);
    int refusals = 0;
    for (uint64_t i = 0; i < 400 && refusals < 5; ++i) {
      const std::string bytes = testing::RandomBytes(random, 20000);
      StoreBatch batch;
      batch.Put(kTable, {i, 0}, bytes);
      const Status status = store->Apply(batch);
      if (status) {  // also after a refusal: a merge of tables may have made room
        model[{kTable, {i, 0}}] = bytes;
      } else {
        ++refusals;
        EXPECT_EQ(status.error().code, ErrorCode::kUnavailable) << status.error().ToString();
      }
    }
    EXPECT_EQ(refusals, 5);
    EXPECT_GT(model.size(), 20u);
    EXPECT_TRUE(ContentsOf(*store) == model);
    disk_.Grow();
    bool goes_on = true;
    for (uint64_t i = 0; i < 50 && goes_on; ++i) {
      const std::string bytes = testing::RandomBytes(random, 20000);
      StoreBatch batch;
      batch.Put(kTable, {1000 + i, 0}, bytes);
      const Status status = store->Apply(batch);
      goes_on = status.has_value();
      if (goes_on) model[{kTable, {1000 + i, 0}}] = bytes;
      // When the log itself cannot be given up, it says so.
      EXPECT_TRUE(goes_on || (i == 0 && status.error().hint.starts_with("open the store again")))
          << status.error().ToString();
    }
    EXPECT_TRUE(ContentsOf(*store) == model);
  }
  const auto store = Opened(options_);
  EXPECT_TRUE(ContentsOf(*store) == model);
  EXPECT_EQ(store->stats().missing + store->stats().set_aside, 0u);
}

TEST_F(StoreDisk, AFullDiskLosesNothingWhenTheStoreIsOpenedAgain) {
  if (!disk_.mounted()) GTEST_SKIP() << "needs the right to mount a small disk";
  StoreModel model;
  {
    const auto store = Opened(options_);
    Random random(6);
    for (uint64_t i = 0; i < 400; ++i) {
      StoreBatch batch;
      const std::string bytes = testing::RandomBytes(random, 20000);
      batch.Put(kTable, {i, 0}, bytes);
      if (!store->Apply(batch)) break;
      model[{kTable, {i, 0}}] = bytes;
    }
  }
  if (auto full = OpenStore(options_); !full) {
    EXPECT_EQ(full.error().code, ErrorCode::kExhausted) << full.error().ToString();
  } else {
    EXPECT_TRUE(ContentsOf(**full) == model);
  }
  disk_.Grow();
  EXPECT_TRUE(ContentsOf(*Opened(options_)) == model);
}

TEST_F(StoreDisk, AReadOnlyFileSystemIsUnavailableForWritingAndReads) {
  if (!disk_.mounted()) GTEST_SKIP() << "needs the right to mount a small disk";
  Put(*Opened(options_), {1, 1}, "kept");
  disk_.MakeReadOnly();
  const Error error = OpenStore(options_).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("disk/store"), std::string::npos);
  options_.read_only = true;
  EXPECT_EQ(ContentsOf(*Opened(options_)).size(), 1u);
  options_.folder = folder_.path() / "disk" / "other";
  options_.read_only = false;
  EXPECT_EQ(OpenStore(options_).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weir
