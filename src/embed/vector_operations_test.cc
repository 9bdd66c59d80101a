#include "weir/embed/vector_operations.h"

#include <gtest/gtest.h>

#include <cmath>

#include "vector_record.h"
#include "weir/base/random.h"

namespace weir {
namespace {

// Unit vectors of a plane at these angles, in degrees.
std::vector<float> Angles(const std::vector<double>& degrees) {
  std::vector<float> rows;
  for (const double angle : degrees) {
    rows.push_back(static_cast<float>(std::cos(angle * M_PI / 180)));
    rows.push_back(static_cast<float>(std::sin(angle * M_PI / 180)));
  }
  return rows;
}

TEST(VectorOperations, SimilarityIsTheCosine) {
  const std::vector<float> rows = Angles({0, 60, 90, 180});
  const VectorRows all{rows, 2};
  EXPECT_NEAR(*Similarity(all.row(0), all.row(1)), 0.5, 1e-6);
  EXPECT_NEAR(*Similarity(all.row(0), all.row(2)), 0, 1e-6);
  EXPECT_NEAR(*Similarity(all.row(0), all.row(3)), -1, 1e-6);
  const std::vector<float> zero = {0, 0};
  EXPECT_EQ(*Similarity(zero, all.row(0)), 0);
  EXPECT_FALSE(Similarity(zero, std::span<const float>(rows).first(3)));
}

TEST(VectorOperations, MatrixHoldsEveryPair) {
  Random random(1);
  std::vector<float> rows(20 * 13);
  for (float& value : rows) value = static_cast<float>(random.Unit()) - 0.5f;
  const VectorRows all{rows, 13};
  const auto matrix = SimilarityMatrix(all);
  ASSERT_TRUE(matrix);
  for (size_t i = 0; i < 20; ++i) {
    for (size_t j = 0; j < 20; ++j) {
      EXPECT_NEAR((*matrix)[i * 20 + j], i == j ? 1 : *Similarity(all.row(i), all.row(j)), 1e-6);
    }
  }
  EXPECT_FALSE(SimilarityMatrix({rows, 7}));
}

TEST(VectorOperations, TopKIsInOrderAndAboveTheThreshold) {
  const std::vector<float> rows = Angles({50, 10, 10, 90, 200});
  const std::vector<float> query = Angles({0});
  const auto top = TopK({rows, 2}, query, 3, 0.5f);
  ASSERT_TRUE(top);
  ASSERT_EQ(top->size(), 3u);
  EXPECT_EQ((*top)[0].row, 1u);
  EXPECT_EQ((*top)[1].row, 2u);
  EXPECT_EQ((*top)[2].row, 0u);
  EXPECT_EQ(TopK({rows, 2}, query, 10, 0.7f)->size(), 2u);
  EXPECT_FALSE(TopK({rows, 2}, rows, 3));
}

TEST(VectorOperations, ClustersAreConnectedComponents) {
  // 0-30-60: neighbours are within 45 degrees, so all three belong together, though 0 and 60 are not alike enough.
  const std::vector<float> rows = Angles({0, 120, 30, 200, 60, 205, 300});
  const auto clusters = ClusterRows({rows, 2});
  ASSERT_TRUE(clusters);
  ASSERT_EQ(clusters->size(), 2u);
  EXPECT_EQ((*clusters)[0].rows, (std::vector<uint32_t>{0, 2, 4}));
  EXPECT_EQ((*clusters)[0].representative, 2u);
  EXPECT_NEAR((*clusters)[0].strength, (2 * std::cos(M_PI / 6) + std::cos(M_PI / 3)) / 3, 1e-5);
  EXPECT_EQ((*clusters)[1].rows, (std::vector<uint32_t>{3, 5}));
  ClusterOptions alone;
  alone.size_min = 1;
  EXPECT_EQ(ClusterRows({rows, 2}, alone)->size(), 4u);
}

TEST(VectorRecord, HalvesRoundToTheNearestAndBack) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const float value = embed::FromHalf(static_cast<uint16_t>(half));
    if (std::isnan(value)) continue;
    EXPECT_EQ(embed::ToHalf(value), half);
  }
  Random random(2);
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<float>(std::ldexp(random.Unit() * 2 - 1, static_cast<int>(random.Below(40)) - 24));
    const float near = embed::FromHalf(embed::ToHalf(value));
    // No half is nearer.
    const uint16_t half = embed::ToHalf(value);
    for (const int step : {-1, 1}) {
      const auto other = static_cast<uint16_t>(half + step);
      if ((other & 0x7c00) == 0x7c00 || (half & 0x8000) != (other & 0x8000)) continue;
      EXPECT_LE(std::abs(near - value), std::abs(embed::FromHalf(other) - value)) << value;
    }
  }
  EXPECT_EQ(embed::ToHalf(1e9f), 0x7c00);
  EXPECT_TRUE(std::isnan(embed::FromHalf(embed::ToHalf(NAN))));
}

TEST(VectorRecord, RefusesWhatItDidNotWrite) {
  const std::vector<float> vector = {1, 2, 3};
  for (const VectorPrecision precision : {VectorPrecision::kF32, VectorPrecision::kF16}) {
    const std::string bytes = embed::WriteVector(vector, precision);
    std::vector<float> out(3);
    ASSERT_TRUE(embed::ReadVector(bytes, out));
    EXPECT_EQ(out, vector);
    std::vector<float> two(2);
    EXPECT_FALSE(embed::ReadVector(bytes, two));
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(embed::ReadVector(bytes.substr(0, size), out));
    for (size_t at = 0; at < 8; ++at) {
      std::string spoilt = bytes;
      spoilt[at] ^= 0x40;
      EXPECT_FALSE(embed::ReadVector(spoilt, out)) << at;
    }
  }
}

}  // namespace
}  // namespace weir
