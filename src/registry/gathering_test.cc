// Answers that the indexes give about many, held against comparing one by one.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "registry_cases.h"
#include "weir/registry/registry.h"

namespace weir {
namespace {

using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

// Texts that begin alike to different depths, with passages of each other's and with single bytes changed.
std::vector<std::string> RelatedTexts(uint64_t seed, size_t count) {
  Random random(seed);
  std::vector<std::string> heads;
  for (uint64_t i = 0; i < 3; ++i) heads.push_back(Words(100 * seed + i, 200 + 16 * i));
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    std::string text = heads[random.Below(4) % 3].substr(0, random.Below(3) == 0 ? random.Below(200) : std::string::npos);
    for (uint64_t parts = random.Below(3); parts > 0; --parts) {
      const bool is_own = texts.empty() || random.Below(2) == 0;
      const std::string part = is_own ? Words(1000 * seed + i, 120) : texts[random.Below(texts.size())];
      text += part.substr(random.Below(part.size()), 40 + random.Below(80));
    }
    text += Words(77 * seed + random.Below(3 * count), 80);
    if (random.Below(2) == 0) text[random.Below(text.size())] = '#';
    texts.push_back(std::move(text));
  }
  return texts;
}

auto FiguresOf(const SharedContext& result) {
  return std::tuple(result.agent, result.confidence, result.exact.tokens, result.moved_tokens, result.near_blocks,
                    result.moved.size());
}

TEST(Gathering, ListsWhatComparingOneByOneGives) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RegistryCase setup;
    Registry& registry = setup.Open();
    const std::vector<std::string> texts = RelatedTexts(seed, 60);
    for (size_t i = 0; i < texts.size(); ++i)
      ASSERT_TRUE(registry.Register(TextInput("agent-" + std::to_string(i), texts[i])));
    for (size_t target = 0; target < 10; ++target) {
      const std::string name = "agent-" + std::to_string(target);
      std::vector<SharedContext> each;
      for (size_t i = 0; i < texts.size(); ++i) {
        if (i == target) continue;
        const std::vector<std::string> other = {"agent-" + std::to_string(i)};
        const auto one = registry.FindShared(other, name);
        ASSERT_TRUE(one) << one.error().ToString();
        each.push_back(one->results.at(0));
      }
      for (const uint32_t most : {3u, 20u, 100u}) {
        FindSharedOptions options;
        options.results_max = most;
        const auto report = registry.FindShared({}, name, options);
        ASSERT_TRUE(report) << report.error().ToString();
        std::vector<double> confidences;
        for (const SharedContext& one : each) confidences.push_back(one.confidence);
        std::ranges::sort(confidences, std::greater());
        for (size_t place = 0; place < report->results.size(); ++place) {
          const SharedContext& listed = report->results[place];
          EXPECT_EQ(listed.confidence, confidences[place]) << place;
          const auto same = std::ranges::find(each, listed.agent, &SharedContext::agent);
          ASSERT_NE(same, each.end());
          EXPECT_EQ(FiguresOf(listed), FiguresOf(*same));
        }
        const auto with_blocks = static_cast<size_t>(std::ranges::count_if(confidences, [](double c) { return c > 0; }));
        EXPECT_GE(report->results.size(), std::min<size_t>(most, with_blocks));
      }
    }
  }
}

TEST(Gathering, SimilarityEqualsCounting) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RegistryCase setup;
    Registry& registry = setup.Open();
    const std::vector<std::string> texts = RelatedTexts(seed, 60);
    for (size_t i = 0; i < texts.size(); ++i)
      ASSERT_TRUE(registry.Register(TextInput("agent-" + std::to_string(i), texts[i])));
    for (size_t query = 0; query < 10; ++query) {
      SimilarOptions all;
      all.k = 10'000;
      all.threshold = -1;
      const auto everybody = registry.FindSimilar(texts[query], all);
      ASSERT_TRUE(everybody) << everybody.error().ToString();
      for (const float threshold : {0.2f, 0.5f, 0.9f, 1.0f}) {
        SimilarOptions options = all;
        options.threshold = threshold;
        const auto some = registry.FindSimilar(texts[query], options);
        ASSERT_TRUE(some) << some.error().ToString();
        std::vector<std::tuple<std::string, float, uint32_t, uint32_t>> expected;
        std::vector<std::tuple<std::string, float, uint32_t, uint32_t>> found;
        for (const SimilarContext& one : everybody->results) {
          if (one.similarity >= threshold)
            expected.emplace_back(one.agent, one.similarity, *one.equal_blocks, *one.near_blocks);
        }
        for (const SimilarContext& one : some->results) {
          found.emplace_back(one.agent, one.similarity, *one.equal_blocks, *one.near_blocks);
        }
        EXPECT_EQ(found, expected) << threshold;
        EXPECT_FALSE(expected.empty());  // at least the context that the query is
      }
    }
  }
}

}  // namespace
}  // namespace weir
