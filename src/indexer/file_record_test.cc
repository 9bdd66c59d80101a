#include "file_record.h"

#include <gtest/gtest.h>

#include "weir/base/random.h"

namespace weir::indexer {
namespace {

FileRecord Sample() {
  FileRecord record;
  record.root = "/tree";
  record.path = "a/b\xff.txt";
  record.bytes = 100;
  record.changed_ns = -5;
  record.content = Sha256("text");
  record.origin = {"model", "tokenizer", "passage: ", 384, 256, kChunkRule};
  record.chunks = {{{0, 10, 1, 2}, {1, 2}}, {{12, 100, 4, 9}, {UINT64_MAX, 3}}};
  return record;
}

TEST(FileRecords, ReadBackTheSame) {
  EXPECT_EQ(*ReadFileRecord(WriteFileRecord(Sample())), Sample());
  EXPECT_EQ(*ReadFileRecord(WriteFileRecord({})), FileRecord());
}

TEST(FileRecords, OtherSettingsAreToldApart) {
  EXPECT_FALSE(IsFileRecord("something else"));
  EXPECT_FALSE(IsFileRecord(""));
  EXPECT_TRUE(IsFileRecord(WriteFileRecord({})));
  EXPECT_NE(FileKeyOf("/a", "b"), FileKeyOf("/ab", ""));
}

TEST(FileRecords, DamageIsNeverReadAsSomethingElse) {
  const std::string whole = WriteFileRecord(Sample());
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(ReadFileRecord(whole.substr(0, size)));
  EXPECT_FALSE(ReadFileRecord(whole + '\0'));
  // A flipped bit gives an error, or a record that is written as those very bytes.
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const Result<FileRecord> read = ReadFileRecord(flipped);
    if (read) {
      EXPECT_EQ(WriteFileRecord(*read), flipped);
    }
  }
}

TEST(FileRecords, ChunksLieOneAfterTheOther) {
  FileRecord record = Sample();
  record.chunks[1].chunk.begin = 9;
  EXPECT_EQ(ReadFileRecord(WriteFileRecord(record)).error().code, ErrorCode::kCorrupt);
  record = Sample();
  record.chunks[1].chunk.end = 101;
  EXPECT_EQ(ReadFileRecord(WriteFileRecord(record)).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace weir::indexer
