#include <gtest/gtest.h>

#include <string>

#include "weir/report/explain_view.h"
#include "weir/report/layout_view.h"

namespace weir {
namespace {

Explanation Example() {
  Explanation explanation;
  explanation.prefix_tokens = 40;
  explanation.prefix_blocks = 2;
  Divergence divergence;
  divergence.token = 40;
  divergence.block = 2;
  divergence.cause = BreakCause::kTimestamp;
  divergence.reason = "both texts hold a date";
  divergence.a = {.segment = "system",
                  .byte = 110,
                  .line = 3,
                  .column = 5,
                  .text = "date: 10:15 end",
                  .text_begin = 104,
                  .differs = "10:15",
                  .differs_begin = 110};
  divergence.b = divergence.a;
  divergence.b.text = "date: 11:59 end";
  divergence.b.differs = "11:59";
  explanation.divergence = divergence;
  explanation.lost_tokens = 320;
  explanation.lost_blocks = 20;
  explanation.lost_to_next_break = 300;
  explanation.fix = Fix{.action = FixAction::kMoveToEnd,
                        .segment = "system",
                        .advice = "move the date",
                        .gain_tokens = 310,
                        .gain_blocks = 19};
  return explanation;
}

TEST(ExplanationJson, HasTheFixedShape) {
  const Json json = ExplanationJson(Example(), "x", "y");
  const Json* divergence = json.Find("divergence");
  ASSERT_NE(divergence, nullptr);
  EXPECT_EQ(divergence->Find("token")->as_int(), 40);
  EXPECT_EQ(divergence->Find("block")->as_int(), 2);
  EXPECT_EQ(divergence->Find("byte")->as_int(), 110);
  EXPECT_EQ(divergence->Find("segment")->as_string(), "system");
  EXPECT_EQ(divergence->Find("a_text")->as_string(), "date: 10:15 end");
  EXPECT_EQ(divergence->Find("b_text")->as_string(), "date: 11:59 end");
  EXPECT_EQ(divergence->Find("cause")->as_string(), "timestamp");
  EXPECT_EQ(json.Find("lost_tokens")->as_int(), 320);
  EXPECT_EQ(json.Find("fix")->Find("action")->as_string(), "move_to_end");
  EXPECT_EQ(json.Find("fix")->Find("gain_tokens")->as_int(), 310);
}

TEST(ExplanationJson, EqualPromptsAndUnknownGainsAreNull) {
  Explanation equal;
  equal.prefix_tokens = 12;
  const Json json = ExplanationJson(equal, "x", "y");
  EXPECT_TRUE(json.Find("divergence")->is_null());
  EXPECT_TRUE(json.Find("fix")->is_null());
  Explanation unknown = Example();
  unknown.fix->gain_tokens.reset();
  EXPECT_TRUE(ExplanationJson(unknown, "x", "y").Find("fix")->Find("gain_tokens")->is_null());
}

// The line below a text that holds `word` has its caret under the word.
void ExpectCaretUnder(const std::string& drawn, const std::string& word) {
  const size_t at = drawn.find(word);
  ASSERT_NE(at, std::string::npos) << drawn;
  const size_t line = drawn.rfind('\n', at) + 1;
  const size_t next = drawn.find('\n', at) + 1;
  EXPECT_EQ(drawn.find('^', next) - next, DisplayWidth(drawn.substr(line, at - line))) << drawn;
}

TEST(DrawExplanation, MarksTheBreakInBothTexts) {
  const std::string drawn = DrawExplanation(Example(), "x", "y", {});
  ExpectCaretUnder(drawn, "10:15");
  ExpectCaretUnder(drawn, "11:59");
  for (const char* text : {"timestamp", "320 tokens", "move the date", "gains 310 tokens"}) {
    EXPECT_NE(drawn.find(text), std::string::npos) << text;
  }
}

TEST(DrawExplanation, CutsLongTextsAroundTheBreak) {
  Explanation explanation = Example();
  for (BreakSide* side : {&explanation.divergence->a, &explanation.divergence->b}) {
    side->text = std::string(100, 'p') + side->differs + std::string(100, 's');
    side->text_begin = 10;
  }
  const std::string drawn = DrawExplanation(explanation, "x", "y", {.color = false, .width = 60});
  ExpectCaretUnder(drawn, "10:15");
  EXPECT_NE(drawn.find("…"), std::string::npos);
}

TEST(DrawExplanation, EndOfOneText) {
  Explanation explanation = Example();
  explanation.divergence->a.text = "date: ";
  explanation.divergence->a.differs.clear();
  EXPECT_NE(DrawExplanation(explanation, "x", "y", {}).find("(ends here)"), std::string::npos);
}

TEST(DrawBreaks, SaysSoWhenThereIsNone) { EXPECT_NE(DrawBreaks({}, {}, {}).find("No break"), std::string::npos); }

LayoutReport LayoutExample() {
  LayoutReport report;
  report.improves = true;
  report.order = {"rules", "own"};
  report.classes = {{.name = "rules", .movable = true, .calls = 2}, {.name = "own", .movable = true, .calls = 2}};
  report.normalisations = {
      {.normalisation = Normalisation::kJsonKeys, .applied = true, .pieces = 2, .gain_alone = 16, .gain_in_proposal = 32},
      {.normalisation = Normalisation::kUnicodeForm, .gain_in_proposal = std::nullopt}};
  report.tokens_before = report.tokens_after = 400;
  report.reusable_before = 32;
  report.reusable_after = 160;
  report.calls = {{"a", 200, 200, 0, 0}, {"b", 200, 200, 32, 160}};
  return report;
}

TEST(LayoutJson, HasTheFixedShape) {
  const Json json = LayoutJson(LayoutExample(), 1000);
  EXPECT_EQ(json.Find("order")->as_array()[0].as_string(), "rules");
  EXPECT_EQ(json.Find("reusable_tokens")->Find("before")->as_int(), 32);
  EXPECT_EQ(json.Find("reusable_tokens")->Find("after")->as_int(), 160);
  ASSERT_EQ(json.Find("normalisations")->as_array().size(), 1u);
  EXPECT_EQ(json.Find("normalisations")->as_array()[0].Find("name")->as_string(), "json_keys");
  EXPECT_EQ(json.Find("not_applied")->as_array().size(), 1u);
  EXPECT_TRUE(json.Find("example")->is_null());
}

TEST(DrawLayout, ShowsBothNumbersAndTheChanges) {
  const std::string drawn = DrawLayout(LayoutExample(), 1000, {});
  for (const char* text : {"before", "after", "32 of", "160 of", "JSON keys sorted", "+16", "rules"}) {
    EXPECT_NE(drawn.find(text), std::string::npos) << text;
  }
  LayoutReport none = LayoutExample();
  none.improves = false;
  none.refused_calls = 1;
  const std::string nothing = DrawLayout(none, 10, {});
  EXPECT_NE(nothing.find("Nothing helps"), std::string::npos);
  EXPECT_NE(nothing.find("1 call is larger"), std::string::npos);
}

}  // namespace
}  // namespace weir
