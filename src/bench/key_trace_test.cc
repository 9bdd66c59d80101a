#include "key_trace.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "weir/base/file.h"

namespace weir {
namespace {

TEST(KeyTrace, RangesExpandAndAreRenumbered) {
  const auto trace = ParseKeyTrace("10 3 0 0\n11 2 0 1\r\n\n7 1\n", ".lis", "t.lis");
  ASSERT_TRUE(trace.has_value()) << trace.error().ToString();
  EXPECT_EQ(trace->keys, (std::vector<uint32_t>{0, 1, 2, 1, 2, 3}));
  EXPECT_EQ(trace->distinct, 4u);
}

TEST(KeyTrace, WordsAreKeysAndPausesAreNone) {
  const auto trace = ParseKeyTrace("a\n  b \r\n*\na", ".txt", "t.txt");
  ASSERT_TRUE(trace.has_value()) << trace.error().ToString();
  EXPECT_EQ(trace->keys, (std::vector<uint32_t>{0, 1, 0}));
  EXPECT_EQ(trace->distinct, 2u);
}

TEST(KeyTrace, MooncakeIdsComeInOrder) {
  const auto trace = ParseKeyTrace("{\"hash_ids\":[5,6]}\n{\"hash_ids\":[5,9]}\n", ".jsonl", "t.jsonl");
  ASSERT_TRUE(trace.has_value()) << trace.error().ToString();
  EXPECT_EQ(trace->keys, (std::vector<uint32_t>{0, 1, 0, 2}));
}

TEST(KeyTrace, BadTextIsNamedByItsLine) {
  for (const char* text : {"1 2\nx 2\n", "1 2\n3\n", "1 2\n-1 2\n", "1 2\n1 99999999\n", "1 2\n1 2z\n"}) {
    const auto trace = ParseKeyTrace(text, ".lis", "t.lis");
    ASSERT_FALSE(trace.has_value()) << text;
    EXPECT_EQ(trace.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(trace.error().message.find("t.lis, line 2"), std::string::npos) << trace.error().message;
  }
  EXPECT_FALSE(ParseKeyTrace("", ".lis", "t.lis").has_value());
  EXPECT_FALSE(ParseKeyTrace("1 1", ".csv", "t.csv").has_value());
}

TEST(KeyTrace, FilesThatCannotBeRead) {
  EXPECT_FALSE(ReadKeyTrace("/nonexistent/trace.lis").has_value());
  EXPECT_FALSE(ReadKeyTrace("/nonexistent/trace.lis.xz").has_value());
  const auto path = std::filesystem::temp_directory_path() / ("weir-key-trace-" + std::to_string(getpid()) + ".txt.xz");
  ASSERT_TRUE(WriteFileAtomically(path, "no xz stream").has_value());
  const auto trace = ReadKeyTrace(path);
  std::filesystem::remove(path);
  ASSERT_FALSE(trace.has_value());
  EXPECT_EQ(trace.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace weir
