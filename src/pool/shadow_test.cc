#include "shadow.h"

#include <gtest/gtest.h>

#include "weir/pool/pool_key.h"

namespace weir::pool {
namespace {

// As a pool does: a miss is stored at once. `resident` is what the pool holds.
void Ask(ShadowSampler& sampler, uint64_t key, uint64_t bytes, uint64_t resident, bool hit) {
  const uint64_t hash = HashOf(PoolKey{1, key});
  if (!sampler.Sampled(hash)) return;
  sampler.SetCapacity(resident);
  sampler.Lookup(hash, hit ? bytes : 0);
  if (!hit) sampler.Admit(hash, bytes);
}

TEST(ShadowSampler, FindsThatALoopLargerThanThePoolNeedsAnotherPolicy) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kClock);
  for (int round = 0; round < 20; ++round) {
    for (uint64_t key = 0; key < 2000; ++key) Ask(sampler, key, 100, 100'000, false);
  }
  EXPECT_EQ(sampler.Best(), EvictionPolicy::kDuel);
  EXPECT_EQ(sampler.rate(), 1);
  sampler.CheckInvariants();
  EXPECT_EQ(sampler.mapped_bytes(), pages.mapped_bytes());
}

}  // namespace
}  // namespace weir::pool
