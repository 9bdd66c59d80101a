#include "weir/reuse/vector_index.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "counted_new.h"
#include "vector_dot.h"
#include "vector_sets.h"

namespace weir {
namespace {

using testing::Cosine;
using testing::NearVector;
using testing::RandomVector;
using testing::Vector;
using testing::VectorOracle;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;  // everything is many times slower
#else
constexpr bool kSanitized = false;
#endif

std::vector<Vector> Centres(Random& random, uint32_t count, uint32_t dimensions) {
  std::vector<Vector> centres;
  for (uint32_t i = 0; i < count; ++i) centres.push_back(RandomVector(random, dimensions));
  return centres;
}

// Every hit is true and in order, and there are as many as there should be.
void ExpectTrue(const VectorMatches& matches, const VectorOracle& oracle, const Vector& query,
                const VectorFindOptions& options) {
  ASSERT_EQ(matches.hits.size(), std::min<size_t>(options.k, oracle.Find(query, options).size()));
  for (size_t i = 0; i < matches.hits.size(); ++i) {
    const VectorHit& hit = matches.hits[i];
    ASSERT_TRUE(oracle.vectors().contains(hit.owner)) << "owner " << hit.owner << " is not there";
    ASSERT_NE(hit.owner, options.exclude);
    ASSERT_NEAR(hit.similarity, Cosine(query, oracle.vectors().at(hit.owner)), 1e-5);
    ASSERT_GE(hit.similarity, options.threshold);
    if (i == 0) continue;
    const VectorHit& before = matches.hits[i - 1];
    ASSERT_TRUE(before.similarity > hit.similarity || (before.similarity == hit.similarity && before.owner < hit.owner));
  }
}

// The part of the k best that was found; equals count as each other.
double RecallOf(const VectorMatches& matches, const VectorOracle& oracle, const Vector& query,
                const VectorFindOptions& options) {
  const auto best = oracle.Find(query, options);
  const size_t wanted = std::min<size_t>(options.k, best.size());
  if (wanted == 0) return 1;
  const double last = best[wanted - 1].similarity;
  const auto found = std::count_if(matches.hits.begin(), matches.hits.end(),
                                   [&](const VectorHit& hit) { return double{hit.similarity} >= last - 1e-6; });
  return static_cast<double>(found) / static_cast<double>(wanted);
}

TEST(VectorDot, EveryWayGivesTheSameSum) {
  Random random(1);
  for (uint32_t size = internal::kVectorPadding; size <= 400; size += internal::kVectorPadding) {
    const Vector a = RandomVector(random, size);
    const Vector b = RandomVector(random, size);
    double sum = 0;
    for (uint32_t i = 0; i < size; ++i) sum += double{a[i]} * double{b[i]};
    EXPECT_NEAR(internal::VectorDotPortable(a.data(), b.data(), size), sum, 1e-4);
    EXPECT_NEAR(internal::FastestVectorDot()(a.data(), b.data(), size), sum, 1e-4);
  }
}

TEST(VectorIndex, RefusesWhatIsNoVector) {
  VectorIndex index({.dimensions = 3});
  const auto code = [&](VectorOwner owner, const Vector& vector) { return index.Add(owner, vector).error().code; };
  EXPECT_EQ(code(1, {1, 2}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1, {1, 2, 3, 4}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1, {0, -0.f, 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1, {0, std::numeric_limits<float>::quiet_NaN(), 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1, {0, std::numeric_limits<float>::infinity(), 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(UINT32_MAX, {1, 2, 3}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.stats().owners, 0u);
  ASSERT_TRUE(index.Add(1, Vector{1, 2, 3}));
  EXPECT_EQ(code(1, {3, 2, 1}), ErrorCode::kAlreadyExists);
  VectorMatches matches;
  EXPECT_EQ(index.Find(Vector{1, 2}, {}, matches).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.Find(Vector{0, 0, 0}, {}, matches).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.Find(Vector{1, 2, 3}, {.k = 0}, matches).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.Find(Vector{1, 2, 3}, {.threshold = 1.5f}, matches).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.Find(Vector{1, 2, 3}, {.threshold = std::nanf("")}, matches).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(VectorOptions{}.Validate());
  EXPECT_FALSE((VectorOptions{.dimensions = 3, .links = 1}).Validate());
  EXPECT_FALSE((VectorOptions{.dimensions = 3, .ef_search = 0}).Validate());
}

TEST(VectorIndex, LengthDoesNotCountAndExtremesAreVectorsToo) {
  VectorIndex index({.dimensions = 2});
  ASSERT_TRUE(index.Add(1, Vector{3e38f, 3e38f}));
  ASSERT_TRUE(index.Add(2, Vector{1e-44f, 0}));
  ASSERT_TRUE(index.Add(3, Vector{-5, -5}));
  VectorMatches matches;
  ASSERT_TRUE(index.Find(Vector{7, 7}, {}, matches));
  ASSERT_EQ(matches.hits.size(), 3u);
  EXPECT_EQ(matches.hits[0].owner, 1u);
  EXPECT_NEAR(matches.hits[0].similarity, 1, 1e-6);
  EXPECT_EQ(matches.hits[1].owner, 2u);
  EXPECT_NEAR(matches.hits[1].similarity, std::sqrt(0.5), 1e-6);
  EXPECT_EQ(matches.hits[2].owner, 3u);
  EXPECT_NEAR(matches.hits[2].similarity, -1, 1e-6);
}

TEST(VectorIndex, EqualVectorsAreOneInOrderOfTheirOwners) {
  VectorIndex index({.dimensions = 4});
  for (const VectorOwner owner : {9u, 2u, 7u, 4u}) ASSERT_TRUE(index.Add(owner, Vector{1, 2, 3, 4}));
  ASSERT_TRUE(index.Add(1, Vector{2, 4, 6, 8.5f}));
  EXPECT_EQ(index.stats().vectors, 2u);
  EXPECT_EQ(index.stats().owners, 5u);
  VectorMatches matches;
  ASSERT_TRUE(index.Find(Vector{1, 2, 3, 4}, {.k = 3, .exclude = 2}, matches));
  ASSERT_EQ(matches.hits.size(), 3u);
  EXPECT_EQ(matches.hits[0].owner, 4u);
  EXPECT_EQ(matches.hits[1].owner, 7u);
  EXPECT_EQ(matches.hits[2].owner, 9u);
  ASSERT_TRUE(index.Remove(4));
  ASSERT_TRUE(index.Find(Vector{1, 2, 3, 4}, {.exclude = 2}, matches));
  ASSERT_EQ(matches.hits.size(), 3u);
  EXPECT_EQ(matches.hits[0].owner, 7u);
  EXPECT_EQ(matches.hits[2].owner, 1u);
  index.CheckInvariants();
}

// Owners come and go, with new vectors and with those of others; small limits make all sizes pass through every state.
void Churn(uint64_t seed, uint32_t flat_max, bool portable_only, double recall_least) {
  SCOPED_TRACE(seed);
  constexpr uint32_t kDimensions = 20;
  Random random(seed);
  const std::vector<Vector> centres = Centres(random, 12, kDimensions);
  VectorIndex index({.dimensions = kDimensions, .flat_max = flat_max, .seed = seed, .portable_only = portable_only});
  const uint64_t empty = index.bytes();
  VectorOracle oracle;
  VectorMatches matches;
  double recall = 0;
  uint32_t asked = 0;
  constexpr int kSteps = kSanitized ? 1200 : 3000;
  for (int step = 0; step < kSteps; ++step) {
    const auto owner = static_cast<VectorOwner>(random.Below(step < kSteps / 2 ? 700 : 150));
    const bool grows = step % (kSteps / 3) < kSteps / 5;
    if (oracle.vectors().contains(owner)) {
      if (!grows || random.Below(3) == 0) {
        ASSERT_TRUE(index.Remove(owner));
        oracle.Remove(owner);
      } else {
        ASSERT_FALSE(index.Add(owner, oracle.vectors().at(owner)));
      }
    } else if (grows || random.Below(4) == 0) {
      const bool copies = !oracle.vectors().empty() && random.Below(5) == 0;
      const Vector vector = copies ? oracle.vectors().begin()->second : NearVector(random, centres, 0.7f);
      ASSERT_TRUE(index.Add(owner, vector));
      oracle.Add(owner, vector);
    } else {
      ASSERT_FALSE(index.Remove(owner));
    }
    ASSERT_EQ(index.stats().owners, oracle.vectors().size());
    if (step % 10 != 0) continue;
    index.CheckInvariants();
    VectorFindOptions options{.k = 1 + static_cast<uint32_t>(random.Below(15))};
    if (random.Below(2) == 0) options.threshold = static_cast<float>(random.Unit());
    if (random.Below(2) == 0) options.exclude = static_cast<VectorOwner>(random.Below(150));
    const Vector query = options.exclude && oracle.vectors().contains(*options.exclude)
                             ? oracle.vectors().at(*options.exclude)
                             : NearVector(random, centres, 0.7f);
    ASSERT_TRUE(index.Find(query, options, matches));
    ExpectTrue(matches, oracle, query, options);
    if (::testing::Test::HasFatalFailure()) return;
    const double found = RecallOf(matches, oracle, query, options);
    ASSERT_TRUE(!matches.exact || found == 1) << found;
    recall += found;
    ++asked;
  }
  EXPECT_GE(recall / asked, recall_least);
  while (!oracle.vectors().empty()) {
    const VectorOwner owner = oracle.vectors().begin()->first;
    ASSERT_TRUE(index.Remove(owner));
    oracle.Remove(owner);
  }
  EXPECT_GT(index.stats().rebuilds, 0u);
  index.CheckInvariants();
  EXPECT_EQ(index.bytes(), empty);
}

TEST(VectorIndex, AnswersAsAListWouldWhileOwnersComeAndGo) {
  for (uint64_t seed = 1; seed <= (kSanitized ? 2 : 4); ++seed) Churn(seed, 40, seed % 2 == 0, 0.97);
  Churn(5, 1024, false, 1);
  Churn(6, 0, false, 0.97);
}

void ExpectRecall(uint32_t count, uint32_t dimensions, bool clustered, double least) {
  Random random(11);
  const std::vector<Vector> centres = Centres(random, 50, dimensions);
  const auto next = [&] { return clustered ? NearVector(random, centres, 0.6f) : RandomVector(random, dimensions); };
  VectorIndex index({.dimensions = dimensions});
  VectorOracle oracle;
  for (VectorOwner owner = 0; owner < count; ++owner) {
    const Vector vector = next();
    ASSERT_TRUE(index.Add(owner, vector));
    oracle.Add(owner, vector);
  }
  VectorMatches matches;
  double recall = 0;
  constexpr int kQueries = 60;
  for (int i = 0; i < kQueries; ++i) {
    const Vector query = next();
    ASSERT_TRUE(index.Find(query, {}, matches));
    EXPECT_FALSE(matches.exact);
    ASSERT_NO_FATAL_FAILURE(ExpectTrue(matches, oracle, query, {}));
    recall += RecallOf(matches, oracle, query, {});
  }
  std::printf("recall@10 of %u x %u, %s: %.4f\n", count, dimensions, clustered ? "clustered" : "random", recall / kQueries);
  EXPECT_GE(recall / kQueries, least);
}

TEST(VectorIndex, FindsNearlyAllOfClusteredVectors) { ExpectRecall(kSanitized ? 1200 : 4000, 128, true, 0.95); }
TEST(VectorIndex, FindsNearlyAllOfRandomVectors) { ExpectRecall(kSanitized ? 1200 : 4000, 32, false, 0.95); }

TEST(VectorIndex, RefusedMemoryChangesNothing) {
  constexpr uint32_t kDimensions = 8;
  Random random(21);
  VectorIndex index({.dimensions = kDimensions, .flat_max = 20});
  const uint64_t empty = index.bytes();
  VectorOracle oracle;
  VectorMatches matches;
  int refusals = 0;
  for (VectorOwner owner = 0; owner < 120; ++owner) {
    const Vector vector = RandomVector(random, kDimensions);
    for (int64_t nth = 0;; ++nth) {
      const uint64_t owners = index.stats().owners;
      testing::RefuseAllocationAfter(nth);
      const Status status = index.Add(owner, vector);
      const bool refused = testing::AllocationWasRefused();
      testing::RefuseAllocationAfter(-1);
      index.CheckInvariants();
      if (status) {
        if (!refused) break;
        ASSERT_TRUE(index.Remove(owner));  // a refusal of what can be done later
        continue;
      }
      ++refusals;
      ASSERT_EQ(status.error().code, ErrorCode::kExhausted);
      ASSERT_EQ(index.stats().owners, owners);
    }
    oracle.Add(owner, vector);
    const Vector query = RandomVector(random, kDimensions);
    ASSERT_TRUE(index.Find(query, {}, matches));
    ASSERT_NO_FATAL_FAILURE(ExpectTrue(matches, oracle, query, {}));
  }
  EXPECT_GT(refusals, 100);
  for (VectorOwner owner = 0; owner < 120; ++owner) {
    testing::RefuseAllocationAfter(static_cast<int64_t>(random.Below(4)));
    ASSERT_TRUE(index.Remove(owner));
    testing::RefuseAllocationAfter(-1);
  }
  index.CheckInvariants();
  EXPECT_EQ(index.bytes(), empty);
}

TEST(VectorIndex, BytesAreWhatTheAllocatorHandedOut) {
  constexpr uint32_t kDimensions = 24;
  Random random(31);
  const uint64_t before = testing::BytesHandedOut();
  {
    std::vector<Vector> vectors;
    for (int i = 0; i < (kSanitized ? 400 : 1500); ++i) vectors.push_back(RandomVector(random, kDimensions));
    const uint64_t start = testing::BytesHandedOut();
    VectorIndex index({.dimensions = kDimensions, .flat_max = 100});
    for (VectorOwner owner = 0; owner < vectors.size(); ++owner) {
      ASSERT_TRUE(index.Add(owner, vectors[owner]));
      // Blocks of the linker that only the standard library can name are counted by their usual size.
      ASSERT_NEAR(static_cast<double>(index.bytes()), static_cast<double>(testing::BytesHandedOut() - start), 256) << owner;
    }
    EXPECT_EQ(index.stats().linked, vectors.size());
    for (VectorOwner owner = 0; owner < vectors.size(); ++owner) {
      ASSERT_TRUE(index.Remove(owner));
      // Blocks of the linker that only the standard library can name are counted by their usual size.
      ASSERT_NEAR(static_cast<double>(index.bytes()), static_cast<double>(testing::BytesHandedOut() - start), 256) << owner;
    }
  }
  EXPECT_EQ(testing::BytesHandedOut(), before);
}

TEST(VectorIndex, StaysInsideItsBudget) {
  constexpr uint64_t kBudget = 400'000;
  constexpr uint32_t kDimensions = 24;
  Random random(41);
  VectorIndex index({.dimensions = kDimensions, .bytes_max = kBudget, .flat_max = 100});
  bool refused = false;
  VectorOwner owner = 0;
  for (; owner < 5000 && !refused; ++owner) {
    const Status status = index.Add(owner, RandomVector(random, kDimensions));
    refused = !status.has_value();
    ASSERT_TRUE(status || status.error().code == ErrorCode::kExhausted);
    ASSERT_LE(index.bytes(), kBudget + 64);
  }
  EXPECT_TRUE(refused);
  EXPECT_GT(index.stats().owners, 300u);
  index.CheckInvariants();
  for (VectorOwner gone = 0; gone < owner / 2; ++gone) ASSERT_TRUE(index.Remove(gone));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_LE(index.bytes(), kBudget + 64);
    static_cast<void>(index.Add(owner + static_cast<VectorOwner>(i), RandomVector(random, kDimensions)).has_value());
    index.Remove(owner + static_cast<VectorOwner>(i) - 3);
  }
  index.CheckInvariants();
}

TEST(VectorIndex, ManyCyclesDoNotGrowIt) {
  constexpr uint32_t kDimensions = 16;
  constexpr uint32_t kHere = 300;
  Random random(51);
  VectorIndex index({.dimensions = kDimensions, .flat_max = 64, .ef_construction = 24});
  for (VectorOwner owner = 0; owner < kHere; ++owner) ASSERT_TRUE(index.Add(owner, RandomVector(random, kDimensions)));
  uint64_t early = 0;
  uint64_t late = 0;
  constexpr VectorOwner kCycles = kSanitized ? 2500 : 20'000;
  for (VectorOwner owner = kHere; owner < kCycles; ++owner) {
    ASSERT_TRUE(index.Remove(owner - kHere));
    ASSERT_TRUE(index.Add(owner, RandomVector(random, kDimensions)));
    uint64_t& most = owner < kCycles / 4 ? early : late;
    most = std::max(most, index.bytes());
  }
  EXPECT_LE(late, early + early / 10);
  EXPECT_GT(index.stats().rebuilds, 5u);
  index.CheckInvariants();
}

}  // namespace
}  // namespace weir
