// What the normaliser and the pre-tokeniser of BERT do to a text on its way to words.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cctype>

#include "bert_characters.h"
#include "testing/bpe_samples.h"
#include "testing/real_tokenizers.h"
#include "testing/wordpiece_samples.h"
#include "weir/base/random.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace {

using testing::EncodeText;
using testing::LoadText;
using testing::SampleOf;
using testing::TokensOf;
using testing::WordPieceSample;

uint64_t Seed() { return static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()) + 60u; }

TEST(WordPieceRules, FollowsEachRuleOfTheNormaliser) {
  const std::vector<std::string> characters = {"a",      "b",      "A",      "e",      "E",      "\u00e9", "\u00c9",
                                               "\u0301", "\u4e2d", "\u1112", "\u1161", "\u11ab", "\ud55c", "i",
                                               "\u0307", "I",      "=",      "\u2260", "\x01",   "\u03c3", "\u03c2"};
  const WordPieceSample base = SampleOf(characters);
  const struct {
    const char* steps;
    const char* text;
    const char* tokens;
  } cases[] = {
      {"", "a\u00e9A", "a ##\u00e9 ##A"},
      {"l", "A\u00c9", "a ##\u00e9"},
      {"l", "\u0130", "i ##\u0307"},
      {"l", "\u03a3\u03c2", "\u03c3 ##\u03c2"},  // no final sigma
      {"s", "\u00c9\u0301b", "E ##b"},
      {"s", "e\u0301", "e"},
      {"", "e\u0301", "e ##\u0301"},
      {"sl", "\u0130", "i"},
      {"s", "\ud55c", "\u1112 ##\u1161 ##\u11ab"},
      {"l", "\ud55c", "\ud55c"},
      {"s", "a\u2260b", "a = b"},  // loses its stroke, and is a sign then
      {"", "a\u2260b", "a ##\u2260 ##b"},
      {"i", "a\u4e2d\u4e2db", "a \u4e2d \u4e2d b"},
      {"", "a\u4e2d\u4e2d", "a ##\u4e2d ##\u4e2d"},
      {"c",
       "a\x01\u200d\ufeff\ufffd"
       "b\u3000\u00a0\ta",
       "a ##b a"},
      {"",
       "a\x01\u3000"
       "b",
       "a ##\x01 b"},
      {"c",
       "a\u0085b\x0b\x0c"
       "a",
       "a ##b ##a"},  // controls before they are white space
      {"",
       "a\u0085b\x0b\x0c"
       "a",
       "a b a"},
  };
  for (const auto& [steps, text, tokens] : cases) {
    WordPieceSample sample = base;
    sample.SetRules(steps);
    EXPECT_EQ(TokensOf(*LoadText(sample.Text()), text), tokens) << steps << ": " << JsonQuote(text);
  }
}

TEST(WordPieceRules, EveryByteClassIsWhatTheEncoderTakesItFor) {
  for (uint32_t bits = 0; bits < 16; ++bits) {
    const wordpiece::CharacterFolder folder({(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0});
    for (int byte = 0; byte < 256; ++byte) {
      const bool is_alphanumeric = byte < 0x80 && std::isalnum(byte) != 0;
      const bool is_word = folder.ClassOf(static_cast<char>(byte)) == wordpiece::CharacterFolder::kWordByte;
      EXPECT_GE(is_word, is_alphanumeric) << byte;
      EXPECT_TRUE(!folder.words_are_alphanumeric() || is_word == is_alphanumeric) << byte;
    }
    EXPECT_EQ(folder.ClassOf(' '), wordpiece::CharacterFolder::kBlankByte);
  }
}

// Two ways through the code: one walk over the text, or the normalised text written out and then cut without any rule.
TEST(WordPieceRules, TheWalkEqualsNormalisingFirst) {
  SCOPED_TRACE(Seed());
  Random random(Seed());
  WordPieceSample sample;
  for (char32_t c = 0; c < 0x3200; ++c) {
    std::string character;
    AppendUtf8(c, character);
    sample.AddWord(character);
    if (random.Below(8) != 0) sample.AddWord("##" + character);
  }
  WordPieceSample bare = sample;
  bare.normalizer = Json();
  const auto plain = LoadText(bare.Text());
  const auto plain_encoder = plain->NewEncoder();
  for (uint32_t bits = 0; bits < 16; ++bits) {
    const wordpiece::BertRules rules{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    const wordpiece::CharacterFolder folder(rules);
    sample.SetRules(fmt::format("{}{}{}{}", rules.clean_text ? "c" : "", rules.set_ideographs_apart ? "i" : "",
                                rules.strip_accents ? "s" : "", rules.lowercase ? "l" : ""));
    const auto tokenizer = LoadText(sample.Text());
    const auto encoder = tokenizer->NewEncoder();
    Encoding encoding;
    Encoding expected;
    for (int round = 0; round < 60; ++round) {
      const std::string text = testing::RandomText(random, {"\u302e\U0001D165", "\u00c9\u0130\ud55c"}, 12);
      ASSERT_TRUE(encoder->Encode(text, {}, encoding));
      const unicode::Normalized normalized = wordpiece::NormalizeBert(folder, text);
      ASSERT_TRUE(plain_encoder->Encode(normalized.text, {}, expected));
      for (uint32_t& begin : expected.begins) begin = normalized.origins[begin];
      ASSERT_EQ(encoding.ids, expected.ids) << bits << ' ' << JsonQuote(text);
      ASSERT_EQ(encoding.begins, expected.begins) << bits << ' ' << JsonQuote(text);
    }
  }
}

TEST(WordPieceRules, PutsMarksThatStayInCanonicalOrder) {
  // U+302E and U+1D165 are marks that stripping leaves, of classes 224 and 216.
  WordPieceSample sample = SampleOf({"a", "b", "\u302e", "\U0001D165", "\U0001D157", "\U0001D158"});
  sample.SetRules("cs");
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(TokensOf(*tokenizer, "a\u302e\U0001D165b"), "a ##\U0001D165 ##\u302e ##b");
  EXPECT_EQ(TokensOf(*tokenizer, "a\u302e\u0301\u200d\U0001D165"), "a ##\U0001D165 ##\u302e");
  EXPECT_EQ(TokensOf(*tokenizer, "a\u302eb\U0001D165"), "a ##\u302e ##b ##\U0001D165");
  EXPECT_EQ(TokensOf(*tokenizer, "a\u302e\u034f\U0001D165"), "a ##\u302e ##\U0001D165") << "a joiner of class 0 between";
  EXPECT_EQ(TokensOf(*tokenizer, "\u302e\U0001D15E\u302e\u0301"),
            "\u302e ##\U0001D157 ##\U0001D165 ##\u302e");  // U+1D15E holds a mark itself
  EXPECT_EQ(EncodeText(*tokenizer, "a\u302e\U0001D165b").begins, (std::vector<uint32_t>{0, 1, 4, 8}));
}

}  // namespace
}  // namespace weir
