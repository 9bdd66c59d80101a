#include "weir/tokens/block_keys.h"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>
#include <vector>

#include "weir/base/random.h"
#include "weir/codec/xxh3.h"

namespace weir {
namespace {

std::vector<TokenId> RandomTokens(Random& random, size_t count) {
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random.Below(200000));
  return tokens;
}

std::vector<BlockKey> KeysOf(std::span<const TokenId> tokens, size_t block_size, BlockKey parent) {
  std::vector<BlockKey> keys;
  AppendBlockKeys(tokens, block_size, parent, keys);
  return keys;
}

std::string LittleBytes(uint64_t value, unsigned size) {
  std::string out;
  for (unsigned i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

// Keys as the header words it, byte by byte.
std::vector<BlockKey> NaiveKeys(const std::vector<TokenId>& tokens, size_t block_size, BlockKey parent) {
  std::vector<BlockKey> keys;
  for (size_t end = block_size; end <= tokens.size(); end += block_size) {
    std::string bytes = LittleBytes(parent.high, 8) + LittleBytes(parent.low, 8);
    for (size_t i = end - block_size; i < end; ++i) bytes += LittleBytes(tokens[i], 4);
    const Hash128 hash = Xxh3_128(bytes);
    parent = {hash.high, hash.low};
    keys.push_back(parent);
  }
  return keys;
}

TEST(BlockKeys, EqualTheDefinitionForEveryBlockSize) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    const size_t block_size = round % 3 == 0 ? kDefaultBlockSize : 1 + random.Below(300);
    const std::vector<TokenId> tokens = RandomTokens(random, random.Below(1000));
    const BlockKey root = RootKey({"fingerprint", "model", "", ""}, block_size);
    ASSERT_EQ(KeysOf(tokens, block_size, root), NaiveKeys(tokens, block_size, root)) << block_size;
  }
}

TEST(BlockKeys, AreFixedForever) {
  const BlockKey root = RootKey({"00112233445566778899aabbccddeeff", "m", "l", "s"}, 16);
  std::vector<TokenId> tokens(33);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i * 7919);
  const std::vector<BlockKey> keys = KeysOf(tokens, 16, root);
  ASSERT_EQ(keys.size(), 2u);  // the last token fills no block
  EXPECT_EQ(root, (BlockKey{0x0EDC31A12B486B23, 0x1E85DE99BCAA08A2}));
  EXPECT_EQ(keys[1], (BlockKey{0x4881F4670FE7E23D, 0xBB61F6FFA5145FCF}));
}

TEST(BlockKeys, ContinueFromAnyBlock) {
  Random random(2);
  const std::vector<TokenId> tokens = RandomTokens(random, 16 * 20 + 5);
  const BlockKey root = RootKey({}, 16);
  const std::vector<BlockKey> whole = KeysOf(tokens, 16, root);
  ASSERT_EQ(whole.size(), 20u);
  for (size_t cut = 1; cut < whole.size(); ++cut) {
    std::vector<BlockKey> keys(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    AppendBlockKeys(std::span(tokens).subspan(cut * 16), 16, keys.back(), keys);
    ASSERT_EQ(keys, whole);
  }
  EXPECT_TRUE(KeysOf(std::span(tokens).first(15), 16, root).empty());
}

TEST(BlockKeys, SpacesAndHistoryNeverMeet) {
  std::vector<BlockKey> roots;
  for (const Space& space : {Space{}, Space{"a", "", "", ""}, Space{"", "a", "", ""}, Space{"", "", "a", ""},
                             Space{"", "", "", "a"}, Space{"ab", "", "", ""}, Space{"a", "b", "", ""}}) {
    roots.push_back(RootKey(space, 16));
    roots.push_back(RootKey(space, 32));
  }
  EXPECT_EQ(std::unordered_set<BlockKey>(roots.begin(), roots.end()).size(), roots.size());

  Random random(3);
  std::vector<TokenId> tokens = RandomTokens(random, 64);
  const std::vector<BlockKey> before = KeysOf(tokens, 16, roots[0]);
  tokens[17] ^= 1;  // block 1 differs: block 0 is kept, all later ones change
  const std::vector<BlockKey> after = KeysOf(tokens, 16, roots[0]);
  EXPECT_EQ(before[0], after[0]);
  for (size_t i = 1; i < 4; ++i) EXPECT_NE(before[i], after[i]);
}

}  // namespace
}  // namespace weir
