// What the limits of a span query do to repetitive texts and to many documents.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "testing/span_oracle.h"
#include "weir/base/random.h"
#include "weir/reuse/span_index.h"

namespace weir {
namespace {

using testing::Expected;
using testing::Naive;
using testing::RandomText;
using testing::Tokens;

TEST(SpanLimits, SaysWhenRepetitiveTextExceedsTheLimits) {
  const Tokens same_a(20000, 7);
  const Tokens same_b(19000, 7);
  Tokens periodic(20000);
  for (size_t i = 0; i < periodic.size(); ++i) periodic[i] = static_cast<TokenId>(i % 10);
  const std::vector<std::span<const TokenId>> documents = {same_a, same_b, periodic, std::span(periodic).subspan(3, 15000)};
  const auto all = AllCommonSpans(documents);
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->matches.truncated());
  ASSERT_EQ(all->matches.pairs.size(), 2u);
  for (const SpanPair& pair : all->matches.pairs) {
    const auto a = documents[pair.a];
    const auto b = documents[pair.b];
    EXPECT_TRUE(pair.truncated);
    EXPECT_LE(pair.span_count, 4096u);
    for (const CommonSpan& span : all->matches.SpansOf(pair)) {
      ASSERT_GE(span.length, 32u);
      ASSERT_TRUE(std::equal(a.begin() + span.a_begin, a.begin() + span.a_begin + span.length, b.begin() + span.b_begin));
    }
    // What is covered is still told but for a few tokens at the ends.
    EXPECT_GE(pair.a_tokens + 10, a.size() - pair.prefix_tokens);
    EXPECT_GE(pair.b_tokens + 10, b.size() - pair.prefix_tokens);
  }
}

// Under tight limits: what is listed is true and maximal, counts are lower bounds, and what is missing is said to be.
TEST(SpanLimits, ForgetsRepetitiveTextsInLinearTime) {
  std::vector<Tokens> texts;
  for (TokenId i = 0; i < 64; ++i) {
    texts.emplace_back(20000);
    for (size_t at = 0; at < texts.back().size(); ++at) texts.back()[at] = static_cast<TokenId>(at % 3);
    texts.back()[0] = 100 + i;
  }
  SpanIndex index;
  for (size_t i = 0; i < texts.size(); ++i) ASSERT_TRUE(index.Add(static_cast<DocumentId>(i), texts[i]));
  const auto begun = std::chrono::steady_clock::now();
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(index.Remove(static_cast<DocumentId>(i * 20)));
  // The square of the length would be some minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
  EXPECT_EQ(index.documents(), 60u);
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(index.Remove(static_cast<DocumentId>(i)), i % 20 != 0);
  index.CheckInvariants();
}

TEST(SpanLimits, ATruncatedPairTellsOnlyTruths) {
  int truncated = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Tokens b = RandomText(random, {}, 400);
    const Tokens a = RandomText(random, {b}, 400);
    SpanIndex index({.tokens_min = 8});
    ASSERT_TRUE(index.Add(0, b));
    SpanFindOptions options;
    options.spans_per_pair_max = static_cast<uint32_t>(random.Below(20));
    options.candidates_per_pair_max = static_cast<uint32_t>(random.Below(100));
    options.repetition_max = static_cast<uint32_t>(random.Below(3));
    const auto matches = index.Find(a, options);
    ASSERT_TRUE(matches);
    const Expected expected = Naive(a, b, 8, false);
    if (matches->pairs.empty()) {
      ASSERT_TRUE(expected.spans.empty());
      continue;
    }
    const SpanPair& pair = matches->pairs[0];
    ASSERT_TRUE(std::includes(expected.spans.begin(), expected.spans.end(), matches->spans.begin(), matches->spans.end()));
    ASSERT_LE(pair.a_tokens, expected.a_tokens);
    ASSERT_LE(pair.b_tokens, expected.b_tokens);
    ASSERT_LE(pair.span_count, options.spans_per_pair_max);
    if (!pair.truncated) {
      ASSERT_EQ(matches->spans, expected.spans);
      ASSERT_EQ(pair.a_tokens, expected.a_tokens);
    }
    truncated += pair.truncated ? 1 : 0;
  }
  EXPECT_GT(truncated, 10);
}

// Table-like text: many lines that are equal but for a number.
TEST(SpanLimits, CoversRepetitiveLinesBeyondTheLimits) {
  const auto lines = [](uint32_t first) {
    Tokens text;
    for (uint32_t line = 0; line < 300; ++line) {
      text.push_back(1000 + first + line);
      for (TokenId i = 0; i < 60; ++i) text.push_back(i);
    }
    return text;
  };
  const Tokens a = lines(0);
  const Tokens b = lines(5000);
  SpanIndex index;
  ASSERT_TRUE(index.Add(0, b));
  const auto matches = index.Find(a);
  ASSERT_TRUE(matches);
  ASSERT_EQ(matches->pairs.size(), 1u);
  EXPECT_TRUE(matches->pairs[0].truncated);
  EXPECT_EQ(matches->pairs[0].a_tokens, 300u * 60);
  EXPECT_EQ(matches->pairs[0].b_tokens, 300u * 60);
}

TEST(SpanLimits, BoundsSpansAndPairs) {
  Random random(9);
  Tokens boilerplate(200);
  for (auto& token : boilerplate) token = static_cast<TokenId>(random.Below(100000));
  std::vector<Tokens> texts(30);
  for (auto& text : texts) {
    text.resize(1 + random.Below(50), 0);
    for (auto& token : text) token = static_cast<TokenId>(random.Below(100000));
    text.insert(text.end(), boilerplate.begin(), boilerplate.end());
  }
  const std::vector<std::span<const TokenId>> documents(texts.begin(), texts.end());
  const auto whole = AllCommonSpans(documents);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->matches.pairs.size(), 30u * 29 / 2);
  EXPECT_FALSE(whole->matches.truncated());
  const auto few_spans = AllCommonSpans(documents, {}, {.spans_max = 100});
  ASSERT_TRUE(few_spans);
  EXPECT_EQ(few_spans->matches.spans.size(), 100u);
  EXPECT_EQ(few_spans->matches.pairs_truncated, 435u - 100);
  EXPECT_GT(few_spans->matches.pairs.back().a_tokens, 0u);  // counts stay whole
  const auto few_pairs = AllCommonSpans(documents, {}, {.pairs_max = 10});
  ASSERT_TRUE(few_pairs);
  EXPECT_EQ(few_pairs->matches.pairs.size(), 10u);
  EXPECT_EQ(few_pairs->matches.pairs_dropped, 425u);
}

}  // namespace
}  // namespace weir
