// The tokenizer as a whole: small tokenizer.json files made here, against a plain implementation of the same rules.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "byte_alphabet.h"
#include "testing/bpe_samples.h"
#include "weir/base/random.h"
#include "weir/codec/json.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace {

using testing::BpeSample;
using testing::EncodeText;
using testing::LoadText;

TEST(BpeTokenizer, MergesByRankThenFromTheLeft) {
  BpeSample sample;
  sample.AddMerges({"a b", "b c", "ab c", "a a"});
  const auto tokenizer = LoadText(sample.Text());
  const auto id = [&](std::string_view token) { return *tokenizer->IdOf(token); };
  EXPECT_EQ(EncodeText(*tokenizer, "abc").ids, (std::vector<TokenId>{id("abc")}));
  EXPECT_EQ(EncodeText(*tokenizer, "aaa").ids, (std::vector<TokenId>{id("aa"), id("a")}));
  EXPECT_EQ(EncodeText(*tokenizer, "aaab").ids, (std::vector<TokenId>{id("aa"), id("ab")}));
  EXPECT_EQ(EncodeText(*tokenizer, "bcab").ids, (std::vector<TokenId>{id("bc"), id("ab")}));
}

TEST(BpeTokenizer, EqualsThePlainRuleOnRandomWords) {
  const uint64_t seed = ::testing::UnitTest::GetInstance()->random_seed() + 20u;
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < 20; ++round) {
    BpeSample sample;
    sample.AddRandomMerges(random, "abcd", 40);
    sample.ignore_merges = round % 2 == 1;
    const auto tokenizer = LoadText(sample.Text());
    for (int i = 0; i < 200; ++i) {
      std::string word;
      const size_t size = 1 + random.Below(i % 10 == 0 ? 300 : 20);
      while (word.size() < size) word += static_cast<char>('a' + random.Below(4));
      EXPECT_EQ(EncodeText(*tokenizer, word).ids, sample.PlainWord(word)) << word;
    }
  }
}

TEST(BpeTokenizer, TilesTheTextAndDecodesIt) {
  BpeSample sample;
  sample.AddMerges({"Ġ t", "h e", "Ġt he"});
  const auto tokenizer = LoadText(sample.Text());
  const std::string text = "the the\xE2\x82\xAC the \n\x01\t";
  const Encoding encoding = EncodeText(*tokenizer, text);
  ASSERT_EQ(encoding.ids.size(), encoding.begins.size());
  EXPECT_EQ(encoding.begins.front(), 0u);
  std::string joined;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const size_t end = i + 1 < encoding.ids.size() ? encoding.begins[i + 1] : text.size();
    const auto bytes = tokenizer->Decode(std::span(&encoding.ids[i], 1));
    ASSERT_TRUE(bytes);
    EXPECT_EQ(*bytes, text.substr(encoding.begins[i], end - encoding.begins[i]));
    joined += *bytes;
  }
  EXPECT_EQ(joined, text);
}

TEST(BpeTokenizer, SaysWhereTextIsNotUtf8) {
  const auto tokenizer = LoadText(BpeSample().Text());
  Encoding encoding;
  const Status status = tokenizer->NewEncoder()->Encode("abc\xff", {}, encoding);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(status.error().message.find("byte 3"), std::string::npos) << status.error().message;
}

TEST(BpeTokenizer, EmptyTextHasNoTokens) {
  const auto tokenizer = LoadText(BpeSample().Text());
  EXPECT_TRUE(EncodeText(*tokenizer, "").ids.empty());
}

TEST(BpeTokenizer, DecodeNamesAnIdOutsideTheVocabulary) {
  const auto tokenizer = LoadText(BpeSample().Text());
  const std::vector<TokenId> ids{0, 1, 99999};
  const auto text = tokenizer->Decode(ids);
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("index 2"), std::string::npos) << text.error().message;
}

}  // namespace
}  // namespace weir
