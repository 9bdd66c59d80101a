// The hash of blocks: fair and independent bits, order, and how far a change moves it.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "near_scan.h"
#include "weir/base/random.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

using Tokens = std::vector<TokenId>;

Tokens RandomBlock(Random& random, size_t size) {
  Tokens block(size);
  for (TokenId& token : block) token = static_cast<TokenId>(random.Below(151'643));
  return block;
}

int Distance(const Tokens& a, const Tokens& b) { return std::popcount(NearHash(a) ^ NearHash(b)); }

// Random blocks, blocks of one token only, and blocks that count up.
std::vector<std::vector<Tokens>> Families(size_t size, size_t count) {
  Random random(21);
  std::vector<std::vector<Tokens>> families(3);
  for (size_t i = 0; i < count; ++i) {
    families[0].push_back(RandomBlock(random, size));
    families[1].emplace_back(size, static_cast<TokenId>(i));
    Tokens& counting = families[2].emplace_back(size);
    for (size_t at = 0; at < size; ++at) counting[at] = static_cast<TokenId>(i + at);
  }
  return families;
}

TEST(NearHash, EveryBitIsFairAndNoTwoGoTogether) {
  constexpr size_t kCount = 20'000;
  const double tolerance = 5 * std::sqrt(0.25 / kCount);  // five sigma of 64 x 64 looks
  for (const size_t size : {2u, 15u, 16u, 32u}) {
    for (const std::vector<Tokens>& family : Families(size, kCount)) {
      std::array<uint32_t, 64> ones{};
      std::array<std::array<uint32_t, 64>, 64> equal{};
      for (const Tokens& block : family) {
        const uint64_t hash = NearHash(block);
        for (size_t i = 0; i < 64; ++i) {
          ones[i] += hash >> i & 1;
          for (size_t j = 0; j < i; ++j) equal[i][j] += ((hash >> i ^ hash >> j) & 1) == 0 ? 1 : 0;
        }
      }
      for (size_t i = 0; i < 64; ++i) {
        ASSERT_NEAR(ones[i] / double{kCount}, 0.5, tolerance) << "bit " << i << ", blocks of " << size;
        for (size_t j = 0; j < i; ++j) {
          ASSERT_NEAR(equal[i][j] / double{kCount}, 0.5, tolerance) << "bits " << i << " and " << j << ", " << size;
        }
      }
    }
  }
}

TEST(NearHash, TokenZeroIsATokenLikeAnyOther) {
  EXPECT_NE(NearHash(Tokens(16, 0)), 0u);
  EXPECT_NE(NearHash(Tokens(16, 0)), ~uint64_t{0});
  EXPECT_GT(Distance(Tokens(16, 0), Tokens(16, 1)), 12);
  EXPECT_NE(NearHash(Tokens(16, 0)) >> 32, NearHash(Tokens(16, 0)) & 0xffffffffu);
}

// For 16 features a changed one is decisive with the chance of 8 to 7 among the other 15, in half of the bits:
// 64 x 0.0982 = 6.28 on average.
TEST(NearHash, OneChangedTokenMovesSixBitsWhereverItStands) {
  constexpr int kRounds = 4000;
  Random random(22);
  for (size_t place = 0; place < 16; ++place) {
    uint64_t moved = 0;
    int inside = 0;
    for (int round = 0; round < kRounds; ++round) {
      const Tokens block = RandomBlock(random, 16);
      Tokens changed = block;
      changed[place] += 1 + static_cast<TokenId>(random.Below(1000));
      const int distance = Distance(block, changed);
      moved += static_cast<uint64_t>(distance);
      inside += distance <= static_cast<int>(kNearRadiusMax) ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(moved) / kRounds, 6.28, 0.2) << "place " << place;
    EXPECT_NEAR(inside / double{kRounds}, 0.82, 0.04) << "place " << place;
  }
}

TEST(NearHash, UnrelatedBlocksDifferInHalfOfTheBits) {
  constexpr int kRounds = 20'000;
  Random random(23);
  uint64_t moved = 0;
  for (int round = 0; round < kRounds; ++round) {
    const int distance = Distance(RandomBlock(random, 16), RandomBlock(random, 16));
    ASSERT_GT(distance, static_cast<int>(kNearRadiusMax));
    moved += static_cast<uint64_t>(distance);
  }
  EXPECT_NEAR(static_cast<double>(moved) / kRounds, 32, 0.2);
}

// A swap changes two features: about 9 bits; that it changes none has a chance of 1e-5.
RC_GTEST_PROP(NearHash, ASwapOfTwoTokensChangesIt, ()) {
  Random random(*rc::gen::resize(1000, rc::gen::arbitrary<uint64_t>()));
  const Tokens block = RandomBlock(random, 16);
  Tokens swapped = block;
  const size_t x = random.Below(16);
  const size_t y = (x + 1 + random.Below(15)) % 16;
  std::swap(swapped[x], swapped[y]);
  RC_PRE(block[x] != block[y]);
  RC_ASSERT(NearHash(swapped) != NearHash(block));
}

TEST(NearHash, EqualsAMajorityThatIsCountedBitByBit) {
  const auto feature = [](TokenId token, uint64_t place) {
    uint64_t z = (place << 32 | token) * 0x9e3779b97f4a7c15u + 0x6a09e667f3bcc909u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  Random random(24);
  for (const size_t size : {1u, 2u, 3u, 15u, 16u, 17u, 64u, 100u, 1023u, 1024u}) {
    const Tokens block = RandomBlock(random, size);
    uint64_t expected = 0;
    for (size_t bit = 0; bit < 64; ++bit) {
      size_t ones = 0;
      for (size_t place = 0; place < size; ++place) ones += feature(block[place], place) >> bit & 1;
      const bool tie_is_one = (feature(block[bit % size], bit % size) >> bit & 1) != 0;
      if (2 * ones > size || (2 * ones == size && tie_is_one)) expected |= uint64_t{1} << bit;
    }
    ASSERT_EQ(NearHash(block), expected) << size;
  }
}

TEST(NearScan, TheFastestEqualsThePortable) {
  Random random(25);
  for (int round = 0; round < 300; ++round) {
    std::vector<uint32_t> excerpts(random.Below(70));
    const auto query = static_cast<uint32_t>(random.Next());
    for (uint32_t& excerpt : excerpts) {
      excerpt = query;
      for (uint64_t flips = random.Below(20); flips > 0; --flips) excerpt ^= 1u << random.Below(32);
    }
    const auto limit = static_cast<uint32_t>(random.Below(33));
    std::vector<uint32_t> expected;
    for (uint32_t i = 0; i < excerpts.size(); ++i) {
      if (std::popcount(excerpts[i] ^ query) <= static_cast<int>(limit)) expected.push_back(i);
    }
    for (const internal::NearScan scan : {internal::NearScanPortable, internal::FastestNearScan()}) {
      std::vector<uint32_t> places(excerpts.size());
      places.resize(scan(excerpts.data(), static_cast<uint32_t>(excerpts.size()), query, limit, places.data()));
      ASSERT_EQ(places, expected);
    }
  }
}

// Clusters of hashes a few flips apart.
RC_GTEST_PROP(NearPairs, AreThoseOfPlainLoops, ()) {
  Random random(*rc::gen::resize(1000, rc::gen::arbitrary<uint64_t>()));
  std::vector<uint64_t> hashes(random.Below(400));
  for (size_t i = 0; i < hashes.size(); ++i) {
    hashes[i] = i == 0 || random.Below(5) == 0 ? random.Next() : hashes[random.Below(i)];
    for (uint64_t flips = random.Below(7); flips > 0; --flips) hashes[i] ^= uint64_t{1} << random.Below(64);
  }
  NearPairsOptions options;
  options.radius = static_cast<uint32_t>(random.Below(kNearRadiusMax + 1));
  options.portable_only = random.Below(2) == 0;
  options.neighbours_max = random.Below(2) == 0 ? 1024 : 5;
  const Result<NearPairs> found = AllNearPairs(hashes, options);
  RC_ASSERT(found.has_value() && !found->gave_up);
  for (size_t i = 0; i < hashes.size(); ++i) {
    std::vector<uint32_t> expected;
    for (uint32_t j = 0; j < hashes.size(); ++j) {
      if (j != i && std::popcount(hashes[i] ^ hashes[j]) <= static_cast<int>(options.radius)) expected.push_back(j);
    }
    const auto neighbours = found->NeighboursOf(i);
    std::vector<uint32_t> sorted(neighbours.begin(), neighbours.end());
    std::sort(sorted.begin(), sorted.end());
    RC_ASSERT(found->too_many[i] == (expected.size() > options.neighbours_max));
    if (found->too_many[i]) {
      RC_ASSERT(sorted.size() == options.neighbours_max);
      RC_ASSERT(std::includes(expected.begin(), expected.end(), sorted.begin(), sorted.end()));
    } else {
      RC_ASSERT(sorted == expected);
    }
  }
}

TEST(NearPairs, GivesUpInsteadOfGivingSome) {
  const std::vector<uint64_t> hashes(3000, 7);
  for (const NearPairsOptions& options : {NearPairsOptions{.pairs_max = 1000}, NearPairsOptions{.comparisons_max = 1000}}) {
    const Result<NearPairs> found = AllNearPairs(hashes, options);
    ASSERT_TRUE(found.has_value());
    EXPECT_TRUE(found->gave_up);
    EXPECT_TRUE(found->neighbours.empty());
  }
  const Result<NearPairs> refused = AllNearPairs(hashes, {.radius = 9});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir
