#include "weir/advice/share.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "testing/word_tokenizer.h"
#include "weir/base/random.h"
#include "weir/reuse/near_index.h"

namespace weir {
namespace {

using testing::MakeContext;

struct Owned {
  std::vector<Context> contexts;
  std::vector<const Context*> pointers;
  void Add(std::string agent, std::string text) { contexts.push_back(MakeContext(std::move(agent), std::move(text))); }
  std::span<const Context* const> Get() {
    pointers.clear();
    for (const Context& context : contexts) pointers.push_back(&context);
    return pointers;
  }
};

std::string Words(Random& random, size_t count, uint64_t vocabulary) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += " w";
    for (uint64_t word = random.Below(vocabulary); word > 0; word /= 26) text += static_cast<char>('a' + word % 26);
  }
  return text;
}

// Texts that agree in a random prefix, with repetitions, empty ones and prefixes of others.
Owned RandomContexts(uint64_t seed) {
  Random random(seed);
  Owned owned;
  const size_t n = 1 + random.Below(14);
  std::vector<std::string> texts;
  for (size_t i = 0; i < n; ++i) {
    std::string text;
    if (!texts.empty() && random.Below(4) > 0) {
      const std::string& base = texts[random.Below(texts.size())];
      size_t cut = base.size() * random.Below(101) / 100;
      while (cut > 0 && cut < base.size() && base[cut] != ' ') --cut;
      text = base.substr(0, cut);
      for (uint64_t edits = random.Below(3); edits > 0 && text.size() > 2; --edits) text[random.Below(text.size())] = 'x';
    }
    if (random.Below(5) > 0) text += Words(random, random.Below(120), 1 + random.Below(40));
    texts.push_back(text);
    owned.Add("agent" + std::to_string(i), text);
  }
  return owned;
}

uint32_t NaivePrefix(const Context& a, const Context& b) {
  uint32_t length = 0;
  while (length < a.tokens().size() && length < b.tokens().size() && a.tokens()[length] == b.tokens()[length]) ++length;
  return length;
}

// Tokens outside the common prefix that lie in a common run of at least `least`.
uint32_t NaiveSpanTokens(const Context& a, const Context& b, uint32_t least) {
  const auto& x = a.tokens();
  const auto& y = b.tokens();
  const uint32_t prefix = NaivePrefix(a, b);
  std::set<size_t> in_a;
  std::set<size_t> in_b;
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < y.size(); ++j) {
      if (i > 0 && j > 0 && x[i - 1] == y[j - 1]) continue;
      size_t length = 0;
      while (i + length < x.size() && j + length < y.size() && x[i + length] == y[j + length]) ++length;
      if (length < least || (i == 0 && j == 0)) continue;
      for (size_t k = 0; k < length; ++k) {
        if (i + k >= prefix) in_a.insert(i + k);
        if (j + k >= prefix) in_b.insert(j + k);
      }
    }
  }
  return static_cast<uint32_t>(std::min(in_a.size(), in_b.size()));
}

// Blocks of a that are near one of b, not equal to any of b, and not wholly inside the prefix or common runs.
uint32_t NaiveNearBlocks(const Context& a, const Context& b, uint32_t least) {
  const auto& x = a.tokens();
  const auto& y = b.tokens();
  const uint32_t prefix = NaivePrefix(a, b);
  std::vector<bool> covered(x.size());
  for (uint32_t i = 0; i < prefix; ++i) covered[i] = true;
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < y.size(); ++j) {
      size_t length = 0;
      while (i + length < x.size() && j + length < y.size() && x[i + length] == y[j + length]) ++length;
      if (length < least) continue;
      for (size_t k = 0; k < length; ++k) covered[i + k] = true;
    }
  }
  const size_t size = a.block_size();
  uint32_t count = 0;
  for (size_t i = 0; i + size <= x.size(); i += size) {
    const std::span block(x.data() + i, size);
    bool near = false;
    bool equal = false;
    for (size_t j = 0; j + size <= y.size(); j += size) {
      const std::span other(y.data() + j, size);
      equal |= std::ranges::equal(block, other);
      near |= std::popcount(NearHash(block) ^ NearHash(other)) <= static_cast<int>(kNearRadiusMax);
    }
    bool whole = true;
    for (size_t k = i; k < i + size; ++k) whole &= covered[k];
    count += near && !equal && !whole ? 1 : 0;
  }
  return count;
}

void CheckTree(std::span<const Context* const> contexts, const ShareReport& report) {
  // Every token of every context is in exactly one node of it, and the nodes of a context are a path.
  std::vector<std::vector<uint32_t>> covered(contexts.size());
  for (size_t i = 0; i < contexts.size(); ++i) covered[i].assign(contexts[i]->tokens().size(), 0);
  for (size_t n = 0; n < report.groups.size(); ++n) {
    const PrefixNode& node = report.groups[n];
    ASSERT_LT(node.begin, node.end);
    ASSERT_LT(node.parent, static_cast<int32_t>(n));
    if (node.parent >= 0) {
      const PrefixNode& parent = report.groups[static_cast<size_t>(node.parent)];
      ASSERT_EQ(node.begin, parent.end);
      ASSERT_GE(node.first, parent.first);
      ASSERT_LE(node.first + node.count, parent.first + parent.count);
      ASSERT_LT(node.count, parent.count);
    } else {
      ASSERT_EQ(node.begin, 0u);
    }
    const Context& first = *contexts[report.order[node.first]];
    for (uint32_t i = node.first; i < node.first + node.count; ++i) {
      ASSERT_GE(NaivePrefix(first, *contexts[report.order[i]]), node.end);
      for (uint32_t t = node.begin; t < node.end; ++t) ++covered[report.order[i]][t];
    }
  }
  for (const std::vector<uint32_t>& tokens : covered) {
    for (const uint32_t times : tokens) ASSERT_EQ(times, 1u);
  }
}

TEST(Share, EqualsTheNaiveCounts) {
  uint64_t near_blocks = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    Owned owned = RandomContexts(seed);
    const auto contexts = owned.Get();
    ShareOptions options;
    options.span_tokens_min = 8;
    const Result<ShareReport> report = Share(contexts, options);
    ASSERT_TRUE(report.has_value());
    const size_t n = contexts.size();
    ASSERT_EQ(report->pairs.size(), n * (n - 1) / 2);
    ASSERT_FALSE(report->pairs_truncated);
    size_t at = 0;
    for (uint32_t a = 0; a < n; ++a) {
      for (uint32_t b = a + 1; b < n; ++b, ++at) {
        const PairShare& pair = report->pairs[at];
        ASSERT_EQ(std::pair(pair.a, pair.b), std::pair(a, b));
        ASSERT_EQ(pair.prefix_tokens, NaivePrefix(*contexts[a], *contexts[b]));
        ASSERT_EQ(pair.prefix_blocks, pair.prefix_tokens / kDefaultBlockSize);
        ASSERT_EQ(pair.near_blocks.has_value(), pair.span_tokens.has_value());
        if (pair.near_blocks) {
          ASSERT_EQ(*pair.near_blocks, NaiveNearBlocks(*contexts[a], *contexts[b], 8)) << a << " " << b;
          near_blocks += *pair.near_blocks;
        }
        if (pair.span_tokens) {
          ASSERT_EQ(*pair.span_tokens, NaiveSpanTokens(*contexts[a], *contexts[b], 8)) << a << " " << b;
        } else {
          ASSERT_FALSE(report->spans_note.empty());
        }
      }
    }
    for (uint32_t a = 0; a < n; ++a) {
      uint32_t best = 0;
      std::optional<uint32_t> with;
      for (uint32_t b = 0; b < n; ++b) {
        if (a == b) continue;
        const uint32_t prefix = NaivePrefix(*contexts[a], *contexts[b]);
        if (prefix > best) {
          best = prefix;
          with = b;
        }
      }
      ASSERT_EQ(report->agents[a].best_prefix_tokens, best);
      ASSERT_EQ(report->agents[a].best_prefix_with, with) << "agent " << a;
    }
    CheckTree(contexts, *report);
  }
  EXPECT_GT(near_blocks, 20u);  // of what the seeds make
}

// The same numbers whether all pairs are listed or one agent's.
TEST(Share, NearBlocksOfATargetAreThoseOfTheWholeReport) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Owned owned = RandomContexts(seed);
    const auto contexts = owned.Get();
    const Result<ShareReport> all = Share(contexts);
    ASSERT_TRUE(all.has_value());
    ShareOptions options;
    options.target = seed % contexts.size();
    const Result<ShareReport> of_target = Share(contexts, options);
    ASSERT_TRUE(of_target.has_value());
    for (const PairShare& pair : of_target->pairs) {
      const auto same = std::find_if(all->pairs.begin(), all->pairs.end(),
                                     [&](const PairShare& x) { return x.a == pair.a && x.b == pair.b; });
      ASSERT_NE(same, all->pairs.end());
      if (!pair.near_blocks || !same->near_blocks) continue;
      ASSERT_EQ(*pair.near_blocks, *same->near_blocks);
    }
  }
}

TEST(Share, WithoutSpansNearBlocksAreUnknown) {
  Random random(1);
  Owned owned;
  for (int i = 0; i < 3; ++i) owned.Add("a" + std::to_string(i), Words(random, 100, 5));
  ShareOptions options;
  options.span_tokens_min = 0;
  const Result<ShareReport> report = Share(owned.Get(), options);
  ASSERT_TRUE(report.has_value());
  for (const PairShare& pair : report->pairs) EXPECT_FALSE(pair.near_blocks.has_value());
}

TEST(Share, TotalsCountDistinctBlocksAndWhatAnEndlessCacheWouldReuse) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    SCOPED_TRACE(seed);
    Owned owned = RandomContexts(seed);
    const auto contexts = owned.Get();
    const Result<ShareReport> report = Share(contexts);
    ASSERT_TRUE(report.has_value());
    std::set<std::vector<TokenId>> seen;
    uint64_t tokens = 0;
    uint64_t blocks = 0;
    uint64_t reusable = 0;
    for (const Context* context : contexts) {
      const auto& ids = context->tokens();
      tokens += ids.size();
      bool reused = true;
      for (size_t end = kDefaultBlockSize; end <= ids.size(); end += kDefaultBlockSize) {
        const std::vector<TokenId> history(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(end));
        reused = !seen.insert(history).second && reused;
        if (reused && end < ids.size()) reusable += kDefaultBlockSize;
        ++blocks;
      }
    }
    EXPECT_EQ(report->totals.tokens, tokens);
    EXPECT_EQ(report->totals.blocks, blocks);
    EXPECT_EQ(report->totals.distinct_blocks, seen.size());
    EXPECT_EQ(report->totals.reusable_tokens, reusable);
  }
}

TEST(Share, MovedSpansAreFoundAndKeptApart) {
  Random random(5);
  const std::string passage = Words(random, 100, 5000);
  Owned owned;
  owned.Add("first", passage + Words(random, 20, 5000));
  owned.Add("second", Words(random, 30, 5000) + passage);
  owned.Add("third", Words(random, 50, 5000) + passage + Words(random, 10, 5000));
  owned.Add("alone", Words(random, 200, 5000));
  owned.Add("third again", std::string(owned.contexts[2].text()));
  const auto contexts = owned.Get();
  const Result<ShareReport> report = Share(contexts);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->spans_note, "");
  ASSERT_EQ(report->spans.size(), 1u);
  EXPECT_GE(report->spans[0].tokens, 99u);
  EXPECT_EQ(report->spans[0].agents, (std::vector<uint32_t>{0, 1, 2, 4}));
  EXPECT_EQ(report->pairs[0].prefix_tokens, 0u);
  EXPECT_GE(report->pairs[0].span_tokens.value(), 99u);
  EXPECT_EQ(report->pairs[2].span_tokens.value(), 0u);
  // "third" and "third again" share everything exactly, so only the other two hold moved tokens.
  EXPECT_EQ(report->totals.moved_tokens.value(), 2u * report->spans[0].tokens);
  EXPECT_EQ(report->totals.reusable_tokens, (contexts[2]->tokens().size() - 1) / 16 * 16);
}

TEST(Share, TargetListsItsPairsOnly) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Owned owned = RandomContexts(seed);
    const auto contexts = owned.Get();
    const Result<ShareReport> all = Share(contexts);
    ShareOptions options;
    options.target = seed % contexts.size();
    const Result<ShareReport> one = Share(contexts, options);
    ASSERT_TRUE(all.has_value() && one.has_value());
    ASSERT_EQ(one->pairs.size(), contexts.size() - 1);
    for (const PairShare& pair : one->pairs) {
      ASSERT_TRUE(pair.a == *options.target || pair.b == *options.target);
      const auto same = std::find_if(all->pairs.begin(), all->pairs.end(),
                                     [&](const PairShare& p) { return p.a == pair.a && p.b == pair.b; });
      ASSERT_EQ(same->prefix_tokens, pair.prefix_tokens);
      if (same->span_tokens && pair.span_tokens) {
        ASSERT_EQ(*same->span_tokens, *pair.span_tokens);
      }
    }
    EXPECT_EQ(one->totals.reusable_tokens, all->totals.reusable_tokens);
  }
}

TEST(Share, KeepsTheBestPairsWhenThereAreTooMany) {
  Owned owned = RandomContexts(77);
  for (int i = 0; i < 12; ++i) owned.Add("more" + std::to_string(i), "One common text for all of these agents to hold");
  const auto contexts = owned.Get();
  const Result<ShareReport> all = Share(contexts);
  ShareOptions options;
  options.pair_count_max = 10;
  const Result<ShareReport> few = Share(contexts, options);
  ASSERT_TRUE(few->pairs_truncated);
  ASSERT_EQ(few->pairs.size(), 10u);
  std::vector<uint32_t> best;
  for (const PairShare& pair : all->pairs) best.push_back(pair.prefix_tokens);
  std::sort(best.rbegin(), best.rend());
  for (const PairShare& pair : few->pairs) EXPECT_GE(pair.prefix_tokens, best[9]);
}

TEST(Share, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(Share({}).has_value());
  Owned owned;
  owned.Add("a", "one two three");
  ShareOptions options;
  options.target = 1;
  EXPECT_FALSE(Share(owned.Get(), options).has_value());
  owned.contexts.push_back(MakeContext("b", "one two three", {}, false, 4));
  EXPECT_FALSE(Share(owned.Get()).has_value());
}

TEST(Share, OneAgentAloneSharesNothing) {
  Owned owned;
  owned.Add("a", "one two three");
  const Result<ShareReport> report = Share(owned.Get());
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->pairs.empty());
  EXPECT_FALSE(report->agents[0].best_prefix_with.has_value());
  EXPECT_EQ(report->groups.size(), 1u);
}

}  // namespace
}  // namespace weir
