// Readers of the block index while writers change it, and that a long life of changes leaves nothing behind.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "testing/block_paths.h"
#include "testing/counted_new.h"
#include "weir/base/random.h"
#include "weir/reuse/block_index.h"

namespace weir {
namespace {

using testing::KeysOf;
using testing::Path;
using testing::RandomPath;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kQueries = 400;
constexpr int kCycles = 50'000;
#else
constexpr int kQueries = 8'000;
constexpr int kCycles = 1'000'000;
#endif
constexpr size_t kLengthMax = 24;
constexpr size_t kHolders = 80;
constexpr HolderId kBallast = 5'000;

// One chain in each life of a holder: none, a part of it, all of it, a part again, none.
struct Life {
  Path path;
  size_t first = 0;  // blocks added at first
  size_t kept = 0;   // blocks kept at last
  size_t HeldIn(uint64_t state) const { return std::array{size_t{0}, first, path.size(), kept}[state % 4]; }
};

class BlockStress {
 public:
  BlockStress(uint64_t seed, uint64_t letters) : seed_(seed), letters_(letters), steps_(kHolders) {}

  void Run() {
    for (size_t h = 0; h < kHolders; h += 4) {
      Advance(h);
      Advance(h);  // every fourth holds all of its chain from the first to the last
    }
    std::atomic<bool> stop{false};
    std::vector<std::jthread> writers;
    for (uint64_t writer = 1; writer < 4; ++writer) writers.emplace_back([&, writer] { Churn(writer, stop); });
    writers.emplace_back([&] { GrowAndShrink(stop); });
    {
      std::vector<std::jthread> readers;
      for (uint64_t reader = 0; reader < 2; ++reader) readers.emplace_back([this, reader] { Read(seed_ * 100 + reader); });
    }
    stop = true;
    writers.clear();
    index_.CheckInvariants();
    for (size_t h = 0; h < kHolders; ++h) index_.Remove(IdOf(h));
    EXPECT_EQ(index_.stats().runs, 0u);
    EXPECT_EQ(index_.bytes(), empty_);
    EXPECT_GT(certain_, uint64_t{kQueries} * kHolders / 4);
  }

 private:
  // Of every form of a set: below 64, a few, many, far.
  static HolderId IdOf(size_t h) { return static_cast<HolderId>(h < 12 ? h * 5 : h < 76 ? 64 + h * 3 : 60'000 + h); }

  // The same for writers and readers.
  Life LifeOf(size_t h, uint64_t life) const {
    Random random(seed_ * 1'000'003 + h * 10'007 + life);
    Life one;
    one.path = RandomPath(random, kLengthMax, letters_);
    one.first = random.Below(one.path.size() + 1);
    one.kept = random.Below(one.path.size() + 1);
    return one;
  }
  // To the next state of its life. An odd step: on the way.
  void Advance(size_t h) {
    const uint64_t state = steps_[h]++ / 2 + 1;
    const Life life = LifeOf(h, state / 4 - (state % 4 == 0 ? 1 : 0));
    const std::vector<BlockKey> keys = KeysOf(life.path);
    switch (state % 4) {
      case 0: index_.Remove(IdOf(h)); break;
      case 1: ASSERT_TRUE(index_.Add(IdOf(h), std::span(keys).first(life.first))); break;
      case 2: ASSERT_TRUE(index_.Add(IdOf(h), keys)); break;
      case 3: ASSERT_TRUE(index_.Truncate(IdOf(h), keys, life.kept)); break;
    }
    ++steps_[h];
  }
  size_t HeldAt(size_t h, uint64_t step, Path& path) const {
    const Life life = LifeOf(h, step / 8);
    path = life.path;
    return life.HeldIn(step / 2);
  }

  void Churn(uint64_t writer, const std::atomic<bool>& stop) {
    Random random(seed_ * 1000 + writer);
    while (!stop) Advance(random.Below(kHolders / 4) * 4 + writer);
  }
  // Other chains, so many that every table grows and shrinks.
  void GrowAndShrink(const std::atomic<bool>& stop) {
    while (!stop) {
      for (HolderId i = 0; i < kBallast && !stop; ++i) {
        ASSERT_TRUE(index_.Add(1'000 + i % 500, KeysOf("ballast" + std::to_string(i))));
      }
      for (HolderId i = 0; i < 500; ++i) index_.Remove(1'000 + i);
    }
  }

  void Read(uint64_t seed) {
    Random random(seed);
    PrefixMatch match;
    std::vector<uint64_t> before(kHolders);
    for (int query = 0; query < kQueries; ++query) {
      // A chain that somebody holds, or will hold, or something like it.
      const size_t h = random.Below(kHolders);
      Path path = LifeOf(h, steps_[h] / 8).path + RandomPath(random, 3, letters_);
      const std::vector<BlockKey> keys = KeysOf(path);
      std::copy(steps_.begin(), steps_.end(), before.begin());
      index_.Find(keys, match);
      const uint32_t blocks = index_.Find(keys);
      Check(path, match, blocks, before);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  void Check(const Path& path, const PrefixMatch& match, uint32_t blocks, const std::vector<uint64_t>& before) {
    std::vector<uint64_t> after(steps_.begin(), steps_.end());
    std::vector<HolderId> listed;
    for (size_t i = 0; i < match.holders.size(); ++i) {
      listed.push_back(match.holders[i].holder);
      ASSERT_TRUE(i == 0 || match.holders[i].blocks <= match.holders[i - 1].blocks);
    }
    std::sort(listed.begin(), listed.end());
    ASSERT_TRUE(std::adjacent_find(listed.begin(), listed.end()) == listed.end()) << "a holder is listed twice";
    ASSERT_EQ(match.blocks, match.holders.empty() ? 0 : match.holders[0].blocks);
    for (size_t h = 0; h < kHolders; ++h) {
      if (before[h] != after[h] || before[h] % 2 != 0) continue;  // it changed meanwhile
      ++certain_;
      Path held;
      const size_t length = HeldAt(h, before[h], held);
      const auto split = std::mismatch(path.begin(), path.end(), held.begin(), held.end());
      const size_t expected = std::min(static_cast<size_t>(split.first - path.begin()), length);
      const auto found = std::find_if(match.holders.begin(), match.holders.end(),
                                      [&](const HolderBlocks& one) { return one.holder == IdOf(h); });
      const size_t told = found == match.holders.end() ? 0 : found->blocks;
      ASSERT_EQ(told, expected) << "holder " << IdOf(h) << ", step " << before[h];
      ASSERT_GE(blocks, expected);
    }
  }

  uint64_t seed_;
  uint64_t letters_;
  BlockIndex index_;
  uint64_t empty_ = index_.bytes();
  std::vector<std::atomic<uint64_t>> steps_;
  std::atomic<uint64_t> certain_{0};
};

TEST(BlockConcurrency, ReadersSeeAllThatIsCertain) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BlockStress(seed, seed + 1).Run();
    if (HasFatalFailure()) return;
  }
}

TEST(BlockConcurrency, ALongLifeOfChangesLeavesNothing) {
  Random random(1);
  std::vector<std::vector<BlockKey>> chains;
  for (int i = 0; i < 64; ++i) chains.push_back(KeysOf("a" + RandomPath(random, 12, 3)));
  BlockIndex index;
  const uint64_t empty = index.bytes();
  const uint64_t outside = testing::BytesHandedOut() - empty;
  for (int cycle = 0; cycle < kCycles; ++cycle) {
    const auto holder = static_cast<HolderId>(cycle % 128);
    if (cycle >= 16) index.Remove((holder + 112) % 128);
    ASSERT_TRUE(index.Add(holder, chains[random.Below(64)]));
    if (cycle % 10'000 != 0) continue;
    ASSERT_EQ(testing::BytesHandedOut() - index.bytes(), outside);
    ASSERT_LT(index.bytes(), empty + 60'000);
  }
  for (HolderId holder = 0; holder < 128; ++holder) index.Remove(holder);
  EXPECT_EQ(index.bytes(), empty);
}

}  // namespace
}  // namespace weir
