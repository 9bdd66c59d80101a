#include "weir/demo/registry_demo.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "byte_tokenizer.h"

namespace weir {
namespace {

class RegistryDemoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<ChatTemplate> chat_template =
        ChatTemplate::FromSource("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}{{ tools }}");
    ASSERT_TRUE(chat_template);
    Result<DemoPrompts> prompts = MakeDemoPrompts({}, *tokenizer_, *chat_template, kDefaultBlockSize);
    ASSERT_TRUE(prompts);
    Result<RegistryDemo> demo = RunRegistryDemo(*prompts, {"bytes", tokenizer_});
    ASSERT_TRUE(demo) << demo.error().ToString();
    demo_ = *std::move(demo);
  }

  std::shared_ptr<const weir::testing::ByteTokenizer> tokenizer_ = std::make_shared<weir::testing::ByteTokenizer>();
  RegistryDemo demo_;
};

TEST_F(RegistryDemoTest, FiveRegisterAndFindOneAnother) {
  ASSERT_EQ(demo_.registered.size(), DemoAgents().size());
  EXPECT_FALSE(demo_.registered.front().shared_with);
  const auto leaves = std::ranges::count_if(demo_.registered, [](const Registered& one) { return !one.system.identical; });
  EXPECT_GT(leaves, 0) << "the pipeline's mistakes are in the system prompts";
  for (const Registered& one : demo_.registered) EXPECT_EQ(one.system.divergence.has_value(), !one.system.identical);
}

TEST_F(RegistryDemoTest, NextPromptsReuseWhatIsThere) {
  ASSERT_EQ(demo_.matches.size(), DemoAgents().size());
  for (size_t i = 0; i < demo_.matches.size(); ++i) {
    const SharedReport& report = demo_.matches[i];
    ASSERT_FALSE(report.results.empty()) << demo_.asking[i];
    EXPECT_EQ(report.compared, DemoAgents().size());
    EXPECT_EQ(report.tokens_saved, report.results.front().tokens_saved);
    EXPECT_LE(*report.tokens_saved, report.target_tokens);
  }
}

TEST_F(RegistryDemoTest, ARestartChangesNothingAndARemovalLeavesNothing) {
  EXPECT_EQ(demo_.restored, DemoAgents().size());
  EXPECT_TRUE(demo_.same_answers);
  EXPECT_EQ(demo_.removed, demo_.registered.back().agent);
  EXPECT_LT(demo_.index_bytes_after, demo_.index_bytes_before);
  EXPECT_EQ(demo_.found_after, 0u);
  EXPECT_GE(demo_.ledger_lines, DemoAgents().size() + 1);
}

TEST_F(RegistryDemoTest, IsShown) {
  const Json json = RegistryDemoJson(demo_);
  EXPECT_EQ(json.Find("registered")->as_array().size(), DemoAgents().size());
  EXPECT_TRUE(json.Find("restart")->Find("same_answers")->as_bool());
  const std::string drawing = DrawRegistryDemo(demo_, {});
  EXPECT_NE(drawing.find("the same answers, to the byte"), std::string::npos);
  EXPECT_NE(drawing.find("no answers are left that name it"), std::string::npos);
}

}  // namespace
}  // namespace weir
