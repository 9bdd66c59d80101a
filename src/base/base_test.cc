#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "weir/base/bytes.h"
#include "weir/base/clock.h"
#include "weir/base/file.h"
#include "weir/base/random.h"
#include "weir/base/result.h"

namespace weir {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("odd", "pass an even number");
  return value / 2;
}
Result<int> Quarter(int value) {
  WEIR_ASSIGN(const int half, Half(value));
  return Half(half);
}

TEST(Result, HandsErrorsUp) {
  EXPECT_EQ(*Quarter(8), 2);
  const Result<int> odd = Quarter(6);
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(odd.error().ToString(), "odd (pass an even number)");
}

TEST(ResultDeathTest, ValueOfAnErrorPrintsIt) { EXPECT_DEATH((void)Half(3).value(), "check failed.*odd"); }

TEST(Bytes, ParsesAndFormats) {
  EXPECT_EQ(*ParseByteSize("64"), 64u);
  EXPECT_EQ(*ParseByteSize("1.5K"), 1536u);
  EXPECT_EQ(*ParseByteSize("256MiB"), 256u << 20);
  EXPECT_EQ(*ParseByteSize("2 gb"), 2ull << 30);
  for (const char* bad : {"", "K", "-1", "12X", "1KK", "nan", "99999999999T"}) EXPECT_FALSE(ParseByteSize(bad)) << bad;
  EXPECT_EQ(FormatByteSize(1023), "1023 B");
  EXPECT_EQ(FormatByteSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatByteSize(1048575), "1.0 MiB");
}

TEST(Clock, ManualMovesOnlyWhenTold) {
  ManualClock clock;
  const TimePoint start = clock.Now();
  clock.Advance(std::chrono::milliseconds(5));
  EXPECT_EQ(clock.Now() - start, std::chrono::milliseconds(5));
}

TEST(Random, SameSeedSameNumbers) {
  Random a(7), b(7);
  for (int i = 0; i < 1000; ++i) {
    const uint64_t value = a.Below(10);
    EXPECT_EQ(value, b.Below(10));
    EXPECT_LT(value, 10u);
  }
}

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-file-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(FileTest, WritesReadsAndMaps) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(WriteFileAtomically(path, "hello"));
  EXPECT_EQ(*ReadFile(path), "hello");
  EXPECT_EQ(MappedFile::Open(path)->bytes(), "hello");
  ASSERT_TRUE(WriteFileAtomically(path, ""));
  EXPECT_EQ(MappedFile::Open(path)->bytes(), "");
}

TEST_F(FileTest, ErrorsNameThePath) {
  const auto missing = ReadFile(folder_ / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find("none"), std::string::npos);
  EXPECT_EQ(ReadFile(folder_).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(WriteFileAtomically(folder_ / "big", std::string(100, 'x')));
  EXPECT_EQ(ReadFile(folder_ / "big", 99).error().code, ErrorCode::kExhausted);
}

// A write that the system refuses halfway leaves the old bytes and no stray file. The file-size limit stands in for a
// full disk: both make write() fail after some bytes.
TEST_F(FileTest, AFailedWriteLeavesTheOldFile) {
  const auto path = folder_ / "kept";
  ASSERT_TRUE(WriteFileAtomically(path, "old"));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{4096, before.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = WriteFileAtomically(path, std::string(100000, 'n'));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(*ReadFile(path), "old");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) files += entry.is_regular_file();
  EXPECT_EQ(files, 1);
}

}  // namespace
}  // namespace weir
