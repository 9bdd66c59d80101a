#include "pretokenize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "pretokenize_families.h"
#include "pretokenize_regex.h"
#include "weir/base/random.h"
#include "weir/codec/json.h"

namespace weir {
namespace {

using pretokenize::Behavior;
using pretokenize::Family;
using pretokenize::Split;
using Strings = std::vector<std::string>;

constexpr Family kFamilies[] = {Family::kGpt2,   Family::kGpt2Digits, Family::kGpt2NumberRuns,
                                Family::kCl100k, Family::kQwen2,      Family::kQwen35,
                                Family::kO200k,  Family::kTekken,     Family::kDeepSeek3};
static_assert(std::size(kFamilies) == pretokenize::kFamilyCount);

std::string BehaviorName(Behavior behavior) {
  switch (behavior) {
    case Behavior::kRemoved: return "Removed";
    case Behavior::kIsolated: return "Isolated";
    case Behavior::kMergedWithPrevious: return "MergedWithPrevious";
    case Behavior::kMergedWithNext: return "MergedWithNext";
    case Behavior::kContiguous: return "Contiguous";
  }
  return "";
}

// The pre_tokenizer member that a tokenizer.json would hold.
Json ChainJson(const std::vector<Split>& splits) {
  Json steps = Json::MakeArray();
  for (const Split& split : splits) {
    Json step = Json::MakeObject();
    step.Set("type", "Split");
    step.Set("pattern", Json::MakeObject()).Set("Regex", split.pattern);
    step.Set("behavior", BehaviorName(split.behavior));
    step.Set("invert", split.invert);
    steps.Append(std::move(step));
  }
  Json bytes = Json::MakeObject();
  bytes.Set("type", "ByteLevel");
  bytes.Set("add_prefix_space", false);
  bytes.Set("use_regex", false);
  steps.Append(std::move(bytes));
  Json chain = Json::MakeObject();
  chain.Set("type", "Sequence");
  chain.Set("pretokenizers", std::move(steps));
  return chain;
}

Pretokenizer Load(const Json& json) {
  Result<Pretokenizer> loaded = Pretokenizer::FromJson(json);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().ToString();
  return *std::move(loaded);
}

Pretokenizer Of(Family family) { return Load(ChainJson(pretokenize::SplitsOf(family))); }
Pretokenizer OfPattern(std::string pattern, Behavior behavior = Behavior::kIsolated, bool invert = false) {
  return Load(ChainJson({{.pattern = std::move(pattern), .behavior = behavior, .invert = invert}}));
}

std::string Message(const Json& json) {
  const Result<Pretokenizer> loaded = Pretokenizer::FromJson(json);
  return loaded ? "loaded" : std::string(ErrorCodeName(loaded.error().code)) + ": " + loaded.error().message;
}
std::string PatternMessage(std::string pattern) { return Message(ChainJson({{.pattern = std::move(pattern)}})); }

template <typename Splitter>
std::vector<uint32_t> Ends(const Splitter& splitter, std::string_view text, size_t chunk) {
  std::vector<uint32_t> out;
  std::vector<uint32_t> ends(chunk);
  Pretokenizer::Cursor cursor;
  while (const size_t count = splitter.Next(text, cursor, ends)) {
    out.insert(out.end(), ends.begin(), ends.begin() + static_cast<ptrdiff_t>(count));
    EXPECT_EQ(cursor.at, out.back());
  }
  EXPECT_EQ(cursor.at, text.size());
  return out;
}

Strings Pieces(const Pretokenizer& pretokenizer, std::string_view text) {
  Strings out;
  size_t begin = 0;
  for (uint32_t end : Ends(pretokenizer, text, 64)) {
    out.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return out;
}

TEST(Pretokenize, Qwen) {
  const Pretokenizer qwen = Of(Family::kQwen2);
  EXPECT_TRUE(qwen.resumable());
  EXPECT_EQ(Pieces(qwen, "Hello world's  end 42\n\n x"),
            (Strings{"Hello", " world", "'s", " ", " end", " ", "4", "2", "\n\n", " x"}));
  EXPECT_EQ(Pieces(qwen, "  "), (Strings{"  "}));
  EXPECT_EQ(Pieces(qwen, ""), Strings{});
  EXPECT_EQ(Pieces(qwen, "it'\u017felf !!\n\n\t\tx"), (Strings{"it", "'\u017f", "elf", " !!\n\n", "\t", "\tx"}));
}

TEST(Pretokenize, Llama3) {
  EXPECT_EQ(Pieces(Of(Family::kCl100k), "1234567 I'LL (a)\r\n \n  b"),
            (Strings{"123", "456", "7", " I", "'LL", " (", "a", ")\r\n", " \n", " ", " b"}));
}

TEST(Pretokenize, O200k) {
  EXPECT_EQ(Pieces(Of(Family::kO200k), "camelCase HTTPServer don't /a/\n/b ABC's"),
            (Strings{"camel", "Case", " HTTPServer", " don't", " /", "a", "/\n/", "b", " ABC's"}));
  EXPECT_EQ(Pieces(Of(Family::kO200k), "\u4e2dAB \u4e2dABc \u0301AB"),
            (Strings{"\u4e2d", "AB", " \u4e2dABc", " \u0301", "AB"}));
}

TEST(Pretokenize, DeepSeek) {
  EXPECT_EQ(Pieces(Of(Family::kDeepSeek3), "1234 \u4e2d\u6587abc (x)  7\x01\x02y\x01"),
            (Strings{"123", "4", " ", "\u4e2d\u6587", "abc", " (", "x", ")", "  ", "7", "\x01", "\x02y", "\x01"}));
}

TEST(Pretokenize, Gpt2AndStarCoder) {
  EXPECT_EQ(Pieces(Of(Family::kGpt2), "it's 'S  123\n\n4"), (Strings{"it", "'s", " '", "S", " ", " 123", "\n", "\n", "4"}));
  EXPECT_EQ(Pieces(Of(Family::kGpt2Digits), "a  12\U00016FF4 b"), (Strings{"a", "  ", "1", "2", "\U00016FF4", " b"}));
}

TEST(Pretokenize, EveryFamilyIsRecognized) {
  for (Family family : kFamilies) {
    EXPECT_EQ(pretokenize::Recognize(pretokenize::SplitsOf(family)), family);
    EXPECT_TRUE(Of(family).resumable());
  }
  const std::string pattern = pretokenize::SplitsOf(Family::kCl100k)[0].pattern;
  EXPECT_TRUE(OfPattern(pattern, Behavior::kRemoved, true).resumable()) << "as GPT-4's files say it";
  EXPECT_FALSE(OfPattern(pattern + "|x").resumable());
}

TEST(Pretokenize, ReadsByteLevelAndDigits) {
  Json json = Json::MakeObject();
  json.Set("type", "ByteLevel");
  EXPECT_TRUE(Load(json).add_prefix_space()) << "the default";
  json.Set("add_prefix_space", false);
  EXPECT_FALSE(Load(json).add_prefix_space());
  EXPECT_EQ(Pieces(Load(json), " a1"), (Strings{" a", "1"}));
  json.Set("use_regex", false);
  EXPECT_EQ(Pieces(Load(json), " a1 b"), (Strings{" a1 b"})) << "no split at all";
}

TEST(Pretokenize, RefusesByName) {
  EXPECT_EQ(Message(Json()), "unsupported: pre_tokenizer: none");
  Json metaspace = Json::MakeObject();
  metaspace.Set("type", "Metaspace");
  EXPECT_EQ(Message(metaspace), "unsupported: pre_tokenizer type 'Metaspace'");
  EXPECT_EQ(Message(Json(7)), "invalid_argument: pre_tokenizer: 'type' is no string");
  EXPECT_THAT(PatternMessage("(?<=a)b"), testing::HasSubstr("unsupported: regular expression with this kind of group"));
  EXPECT_THAT(PatternMessage("\\bfoo"), testing::HasSubstr("with \\b"));
  EXPECT_THAT(PatternMessage("\\p{Han}+"), testing::HasSubstr("the property 'Han'"));
  EXPECT_THAT(PatternMessage("a*"), testing::HasSubstr("matches the empty text"));
  EXPECT_THAT(PatternMessage("(?i:strasse)"), testing::HasSubstr("fold into one character"));
  EXPECT_THAT(PatternMessage("(a"), testing::HasSubstr("invalid_argument"));
  EXPECT_THAT(PatternMessage("[a"), testing::HasSubstr("invalid_argument"));
  EXPECT_THAT(PatternMessage("a)"), testing::HasSubstr("invalid_argument"));
  EXPECT_THAT(PatternMessage("\\x{110000}"), testing::HasSubstr("unsupported"));
  EXPECT_THAT(Message(ChainJson({{.pattern = "a", .behavior = Behavior::kRemoved}})), testing::HasSubstr("'Removed'"));
}

TEST(Pretokenize, BehaviorsOfOtherPatterns) {
  constexpr std::string_view kText = "The-final--countdown-";
  const auto pieces = [&](Behavior behavior, bool invert) { return Pieces(OfPattern("-", behavior, invert), kText); };
  EXPECT_EQ(pieces(Behavior::kIsolated, false), (Strings{"The", "-", "final", "-", "-", "countdown", "-"}));
  EXPECT_EQ(pieces(Behavior::kMergedWithPrevious, false), (Strings{"The-", "final-", "-", "countdown-"}));
  EXPECT_EQ(pieces(Behavior::kMergedWithNext, false), (Strings{"The", "-final", "-", "-countdown", "-"}));
  EXPECT_EQ(pieces(Behavior::kContiguous, false), (Strings{"The", "-", "final", "--", "countdown", "-"}));
  EXPECT_EQ(pieces(Behavior::kContiguous, true), (Strings{"The", "-", "final", "--", "countdown", "-"}));
  EXPECT_EQ(pieces(Behavior::kMergedWithPrevious, true), (Strings{"The", "-final", "-", "-countdown", "-"}));
}

TEST(Pretokenize, NestedSetsOfOtherPatterns) {
  EXPECT_EQ(Pieces(OfPattern(" ?[^(\\s|[.,!?\u3002])]+"), "ab (c, d|e."),
            (Strings{"ab", " (", "c", ",", " d", "|", "e", "."}));
  EXPECT_EQ(Pieces(OfPattern("[\\p{L}&&[^\\p{Lu}]]+"), "abCde"), (Strings{"ab", "C", "de"}));
  EXPECT_EQ(Pieces(OfPattern("[\\u0041-\\x{43}]+?|z{2,3}"), "ABzzzz"), (Strings{"A", "B", "zzz", "z"}));
}

// What the patterns care about, and neighbours of it.
const Strings& Alphabet() {
  static const Strings alphabet = {
      " ",
      " ",
      "  ",
      "\t",
      "\n",
      "\r\n",
      "\r",
      "'s",
      "'S",
      "'\u017f",
      "'re",
      "'VE",
      "'Ll",
      "'d",
      "'",
      "''",
      "a",
      "b",
      "Z",
      "AB",
      "Hello",
      "wOrld",
      "the",
      "1",
      "23",
      "4567",
      "\u0661",
      "\u2160",
      "\u00b2",
      ".",
      "!",
      "/",
      "//",
      "-",
      "_",
      "$",
      "\u00e9",
      "\u00c9",
      "\u01c5",
      "\u02b0",
      "\u0301",
      "\u0903",
      "\u4e2d",
      "\u6587",
      "\u3042",
      "\u30fb",
      "\u3099",
      "\u309b",
      "\u3040",
      "\u3000",
      "\u00a0",
      "\u0085",
      "\u2028",
      "\u200b",
      "\u200d",
      std::string(1, '\0'),
      "\x01",
      "\x7f",
      "\x1f",
      "\x0b",
      "\U0001f600",
      "\U00020000",
      "\U000e0100",
      "\U0010ffff",
      "\ufeff",
      "\u0378",
      "\u9fa6",
      "\u9fa5",
      "\uac00",
      "\ub000",
      "\u0e01\u0e31",
      "\u0915\u093f",
      "<",
      "(",
      "\"",
      "\u2019s",
      "\u212a",
      "K",
      "\u0130",
      "\u0416",
      "\u0436",
      "\u3002",
      "\uff0c",
      "\U00016ff4",
      "\U00011de3",
      "\u017f",
      "\U00010d40",
  };
  return alphabet;
}

// New in every run; WEIR_TEST_SEED repeats one.
uint64_t Seed() {
  const char* given = std::getenv("WEIR_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

std::string NastyText(Random& random) {
  const auto below = [&random](size_t bound) { return static_cast<size_t>(random.Below(bound)); };
  const Strings& all = Alphabet();
  Strings some;
  const size_t kinds = 2 + below(12);
  const bool ascii_only = below(3) == 0;
  while (some.size() < kinds) {
    const std::string& piece = all[below(all.size())];
    if (!ascii_only || static_cast<uint8_t>(piece[0]) < 0x80) some.push_back(piece);
  }
  std::string text;
  for (size_t left = below(below(2) == 0 ? 30 : 200); left > 0; --left) text += some[below(some.size())];
  return text;
}

TEST(PretokenizeProperty, TiktokensWayOfWritingCl100kIsTheSame) {
  const std::string pattern =
      R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";
  const Pretokenizer known = OfPattern(pattern);
  ASSERT_TRUE(known.resumable());
  const auto oracle = RegexSplits::Compile({{.pattern = pattern}});
  ASSERT_TRUE(oracle.has_value()) << oracle.error().ToString();
  const uint64_t seed = Seed();
  Random random(seed);
  for (int i = 0; i < 250; ++i) {
    const std::string text = NastyText(random);
    ASSERT_EQ(Ends(known, text, 1000), Ends(**oracle, text, 1000)) << "seed " << seed << ", text " << JsonQuote(text);
  }
}

// The scanners, wide and scalar, and the regular expression engine are independent of each other.
TEST(PretokenizeProperty, EveryInstructionSetCutsAsTheExpressionsDo) {
  const uint64_t seed = Seed();
  Random random(seed);
  for (Family family : kFamilies) {
    const auto oracle = RegexSplits::Compile(pretokenize::SplitsOf(family));
    ASSERT_TRUE(oracle.has_value()) << oracle.error().ToString();
    const Pretokenizer best = Of(family);
    for (int i = 0; i < 250; ++i) {
      const std::string text = NastyText(random);
      const std::vector<uint32_t> expected = Ends(**oracle, text, 1000);
      for (InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
        const size_t chunk = random.Below(2) == 0 ? 1000 : 1 + random.Below(130);
        ASSERT_EQ(Ends(best.Using(set), text, chunk), expected)
            << "family " << static_cast<int>(family) << ", set " << static_cast<int>(set) << ", chunk " << chunk << ", seed "
            << seed << ", text " << JsonQuote(text);
      }
      ASSERT_EQ(Ends(**oracle, text, 1 + random.Below(5)), expected) << "in small chunks, seed " << seed;
    }
  }
}

TEST(PretokenizeProperty, AWalkMayBeginAtAnyBoundary) {
  const uint64_t seed = Seed();
  Random random(seed);
  for (Family family : kFamilies) {
    const Pretokenizer pretokenizer = Of(family);
    for (int i = 0; i < 50; ++i) {
      const std::string text = NastyText(random);
      const std::vector<uint32_t> expected = Ends(pretokenizer, text, 1000);
      if (expected.empty()) continue;
      const size_t from = random.Below(expected.size());
      Pretokenizer::Cursor cursor{.at = expected[from]};
      std::vector<uint32_t> rest(expected.size());
      rest.resize(pretokenizer.Next(text, cursor, rest));
      ASSERT_EQ(rest, std::vector<uint32_t>(expected.begin() + static_cast<ptrdiff_t>(from) + 1, expected.end()))
          << "seed " << seed;
    }
  }
}

TEST(Pretokenize, LongRunsStayLinear) {
  for (Family family : kFamilies) {
    const Pretokenizer pretokenizer = Of(family);
    for (std::string_view unit : {"a", " ", "\n", "!", "\u4e2d", "'", "A", "\x01"}) {
      std::string text;
      while (text.size() < 300000) text += unit;
      EXPECT_FALSE(Ends(pretokenizer, text, 512).empty());
    }
  }
}

TEST(Pretokenize, IsSharedByThreads) {
  const Pretokenizer known = Of(Family::kQwen2);
  const Pretokenizer other = OfPattern("[a-z]+|[0-9]+");
  const std::string text = "hello 123 wor1d, it's";
  const std::vector<uint32_t> expected[] = {Ends(known, text, 64), Ends(other, text, 64)};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        EXPECT_EQ(Ends(known, text, 3), expected[0]);
        EXPECT_EQ(Ends(other, text, 3), expected[1]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace weir
