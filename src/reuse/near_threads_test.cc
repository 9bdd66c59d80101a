// Readers beside a writer: every answer is true, and what stays is always found.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <thread>
#include <vector>

#include "weir/base/random.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

using Tokens = std::vector<TokenId>;

TEST(NearIndex, AnswersStayTrueBesideAWriter) {
  constexpr uint32_t kLasting = 8;
  constexpr uint32_t kPassing = 24;
  Random random(31);
  std::vector<Tokens> texts;
  Tokens theme(16);
  for (TokenId& token : theme) token = static_cast<TokenId>(random.Below(150'000));
  for (uint32_t owner = 0; owner < kLasting + kPassing; ++owner) {
    Tokens& text = texts.emplace_back();
    for (uint64_t blocks = 5 + random.Below(60); blocks > 0; --blocks) {
      text.insert(text.end(), theme.begin(), theme.end());
      text[text.size() - 1 - random.Below(16)] = static_cast<TokenId>(random.Below(400));
    }
  }
  NearIndex index;
  for (NearOwner owner = 0; owner < kLasting; ++owner) ASSERT_TRUE(index.Add(owner, texts[owner]));
  std::vector<Tokens> queries;
  for (uint32_t owner = 0; owner < kLasting; ++owner) queries.emplace_back(texts[owner].begin(), texts[owner].begin() + 16);

  std::atomic<bool> stop = false;
  std::atomic<uint64_t> finds = 0;
  std::atomic<uint64_t> wrong = 0;
  const auto read = [&](uint64_t seed) {
    Random own(seed);
    NearMatches matches;
    while (!stop.load(std::memory_order_relaxed)) {
      const auto lasting = static_cast<NearOwner>(own.Below(kLasting));
      const Tokens& query = queries[lasting];
      NearFindOptions options;
      options.hits_max = own.Below(2) == 0 ? 2000 : 5;
      if (own.Below(3) == 0) options.exclude = static_cast<NearOwner>(kLasting + own.Below(kPassing));
      if (own.Below(3) == 0) options.only = static_cast<NearOwner>(own.Below(kLasting + kPassing));
      bool good = index.Find(query, options, matches).has_value();
      const bool must_be_there = !options.only || *options.only == lasting;
      if (must_be_there) good &= !matches.hits.empty() && matches.hits[0].distance == 0;
      for (const NearHit& hit : matches.hits) {
        const auto tokens = matches.TokensOf(hit, 16);
        good &= hit.distance == static_cast<uint32_t>(std::popcount(NearHash(tokens) ^ NearHash(query)));
        for (const NearHolder& holder : matches.HoldersOf(hit)) {
          good &= std::ranges::equal(std::span(texts[holder.owner]).subspan(holder.block * 16, 16), tokens);
          good &= holder.owner != options.exclude && (!options.only || holder.owner == *options.only);
        }
      }
      wrong.fetch_add(good ? 0 : 1, std::memory_order_relaxed);
      finds.fetch_add(1, std::memory_order_relaxed);
      good = index.stats().owners >= kLasting && index.bytes() > 0;
      wrong.fetch_add(good ? 0 : 1, std::memory_order_relaxed);
    }
  };
  std::vector<std::thread> readers;
  for (uint64_t i = 0; i < 3; ++i) readers.emplace_back(read, 100 + i);
  std::vector<bool> here(kPassing);
  for (int step = 0; step < 400; ++step) {
    const auto place = static_cast<uint32_t>(random.Below(kPassing));
    const NearOwner owner = kLasting + place;
    if (here[place]) {
      EXPECT_TRUE(index.Remove(owner));
    } else {
      EXPECT_TRUE(index.Add(owner, texts[owner]));
    }
    here[place] = !here[place];
  }
  while (finds.load() < 50) std::this_thread::yield();
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  index.CheckInvariants();
}

}  // namespace
}  // namespace weir
