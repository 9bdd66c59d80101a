#include "shadow.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <vector>

#include "pool_cases.h"
#include "weir/base/random.h"
#include "weir/pool/pool_key.h"

namespace weir::pool {
namespace {

// As a pool that misses always: every key is stored once it was asked for.
void Ask(ShadowSampler& sampler, uint64_t key, uint64_t bytes) {
  const uint64_t hash = HashOf(PoolKey{1, key});
  if (!sampler.Sampled(hash)) return;
  sampler.Lookup(hash, 0);
  sampler.Admit(hash, bytes);
}

// Skewed towards small numbers, as most loads are.
uint64_t Skewed(Random& random, uint64_t keys) {
  return static_cast<uint64_t>(std::pow(static_cast<double>(keys), random.Unit())) - 1;
}

TEST(ShadowSampler, FindsThatALoopLargerThanThePoolNeedsAnotherPolicy) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kClock);
  sampler.SetCapacity(100'000);
  for (int round = 0; round < 20; ++round) {
    for (uint64_t key = 0; key < 2000; ++key) Ask(sampler, key, 100);
  }
  EXPECT_EQ(sampler.Best(), EvictionPolicy::kDuel);
  EXPECT_EQ(sampler.rate(), 1);
  sampler.CheckInvariants();
  EXPECT_EQ(sampler.mapped_bytes(), pages.mapped_bytes());
}

// Each key is asked for a few times, at distances that a pool of this size bridges, and never again.
TEST(ShadowSampler, FindsThatRecencyAloneCounts) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kDuel);
  sampler.SetCapacity(1000 * 64);
  for (uint64_t now = 0; now < 60'000; ++now) {
    Ask(sampler, now, 64);
    if (now >= 300) Ask(sampler, now - 300, 64);
  }
  EXPECT_NE(sampler.Best(), EvictionPolicy::kDuel);
}

TEST(ShadowSampler, StaysWithoutAClearReason) {
  for (const EvictionPolicy policy : {EvictionPolicy::kS3Fifo, EvictionPolicy::kClock, EvictionPolicy::kCar}) {
    Pages pages(KernelPages());
    ShadowSampler sampler(pages, policy);
    sampler.SetCapacity(1000);
    Random random(7);
    // All keys alike: no policy can do better than another.
    for (int i = 0; i < 200'000; ++i) {
      Ask(sampler, random.Below(2000), 1);
      ASSERT_EQ(sampler.Best(), policy) << "after " << i;
    }
  }
}

TEST(ShadowSampler, APoolOfAnySizeIsJudgedBySomeThousandEntries) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kS3Fifo);
  constexpr uint64_t kEntries = 300'000;
  sampler.SetCapacity(kEntries * 1000);
  Random random(3);
  for (int i = 0; i < 3'000'000; ++i) Ask(sampler, random.Below(2 * kEntries), 1000);
  EXPECT_LE(sampler.rate() * kEntries, ShadowSampler::kShadowsMax);
  EXPECT_GE(sampler.rate() * kEntries, ShadowSampler::kShadowsMax / 4.0);
  EXPECT_LE(sampler.mapped_bytes(), 700'000u);
  sampler.CheckInvariants();
  // The pool shrinks: a larger part of what is left is sampled.
  const double before = sampler.rate();
  sampler.SetCapacity(3'000 * 1000);
  for (int i = 0; i < 3'000'000; ++i) Ask(sampler, random.Below(2 * kEntries), 1000);
  EXPECT_GT(sampler.rate(), 2 * before);
  sampler.CheckInvariants();
}

TEST(ShadowSampler, TakesNoMoreMemoryThanItMay) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kS3Fifo);
  sampler.SetCapacity(1'000'000);
  Random random(5);
  const auto load = [&](int count) {
    for (int i = 0; i < count; ++i) Ask(sampler, Skewed(random, 1'000'000), 10);
  };
  load(200'000);
  const uint64_t full = sampler.mapped_bytes();
  EXPECT_LE(full, ShadowSampler::kShadowsMax * ShadowSampler::kBytesPerShadow);
  sampler.SetShadowsMax(ShadowSampler::kShadowsMin);
  sampler.CheckInvariants();
  EXPECT_LE(sampler.rate() * 100'000, 2.0 * ShadowSampler::kShadowsMin);
  sampler.SetShadowsMax(ShadowSampler::kShadowsMin - 1);
  EXPECT_EQ(sampler.mapped_bytes(), 0u);
  load(1000);
  EXPECT_EQ(sampler.mapped_bytes(), 0u);
  sampler.SetShadowsMax(1'000'000);
  load(1000);
  EXPECT_GT(sampler.mapped_bytes(), 0u);
  sampler.Release();
  EXPECT_EQ(pages.mapped_bytes(), 0u);
}

TEST(ShadowSampler, RefusedMemoryMeansASmallerSample) {
  for (uint64_t after = 0; after < 60; ++after) {
    RefusingPages source;
    source.RefuseNext(after);
    Pages pages(source);
    ShadowSampler sampler(pages, EvictionPolicy::kS3Fifo);
    sampler.SetCapacity(3000);
    Random random(after);
    for (int i = 0; i < 6000; ++i) Ask(sampler, random.Below(5000), 1);
    sampler.CheckInvariants();
    EXPECT_EQ(sampler.mapped_bytes(), pages.mapped_bytes());
    source.RefuseNone();
    for (int i = 0; i < 6000; ++i) Ask(sampler, random.Below(5000), 1);
    sampler.CheckInvariants();
  }
}

TEST(ShadowSampler, ASetPolicyStartsTheJudgingAfresh) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kClock);
  sampler.SetCapacity(1000);
  const auto loop = [&](int rounds) {
    for (int i = 0; i < rounds * 2000; ++i) Ask(sampler, static_cast<uint64_t>(i) % 2000, 1);
  };
  loop(20);
  ASSERT_EQ(sampler.Best(), EvictionPolicy::kDuel);
  sampler.SetPolicy(EvictionPolicy::kCar);
  EXPECT_EQ(sampler.Best(), EvictionPolicy::kCar);
  Ask(sampler, 1, 1);
  EXPECT_EQ(sampler.Best(), EvictionPolicy::kCar);
  loop(5);
  EXPECT_EQ(sampler.Best(), EvictionPolicy::kDuel);
}

TEST(ShadowSampler, EndsWhateverThreadsDoTogether) {
  Pages pages(KernelPages());
  ShadowSampler sampler(pages, EvictionPolicy::kS3Fifo);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&sampler, t] {
      Random random(t);
      for (int i = 0; i < 20'000; ++i) {
        if (i % 1000 == 0) sampler.SetCapacity(1000 + random.Below(100'000));
        if (i % 5000 == 0) sampler.SetShadowsMax(random.Below(5000));
        if (i % 7000 == 0) sampler.SetPolicy(EvictionPolicy::kCar);
        Ask(sampler, Skewed(random, 100'000), 1 + random.Below(50));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  sampler.CheckInvariants();
  EXPECT_EQ(sampler.mapped_bytes(), pages.mapped_bytes());
}

}  // namespace
}  // namespace weir::pool
