#include "weir/reuse/span_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "testing/counted_new.h"
#include "testing/span_oracle.h"
#include "weir/base/random.h"
#include "winnowing.h"

namespace weir {
namespace {

using testing::Expected;
using testing::Naive;
using testing::RandomText;
using testing::Tokens;

void ExpectPair(const SpanMatches& matches, uint32_t a_id, uint32_t b_id, const Tokens& a, const Tokens& b,
                uint32_t tokens_min, bool prefix_as_span) {
  const Expected expected = Naive(a, b, tokens_min, prefix_as_span);
  const auto pair = std::find_if(matches.pairs.begin(), matches.pairs.end(),
                                 [&](const SpanPair& p) { return p.a == a_id && p.b == b_id; });
  if (expected.spans.empty() && expected.prefix < tokens_min) {
    ASSERT_EQ(pair, matches.pairs.end());
    return;
  }
  ASSERT_NE(pair, matches.pairs.end());
  const auto spans = matches.SpansOf(*pair);
  ASSERT_EQ(std::vector<CommonSpan>(spans.begin(), spans.end()), expected.spans);
  ASSERT_EQ(pair->prefix_tokens, expected.prefix);
  ASSERT_EQ(pair->a_tokens, expected.a_tokens);
  ASSERT_EQ(pair->b_tokens, expected.b_tokens);
  ASSERT_FALSE(pair->truncated);
}

TEST(Winnowing, EveryRunHoldsASelectedFingerprint) {
  Random random(1);
  for (const uint32_t tokens_min : {8u, 9u, 32u, 100u}) {
    const auto shape = internal::WinnowingShape::For(tokens_min);
    for (int round = 0; round < 50; ++round) {
      const Tokens text = RandomText(random, {}, 600);
      std::vector<uint32_t> positions;
      internal::ForEachFingerprint(text, shape, [&](internal::Fingerprint print) { positions.push_back(print.position); });
      ASSERT_TRUE(std::adjacent_find(positions.begin(), positions.end(), std::greater_equal<>()) == positions.end());
      for (uint32_t begin = 0; begin + tokens_min <= text.size(); ++begin) {
        const auto first = std::lower_bound(positions.begin(), positions.end(), begin);
        ASSERT_TRUE(first != positions.end() && *first + shape.gram <= begin + tokens_min) << begin;
      }
    }
  }
}

TEST(SpanIndex, EqualsTheOracleThroughAddsAndRemoves) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto tokens_min = static_cast<uint32_t>(seed % 3 == 0 ? 32 : 8 + random.Below(9));
    SpanIndex index({.tokens_min = tokens_min});
    std::vector<Tokens> texts(8);
    std::vector<bool> held(8, false);
    for (int step = 0; step < 30; ++step) {
      const auto id = static_cast<DocumentId>(random.Below(8));
      if (held[id]) {
        ASSERT_TRUE(index.Remove(id));
        held[id] = false;
      } else {
        texts[id] = RandomText(random, texts, 300);
        ASSERT_TRUE(index.Add(id, texts[id]));
        held[id] = true;
        ASSERT_EQ(index.Add(id, texts[id]).error().code, ErrorCode::kAlreadyExists);
      }
      index.CheckInvariants();
      const Tokens query = RandomText(random, texts, 300);
      const bool prefix_as_span = random.Below(2) == 0;
      const auto matches = index.Find(query, {.prefix_as_span = prefix_as_span, .repetition_max = 1000000});
      ASSERT_TRUE(matches);
      for (DocumentId document = 0; document < 8; ++document) {
        if (held[document]) ExpectPair(*matches, 0, document, query, texts[document], tokens_min, prefix_as_span);
      }
      for (const SpanPair& pair : matches->pairs) ASSERT_TRUE(held[pair.b]);
    }
  }
}

TEST(SpanIndex, AllPairsEqualTheOracle) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    std::vector<Tokens> texts;
    texts.reserve(9);
    for (int i = 0; i < 8; ++i) texts.push_back(RandomText(random, texts, 400));
    texts.push_back(texts[3]);
    const std::vector<std::span<const TokenId>> documents(texts.begin(), texts.end());
    const auto all = AllCommonSpans(documents, {.tokens_min = 16}, {.repetition_max = 1000000});
    ASSERT_TRUE(all);
    for (uint32_t a = 0; a < texts.size(); ++a) {
      uint32_t first = 0;
      while (texts[first] != texts[a]) ++first;
      ASSERT_EQ(all->same_as[a], first);
      for (uint32_t b = a + 1; b < texts.size(); ++b) {
        if (all->same_as[a] == a && all->same_as[b] == b) ExpectPair(all->matches, a, b, texts[a], texts[b], 16, false);
      }
    }
    ASSERT_EQ(all->same_as[8], all->same_as[3]);
  }
}

// Runs of exactly the least length, planted in noise, at any offset.
TEST(SpanIndex, FindsEveryPlantedRun) {
  Random random(7);
  std::vector<Tokens> texts(20);
  for (auto& text : texts) {
    text.resize(3000);
    for (auto& token : text) token = static_cast<TokenId>(random.Below(150000));
  }
  std::vector<std::pair<std::pair<uint32_t, uint32_t>, CommonSpan>> planted;
  for (uint32_t a = 0; a < 20; ++a) {
    const uint32_t b = (a + 7) % 20;
    const auto length = static_cast<uint32_t>(32 + random.Below(3) * random.Below(100));
    const auto from = static_cast<uint32_t>(random.Below(1000));
    const auto to = static_cast<uint32_t>(1500 + random.Below(1000));
    std::copy_n(texts[a].begin() + from, length, texts[b].begin() + to);
    planted.push_back({{a, b}, {from, to, length}});
  }
  const std::vector<std::span<const TokenId>> documents(texts.begin(), texts.end());
  const auto all = AllCommonSpans(documents);
  ASSERT_TRUE(all);
  for (const auto& [documents_of, span] : planted) {
    const auto [low, high] = std::minmax(documents_of.first, documents_of.second);
    const uint32_t first = low;
    const uint32_t second = high;
    const bool turned = documents_of.first > documents_of.second;
    const CommonSpan wanted = turned ? CommonSpan{span.b_begin, span.a_begin, span.length} : span;
    const auto found = std::find_if(all->matches.pairs.begin(), all->matches.pairs.end(),
                                    [&](const SpanPair& p) { return p.a == first && p.b == second; });
    ASSERT_NE(found, all->matches.pairs.end());
    const auto spans = all->matches.SpansOf(*found);
    EXPECT_NE(std::find(spans.begin(), spans.end(), wanted), spans.end());
  }
}

TEST(SpanIndex, KeepsThePrefixApart) {
  Tokens a(100);
  Tokens b(130);
  for (uint32_t i = 0; i < 100; ++i) a[i] = i;
  for (uint32_t i = 0; i < 130; ++i) b[i] = i < 40 ? i : 1000 + i;
  std::copy_n(a.begin() + 50, 40, b.begin() + 80);
  SpanIndex index;
  ASSERT_TRUE(index.Add(0, b));
  const auto matches = index.Find(a);
  ASSERT_TRUE(matches);
  ASSERT_EQ(matches->pairs.size(), 1u);
  EXPECT_EQ(matches->pairs[0].prefix_tokens, 40u);
  EXPECT_EQ(matches->spans, (std::vector<CommonSpan>{{50, 80, 40}}));
  EXPECT_EQ(matches->pairs[0].a_tokens, 40u);
}

// With what all have in common known, every run that reaches beyond it is still found whole, whatever else begins like it.
TEST(SpanIndex, LooksBeyondAKnownPrefix) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Tokens head = RandomText(random, {}, 200);
    const auto known = static_cast<uint32_t>(head.size());
    SpanIndex index({.tokens_min = 16});
    std::vector<Tokens> texts(12, head);
    for (DocumentId document = 0; document < texts.size(); ++document) {
      const Tokens rest = RandomText(random, texts, 300);
      texts[document].insert(texts[document].end(), rest.begin(), rest.end());
    }
    for (DocumentId document = 0; document < texts.size(); ++document) ASSERT_TRUE(index.Add(document, texts[document]));
    Tokens query = head;
    const Tokens rest = RandomText(random, texts, 300);
    query.insert(query.end(), rest.begin(), rest.end());
    const auto found = index.Find(query, {.repetition_max = 1000000, .prefix_known = known});
    ASSERT_TRUE(found);
    for (DocumentId document = 0; document < texts.size(); ++document) {
      const Expected expected = Naive(query, texts[document], 16, false);
      std::vector<CommonSpan> wanted = expected.spans;
      std::erase_if(wanted, [&](const CommonSpan& span) { return span.a_begin + span.length <= known; });
      std::vector<CommonSpan> spans;
      uint32_t a_tokens = 0;
      for (const SpanPair& pair : found->pairs) {
        if (pair.b != document) continue;
        spans.assign(found->SpansOf(pair).begin(), found->SpansOf(pair).end());
        a_tokens = pair.a_tokens;
      }
      // Hits beside the ones that are needed may show others, too.
      std::erase_if(spans, [&](const CommonSpan& span) { return span.a_begin + span.length <= known; });
      ASSERT_EQ(spans, wanted);
      ASSERT_EQ(a_tokens, expected.a_tokens);
    }
  }
}

TEST(SpanIndex, SkipsTheExcludedDocument) {
  Tokens text(64, 3);
  SpanIndex index;
  ASSERT_TRUE(index.Add(4, text));
  EXPECT_EQ(index.Find(text)->pairs.size(), 1u);
  EXPECT_EQ(index.Find(text, {.exclude = 4})->pairs.size(), 0u);
}

TEST(SpanIndex, CountsEveryByteAndGivesAllBack) {
  Random random(11);
  std::vector<Tokens> texts(40);
  for (auto& text : texts) text = RandomText(random, {texts[0], texts[1]}, 2000);
  const uint64_t before = testing::BytesHandedOut();
  {
    SpanIndex index;
    const uint64_t empty = index.bytes();
    EXPECT_EQ(testing::BytesHandedOut() - before, empty);
    for (int round = 0; round < 3; ++round) {
      for (DocumentId id = 0; id < 40; ++id) {
        ASSERT_TRUE(index.Add(id, texts[id]));
        ASSERT_EQ(testing::BytesHandedOut() - before, index.bytes());
      }
      EXPECT_GT(index.bytes(), empty);
      for (DocumentId id = 0; id < 40; ++id) {
        ASSERT_TRUE(index.Remove((id * 7 + 3) % 40));
        ASSERT_EQ(testing::BytesHandedOut() - before, index.bytes());
      }
      EXPECT_EQ(index.bytes(), empty);
    }
  }
  EXPECT_EQ(testing::BytesHandedOut(), before);
}

TEST(SpanIndex, ARefusedAllocationChangesNothing) {
  Random random(13);
  std::vector<Tokens> texts;
  texts.reserve(6);
  for (int i = 0; i < 6; ++i) texts.push_back(RandomText(random, texts, 500));
  SpanIndex index;
  int refusals = 0;
  for (DocumentId id = 0; id < texts.size(); ++id) {
    for (int64_t nth = 0;; ++nth) {
      testing::RefuseAllocationAfter(nth);
      const Status status = index.Add(id, texts[id]);
      testing::RefuseAllocationAfter(-1);
      index.CheckInvariants();
      if (status) break;
      ++refusals;
      ASSERT_EQ(status.error().code, ErrorCode::kExhausted);
      ASSERT_EQ(index.documents(), id);
    }
  }
  EXPECT_GT(refusals, 20);
}

TEST(SpanIndex, RefusesWhatItCannotDo) {
  EXPECT_FALSE(SpanOptions{.tokens_min = 7}.Validate());
  EXPECT_FALSE(SpanOptions{.tokens_min = 1025}.Validate());
  SpanIndex index({.bytes_max = 4000});
  EXPECT_EQ(index.Add(kDocumentsMax, Tokens(50, 1)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(index.Remove(3));
  Random random(1);
  Tokens text(20000);
  for (auto& token : text) token = static_cast<TokenId>(random.Next());
  EXPECT_EQ(index.Add(0, text).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(index.documents(), 0u);
  index.CheckInvariants();
}

TEST(SpanIndex, TakesTextsShorterThanARun) {
  SpanIndex index;
  const Tokens shorter(31, 1);
  ASSERT_TRUE(index.Add(0, {}));
  ASSERT_TRUE(index.Add(1, shorter));
  EXPECT_EQ(index.Find(shorter)->pairs.size(), 0u);
  index.CheckInvariants();
  EXPECT_TRUE(index.Remove(0));
  EXPECT_TRUE(index.Remove(1));
}

}  // namespace
}  // namespace weir
