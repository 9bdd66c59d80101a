// Readers of the span index while writers change it, and that a long life of changes leaves nothing behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "testing/counted_new.h"
#include "testing/span_oracle.h"
#include "weir/base/random.h"
#include "weir/reuse/span_index.h"

namespace weir {
namespace {

using testing::Expected;
using testing::Naive;
using testing::RandomText;
using testing::Tokens;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kQueries = 60;
constexpr int kCycles = 50'000;
#else
constexpr int kQueries = 600;
constexpr int kCycles = 1'000'000;
#endif
constexpr uint32_t kTokensMin = 12;
constexpr DocumentId kWatched = 12;  // every third is there from the first to the last
constexpr DocumentId kBallast = 300;

// What becomes of one document: absent, being added, present, being removed, and again.
using Fate = std::atomic<uint64_t>;
constexpr uint64_t kPresent = 2;

class SpanStress {
 public:
  explicit SpanStress(uint64_t seed) : seed_(seed) {
    Random random(seed);
    for (int i = 0; i < 4; ++i) sources_.push_back(RandomText(random, sources_, 250));
  }

  void Run() {
    for (DocumentId id = 0; id < kWatched; id += 3) Add(id);
    std::atomic<bool> stop{false};
    std::vector<std::jthread> writers;
    writers.emplace_back([&] { Churn(stop); });
    writers.emplace_back([&] { GrowAndShrink(stop); });
    {
      std::vector<std::jthread> readers;
      for (uint64_t reader = 0; reader < 2; ++reader) readers.emplace_back([this, reader] { Read(seed_ * 100 + reader); });
    }
    stop = true;
    writers.clear();
    index_.CheckInvariants();
    for (DocumentId id = 0; id < kWatched; id += 3) Remove(id);
    EXPECT_EQ(index_.documents(), 0u);
    EXPECT_EQ(index_.bytes(), empty_);
    EXPECT_GT(certain_, uint64_t{kQueries} * 4);
  }

 private:
  // The same for writer and readers.
  Tokens TextOf(DocumentId id, uint64_t life) const {
    Random random(seed_ * 1'000'003 + id * 10'007 + life);
    return RandomText(random, sources_, 250);
  }
  void Add(DocumentId id) {
    const uint64_t life = ++fates_[id] / 4;
    texts_[id] = TextOf(id, life);
    ASSERT_TRUE(index_.Add(id, texts_[id]));
    ++fates_[id];
  }
  void Remove(DocumentId id) {
    ++fates_[id];
    ASSERT_TRUE(index_.Remove(id));
    std::fill(texts_[id].begin(), texts_[id].end(), 0);  // whoever still reads it is caught
    Tokens().swap(texts_[id]);
    ++fates_[id];
  }

  void Churn(const std::atomic<bool>& stop) {
    Random random(seed_);
    while (!stop) {
      const auto id = static_cast<DocumentId>(random.Below(kWatched));
      if (id % 3 == 0) continue;
      fates_[id] % 4 == kPresent ? Remove(id) : Add(id);
    }
    for (DocumentId id = 0; id < kWatched; ++id) {
      if (id % 3 != 0 && fates_[id] % 4 == kPresent) Remove(id);
    }
  }
  // Other documents, so many that every table grows and shrinks.
  void GrowAndShrink(const std::atomic<bool>& stop) {
    std::vector<Tokens> texts(kBallast);
    Random random(seed_ + 1);
    while (!stop) {
      for (DocumentId i = 0; i < kBallast; ++i) {
        texts[i] = RandomText(random, sources_, 400);
        ASSERT_TRUE(index_.Add(kWatched + i, texts[i]));
      }
      for (DocumentId i = 0; i < kBallast; ++i) ASSERT_TRUE(index_.Remove(kWatched + i));
    }
  }

  void Read(uint64_t seed) {
    Random random(seed);
    for (int query = 0; query < kQueries; ++query) {
      const Tokens text = RandomText(random, sources_, 250);
      std::array<uint64_t, kWatched> before;
      std::transform(fates_.begin(), fates_.end(), before.begin(), [](const Fate& fate) { return fate.load(); });
      const auto matches = index_.Find(text, {.repetition_max = 1'000'000});
      ASSERT_TRUE(matches);
      for (DocumentId id = 0; id < kWatched; ++id) {
        if (fates_[id] != before[id] || before[id] % 2 != 0) continue;  // it came or went meanwhile
        ++certain_;
        Check(*matches, text, id, before[id]);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
  void Check(const SpanMatches& matches, const Tokens& text, DocumentId id, uint64_t fate) const {
    const auto pair = std::find_if(matches.pairs.begin(), matches.pairs.end(), [&](const SpanPair& p) { return p.b == id; });
    const Tokens other = fate % 4 == kPresent ? TextOf(id, fate / 4) : Tokens();
    const Expected expected = Naive(text, other, kTokensMin, false);
    if (expected.spans.empty() && expected.prefix < kTokensMin) {
      ASSERT_EQ(pair, matches.pairs.end()) << "document " << id << ", fate " << fate;
      return;
    }
    ASSERT_NE(pair, matches.pairs.end()) << "document " << id << ", fate " << fate;
    const auto spans = matches.SpansOf(*pair);
    ASSERT_EQ(std::vector<CommonSpan>(spans.begin(), spans.end()), expected.spans);
    ASSERT_EQ(pair->prefix_tokens, expected.prefix);
    ASSERT_EQ(pair->b_tokens, expected.b_tokens);
  }

  uint64_t seed_;
  std::vector<Tokens> sources_;
  SpanIndex index_{{.tokens_min = kTokensMin}};
  uint64_t empty_ = index_.bytes();
  std::array<Fate, kWatched> fates_{};
  std::array<Tokens, kWatched> texts_;
  std::atomic<uint64_t> certain_{0};
};

TEST(SpanConcurrency, ReadersSeeAllThatIsCertain) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SpanStress(seed).Run();
  }
}

TEST(SpanConcurrency, ALongLifeOfChangesLeavesNothing) {
  Random random(1);
  std::vector<Tokens> texts(64);
  for (auto& text : texts) {
    text.resize(33);
    for (auto& token : text) token = static_cast<TokenId>(random.Below(3));
  }
  SpanIndex index;
  const uint64_t empty = index.bytes();
  uint64_t outside = 0;
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    const auto id = static_cast<DocumentId>(cycle % 64);
    if (cycle >= 32) {
      ASSERT_TRUE(index.Remove((id + 32) % 64));
    }
    ASSERT_TRUE(index.Add(id, texts[random.Below(64)]));
    if (cycle % 10'000 != 0) continue;
    if (cycle == 0) outside = testing::BytesHandedOut() - index.bytes();
    ASSERT_EQ(testing::BytesHandedOut() - index.bytes(), outside);
    ASSERT_LT(index.bytes(), empty + 20'000);
  }
  for (DocumentId id = 0; id < 64; ++id) index.Remove(id);
  EXPECT_EQ(index.bytes(), empty);
}

}  // namespace
}  // namespace weir
