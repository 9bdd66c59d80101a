// Readers beside a writer: every answer is true, and what stays is always found.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "vector_sets.h"

namespace weir {
namespace {

using testing::Cosine;
using testing::RandomVector;
using testing::Vector;

// What stays are some vectors far from everything; what passes goes through every state: a list, a graph that grows, one
// that is replaced, equal vectors, and removal of nearly all.
void ReadBesideAWriter(uint32_t flat_max, uint32_t passing) {
  constexpr uint32_t kDimensions = 16;
  constexpr uint32_t kLasting = 8;
  Random random(61);
  std::vector<Vector> vectors;
  for (uint32_t i = 0; i < kLasting + passing; ++i) {
    vectors.push_back(i % 7 == 6 ? vectors[i - 3] : RandomVector(random, kDimensions));
  }
  VectorIndex index({.dimensions = kDimensions, .flat_max = flat_max, .ef_construction = 24});
  for (VectorOwner owner = 0; owner < kLasting; ++owner) ASSERT_TRUE(index.Add(owner, vectors[owner]));

  std::atomic<bool> stop = false;
  std::atomic<uint64_t> finds = 0;
  std::atomic<uint64_t> wrong = 0;
  const auto read = [&](uint64_t seed) {
    Random own(seed);
    VectorMatches matches;
    while (!stop.load(std::memory_order_relaxed)) {
      const auto lasting = static_cast<VectorOwner>(own.Below(kLasting));
      VectorFindOptions options{.k = 1 + static_cast<uint32_t>(own.Below(12))};
      if (own.Below(3) == 0) options.exclude = static_cast<VectorOwner>(kLasting + own.Below(passing));
      bool good = index.Find(vectors[lasting], options, matches).has_value();
      good &= !matches.hits.empty() && matches.hits[0].similarity > 0.9999f;
      if (options.k >= 4) {  // few others have its vector
        good &= std::ranges::any_of(matches.hits, [&](const VectorHit& hit) { return hit.owner == lasting; });
      }
      for (const VectorHit& hit : matches.hits) {
        good &= hit.owner < vectors.size() && hit.owner != options.exclude;
        good &= std::abs(Cosine(vectors[hit.owner], vectors[lasting]) - double{hit.similarity}) < 1e-5;
      }
      good &= index.stats().owners >= kLasting && index.bytes() > 0;
      wrong.fetch_add(good ? 0 : 1, std::memory_order_relaxed);
      finds.fetch_add(1, std::memory_order_relaxed);
    }
  };
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < 3; ++i) readers.emplace_back(read, 100 + i);
  for (int round = 0; round < 500 && (round < 3 || finds.load() < 300); ++round) {
    for (uint32_t i = 0; i < passing; ++i) EXPECT_TRUE(index.Add(kLasting + i, vectors[kLasting + i]));
    for (uint32_t i = 0; i < passing; ++i) EXPECT_TRUE(index.Remove(kLasting + (i * 5 + 1) % passing));
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_GT(finds.load(), 0u);
  EXPECT_GT(index.stats().rebuilds, 2u);
  index.CheckInvariants();
}

TEST(VectorIndexThreads, AnswersStayTrueWhileAListChanges) { ReadBesideAWriter(1000, 157); }
TEST(VectorIndexThreads, AnswersStayTrueWhileAGraphChanges) { ReadBesideAWriter(0, 157); }
TEST(VectorIndexThreads, AnswersStayTrueWhileOneBecomesTheOther) { ReadBesideAWriter(40, 409); }

}  // namespace
}  // namespace weir
