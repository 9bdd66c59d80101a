#include "flat_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "testing/bpe_samples.h"
#include "weir/base/file.h"
#include "weir/base/random.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using testing::BpeSample;
using testing::EncodeText;
using testing::ScratchFolder;

class FlatFile : public ::testing::Test {
 protected:
  FlatFile() {
    Random random(3);
    BpeSample sample;
    sample.AddRandomMerges(random, "abc", 50);
    sample.AddToken("<x>", "lstrip");
    sample.normalizer = *Json::Parse(R"({"type":"NFC"})");
    json_ = sample.Text();
    EXPECT_TRUE(WriteFileAtomically(json_path(), json_));
  }

  fs::path json_path() const { return folder_.path() / "tokenizer.json"; }
  fs::path cache() const { return folder_.path() / "made" / "cache"; }
  fs::path flat_path() const { return bpe::FlatFilePath(cache(), Xxh3_128(json_)); }

  std::unique_ptr<Tokenizer> Load() const {
    auto tokenizer = LoadTokenizer(json_path(), {.cache_folder = cache()});
    EXPECT_TRUE(tokenizer) << tokenizer.error().ToString();
    return *std::move(tokenizer);
  }
  std::vector<TokenId> Ids() const { return EncodeText(*Load(), text_).ids; }

  ScratchFolder folder_;
  std::string json_;
  std::string text_ = "abcabc bca <x>cab e\xCC\x81 \xE4\xBD\xA0";
};

TEST_F(FlatFile, LoadsTheSameTokenizer) {
  const auto parsed = Load();
  ASSERT_TRUE(fs::exists(flat_path()));
  ASSERT_TRUE(bpe::ReadFlatFile(flat_path(), Xxh3_128(json_)));
  const auto mapped = Load();
  EXPECT_EQ(mapped->fingerprint(), parsed->fingerprint());
  EXPECT_EQ(mapped->vocab_size(), parsed->vocab_size());
  EXPECT_EQ(EncodeText(*mapped, text_).ids, EncodeText(*parsed, text_).ids);
  EXPECT_EQ(EncodeText(*mapped, text_).begins, EncodeText(*parsed, text_).begins);
}

TEST_F(FlatFile, IgnoresAndReplacesABrokenOne) {
  const std::vector<TokenId> ids = Ids();
  const std::string good = *ReadFile(flat_path());
  Random random(17);
  for (int i = 0; i < 60; ++i) {
    std::string bad = good;
    if (i == 0) {
      bad.clear();
    } else if (i % 3 == 0) {
      bad.resize(random.Below(bad.size()));
    } else {
      bad[i % 3 == 1 ? random.Below(300) : random.Below(bad.size())] ^= static_cast<char>(1 + random.Below(255));
    }
    ASSERT_TRUE(WriteFileAtomically(flat_path(), bad));
    const auto read = bpe::ReadFlatFile(flat_path(), Xxh3_128(json_));
    // Bytes between sections are covered by the checksum too: any change is seen.
    ASSERT_FALSE(read) << i;
    ASSERT_EQ(Ids(), ids);
    ASSERT_EQ(*ReadFile(flat_path()), good);
  }
}

TEST_F(FlatFile, IsNotTakenForAnotherTokenizer) {
  Load();
  const auto read = bpe::ReadFlatFile(flat_path(), Xxh3_128("something else"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
}

TEST_F(FlatFile, ManyLoadersAtOnceAgree) {
  const std::vector<TokenId> ids = Ids();
  fs::remove(flat_path());
  std::vector<std::thread> threads;
  std::vector<std::vector<TokenId>> found(4);
  for (size_t i = 0; i < found.size(); ++i) threads.emplace_back([&, i] { found[i] = Ids(); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& one : found) EXPECT_EQ(one, ids);
  EXPECT_TRUE(bpe::ReadFlatFile(flat_path(), Xxh3_128(json_)));
  // No temporary file is left.
  EXPECT_EQ(std::distance(fs::directory_iterator(cache()), fs::directory_iterator()), 1);
}

TEST_F(FlatFile, AFolderThatCannotBeMadeIsNoError) {
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "made", "a file where the folder should be"));
  EXPECT_FALSE(Ids().empty());
}

}  // namespace
}  // namespace weir
