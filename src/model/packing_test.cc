#include "packing.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

namespace weir {
namespace {

RC_GTEST_PROP(Packing, EveryTextInOneBatchWithinTheLimits, ()) {
  const auto lengths = *rc::gen::container<std::vector<uint32_t>>(rc::gen::inRange<uint32_t>(1, 100));
  const PackingLimits limits = {.tokens_max = 99,
                                .tokens_target = *rc::gen::inRange<uint32_t>(1, 150),
                                .texts_max = *rc::gen::inRange<uint32_t>(1, 6)};
  std::vector<uint32_t> wanted;
  for (uint32_t i = 0; i < lengths.size(); ++i) {
    if (i % 3 != 1) wanted.push_back(i);
  }
  const auto batches = PackByLength(lengths, wanted, limits);
  std::vector<uint32_t> packed;
  uint32_t shortest = UINT32_MAX;
  for (const PackedBatch& batch : batches) {
    RC_ASSERT(!batch.texts.empty() && batch.texts.size() <= limits.texts_max);
    uint32_t tokens = 0;
    for (uint32_t text : batch.texts) {
      tokens += lengths[text];
      RC_ASSERT(lengths[text] <= shortest);  // of like length: sorted across all batches
      shortest = lengths[text];
      packed.push_back(text);
    }
    RC_ASSERT(tokens == batch.tokens);
    RC_ASSERT(tokens <= limits.tokens_max);
    RC_ASSERT(batch.texts.size() == 1 || tokens <= limits.tokens_target);
  }
  std::ranges::sort(packed);
  RC_ASSERT(packed == wanted);
}

TEST(Packing, NothingMakesNoBatch) { EXPECT_TRUE(PackByLength({}, {}, {10, 10, 2}).empty()); }

TEST(Packing, FillsUpToTheTarget) {
  const std::vector<uint32_t> lengths(8, 30);
  std::vector<uint32_t> wanted(8);
  std::iota(wanted.begin(), wanted.end(), 0u);
  EXPECT_EQ(PackByLength(lengths, wanted, {.tokens_max = 512, .tokens_target = 120, .texts_max = 16}).size(), 2u);
}

}  // namespace
}  // namespace weir
