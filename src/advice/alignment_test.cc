#include "alignment.h"

#include <gtest/gtest.h>

#include <vector>

#include "weir/base/random.h"

namespace weir {
namespace {

void CheckRuns(const std::vector<TokenId>& a, const std::vector<TokenId>& b, const std::vector<AlignedRun>& runs,
               uint32_t run_min) {
  uint32_t end_a = 0;
  uint32_t end_b = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    const AlignedRun& run = runs[i];
    ASSERT_GE(run.a, end_a);
    ASSERT_GE(run.b, end_b);
    ASSERT_GT(run.size, 0u);
    ASSERT_TRUE(i + 1 == runs.size() || run.size >= run_min);
    ASSERT_LE(run.a + run.size, a.size());
    ASSERT_LE(run.b + run.size, b.size());
    for (uint32_t k = 0; k < run.size; ++k) ASSERT_EQ(a[run.a + k], b[run.b + k]);
    end_a = run.a + run.size;
    end_b = run.b + run.size;
  }
}

TEST(AlignRuns, AreCommonRisingAndDisjoint) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const uint64_t vocabulary = 1 + random.Below(50);
    std::vector<TokenId> a;
    for (uint64_t i = random.Below(80); i > 0; --i) a.push_back(static_cast<TokenId>(random.Below(vocabulary)));
    std::vector<TokenId> b = a;
    for (uint64_t edits = random.Below(6); edits > 0 && !b.empty(); --edits) {
      const auto at = static_cast<std::ptrdiff_t>(random.Below(b.size()));
      if (random.Below(2) == 0) {
        b.erase(b.begin() + at);
      } else {
        b.insert(b.begin() + at, static_cast<TokenId>(random.Below(vocabulary)));
      }
    }
    const auto run_min = static_cast<uint32_t>(1 + random.Below(8));
    CheckRuns(a, b, AlignRuns(a, b, run_min), run_min);
  }
}

TEST(AlignRuns, FindsWhatIsBetweenEdits) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    // All tokens differ, so the common parts are known.
    std::vector<TokenId> a;
    std::vector<TokenId> b;
    TokenId next = 0;
    uint32_t common = 0;
    for (uint64_t part = 1 + random.Below(6); part > 0; --part) {
      for (uint64_t i = 1 + random.Below(5); i > 0; --i) a.push_back(next++);
      for (uint64_t i = 1 + random.Below(5); i > 0; --i) b.push_back(next++);
      for (uint64_t i = 8 + random.Below(40); i > 0; --i, ++common) {
        a.push_back(next);
        b.push_back(next++);
      }
    }
    uint32_t found = 0;
    for (const AlignedRun& run : AlignRuns(a, b, 8)) found += run.size;
    ASSERT_EQ(found, common);
  }
}

TEST(AlignRuns, LongSequencesAreSampled) {
  Random random(9);
  std::vector<TokenId> a;
  for (int i = 0; i < 1'200'000; ++i) a.push_back(static_cast<TokenId>(random.Next()));
  std::vector<TokenId> b = a;
  for (const ptrdiff_t at : {1'100'000, 600'000, 10}) b.insert(b.begin() + at, 7);
  uint32_t found = 0;
  for (const AlignedRun& run : AlignRuns(a, b, 8)) found += run.size;
  EXPECT_GE(found, a.size() - 10);
}

TEST(AlignRuns, EqualOrEmpty) {
  const std::vector<TokenId> a = {1, 2, 3};
  EXPECT_EQ(AlignRuns(a, a, 8), (std::vector<AlignedRun>{{0, 0, 3}}));
  EXPECT_TRUE(AlignRuns(a, {}, 8).empty());
  EXPECT_TRUE(AlignRuns({}, {}, 8).empty());
}

}  // namespace
}  // namespace weir
