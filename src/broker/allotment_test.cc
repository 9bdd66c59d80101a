#include "weir/broker/allotment.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "weir/base/random.h"

namespace weir {
namespace {

TEST(Allot, LendsWhatOthersLeave) {
  // a is guaranteed 600 and uses 100; b may have the rest of 1000.
  const std::vector<Claim> idle = {{100, 1000, 600, 0}, {850, 1000, 0, 0}};
  EXPECT_EQ(Allot(idle, 1000), (std::vector<uint64_t>{600, 875}));
  // a takes its share back: b stops growing at what it uses.
  const std::vector<Claim> back = {{500, 1000, 600, 0}, {850, 1000, 0, 0}};
  EXPECT_EQ(Allot(back, 1000), (std::vector<uint64_t>{600, 850}));
  // Granted bytes are not lent.
  const std::vector<Claim> granted = {{100, 1000, 600, 600}, {300, 1000, 0, 0}};
  EXPECT_EQ(Allot(granted, 1000), (std::vector<uint64_t>{650, 350}));
}

TEST(Allot, WhatSomeCannotUseGoesToTheOthers) {
  const std::vector<Claim> claims = {{0, 10, 0, 0}, {0, 1000, 0, 0}, {0, 1000, 0, 0}};
  EXPECT_EQ(Allot(claims, 610), (std::vector<uint64_t>{10, 300, 300}));
  EXPECT_EQ(Allot(claims, 0), (std::vector<uint64_t>{10, 1000, 1000}));
  EXPECT_EQ(Allot(claims, 0, 90), (std::vector<uint64_t>{10, 40, 40}));
  EXPECT_TRUE(Allot({}, 10).empty());
}

TEST(Allot, KeepsItsPromises) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    std::vector<Claim> claims(random.Below(6));
    uint64_t committed = 0;
    for (Claim& claim : claims) {
      claim.limit_bytes = random.Below(1000);
      claim.guaranteed_bytes = random.Below(claim.limit_bytes + 1);
      claim.granted_bytes = random.Below(claim.guaranteed_bytes + 1);
      claim.used_bytes = random.Below(1200);
      committed += std::max(claim.used_bytes, claim.granted_bytes);
    }
    const uint64_t budget = random.Below(4000) + 1;
    const uint64_t growth = random.Below(2) == 0 ? UINT64_MAX : random.Below(1000);
    const std::vector<uint64_t> budgets = Allot(claims, budget, growth);
    uint64_t lent = 0;
    for (size_t i = 0; i < claims.size(); ++i) {
      ASSERT_LE(budgets[i], claims[i].limit_bytes);
      ASSERT_GE(budgets[i], claims[i].guaranteed_bytes);
      const uint64_t own = std::max({claims[i].used_bytes, claims[i].granted_bytes, claims[i].guaranteed_bytes});
      lent += budgets[i] > own ? budgets[i] - own : 0;
    }
    ASSERT_LE(lent, std::min(growth, budget - std::min(budget, committed)));
  }
}

}  // namespace
}  // namespace weir
