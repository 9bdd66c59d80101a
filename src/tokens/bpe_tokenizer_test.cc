// The tokenizer as a whole: small tokenizer.json files made here, against a plain implementation of the same rules.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "byte_alphabet.h"
#include "testing/bpe_samples.h"
#include "testing/real_tokenizers.h"
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

TEST(BpeTokenizer, EncodesEveryCharacterToItsBytes) {
  BpeSample sample;
  Random random(1);
  sample.AddRandomMerges(random, "\xE4\xB8\xAD\xD0\x96\xF0\x9F\x99", 120);  // merges inside and across characters
  const auto tokenizer = LoadText(sample.Text());
  const auto encoder = tokenizer->NewEncoder();
  Encoding encoding;
  std::string text;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c < 0xe000) continue;
    AppendUtf8(c, text);
    if (text.size() < 4000 && c != 0x10ffff) continue;
    ASSERT_TRUE(encoder->Encode(text, {}, encoding));
    const auto back = tokenizer->Decode(encoding.ids);
    ASSERT_TRUE(back);
    ASSERT_EQ(*back, text) << "up to code point " << static_cast<uint32_t>(c);
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      const size_t end = i + 1 < encoding.ids.size() ? encoding.begins[i + 1] : text.size();
      ASSERT_EQ(*tokenizer->Decode(std::span(&encoding.ids[i], 1)),
                text.substr(encoding.begins[i], end - encoding.begins[i]));
    }
    text.clear();
  }
}

TEST(BpeTokenizer, EqualsThePlainRuleOnWordsOfWideCharacters) {
  const uint64_t seed = ::testing::UnitTest::GetInstance()->random_seed() + 40u;
  SCOPED_TRACE(seed);
  Random random(seed);
  const std::vector<std::string> characters = {
      "\xE4\xB8\xAD", "\xE4\xB8\xAE", "\xE5\xB8\xAD", "\xD0\x96", "\xD0\x90", "a", "b", "\xF0\x9F\x99\x82"};
  for (int round = 0; round < 40; ++round) {
    BpeSample sample;
    sample.AddRandomMerges(random,
                           "\xE4\xE5\xB8\xAD\xAE\xD0\x96\x90"
                           "ab",
                           20 + random.Below(200));
    sample.ignore_merges = round % 2 == 1;
    const auto tokenizer = LoadText(sample.Text());
    const auto encoder = tokenizer->NewEncoder();
    Encoding encoding;
    for (int i = 0; i < 100; ++i) {
      std::string word;
      for (size_t n = 1 + random.Below(i % 20 == 0 ? 120 : 12); n > 0; --n)
        word += characters[random.Below(characters.size() - 1)];
      ASSERT_TRUE(encoder->Encode(word, {}, encoding));
      ASSERT_EQ(encoding.ids, sample.PlainWord(word)) << JsonQuote(word);
    }
  }
}

TEST(BpeTokenizer, AByteWithoutATokenYieldsNone) {
  BpeSample sample;
  sample.AddMerges({"a b"});
  sample.vocabulary.erase(testing::ToAlphabet("\xF1"));
  const auto tokenizer = LoadText(sample.Text());
  const TokenId ab = *tokenizer->IdOf("ab");
  EXPECT_EQ(EncodeText(*tokenizer, "ab").ids, (std::vector<TokenId>{ab}));
  const std::string rare = "\xF1\x80\x80\x80";
  EXPECT_EQ(EncodeText(*tokenizer, rare).ids, (std::vector<TokenId>{0x80, 0x80, 0x80}));
}

TEST(BpeTokenizer, KeepsBytesOfControlCharacters) {
  const auto tokenizer = LoadText(BpeSample().Text());
  const std::string text("a\0b\0\0\x7f\n", 7);
  const Encoding encoding = EncodeText(*tokenizer, text);
  EXPECT_EQ(*tokenizer->Decode(encoding.ids), text);
  EXPECT_EQ(encoding.ids.size(), 7u);
}

TEST(BpeTokenizer, AWordOfAMegabyteIsNotQuadratic) {
  BpeSample sample;
  sample.AddMerges({"a a", "aa aa", "a b", "b a", "ab ab"});
  const auto tokenizer = LoadText(sample.Text());
  std::string word;
  Random random(9);
  while (word.size() < 1000000) word += random.Below(3) == 0 ? 'b' : 'a';
  const Encoding encoding = EncodeText(*tokenizer, word);
  EXPECT_EQ(*tokenizer->Decode(encoding.ids), word);
  const std::string start = word.substr(0, 300);
  const std::vector<TokenId> plain = sample.PlainWord(start);
  EXPECT_TRUE(std::equal(plain.begin(), plain.begin() + 50, encoding.ids.begin()));
}

TEST(BpeTokenizer, FarMoreWordsThanTheCacheHolds) {
  BpeSample sample;
  sample.AddMerges({"1 2", "3 4", "a b"});
  const auto tokenizer = LoadText(sample.Text());
  const auto encoder = tokenizer->NewEncoder();
  Encoding encoding;
  std::string text;
  for (int i = 0; i < 700000; ++i) text += fmt::format("w{:x}q ", i * 2654435761u);
  ASSERT_TRUE(encoder->Encode(text, {}, encoding));
  EXPECT_EQ(*tokenizer->Decode(encoding.ids), text);
  const std::vector<TokenId> once = encoding.ids;
  ASSERT_TRUE(encoder->Encode(text, {}, encoding));
  EXPECT_EQ(encoding.ids, once);
}

TEST(BpeTokenizer, AHundredMegabytesTakeLittleMoreThanTheirTokens) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr size_t kBytes = 5'000'000;
#else
  constexpr size_t kBytes = 100'000'000;
#endif
  BpeSample sample;
  sample.AddMerges({"\xC4\xA0 w", "o r", "or d", "\xC4\xA0w ord"});
  const auto tokenizer = LoadText(sample.Text());
  std::string text;
  text.reserve(kBytes + 16);
  while (text.size() < kBytes) text += " word";
  Encoding encoding;
  ASSERT_TRUE(tokenizer->NewEncoder()->Encode(text, {}, encoding));
  ASSERT_EQ(encoding.ids.size(), text.size() / 5);
  const TokenId word = *tokenizer->IdOf(" word");
  EXPECT_TRUE(std::all_of(encoding.ids.begin(), encoding.ids.end(), [word](TokenId id) { return id == word; }));
  EXPECT_EQ(encoding.begins.back(), text.size() - 5);
  EXPECT_LE(encoding.ids.capacity(), text.size() / 3);
  EXPECT_LE(encoding.begins.capacity(), text.size() / 3);
}

TEST(BpeTokenizer, ReadsBothSpellingsOfMerges) {
  BpeSample sample;
  sample.AddMerges({"a b", "ab c"});
  const auto pairs = LoadText(sample.Text());
  sample.merges_as_pairs = false;
  const auto strings = LoadText(sample.Text());
  EXPECT_EQ(EncodeText(*pairs, "abcab").ids, EncodeText(*strings, "abcab").ids);
}

TEST(BpeTokenizer, OneTokenizerServesManyThreads) {
  BpeSample sample;
  sample.AddMerges({"a b", "ab c"});
  const auto tokenizer = LoadText(sample.Text());
  const std::string text = "abc ab cab abc";
  const std::vector<TokenId> expected = EncodeText(*tokenizer, text).ids;
  std::vector<std::thread> threads;
  std::vector<std::vector<TokenId>> found(4);
  for (auto& ids : found) threads.emplace_back([&ids, &tokenizer, &text] { ids = EncodeText(*tokenizer, text).ids; });
  for (std::thread& thread : threads) thread.join();
  for (const auto& ids : found) EXPECT_EQ(ids, expected);
}

// Ids of the reference library (tokenizers 0.23.3) for one text that touches most rules.
TEST(BpeTokenizer, GoldenIdsOfRealTokenizers) {
  const std::string text =
      "Hello, world! I'll don'T 12345 na\xC3\xAFve caf\xC3\xA9\xCC\x81 "
      "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82\n\n  \t x"
      "\xE3\x80\x80\xF0\x9F\x99\x82\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD <|im_start|>user\n<|endoftext|></think> fooBarHTTP\r\n "
      "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x83\x86\xE3\x82\xAD\xE3\x82\xB9\xE3\x83\x88";
  const std::map<std::string, std::vector<TokenId>> golden = {
      {"qwen3", {9707, 11,    1879,   0,      358,    3278,  1513, 17323, 220,   16,    17,     18,     19,     20,   94880,
                 586,  51950, 53839,  220,    108386, 99489, 3407, 19271, 856,   22441, 145080, 144349, 145375, 220,  151644,
                 872,  198,   151643, 151668, 15229,  3428,  9230, 319,   75402, 21894, 102819, 56833,  61803,  70534}},
      {"llama3.1", {9906,  11,     1917,  0,      358,   3358,  1541, 17773, 220,    4513,   1774,  95980, 588,  53050,
                    54939, 118195, 53901, 102616, 3490,  19827, 865,  23249, 9468,   19044,  9468,  239,   235,  9468,
                    237,   121,    83739, 318,    5011,  91,    29,   882,   198,    27,     91,    8862,  728,  428,
                    91,    1500,   27963, 29,     15586, 3511,  9412, 319,   105180, 102158, 57933, 62903, 71634}},
      {"gpt-oss",
       {13225, 11,     2375,  0,     17291, 1700,  51532, 220,   7633, 2548,  153475, 737,   30469, 13430, 220, 177519,
        28428, 1497,   45469, 1215,  1397,  37459, 82514, 52622, 121,  464,   91,     321,   10949, 91,    29,  1428,
        198,   199999, 808,   49631, 29,    30551, 4622,  17893, 370,  17428, 40909,  16056, 18368, 38236}},
      {"cl100k", {9906,  11,  1917,  0,     358,  3358,  1541,  17773, 220,   4513, 1774,  95980, 588,    53050,
                  54939, 220, 57668, 53901, 3574, 244,   98220, 3490,  19827, 865,  23249, 9468,  19044,  9468,
                  239,   235, 9468,  237,   121,  83739, 318,   5011,  91,    29,   882,   198,   100257, 524,
                  27963, 29,  15586, 3511,  9412, 319,   76502, 22656, 45918, 252,  57933, 62903, 71634}},
      {"deepseek-v3", {19923, 14,    2058,  3,     342,   5922, 2090, 67322, 223,   6895,  1883,  112752, 57664, 17793,
                       223,   30594, 3427,  478,   262,   200,  1527, 18524, 80300, 227,   92526, 40965,  124,   818,
                       94,    328,   37864, 94,    32,    5265, 201,  30,    94,    523,   2154,  2067,   94,    7339,
                       37947, 32,    52735, 16311, 45909, 204,  201,  223,   88768, 17383, 20367, 24552}},
      {"gpt2",
       {15496, 11,    995,   0,     314, 1183,  836,   6,     51,  17031, 2231, 41492, 40304, 136,   223,   220,  19526,
        254,   25001, 121,   10310, 244, 45911, 234,   16764, 628, 220,   220,  197,   2124,  5099,  222,   8582, 25081,
        41840, 235,   8582,  237,   121, 1279,  91,    320,   62,  9688,  91,   29,    7220,  198,   50256, 3556, 14925,
        29,    22944, 10374, 40717, 201, 198,   10545, 245,   98,  17312, 105,  45739, 252,   24336, 25084, 43302}},
      {"starcoder2", {8302, 49,    5810,  38,  457,   4650, 2818,  44,  89,    244,   54,    55,    56,    57,   58,
                      5524, 43727, 606,   300, 1566,  1329, 10050, 244, 7403,  10628, 33147, 1469,  3051,  221,  837,
                      5059, 3822,  271,   248, 25473, 259,  44155, 159, 39647, 468,   100,   1384,  28339, 514,  222,
                      0,    396,   16454, 67,  9229,  2914, 5078,  455, 244,   37357, 32586, 10404, 14279, 12972}},
      {"command-r",
       {28339,  19,   3845,  8,     1767,  4961,  3287,  14,    59,  228,   24,   25,     26,  27,   28,     221877,
        42632,  8563, 228,   23972, 11307, 9065,  1967,  15028, 205, 2982,  8839, 2226,   255, 232,  154565, 243,
        216125, 129,  2154,  99,    1748,  70,    6734,  99,    37,  5417,  206,  35,     99,  1883, 3010,   2805,
        99,     2859, 57159, 37,    32320, 10300, 25276, 209,   206, 38930, 9553, 141053, 9877}},

  };
  const auto real = testing::RealTokenizers();
  if (real.empty()) GTEST_SKIP() << "no tokenizers in the cache folder; ./run --build fetches them";
  for (const auto& [name, path] : real) {
    const auto expected = golden.find(name);
    if (expected == golden.end()) continue;
    const auto tokenizer = LoadTokenizer(path, {});
    ASSERT_TRUE(tokenizer) << tokenizer.error().ToString();
    EXPECT_EQ(EncodeText(**tokenizer, text).ids, expected->second) << name;
  }
}

}  // namespace
}  // namespace weir
