#include "weir/demo/meaning_demo.h"

#include <gtest/gtest.h>

#include <memory>

#include "fake_embedder.h"

namespace weir {
namespace {

using testing::FakeModel;
using testing::ModelOf;

TEST(MeaningDemoTest, TheSecondPassComputesNothing) {
  FakeModel fake;
  auto cache = EmbedCache::Create({});
  ASSERT_TRUE(cache);
  ASSERT_TRUE((*cache)->AddModel(ModelOf(fake)));
  const auto demo = RunMeaningDemo(**cache, "fake-model", {"bytes", std::make_shared<testing::ByteTokenizer>()}, 16);
  ASSERT_TRUE(demo) << demo.error().ToString();
  EXPECT_GT(demo->documents, 20u);
  EXPECT_EQ(demo->first.hits, 0u);
  EXPECT_GT(demo->first.windows, demo->documents);
  EXPECT_EQ(demo->second.hits, demo->first.windows);
  EXPECT_EQ(demo->second.computed, 0u);
  EXPECT_EQ(demo->exact.blocks + demo->moved_tokens + demo->near_blocks, 0u);
  EXPECT_GT(demo->twin_similarity, demo->stranger_similarity);
  EXPECT_NE(demo->passage.file, demo->twin.file);
  const std::string drawing = DrawMeaningDemo(*demo, {});
  EXPECT_NE(drawing.find("100 %"), std::string::npos);
  EXPECT_EQ(MeaningDemoJson(*demo).Find("second")->Find("hit_rate")->as_double(), 1);
}

TEST(MeaningDemoTest, WithoutAModelItSaysHowToGetOne) {
  MeaningDemo demo;
  demo.note = "get one";
  EXPECT_NE(DrawMeaningDemo(demo, {}).find("get one"), std::string::npos);
  EXPECT_EQ(MeaningDemoJson(demo).Find("note")->as_string(), "get one");
}

}  // namespace
}  // namespace weir
