#include "weir/demo/pipeline.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "documents.h"
#include "tool_definitions.h"

namespace weir {
namespace {

std::string SystemText(const Json& request) { return request.Find("messages")->as_array()[0].Find("content")->as_string(); }

TEST(DemoPipeline, SameOptionsSameRequests) {
  const std::vector<Json> first = DemoRequests({});
  EXPECT_EQ(first, DemoRequests({}));
  EXPECT_EQ(first.size(), DemoAgents().size() * DemoOptions{}.question_count);
  DemoOptions later;
  later.now_s += 86'400;
  EXPECT_NE(first, DemoRequests(later));
}

TEST(DemoPipeline, EachAgentMakesItsMistakeAndNoOther) {
  const std::vector<Json> requests = DemoRequests({});
  const Json& good = requests[0];
  EXPECT_EQ(good.Find("metadata")->Find("agent")->as_string(), "retriever");
  EXPECT_NE(SystemText(requests[1]), SystemText(good));  // blanks
  EXPECT_EQ(*requests[1].Find("tools"), *good.Find("tools"));
  EXPECT_EQ(SystemText(requests[2]), SystemText(good));
  EXPECT_NE(*requests[2].Find("tools"), *good.Find("tools"));  // order
  EXPECT_EQ(requests[2].Find("tools")->as_array().size(), good.Find("tools")->as_array().size());
  EXPECT_NE(SystemText(requests[3]), SystemText(good));  // time
  EXPECT_EQ(SystemText(requests[4]), SystemText(good));
  EXPECT_NE(requests[4].Find("tools")->Dump(), good.Find("tools")->Dump());  // keys
  EXPECT_EQ(ReversedKeys(*requests[4].Find("tools")), *good.Find("tools"));
}

TEST(DemoDocuments, AreRealSectionsOfRealFiles) {
  EXPECT_GE(DemoFileCount(), 3u);
  EXPECT_NE(DemoFile("README.md").find("# Weir"), std::string_view::npos);
  EXPECT_TRUE(DemoFile("absent.md").empty());
  for (const DemoSection& section : DemoSections()) {
    EXPECT_NE(DemoFile(section.file).find(section.text), std::string_view::npos);
    EXPECT_FALSE(section.title.empty());
  }
}

TEST(DemoDocuments, SearchFindsTheSectionThatSpeaksOfIt) {
  const auto best = SearchSections("How do I build the project and run its tests?", 3);
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(std::set(best.begin(), best.end()).size(), 3u);
  bool found = false;
  for (const DemoSection* section : best) found = found || section->text.find("./test") != std::string_view::npos;
  EXPECT_TRUE(found);
  EXPECT_TRUE(SearchSections("anything", 0).empty());
}

}  // namespace
}  // namespace weir
