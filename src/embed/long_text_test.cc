// Long texts: windows that tile, fit and end well; vectors as the header says.

#include "weir/embed/long_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fake_embedder.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using testing::ByteTokenizer;
using testing::FakeEmbedder;
using testing::FakeModel;
using testing::ModelOf;

std::unique_ptr<EmbedCache> CacheOf(FakeModel& fake) {
  auto cache = EmbedCache::Create({});
  EXPECT_TRUE(cache);
  EXPECT_TRUE((*cache)->AddModel(ModelOf(fake)));
  return *std::move(cache);
}

// Words, line ends and characters of several bytes.
std::string Prose(uint64_t seed, size_t bytes) {
  constexpr std::string_view kPieces[] = {"word ", "longer-word ", "x", "\n", "\n\n", "\xc3\xa9", "\xe6\xbc\xa2", "end. "};
  Random random(seed);
  std::string text;
  while (text.size() < bytes) text += kPieces[random.Below(std::size(kPieces))];
  return text;
}

Result<std::vector<TextWindow>> Cut(std::string_view text, uint32_t tokens_max, std::string_view prefix = {}) {
  const ByteTokenizer tokenizer;
  return CutIntoWindows(*tokenizer.NewEncoder(), text, {tokens_max, prefix});
}

TEST(LongText, WindowsTileFitAndEndAtCharacters) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const std::string text = Prose(seed, 1 + seed * 7);
    const auto limit = static_cast<uint32_t>(12 + seed % 50);
    const auto windows = Cut(text, limit, seed % 2 == 0 ? "p: " : "");
    ASSERT_TRUE(windows) << windows.error().ToString();
    uint32_t at = 0;
    for (const TextWindow& window : *windows) {
      ASSERT_EQ(window.begin, at) << "seed " << seed;
      ASSERT_GT(window.end, window.begin) << "seed " << seed;
      ASSERT_LE(window.end - window.begin + (seed % 2 == 0 ? 3 : 0), limit) << "seed " << seed;
      ASSERT_EQ(window.tokens, window.end - window.begin);
      if (window.end < text.size()) {
        ASSERT_NE(static_cast<unsigned char>(text[window.end]) & 0xc0, 0x80) << "seed " << seed;
      }
      at = window.end;
    }
    ASSERT_EQ(at, text.size());
  }
}

TEST(LongText, WindowsEndAtTheBestPlaceOfTheirLastQuarter) {
  const std::string words(76, 'x');
  EXPECT_EQ((*Cut(words + "\n\nabc d\nefghi" + words, 100))[0].end, 78u);  // an empty line
  EXPECT_EQ((*Cut(words + "xxabc d\nefghi j" + words, 100))[0].end, 84u);  // a line
  EXPECT_EQ((*Cut(words + "xxabc d efghijk" + words, 100))[0].end, 84u);   // white space
  EXPECT_EQ((*Cut(words + words, 100))[0].end, 100u);
  // Before its last quarter nothing counts.
  EXPECT_EQ((*Cut("a\n\n" + words + words, 100))[0].end, 100u);
}

TEST(LongText, GrowingLeavesTheFirstWindowsAsTheyWere) {
  const std::string text = Prose(5, 2000);
  const auto before = Cut(text, 100);
  const auto after = Cut(text + Prose(6, 500), 100);
  ASSERT_TRUE(before && after);
  for (size_t i = 0; i + 1 < before->size(); ++i) EXPECT_EQ((*before)[i], (*after)[i]);
}

TEST(LongText, WhatFitsHasTheVectorOfEmbed) {
  FakeModel fake;
  const auto cache = CacheOf(fake);
  const std::vector<std::string_view> texts = {"short", "another one"};
  const auto plain = cache->Embed("fake-model", texts);
  const auto answer = EmbedLongTexts(*cache, "fake-model", texts);
  ASSERT_TRUE(plain && answer);
  EXPECT_EQ(answer->vectors, plain->vectors);
  EXPECT_EQ(answer->items[0].windows, 1u);
  EXPECT_EQ(answer->items[0].source, EmbedSource::kHit);
  EXPECT_EQ(fake.texts, 2u);
}

TEST(LongText, IsTheMeanOfItsWindowsByTokens) {
  FakeModel fake;
  const auto cache = CacheOf(fake);
  const std::string text = Prose(1, 730);
  const std::string_view view = text;
  const auto answer = EmbedLongTexts(*cache, "fake-model", {&view, 1});
  ASSERT_TRUE(answer) << answer.error().ToString();
  ASSERT_TRUE(answer->items[0].status);
  const auto windows = Cut(text, fake.tokens_max);
  ASSERT_GT(windows->size(), 7u);
  EXPECT_EQ(answer->items[0].windows, windows->size());
  EXPECT_EQ(answer->items[0].tokens, text.size());
  std::vector<double> sum(8);
  for (const TextWindow& window : *windows) {
    const auto part = FakeEmbedder::VectorOf(view.substr(window.begin, window.end - window.begin), 8);
    for (size_t d = 0; d < 8; ++d) sum[d] += static_cast<double>(part[d]) * window.tokens;
  }
  double square = 0;
  for (const double value : sum) square += value * value;
  for (size_t d = 0; d < 8; ++d) EXPECT_NEAR(answer->vectors[d], sum[d] / std::sqrt(square), 1e-6);
}

TEST(LongText, ATextThatGrowsHasItsLastWindowsEmbeddedAlone) {
  FakeModel fake;
  const auto cache = CacheOf(fake);
  const std::string text = Prose(2, 1500);
  const std::string grown = text + "and some more of it";
  const std::string_view first = text;
  const std::string_view second = grown;
  ASSERT_TRUE(EmbedLongTexts(*cache, "fake-model", {&first, 1}));
  const uint64_t before = fake.texts;
  EXPECT_GT(before, 14u);
  const auto answer = EmbedLongTexts(*cache, "fake-model", {&second, 1});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->items[0].source, EmbedSource::kComputed);
  EXPECT_LE(fake.texts - before, 2u);
  EXPECT_EQ(EmbedLongTexts(*cache, "fake-model", {&second, 1})->items[0].source, EmbedSource::kHit);
}

TEST(LongText, ErrorsAreOfTheirText) {
  FakeModel fake;
  fake.poison = '#';
  const auto cache = CacheOf(fake);
  const std::string good = Prose(3, 400);
  const std::string poisoned = Prose(4, 400) + "#" + Prose(4, 400);
  const std::string blank(400, ' ');
  const std::string broken = Prose(4, 400) + "\xff";
  const std::string gap = "before" + blank + blank + "behind";
  const std::vector<std::string_view> texts = {good, poisoned, blank, broken, "", gap};
  const auto answer = EmbedLongTexts(*cache, "fake-model", texts);
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_TRUE(answer->items[0].status);
  EXPECT_EQ(answer->items[1].status.error().message, "poison");
  for (const size_t item : {2u, 3u, 4u}) {
    EXPECT_EQ(answer->items[item].status.error().code, ErrorCode::kInvalidArgument) << item;
    for (const float value : answer->vector(item)) EXPECT_EQ(value, 0);
  }
  EXPECT_TRUE(answer->items[5].status);
  EXPECT_LT(answer->items[5].windows, 4u);
  EXPECT_EQ(EmbedLongTexts(*cache, "nobody", texts).error().code, ErrorCode::kNotFound);
}

TEST(LongText, LimitsAreSaid) {
  EXPECT_EQ(Cut(std::string(10 * (kWindowsMax + 1), 'x'), 10).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Cut("something that is long enough", 10, "a prefix of many tokens: ").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Cut(std::string(10'000, 'x'), 0)->size(), 1u);
}

}  // namespace
}  // namespace weir
