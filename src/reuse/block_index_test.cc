#include "weir/reuse/block_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "testing/block_paths.h"
#include "testing/counted_new.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using testing::KeysOf;
using testing::Path;
using testing::RandomPath;

// Every prefix that is held, and by whom.
class Model {
 public:
  void Add(HolderId holder, const Path& path) {
    for (size_t n = 1; n <= path.size(); ++n) held_[Path(path.begin(), path.begin() + n)].insert(holder);
  }
  void Truncate(HolderId holder, const Path& path, size_t keep) {
    if (keep >= path.size()) return;
    EraseWhere(holder, [&](const Path& prefix) {
      return prefix.size() > keep && std::equal(path.begin(), path.begin() + keep + 1, prefix.begin());
    });
  }
  void Remove(HolderId holder) {
    EraseWhere(holder, [](const Path&) { return true; });
  }
  PrefixMatch Find(const Path& path) const {
    PrefixMatch match;
    std::map<HolderId, uint32_t> scores;
    for (uint32_t n = 1; n <= path.size(); ++n) {
      const auto found = held_.find(Path(path.begin(), path.begin() + n));
      if (found == held_.end()) break;
      match.blocks = n;
      for (const HolderId holder : found->second) scores[holder] = n;
    }
    for (const auto& [holder, blocks] : scores) match.holders.push_back({holder, blocks});
    std::stable_sort(match.holders.begin(), match.holders.end(),
                     [](const HolderBlocks& a, const HolderBlocks& b) { return a.blocks > b.blocks; });
    return match;
  }
  uint64_t blocks() const { return held_.size(); }
  uint64_t entries() const {
    uint64_t sum = 0;
    for (const auto& [prefix, holders] : held_) sum += holders.size();
    return sum;
  }
  uint64_t BlocksOf(HolderId holder) const {
    return std::count_if(held_.begin(), held_.end(), [&](const auto& entry) { return entry.second.contains(holder); });
  }
  // (position, holders) of every block, in any order.
  std::multiset<std::pair<size_t, std::set<HolderId>>> Blocks() const {
    std::multiset<std::pair<size_t, std::set<HolderId>>> blocks;
    for (const auto& [prefix, holders] : held_) blocks.insert({prefix.size() - 1, holders});
    return blocks;
  }

 private:
  template <typename F>
  void EraseWhere(HolderId holder, F&& applies) {
    for (auto& [prefix, holders] : held_) {
      if (applies(prefix)) holders.erase(holder);
    }
    std::erase_if(held_, [](const auto& entry) { return entry.second.empty(); });
  }
  std::map<Path, std::set<HolderId>> held_;
};

std::multiset<std::pair<size_t, std::set<HolderId>>> BlocksOfGroups(const BlockIndex& index) {
  std::multiset<std::pair<size_t, std::set<HolderId>>> blocks;
  index.VisitGroups([&](const BlockGroup& group) {
    for (uint32_t i = 0; i < group.blocks; ++i) {
      blocks.insert({group.first_block + i, std::set<HolderId>(group.holders.begin(), group.holders.end())});
    }
    return true;
  });
  return blocks;
}

void ExpectSame(const BlockIndex& index, const Model& model, const Path& path) {
  PrefixMatch match;
  index.Find(KeysOf(path), match);
  const PrefixMatch expected = model.Find(path);
  ASSERT_EQ(match.blocks, expected.blocks);
  ASSERT_EQ(index.Find(KeysOf(path)), expected.blocks);
  ASSERT_EQ(match.holders, expected.holders);
  ASSERT_FALSE(match.more);
  for (const uint32_t most : {0u, 1u, 3u, 70u}) {
    index.Find(KeysOf(path), match, most);
    const size_t listed = std::min<size_t>(most, expected.holders.size());
    ASSERT_EQ(match.holders,
              std::vector<HolderBlocks>(expected.holders.begin(), expected.holders.begin() + static_cast<long>(listed)));
    ASSERT_EQ(match.more, expected.holders.size() > listed);
  }
}

struct Walk {
  uint64_t seed;
  std::vector<HolderId> holders;
  size_t length_max;
  uint64_t letters;
  int steps;
};

void RandomWalk(const Walk& walk) {
  SCOPED_TRACE("seed " + std::to_string(walk.seed));
  Random random(walk.seed);
  BlockIndex index;
  Model model;
  for (int step = 0; step < walk.steps; ++step) {
    const HolderId holder = walk.holders[random.Below(walk.holders.size())];
    const Path path = RandomPath(random, walk.length_max, walk.letters);
    const std::vector<BlockKey> keys = KeysOf(path);
    const uint64_t dice = random.Below(10);
    if (dice < 6) {
      ASSERT_TRUE(index.Add(holder, keys));
      model.Add(holder, path);
    } else if (dice < 9) {
      const size_t keep = random.Below(walk.length_max);
      ASSERT_TRUE(index.Truncate(holder, keys, keep));
      model.Truncate(holder, path, keep);
    } else {
      index.Remove(holder);
      model.Remove(holder);
    }
    index.CheckInvariants();
    ASSERT_EQ(index.stats().blocks, model.blocks()) << "step " << step;
    ASSERT_EQ(index.stats().entries, model.entries()) << "step " << step;
    ASSERT_EQ(index.BlocksOf(holder), model.BlocksOf(holder));
    ExpectSame(index, model, path);
    ExpectSame(index, model, RandomPath(random, walk.length_max, walk.letters));
    if (step % 16 == 0) {
      ASSERT_EQ(BlocksOfGroups(index), model.Blocks());
    }
  }
}

TEST(BlockIndex, EqualsTheModelWithFewHolders) {
  for (uint64_t seed = 1; seed <= 12; ++seed) RandomWalk({seed, {0, 1, 2, 3}, 12, 3, 250});
}

TEST(BlockIndex, EqualsTheModelWithHoldersOfEveryForm) {
  std::vector<HolderId> holders = {100, 5000, 70000};
  for (HolderId id = 58; id < 70; ++id) holders.push_back(id);
  for (uint64_t seed = 100; seed < 106; ++seed) RandomWalk({seed, holders, 8, 2, 250});
}

TEST(BlockIndex, EqualsTheModelWithManyHolders) {
  std::vector<HolderId> holders;
  for (HolderId id = 0; id < 300; ++id) holders.push_back(id * 3);
  for (uint64_t seed = 200; seed < 203; ++seed) RandomWalk({seed, holders, 6, 2, 700});
}

TEST(BlockIndex, CompressesAChainIntoOneRun) {
  BlockIndex index;
  const std::vector<BlockKey> keys = KeysOf(Path(6250, 1));
  ASSERT_TRUE(index.Add(7, keys));
  EXPECT_EQ(index.stats().runs, 1u);
  // Turn by turn it is still one.
  for (size_t turn = 100; turn <= keys.size(); turn += 50) ASSERT_TRUE(index.Add(8, std::span(keys).first(turn)));
  EXPECT_EQ(index.stats().runs, 1u);
  EXPECT_EQ(index.stats().entries, 2u * 6250);
  index.CheckInvariants();
}

// In each form of a set of holders: what stays behind costs what it would have cost alone.
TEST(BlockIndex, SetsOfHoldersShrink) {
  for (const HolderId spacing : {1u, 3u, 40u, 100u}) {
    SCOPED_TRACE("spacing " + std::to_string(spacing));
    BlockIndex index;
    const std::vector<BlockKey> keys = KeysOf("a chain");
    for (HolderId n = 0; n < 5; ++n) ASSERT_TRUE(index.Add((1000 - n) * spacing, keys));
    const uint64_t few = index.bytes();
    for (HolderId n = 5; n < 900; ++n) ASSERT_TRUE(index.Add((1000 - n) * spacing, keys));
    ASSERT_GT(index.bytes(), few + 100);
    for (HolderId n = 5; n < 900; ++n) index.Remove((1000 - n) * spacing);
    index.CheckInvariants();
    EXPECT_LE(index.bytes(), few + 16);
  }
}

TEST(BlockIndex, RefusesAnIdThatIsTooLarge) {
  BlockIndex index;
  const Status status = index.Add(kHoldersMax, KeysOf("a"));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
}

TEST(BlockIndex, CountsEveryByteAndGivesAllBack) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const uint64_t before = testing::BytesHandedOut();
    {
      BlockIndex index;
      const uint64_t empty = index.bytes();
      EXPECT_EQ(testing::BytesHandedOut() - before, empty);
      for (int round = 0; round < 2; ++round) {
        for (int step = 0; step < 400; ++step) {
          const auto holder = static_cast<HolderId>(random.Below(500));
          const std::vector<BlockKey> keys = KeysOf(RandomPath(random, 60, 5));
          const uint64_t outside = testing::BytesHandedOut() - index.bytes();
          if (random.Below(4) == 0) {
            index.Remove(holder);
          } else {
            ASSERT_TRUE(index.Add(holder, keys));
          }
          ASSERT_EQ(testing::BytesHandedOut() - index.bytes(), outside) << "step " << step;
        }
        for (HolderId holder = 0; holder < 500; ++holder) index.Remove(holder);
        EXPECT_EQ(index.stats().runs, 0u);
        EXPECT_EQ(index.bytes(), empty);
      }
    }
    EXPECT_EQ(testing::BytesHandedOut(), before);
  }
}

TEST(BlockIndex, ChurnDoesNotGrowIt) {
  BlockIndex index;
  Random random(5);
  uint64_t settled = 0;
  for (int round = 0; round < 40; ++round) {
    for (int step = 0; step < 250; ++step) {
      Path path = RandomPath(random, 30, 3);
      ASSERT_TRUE(index.Add(static_cast<HolderId>(step % 8), KeysOf(path)));
      ASSERT_TRUE(index.Truncate(static_cast<HolderId>(step % 8), KeysOf(path), random.Below(4)));
    }
    for (HolderId holder = 0; holder < 8; ++holder) index.Remove(holder);
    if (round == 0) settled = index.bytes();
    ASSERT_EQ(index.bytes(), settled);
  }
}

// Refuses each allocation of each change in turn: the change fails as a whole or succeeds.
TEST(BlockIndex, ARefusedAllocationChangesNothing) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    BlockIndex index;
    Model model;
    int refusals = 0;
    for (int step = 0; step < 60; ++step) {
      const auto holder = static_cast<HolderId>(random.Below(3) * 61 + random.Below(4));
      const Path path = RandomPath(random, 14, 3);
      const std::vector<BlockKey> keys = KeysOf(path);
      const bool adds = random.Below(3) != 0;
      const size_t keep = random.Below(8);
      for (int64_t nth = 0;; ++nth) {
        testing::RefuseAllocationAfter(nth);
        const Status status = adds ? index.Add(holder, keys) : index.Truncate(holder, keys, keep);
        testing::RefuseAllocationAfter(-1);
        index.CheckInvariants();
        if (status) break;
        ++refusals;
        ASSERT_EQ(status.error().code, ErrorCode::kExhausted);
        ASSERT_EQ(BlocksOfGroups(index), model.Blocks());
      }
      adds ? model.Add(holder, path) : model.Truncate(holder, path, keep);
      ASSERT_EQ(BlocksOfGroups(index), model.Blocks());
    }
    EXPECT_GT(refusals, 20);
    for (HolderId holder = 0; holder < 200; ++holder) index.Remove(holder);
    EXPECT_EQ(index.stats().runs, 0u);
  }
}

TEST(BlockIndex, StaysInsideItsBudget) {
  BlockIndex index({.bytes_max = 20000});
  Random random(3);
  bool refused = false;
  for (int step = 0; step < 200; ++step) {
    Path path = RandomPath(random, 60, 200);
    refused |= !index.Add(static_cast<HolderId>(step), KeysOf(path)).has_value();
    ASSERT_LE(index.bytes(), 20000u + 64);  // the allocator rounds the last block up
    index.CheckInvariants();
  }
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace weir
