// WordPiece as a whole: small tokenizer.json files made here, against the plain rule and known answers of the reference.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <thread>

#include "testing/bpe_samples.h"
#include "testing/real_tokenizers.h"
#include "testing/wordpiece_samples.h"
#include "weir/base/random.h"
#include "weir/tokens/incremental_encoding.h"
#include "weir/tokens/tokenizer.h"

namespace weir {
namespace {

using testing::EncodeText;
using testing::LoadText;
using testing::SampleOf;
using testing::TokensOf;
using testing::TryLoadText;
using testing::WordPieceSample;

uint64_t Seed() { return static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()) + 50u; }

TEST(WordPieceTokenizer, TakesTheLongestPiece) {
  WordPieceSample sample;
  sample.AddWords({"un", "unaff", "##able", "##a", "##ff", "##b", "a", "##le", "."});
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(TokensOf(*tokenizer, "unaffable"), "unaff ##able");
  EXPECT_EQ(TokensOf(*tokenizer, "UNAFFABLE."), "unaff ##able .");
  EXPECT_EQ(TokensOf(*tokenizer, "aable a"), "a ##able a");
  EXPECT_EQ(TokensOf(*tokenizer, "aabl un"), "[UNK] un") << "the pieces do not use the word up";
  EXPECT_EQ(TokensOf(*tokenizer, "ble"), "[UNK]") << "no piece to begin with, ## pieces do not count";
  EXPECT_EQ(TokensOf(*tokenizer, "?"), "[UNK]");
  EXPECT_EQ(TokensOf(*tokenizer, " \t\n"), "");
}

TEST(WordPieceTokenizer, EqualsThePlainRuleOnRandomWords) {
  SCOPED_TRACE(Seed());
  Random random(Seed());
  const auto random_word = [&random](size_t most) {
    std::string word;
    for (size_t n = 1 + random.Below(most); n > 0; --n) word += static_cast<char>('a' + random.Below(3));
    return word;
  };
  for (int round = 0; round < 30; ++round) {
    WordPieceSample sample;
    sample.chars_max = round % 3 == 0 ? 20 : 400;
    for (int i = 0; i < 40; ++i) sample.AddWord((random.Below(2) == 0 ? "##" : "") + random_word(i < 30 ? 5 : 24));
    if (round % 2 == 0) sample.AddWords({"a", "##a", "b", "##b", "c", "##c"});
    const auto tokenizer = LoadText(sample.Text());
    const auto encoder = tokenizer->NewEncoder();
    Encoding encoding;
    for (int i = 0; i < 200; ++i) {
      const std::string word = random_word(i % 10 == 0 ? 350 : 30);
      const std::vector<TokenId> expected = sample.PlainWord(word);
      for (int again = 0; again < 2; ++again) {  // unseen, and from the cache
        ASSERT_TRUE(encoder->Encode(word, {}, encoding));
        ASSERT_EQ(encoding.ids, expected) << word;
      }
      for (size_t k = 0; k < expected.size() && expected[0] != 0; ++k) {
        const size_t end = k + 1 < expected.size() ? encoding.begins[k + 1] : word.size();
        ASSERT_EQ(sample.vocabulary.at((k > 0 ? "##" : "") + word.substr(encoding.begins[k], end - encoding.begins[k])),
                  expected[k]);
      }
    }
  }
}

TEST(WordPieceTokenizer, SaysWhereTokensBegin) {
  WordPieceSample sample = SampleOf({"a", "b", "e", "\u4e2d", "\u1112", "\u1161", "\u11ab", "."});
  const auto tokenizer = LoadText(sample.Text());
  const auto begins = [&](std::string_view text) { return EncodeText(*tokenizer, text).begins; };
  EXPECT_EQ(begins("  ab  b."), (std::vector<uint32_t>{2, 3, 6, 7}));
  EXPECT_EQ(begins("\u00c9b"), (std::vector<uint32_t>{0, 2}));
  EXPECT_EQ(begins("e\u0301b"), (std::vector<uint32_t>{0, 3}));
  EXPECT_EQ(begins("a\u4e2db"), (std::vector<uint32_t>{0, 1, 4}));
  EXPECT_EQ(begins("\ud55ca"), (std::vector<uint32_t>{0, 0, 0, 3})) << "parts of one character begin where it does";
  EXPECT_EQ(begins("a\u200d\u0301b"), (std::vector<uint32_t>{0, 6}));
}

TEST(WordPieceTokenizer, AWordOfTooManyCharactersIsUnknown) {
  WordPieceSample sample = SampleOf({"a", "e", "\u1112", "\u1161", "\u11ab"});
  sample.chars_max = 6;
  const auto tokenizer = LoadText(sample.Text());
  const auto count = [&](std::string_view text) { return EncodeText(*tokenizer, text).ids.size(); };
  EXPECT_EQ(count("aaaaaa"), 6u);
  EXPECT_EQ(EncodeText(*tokenizer, "aaaaaaa").ids, (std::vector<TokenId>{0}));
  EXPECT_EQ(count("\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"), 6u) << "characters, not bytes";
  EXPECT_EQ(count("\ud55c\ud55c"), 6u);
  EXPECT_EQ(EncodeText(*tokenizer, "\ud55c\ud55ca").ids, (std::vector<TokenId>{0})) << "as they are after normalising";
  EXPECT_EQ(count("aaaa\u0301a\u200da"), 6u);
  EXPECT_EQ(EncodeText(*tokenizer, std::string(1'000'000, 'a')).ids, (std::vector<TokenId>{0}));
  sample.chars_max = UINT32_MAX;
  EXPECT_EQ(EncodeText(*LoadText(sample.Text()), std::string(100'000, 'A')).ids.size(), 100'000u);
}

TEST(WordPieceTokenizer, FindsAddedTokens) {
  WordPieceSample sample = SampleOf({"n", "e", "w", "o", "x", "y", "."});
  sample.AddToken("[MASK]");
  sample.AddToken("New  YE", "normalized");
  sample.AddToken("<l>", "lstrip rstrip");
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(TokensOf(*tokenizer, "x[MASK]y [mask]"), "x [MASK] y [UNK] [UNK] [UNK]");
  EXPECT_EQ(TokensOf(*tokenizer, "ox NEW  y\u00c9."), "o ##x new  ye .") << "decoded as it is looked for";
  EXPECT_EQ(EncodeText(*tokenizer, "ox NEW  y\u00c9.").begins, (std::vector<uint32_t>{0, 1, 3, 11}));
  EXPECT_EQ(EncodeText(*tokenizer, "x <l>  y").begins, (std::vector<uint32_t>{0, 1, 7}));
  EXPECT_EQ(tokenizer->IdOf("[MASK]"), std::optional<TokenId>(15));
  EXPECT_EQ(tokenizer->IdOf("##x"), std::optional<TokenId>(sample.vocabulary.at("##x")));
  EXPECT_EQ(tokenizer->IdOf("##"), std::nullopt);
  EXPECT_EQ(tokenizer->vocab_size(), 18u);
}

TEST(WordPieceTokenizer, ThePostProcessorAddsItsTokensOnRequest) {
  WordPieceSample sample = SampleOf({"a", "b"});
  sample.post_processor = *Json::Parse(R"({"type":"BertProcessing","sep":["b",3],"cls":["a",1]})");
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(EncodeText(*tokenizer, " ab").ids, (std::vector<TokenId>{1, 4}));
  const Encoding with = EncodeText(*tokenizer, " ab", {.add_special_tokens = true});
  EXPECT_EQ(with.ids, (std::vector<TokenId>{1, 1, 4, 3}));
  EXPECT_EQ(with.begins, (std::vector<uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(EncodeText(*tokenizer, "", {.add_special_tokens = true}).ids, (std::vector<TokenId>{1, 3}));
}

TEST(WordPieceTokenizer, DecodesToReadableText) {
  WordPieceSample sample = SampleOf({"a", "b", ".", "'", ","});
  sample.AddWords({"do", "not", "'s", "s"});
  const auto decode = [&](std::string_view text) {
    const auto tokenizer = LoadText(sample.Text());
    return *tokenizer->Decode(EncodeText(*tokenizer, text).ids);
  };
  EXPECT_EQ(decode("AB  a , b."), "ab a, b.");
  EXPECT_EQ(decode("do not a 's"), "do not a ' s") << "each token is cleaned up by itself";
  sample.decoder.Set("cleanup", false);
  EXPECT_EQ(decode("ab."), "ab .");
  sample.decoder = Json();
  EXPECT_EQ(decode("ab."), "a ##b .");
  const auto text = LoadText(sample.Text())->Decode(std::vector<TokenId>{1, 99999});
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("index 1"), std::string::npos) << text.error().message;
}

TEST(WordPieceTokenizer, SaysWhereTextIsNotUtf8) {
  const auto tokenizer = LoadText(WordPieceSample().Text());
  Encoding encoding;
  for (const std::string_view text : {"abc\xff", "abc\xed\xa0\x80", "abc\xe4\xb8"}) {
    const Status status = tokenizer->NewEncoder()->Encode(text, {}, encoding);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(status.error().message.find("byte 3"), std::string::npos) << status.error().message;
  }
}

TEST(WordPieceTokenizer, RefusesWhatItDoesNotDoByName) {
  const struct {
    const char* member;  // of the document, or model/...
    const char* value;
    ErrorCode code;
    const char* named;
  } cases[] = {
      {"normalizer", R"({"type":"Lowercase"})", ErrorCode::kUnsupported, "Lowercase"},
      {"normalizer", R"({"type":"Sequence","normalizers":[]})", ErrorCode::kUnsupported, "Sequence"},
      {"pre_tokenizer", "null", ErrorCode::kUnsupported, "pre_tokenizer"},
      {"pre_tokenizer", R"({"type":"Whitespace"})", ErrorCode::kUnsupported, "Whitespace"},
      {"decoder", R"({"type":"ByteLevel"})", ErrorCode::kUnsupported, "ByteLevel"},
      {"post_processor", R"({"type":"Unheard"})", ErrorCode::kUnsupported, "Unheard"},
      {"version", R"("2.0")", ErrorCode::kUnsupported, "version"},
      {"added_tokens", R"([{"content":"\u0301","lstrip":false,"rstrip":false,"single_word":false,"normalized":true}])",
       ErrorCode::kUnsupported, "nothing"},
      {"model/vocab", R"({"[UNK]":0,"a":20000000})", ErrorCode::kUnsupported, "20000000"},
      {"model/max_input_chars_per_word", "5000000000", ErrorCode::kUnsupported, "max_input_chars_per_word"},
      {"model/max_input_chars_per_word", "null", ErrorCode::kInvalidArgument, "max_input_chars_per_word"},
      {"model/continuing_subword_prefix", "null", ErrorCode::kInvalidArgument, "continuing_subword_prefix"},
      {"model/unk_token", R"("[UNKNOWN]")", ErrorCode::kInvalidArgument, "[UNKNOWN]"},
      {"model/unk_token", "null", ErrorCode::kInvalidArgument, "unk_token"},
      {"model/vocab", "[]", ErrorCode::kInvalidArgument, "model.vocab"},
      {"model/vocab", R"({"[UNK]":0,"a":0})", ErrorCode::kInvalidArgument, "two tokens"},
      {"normalizer", R"({"type":"BertNormalizer","clean_text":true})", ErrorCode::kInvalidArgument, "handle_chinese_chars"},
  };
  for (const auto& [member, value, code, named] : cases) {
    Json document = WordPieceSample().ToJson();
    const std::string_view name(member);
    Json& owner = name.starts_with("model/") ? *document.Find("model") : document;
    owner.Set(name.starts_with("model/") ? name.substr(6) : name, *Json::Parse(value));
    const auto tokenizer = TryLoadText(document.Dump());
    ASSERT_FALSE(tokenizer) << member << ' ' << value;
    EXPECT_EQ(tokenizer.error().code, code) << member << ' ' << value << ": " << tokenizer.error().ToString();
    EXPECT_NE(tokenizer.error().message.find(named), std::string::npos) << tokenizer.error().message;
  }
  const auto twice = TryLoadText(R"({"model":{"type":"WordPiece","unk_token":"a","continuing_subword_prefix":"##",
      "max_input_chars_per_word":100,"vocab":{"a":0,"a":1}},"pre_tokenizer":{"type":"BertPreTokenizer"}})");
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message.find("twice"), std::string::npos) << twice.error().message;
}

TEST(WordPieceTokenizer, TheFingerprintTellsWhatDecidesIds) {
  WordPieceSample sample = SampleOf({"a", "b"});
  const std::string fingerprint = LoadText(sample.Text())->fingerprint();
  EXPECT_EQ(fingerprint.size(), 32u);
  WordPieceSample same = sample;  // another spelling of the same
  same.normalizer.Set("strip_accents", true);
  EXPECT_EQ(LoadText(same.ToJson().Dump(2))->fingerprint(), fingerprint);
  const std::function<void(WordPieceSample&)> changes[] = {
      [](WordPieceSample& s) { s.AddWord("zz"); },
      [](WordPieceSample& s) { std::swap(s.vocabulary.at("a"), s.vocabulary.at("b")); },
      [](WordPieceSample& s) { s.chars_max = 99; },
      [](WordPieceSample& s) { s.AddToken("<x>"); },
      [](WordPieceSample& s) { s.SetRules("cis"); },
      [](WordPieceSample& s) { s.SetRules("cl"); },
      [](WordPieceSample& s) {
        s.post_processor = *Json::Parse(R"({"type":"BertProcessing","cls":["a",1],"sep":["b",2]})");
      },
  };
  std::set<std::string> seen{fingerprint};
  for (const auto& change : changes) {
    WordPieceSample other = sample;
    change(other);
    EXPECT_TRUE(seen.insert(LoadText(other.Text())->fingerprint()).second) << other.Text();
  }
}

TEST(WordPieceTokenizer, ATextThatGrowsIsEncodedFromTheLastBlankOn) {
  SCOPED_TRACE(Seed());
  Random random(Seed());
  WordPieceSample sample = SampleOf({"a", "b", "the", "h", "e", "o", "d", "n", "'", ".", "\u4e2d", "\u302e"});
  const std::vector<std::string> tokens = {"[SEP]", "<end>", "<a b>"};
  for (const std::string_view flags : {"", "normalized", "lstrip"}) {
    WordPieceSample flagged = sample;
    for (const std::string& token : tokens) flagged.AddToken(token, flags);
    const auto tokenizer = LoadText(flagged.Text());
    const auto encoder = tokenizer->NewEncoder();
    for (int round = 0; round < 60; ++round) {
      const std::string text = testing::RandomText(random, tokens, 30);
      IncrementalEncoding growing;
      for (size_t at = 0; at < text.size();) {
        const size_t size = std::min(text.size() - at, 1 + random.Below(12));
        ASSERT_TRUE(growing.Append(*encoder, std::string_view(text).substr(at, size)));
        at += size;
        const Encoding whole = EncodeText(*tokenizer, text.substr(0, growing.text_bytes()));
        ASSERT_EQ(growing.encoding().ids, whole.ids) << JsonQuote(text.substr(0, growing.text_bytes()));
        ASSERT_EQ(growing.encoding().begins, whole.begins);
      }
    }
  }
  sample.AddToken("[SEP]");
  const auto tokenizer = LoadText(sample.Text());
  const auto encoder = tokenizer->NewEncoder();
  EXPECT_EQ(encoder->FindStableCut("the end and the end"), 16u);
  EXPECT_EQ(encoder->FindStableCut("a b[SEP]the"), 8u);
  EXPECT_EQ(encoder->FindStableCut("the [SEP"), 4u);
  EXPECT_EQ(encoder->FindStableCut("thethe"), 0u);
}

TEST(WordPieceTokenizer, FarMoreWordsThanTheCacheHolds) {
  WordPieceSample sample =
      SampleOf({"w", "q", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"});
  const auto tokenizer = LoadText(sample.Text());
  const auto encoder = tokenizer->NewEncoder();
  std::string text;
  std::string joined;
  for (uint32_t i = 0; i < 400'000; ++i) text += fmt::format("w{:x}q ", i * 2654435761u);
  Encoding encoding;
  ASSERT_TRUE(encoder->Encode(text, {}, encoding));
  EXPECT_EQ(*tokenizer->Decode(encoding.ids) + " ", text);
  const std::vector<TokenId> once = encoding.ids;
  ASSERT_TRUE(encoder->Encode(text, {}, encoding));
  EXPECT_EQ(encoding.ids, once);
}

TEST(WordPieceTokenizer, OneTokenizerServesManyThreads) {
  const auto tokenizer = LoadText(SampleOf({"a", "b", "c"}).Text());
  const std::string text = "abc ab CAB \u00c1bc";
  const std::vector<TokenId> expected = EncodeText(*tokenizer, text).ids;
  std::vector<std::thread> threads;
  std::vector<std::vector<TokenId>> found(4);
  for (auto& ids : found) threads.emplace_back([&ids, &tokenizer, &text] { ids = EncodeText(*tokenizer, text).ids; });
  for (std::thread& thread : threads) thread.join();
  for (const auto& ids : found) EXPECT_EQ(ids, expected);
}

// Ids and offsets of the reference library (tokenizers 0.23.3) for one text that touches most rules.
TEST(WordPieceTokenizer, GoldenIdsOfARealTokenizer) {
  const auto path = testing::RealWordPiece();
  if (path.empty()) GTEST_SKIP() << "no all-minilm-l6-v2 in the cache folder; ./test fetches it";
  const std::string text =
      "Hello, WORLD! I'll don't 12345 na\u00efve CAF\u00c9 \u4f60\u597d\u3002\n\n \t x\u3000\U0001F642 [MASK] "
      "embeddings_of-tokenization \ud55c\uad6d\uc5b4 " +
      std::string(101, 'a') + " \u0130stanbul a\u200db" + std::string(1, '\0') + "c \ufffd";
  const std::vector<TokenId> ids = {101,   7592,  1010,  2088,  999,   1045, 1005,  2222, 2123, 1005,  1056,
                                    13138, 19961, 15743, 7668,  100,   100,  1636,  1060, 100,  103,   7861,
                                    8270,  4667,  2015,  1035,  1997,  1011, 19204, 3989, 1469, 30006, 30021,
                                    29991, 30014, 30020, 29999, 30008, 100,  9960,  5925, 102};
  const std::vector<uint32_t> begins = {
      0,  0,  5,   7,   12,  14,  15,  16,  19,  22,  23,  25,  28,  31,
      38, 44, 47,  50,  58,  62,  67,  74,  76,  79,  83,  84,  85,  87,
      88, 93, 101, 101, 101, 104, 104, 104, 107, 107, 111, 213, 223, static_cast<uint32_t>(text.size())};
  const auto tokenizer = LoadTokenizer(path, {});
  ASSERT_TRUE(tokenizer) << tokenizer.error().ToString();
  const Encoding encoding = EncodeText(**tokenizer, text, {.add_special_tokens = true});
  EXPECT_EQ(encoding.ids, ids);
  EXPECT_EQ(encoding.begins, begins);
  EXPECT_EQ(*(*tokenizer)->Decode(ids),
            "[CLS] hello, world! i ' ll don ' t 12345 naive cafe [UNK] [UNK] \u3002 x [UNK] [MASK] embeddings _ of - "
            "tokenization \u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165 [UNK] istanbul abc [SEP]");
}

}  // namespace
}  // namespace weir
