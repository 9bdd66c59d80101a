#include "weir/reuse/near_index.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "testing/counted_new.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using Tokens = std::vector<TokenId>;

// What an index holds, by plain loops.
class Model {
 public:
  explicit Model(uint32_t block_size) : block_size_(block_size) {}

  struct Hit {
    uint32_t distance = 0;
    uint32_t tokens_differ = 0;
    Tokens tokens;
    std::vector<NearHolder> holders;  // ascending by owner
    friend bool operator==(const Hit&, const Hit&) = default;
  };

  void Add(NearOwner owner, const Tokens& tokens) { documents_[owner] = tokens; }
  bool Remove(NearOwner owner) { return documents_.erase(owner) > 0; }
  const std::map<NearOwner, Tokens>& documents() const { return documents_; }

  // All within the radius, in the order of NearMatches.
  std::vector<Hit> Find(const Tokens& block, const NearFindOptions& options) const {
    std::map<Tokens, std::vector<NearHolder>> texts;
    for (const auto& [owner, tokens] : documents_) {
      if (owner == options.exclude || (options.only && owner != *options.only)) continue;
      for (uint32_t i = 0; (i + 1) * block_size_ <= tokens.size(); ++i) {
        const auto begin = tokens.begin() + i * block_size_;
        std::vector<NearHolder>& holders = texts[Tokens(begin, begin + block_size_)];
        if (holders.empty() || holders.back().owner != owner) holders.push_back({owner, i});
      }
    }
    std::vector<Hit> hits;
    for (const auto& [tokens, holders] : texts) {
      const auto distance = static_cast<uint32_t>(std::popcount(NearHash(tokens) ^ NearHash(block)));
      if (distance > options.radius) continue;
      uint32_t differ = 0;
      for (uint32_t i = 0; i < block_size_; ++i) differ += tokens[i] != block[i] ? 1 : 0;
      hits.push_back({distance, differ, tokens, holders});
    }
    std::sort(hits.begin(), hits.end(), [](const Hit& x, const Hit& y) {
      return std::tuple(x.distance, x.tokens_differ, x.holders[0].owner, x.holders[0].block) <
             std::tuple(y.distance, y.tokens_differ, y.holders[0].owner, y.holders[0].block);
    });
    return hits;
  }

 private:
  uint32_t block_size_;
  std::map<NearOwner, Tokens> documents_;
};

std::vector<Model::Hit> HitsOf(const NearMatches& matches, uint32_t block_size) {
  std::vector<Model::Hit> hits;
  for (const NearHit& hit : matches.hits) {
    const auto tokens = matches.TokensOf(hit, block_size);
    const auto holders = matches.HoldersOf(hit);
    hits.push_back(
        {hit.distance, hit.tokens_differ, Tokens(tokens.begin(), tokens.end()), {holders.begin(), holders.end()}});
  }
  return hits;
}

// Texts around a few themes: blocks with some tokens changed, so that every small distance occurs.
class Writer {
 public:
  Writer(Random& random, uint32_t block_size, uint32_t themes) : random_(random), block_size_(block_size) {
    for (uint32_t i = 0; i < themes; ++i) {
      Tokens& theme = themes_.emplace_back(block_size);
      for (TokenId& token : theme) token = static_cast<TokenId>(random.Below(150'000));
    }
  }
  Tokens Block() {
    Tokens block = themes_[random_.Below(themes_.size())];
    for (uint64_t changes = random_.Below(4); changes > 0; --changes) {
      block[random_.Below(block_size_)] = static_cast<TokenId>(random_.Below(3));
    }
    return block;
  }
  Tokens Document(uint32_t blocks_max) {
    Tokens tokens;
    for (uint64_t blocks = random_.Below(blocks_max + 1); blocks > 0; --blocks) {
      const Tokens block = Block();
      tokens.insert(tokens.end(), block.begin(), block.end());
    }
    tokens.resize(tokens.size() + random_.Below(block_size_), 7);  // a tail
    return tokens;
  }

 private:
  Random& random_;
  uint32_t block_size_;
  std::vector<Tokens> themes_;
};

void ExpectFinds(const NearIndex& index, const Model& model, const Tokens& block, NearFindOptions options) {
  options.hits_max = 10'000;
  options.holders_max = 1000;
  NearMatches matches;
  ASSERT_TRUE(index.Find(block, options, matches));
  const std::vector<Model::Hit> expected = model.Find(block, options);
  ASSERT_EQ(HitsOf(matches, index.block_size()), expected);
  ASSERT_EQ(matches.query_hash, NearHash(block));
  for (const NearHit& hit : matches.hits) ASSERT_FALSE(hit.more_holders);

  options.hits_max = 3;
  options.holders_max = 2;
  ASSERT_TRUE(index.Find(block, options, matches));
  ASSERT_EQ(matches.hits.size(), std::min<size_t>(expected.size(), 3));
  ASSERT_EQ(matches.full, expected.size() >= 3);
  for (size_t i = 0; i < matches.hits.size(); ++i) {
    const NearHit& hit = matches.hits[i];
    ASSERT_EQ(hit.distance, expected[i].distance);
    const auto tokens = matches.TokensOf(hit, index.block_size());
    const auto same = std::find_if(expected.begin(), expected.end(),
                                   [&](const Model::Hit& x) { return std::ranges::equal(x.tokens, tokens); });
    ASSERT_NE(same, expected.end());
    ASSERT_EQ(hit.tokens_differ, same->tokens_differ);
    ASSERT_EQ(hit.holder_count, std::min<size_t>(2, same->holders.size()));
    ASSERT_EQ(hit.more_holders, same->holders.size() > 2);
    for (const NearHolder& holder : matches.HoldersOf(hit)) {
      ASSERT_NE(std::find(same->holders.begin(), same->holders.end(), holder), same->holders.end());
    }
  }
}

RC_GTEST_PROP(NearIndex, EqualsPlainLoopsThroughAddsAndRemoves, ()) {
  Random random(*rc::gen::resize(1000, rc::gen::arbitrary<uint64_t>()));
  const uint32_t block_size = *rc::gen::element(2u, 5u, 16u, 33u);
  NearOptions options;
  options.block_size = block_size;
  options.portable_only = random.Below(2) == 0;
  NearIndex index(options);
  Model model(block_size);
  Writer writer(random, block_size, 1 + static_cast<uint32_t>(random.Below(6)));
  std::map<NearOwner, Tokens> texts;  // what the index borrows
  for (int step = 0; step < 40; ++step) {
    const auto owner = static_cast<NearOwner>(random.Below(12) * 30);
    if (random.Below(3) == 0) {
      RC_ASSERT(index.Remove(owner) == model.Remove(owner));
    } else if (model.documents().contains(owner)) {
      const Status again = index.Add(owner, texts[owner]);
      RC_ASSERT(!again && again.error().code == ErrorCode::kAlreadyExists);
    } else {
      texts[owner] = writer.Document(12);
      RC_ASSERT(index.Add(owner, texts[owner]).has_value());
      model.Add(owner, texts[owner]);
    }
    index.CheckInvariants();
    NearFindOptions find;
    find.radius = static_cast<uint32_t>(random.Below(kNearRadiusMax + 1));
    if (random.Below(3) == 0) find.exclude = static_cast<NearOwner>(random.Below(12) * 30);
    if (random.Below(3) == 0) find.only = static_cast<NearOwner>(random.Below(14) * 30);
    ExpectFinds(index, model, writer.Block(), find);
    if (::testing::Test::HasFatalFailure()) RC_FAIL("differs from the model");
  }
}

// Enough texts for tables of several sizes, random hashes at every distance from the query.
TEST(NearIndex, MissesNothingAtAnySizeOfItsTables) {
  Random random(11);
  NearIndex index;
  Model model(16);
  Writer writer(random, 16, 40);
  std::vector<Tokens> texts;
  for (NearOwner owner = 0; owner < 60; ++owner) {
    texts.push_back(writer.Document(600));
    ASSERT_TRUE(index.Add(owner, texts.back()));
    model.Add(owner, texts.back());
    if (owner % 6 != 0) continue;
    for (uint32_t radius = 0; radius <= kNearRadiusMax; ++radius) {
      ASSERT_NO_FATAL_FAILURE(ExpectFinds(index, model, writer.Block(), {.radius = radius}));
    }
  }
  index.CheckInvariants();
  EXPECT_GT(index.stats().texts, 3000u);
  for (NearOwner owner = 0; owner < 60; ++owner) {
    ASSERT_TRUE(index.Remove(owner));
    model.Remove(owner);
    if (owner % 6 != 0) continue;
    ASSERT_NO_FATAL_FAILURE(ExpectFinds(index, model, writer.Block(), {}));
  }
}

TEST(NearIndex, RefusesWhatIsOutOfRange) {
  NearIndex index;
  const Tokens block(16, 1);
  NearMatches matches;
  const auto code = [](const Status& status) { return status ? ErrorCode::kInternal : status.error().code; };
  EXPECT_EQ(code(index.Add(kNearOwnersMax, block)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(index.Find(Tokens(15, 1), {}, matches)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(index.Find(block, {.radius = 9}, matches)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(index.Find(block, {.hits_max = 0}, matches)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(index.Find(block, {.holders_max = 0}, matches)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(NearOptions{.block_size = 1}.Validate()), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(NearOptions{.bytes_max = 100}.Validate()), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(index.Remove(3));
  EXPECT_TRUE(index.Find(block, {}, matches));
  EXPECT_TRUE(matches.hits.empty());
}

// A head that all share is one text: what a query costs does not depend on how many hold it.
TEST(NearIndex, WhatAllShareCostsOneCandidate) {
  Random random(12);
  NearIndex index;
  Writer writer(random, 16, 1);
  const Tokens head = writer.Block();
  NearMatches matches;
  for (NearOwner owner = 0; owner < 2000; ++owner) ASSERT_TRUE(index.Add(owner, head));
  ASSERT_TRUE(index.Find(head, {.holders_max = 4, .exclude = 1999}, matches));
  EXPECT_EQ(matches.hits.size(), 1u);
  EXPECT_LE(matches.candidates, 4u);
  EXPECT_TRUE(matches.hits[0].more_holders);
  EXPECT_EQ(matches.hits[0].tokens_differ, 0u);
  for (const NearHolder& holder : matches.HoldersOf(matches.hits[0])) EXPECT_NE(holder.owner, 1999u);
  ASSERT_TRUE(index.Find(head, {.only = 7}, matches));
  EXPECT_EQ(matches.HoldersOf(matches.hits[0])[0], (NearHolder{7, 0}));
  EXPECT_EQ(index.stats().texts, 1u);
  EXPECT_EQ(index.stats().entries, 2000u);
  index.CheckInvariants();
}

// Thousands of texts in one bucket: lists of many pieces, and the same answers.
TEST(NearIndex, FindsAndForgetsInsideACluster) {
  Random random(13);
  NearIndex index;
  const uint64_t empty = index.bytes();
  Tokens theme(16);
  for (TokenId& token : theme) token = static_cast<TokenId>(random.Below(150'000));
  std::vector<Tokens> texts(8);
  for (Tokens& text : texts) {
    for (int i = 0; i < 1000; ++i) {
      text.insert(text.end(), theme.begin(), theme.end());
      text[text.size() - 1 - random.Below(2)] = static_cast<TokenId>(random.Below(150'000));
    }
  }
  for (NearOwner owner = 0; owner < texts.size(); ++owner) ASSERT_TRUE(index.Add(owner, texts[owner]));
  index.CheckInvariants();
  std::set<Tokens> within;
  for (const Tokens& text : texts) {
    for (size_t at = 0; at < text.size(); at += 16) {
      const Tokens block(text.begin() + static_cast<ptrdiff_t>(at), text.begin() + static_cast<ptrdiff_t>(at) + 16);
      if (std::popcount(NearHash(theme) ^ NearHash(block)) <= 8) within.insert(block);
    }
  }
  NearMatches matches;
  ASSERT_TRUE(index.Find(theme, {.hits_max = 60'000}, matches));
  EXPECT_EQ(matches.hits.size(), within.size());
  EXPECT_GT(within.size(), 3000u);
  ASSERT_TRUE(index.Find(theme, {.hits_max = 10}, matches));
  EXPECT_TRUE(matches.full);
  for (NearOwner owner = 0; owner < texts.size(); owner += 2) ASSERT_TRUE(index.Remove(owner));
  index.CheckInvariants();
  for (NearOwner owner = 1; owner < texts.size(); owner += 2) ASSERT_TRUE(index.Remove(owner));
  EXPECT_EQ(index.bytes(), empty);
}

TEST(NearIndex, CountsEveryByteAndGivesAllBack) {
  Random random(14);
  Writer writer(random, 16, 500);
  std::vector<Tokens> texts;
  for (int i = 0; i < 300; ++i) texts.push_back(writer.Document(40));
  const uint64_t before = testing::BytesHandedOut();
  {
    NearIndex index;
    const uint64_t empty = index.bytes();
    EXPECT_EQ(testing::BytesHandedOut() - before, empty);
    for (int round = 0; round < 3; ++round) {
      for (int step = 0; step < 2000; ++step) {
        const auto owner = static_cast<NearOwner>(random.Below(texts.size()));
        if (!index.Remove(owner)) {
          ASSERT_TRUE(index.Add(owner, texts[owner]));
        }
        ASSERT_EQ(testing::BytesHandedOut() - before, index.bytes()) << "step " << step;
      }
      index.CheckInvariants();
      EXPECT_GT(index.bytes(), empty + 50'000);
      for (NearOwner owner = 0; owner < texts.size(); ++owner) index.Remove(owner);
      EXPECT_EQ(index.stats().texts + index.stats().entries + index.stats().owners, 0u);
      EXPECT_EQ(index.bytes(), empty);
    }
  }
  EXPECT_EQ(testing::BytesHandedOut(), before);
}

// Refuses each allocation of each Add in turn: it fails as a whole or succeeds.
TEST(NearIndex, ARefusedAllocationChangesNothing) {
  Random random(15);
  Writer writer(random, 16, 6);
  NearIndex index;
  Model model(16);
  std::map<NearOwner, Tokens> texts;
  int refusals = 0;
  for (NearOwner owner = 0; owner < 25; ++owner) {
    texts[owner] = writer.Document(12);
    const NearStats before = index.stats();
    for (int64_t nth = 0;; ++nth) {
      testing::RefuseAllocationAfter(nth);
      const Status status = index.Add(owner, texts[owner]);
      testing::RefuseAllocationAfter(-1);
      index.CheckInvariants();
      if (status) break;
      ++refusals;
      ASSERT_EQ(status.error().code, ErrorCode::kExhausted);
      ASSERT_EQ(index.stats().texts, before.texts);
      ASSERT_EQ(index.stats().entries, before.entries);
      ASSERT_EQ(index.stats().owners, before.owners);
    }
    model.Add(owner, texts[owner]);
    ASSERT_NO_FATAL_FAILURE(ExpectFinds(index, model, writer.Block(), {}));
  }
  EXPECT_GT(refusals, 100);
}

TEST(NearIndex, StaysInsideItsBudget) {
  Random random(16);
  Writer writer(random, 16, 400);
  NearIndex index({.bytes_max = 60'000});
  std::vector<Tokens> texts;
  bool refused = false;
  for (NearOwner owner = 0; owner < 100; ++owner) texts.push_back(writer.Document(40));
  for (NearOwner owner = 0; owner < 100; ++owner) {
    refused |= !index.Add(owner, texts[owner]).has_value();
    ASSERT_LE(index.bytes(), 60'000u + 64);  // the allocator rounds the last block up
  }
  index.CheckInvariants();
  EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace weir
