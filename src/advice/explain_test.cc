#include "weir/advice/explain.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/word_tokenizer.h"
#include "weir/advice/share.h"

namespace weir {
namespace {

using testing::MakeContext;
using testing::WordEncoder;

constexpr const char* kRules =
    "Answer in short sentences. Quote the source of every claim. Never invent a reference, a number or a name. When two "
    "sources disagree, say so and name both. Keep the order of the questions. Leave out what was not asked for.\n";

Explanation Explained(const Context& a, const Context& b) {
  WordEncoder encoder;
  Result<Explanation> result = Explain(a, b, &encoder);
  EXPECT_TRUE(result.has_value());
  return *result;
}

Explanation Explained(const std::string& a, const std::string& b) {
  return Explained(MakeContext("a", a), MakeContext("b", b));
}

struct CauseCase {
  const char* label;
  std::string a;
  std::string b;
  BreakCause cause;
  bool mends;  // the fix gains tokens
};

void PrintTo(const CauseCase& c, std::ostream* out) { *out << c.label; }

class Causes : public ::testing::TestWithParam<CauseCase> {};

TEST_P(Causes, IsJudgedByEvidence) {
  const CauseCase& c = GetParam();
  for (const bool swapped : {false, true}) {
    const Explanation e = swapped ? Explained(c.b, c.a) : Explained(c.a, c.b);
    ASSERT_TRUE(e.divergence.has_value());
    EXPECT_EQ(BreakCauseName(e.divergence->cause), BreakCauseName(c.cause)) << e.divergence->reason;
    ASSERT_TRUE(e.fix.has_value());
    if (c.mends) {
      ASSERT_TRUE(e.fix->gain_tokens.has_value());
      EXPECT_GT(*e.fix->gain_tokens, 0);
      EXPECT_GE(e.lost_tokens, 16u);
    }
  }
}

const std::string kR = kRules;
const std::string kTools =
    R"({"type":"function","function":{"name":"search","description":"Find pages","parameters":{"type":"object"}}})";
const std::string kTools2 =
    R"({"type":"function","function":{"name":"fetch","description":"Load a page","parameters":{"type":"object"}}})";

INSTANTIATE_TEST_SUITE_P(
    Explain, Causes,
    ::testing::Values(
        CauseCase{"iso", "Time: 2026-11-24T07:03:24Z\n" + kR, "Time: 2026-11-24T07:05:01Z\n" + kR, BreakCause::kTimestamp,
                  true},
        CauseCase{"clock", "It is 10:32 AM now.\n" + kR, "It is 4:07 PM now.\n" + kR, BreakCause::kTimestamp, true},
        CauseCase{"rfc", "Date: Tue, 24 Nov 2026 07:03:24 +0000\n" + kR, "Date: Wed, 25 Nov 2026 09:00:00 +0000\n" + kR,
                  BreakCause::kTimestamp, true},
        CauseCase{"written", "Today is November 24, 2026.\n" + kR, "Today is December 1, 2026.\n" + kR,
                  BreakCause::kTimestamp, true},
        CauseCase{"epoch", "now=1700000000\n" + kR, "now=1700000777\n" + kR, BreakCause::kTimestamp, true},
        CauseCase{"weekday", "Today is Tuesday.\n" + kR, "Today is Friday.\n" + kR, BreakCause::kTimestamp, true},
        CauseCase{"uuid", "Session 6f1e2d3c-aaaa-4bbb-8ccc-123456789abc\n" + kR,
                  "Session 0a1b2c3d-aaaa-4bbb-8ccc-123456789abc\n" + kR, BreakCause::kUuid, true},
        CauseCase{"hex id", "request_id: 8f3a2b1c9d\n" + kR, "request_id: 77a02b1c9e\n" + kR, BreakCause::kUuid, true},
        CauseCase{"prefixed id", "trace req_8fKa2b1c9dQQ\n" + kR, "trace req_91Ka7b1c9dZ2\n" + kR, BreakCause::kUuid, true},
        CauseCase{"ulid", "run 01ARZ3NDEKTSV4RRFFQ69G5FAV\n" + kR, "run 01BX5ZZKBKACTAV9WEVGEMMVRZ\n" + kR,
                  BreakCause::kUuid, true},
        CauseCase{"counter", "This is turn 3 of the conversation.\n" + kR, "This is turn 12 of the conversation.\n" + kR,
                  BreakCause::kCounter, true},
        CauseCase{"counter in a word", "Agent step3 begins\n" + kR, "Agent step4 begins\n" + kR, BreakCause::kCounter, true},
        CauseCase{"number in other words", "There are 3 cats\n" + kR, "There are 12 dogs and more\n" + kR,
                  BreakCause::kContent, false},
        CauseCase{"trailing blanks", "You answer questions.  \n" + kR, "You answer questions.\n" + kR,
                  BreakCause::kWhitespace, true},
        CauseCase{"line ends", "You answer.\r\n" + kR, "You answer.\n" + kR, BreakCause::kWhitespace, true},
        CauseCase{"blank for newline", "You answer questions\nabout cats.\n" + kR, "You answer questions about cats.\n" + kR,
                  BreakCause::kWhitespace, true},
        CauseCase{"a joined word is no blank", "You can not do that\n" + kR, "You cannot do that\n" + kR,
                  BreakCause::kContent, false},
        CauseCase{"json keys",
                  R"({"name":"x","size":3,"deep":{"p":1,"q":2}})"
                  "\n" +
                      kR,
                  R"({"size":3,"deep":{"q":2,"p":1},"name":"x"})"
                  "\n" +
                      kR,
                  BreakCause::kJsonKeyOrder, true},
        CauseCase{"json keys, other value",
                  R"({"name":"x","size":3})"
                  "\n" +
                      kR,
                  R"({"size":4,"name":"x"})"
                  "\n" +
                      kR,
                  BreakCause::kContent, false},
        CauseCase{"json blanks",
                  R"({"name": "x", "size": 3})"
                  "\n" +
                      kR,
                  R"({"name":"x","size":3})"
                  "\n" +
                      kR,
                  BreakCause::kWhitespace, true},
        CauseCase{"tools in an array", "[" + kTools + "," + kTools2 + "]\n" + kR, "[" + kTools2 + "," + kTools + "]\n" + kR,
                  BreakCause::kToolOrder, true},
        CauseCase{"tools one a line", kTools + "\n" + kTools2 + "\n" + kR, kTools2 + "\n" + kTools + "\n" + kR,
                  BreakCause::kToolOrder, true},
        CauseCase{"another tool", "[" + kTools + "," + kTools2 + "]\n" + kR, "[" + kTools2 + "]\n" + kR,
                  BreakCause::kContent, false},
        CauseCase{"a list that is no tools",
                  R"([{"q":"one"},{"q":"two"}])"
                  "\n" +
                      kR,
                  R"([{"q":"two"},{"q":"one"}])"
                  "\n" +
                      kR,
                  BreakCause::kContent, false},
        CauseCase{"role markers", "<|im_start|>system\nYou answer.\n" + kR, "<|start_header_id|>system\nYou answer.\n" + kR,
                  BreakCause::kTemplate, true},
        CauseCase{"a marker only here", "<s>You answer.\n" + kR, "You answer.\n" + kR, BreakCause::kTemplate, true},
        CauseCase{"separators", "Part one.\n---\n" + kR, "Part one.\n###\n" + kR, BreakCause::kTemplate, true},
        CauseCase{"role case", "System: you answer.\n" + kR, "SYSTEM: you answer.\n" + kR, BreakCause::kTemplate, true},
        CauseCase{"a message that ends earlier", "<|im_start|>user\nHello there<|im_end|>\n<|im_start|>assistant\n" + kR,
                  "<|im_start|>user\nHello there my dear friend of old<|im_end|>\n<|im_start|>assistant\n" + kR,
                  BreakCause::kContent, false},
        CauseCase{"full width", "Use the \xEF\xBC\xA1\xEF\xBC\xB0\xEF\xBC\xA9 now.\n" + kR, "Use the API now.\n" + kR,
                  BreakCause::kUnicodeForm, true},
        CauseCase{"quotes", "Don\xE2\x80\x99t guess.\n" + kR, "Don't guess.\n" + kR, BreakCause::kUnicodeForm, true},
        CauseCase{"decomposed", "Le caf\x65\xCC\x81 est ferm\x65\xCC\x81.\n" + kR, "Le caf\xC3\xA9 est ferm\xC3\xA9.\n" + kR,
                  BreakCause::kUnicodeForm, true},
        CauseCase{"a lost accent", "Le cafe\xCC\x81 est bon.\n" + kR, "Le cafe est bon.\n" + kR, BreakCause::kContent,
                  false},
        CauseCase{"no-break space", "Use\xC2\xA0tools.\n" + kR, "Use tools.\n" + kR, BreakCause::kUnicodeForm, true},
        CauseCase{"case", "ANSWER Every question.\n" + kR, "Answer every question.\n" + kR, BreakCause::kLetterCase, true},
        CauseCase{"a time only here", "Be kind.\n" + kR, "Be kind.\nIt is 2026-11-24 10:32 now.\n" + kR,
                  BreakCause::kTimestamp, true},
        CauseCase{"words only here", "Be kind.\n" + kR, "Be kind.\nYou have 3 tools.\n" + kR, BreakCause::kContent, false},
        CauseCase{"json escapes",
                  R"({"n":"caf\u00e9"})"
                  "\n" +
                      kR,
                  "{\"n\":\"caf\xC3\xA9\"}\n" + kR, BreakCause::kUnicodeForm, true},
        CauseCase{"look-alike letters", "The \xD0\xB0gent answers.\n" + kR, "The agent answers.\n" + kR,
                  BreakCause::kUnicodeForm, true},
        CauseCase{"paragraphs", "You are the retriever.\n\n" + kR, "You are the critic.\n\n" + kR, BreakCause::kContent,
                  true},
        CauseCase{"content", "You are the retriever.\n" + kR, "You are the critic.\n" + kR, BreakCause::kContent, false},
        CauseCase{"time against words", "Time: 10:32 AM\n" + kR, "Time: unknown\n" + kR, BreakCause::kContent, false}));

TEST(Explain, EqualPromptsDoNotDiverge) {
  const Explanation e = Explained(kRules, kRules);
  EXPECT_FALSE(e.divergence.has_value());
  EXPECT_FALSE(e.fix.has_value());
  EXPECT_EQ(e.lost_tokens, 0u);
  EXPECT_GT(e.prefix_tokens, 32u);
  EXPECT_EQ(e.prefix_blocks, e.prefix_tokens / kDefaultBlockSize);
}

TEST(Explain, PrefixOfTheOtherDivergesAtItsEnd) {
  const Context a = MakeContext("a", kRules);
  const Context b = MakeContext("b", std::string(kRules) + "One more line.\n");
  const Explanation e = Explained(a, b);
  ASSERT_TRUE(e.divergence.has_value());
  EXPECT_EQ(e.divergence->cause, BreakCause::kEnd);
  EXPECT_EQ(e.divergence->token, a.tokens().size());
  EXPECT_EQ(e.divergence->a.byte, a.text().size());
  EXPECT_EQ(e.fix->action, FixAction::kNone);
  EXPECT_EQ(e.lost_tokens, 0u);
}

TEST(Explain, AddedSpecialTokenIsATemplateMatter) {
  const Context a = MakeContext("a", kRules);
  const Context b = MakeContext("b", kRules, {}, true);
  const Explanation e = Explained(a, b);
  ASSERT_TRUE(e.divergence.has_value());
  EXPECT_EQ(e.divergence->token, 0u);
  EXPECT_EQ(e.divergence->cause, BreakCause::kTemplate);
  EXPECT_EQ(e.lost_tokens, a.tokens().size());
}

TEST(Explain, SaysWhereAndWhatItCosts) {
  const std::string a = "You are a careful agent.\nNow: 2026-11-24T07:03:24Z\n" + kR;
  const std::string b = "You are a careful agent.\nNow: 2026-11-24T09:41:00Z\n" + kR;
  const Explanation e = Explained(a, b);
  ASSERT_TRUE(e.divergence.has_value());
  EXPECT_EQ(e.divergence->a.byte, std::string("You are a careful agent.\nNow: 2026-11-24T0").size());
  EXPECT_EQ(e.divergence->a.line, 2u);
  EXPECT_EQ(e.divergence->a.column, 18u);
  EXPECT_EQ(e.divergence->block, e.divergence->token / kDefaultBlockSize);
  EXPECT_NE(e.divergence->a.text.find("07:03:24"), std::string::npos);
  EXPECT_NE(e.divergence->b.text.find("09:41:00"), std::string::npos);
  EXPECT_EQ(e.divergence->a.segment, "text");
  const Context rules = MakeContext("r", kR);
  EXPECT_GE(e.lost_tokens, rules.tokens().size());
  EXPECT_EQ(e.fix->action, FixAction::kMoveToEnd);
  EXPECT_GE(*e.fix->gain_tokens, static_cast<int64_t>(rules.tokens().size()));
  EXPECT_GE(*e.fix->gain_blocks, static_cast<int64_t>(rules.tokens().size() / kDefaultBlockSize));
}

TEST(Explain, NoEncoderNoGain) {
  const Context a = MakeContext("a", "Time: 2026-11-24T07:03:24Z\n" + kR);
  const Context b = MakeContext("b", "Time: 2026-11-24T08:03:24Z\n" + kR);
  const Result<Explanation> e = Explain(a, b, nullptr);
  ASSERT_TRUE(e.has_value());
  EXPECT_FALSE(e->fix->gain_tokens.has_value());
}

TEST(Explain, ExcerptsAreBoundedAndWholeCharacters) {
  std::string a;
  for (int i = 0; i < 2000; ++i) a += "\xE4\xB8\xAD";
  const std::string b = a + "\xE6\x96\x87" + a;
  ExplainOptions options;
  options.excerpt_bytes_max = 100;
  const Context x = MakeContext("a", a + "\xE4\xB8\xAE" + a);
  const Context y = MakeContext("b", b);
  const Result<Explanation> e = Explain(x, y, nullptr, options);
  ASSERT_TRUE(e.has_value() && e->divergence.has_value());
  for (const BreakSide* side : {&e->divergence->a, &e->divergence->b}) {
    EXPECT_LE(side->text.size(), 100u);
    EXPECT_GT(side->text.size(), 50u);
    EXPECT_EQ(side->text.size() % 3, 0u);
    EXPECT_LE(side->differs.size(), 100u);
  }
  EXPECT_EQ(e->divergence->a.byte, a.size());
}

TEST(Explain, RefusesMixedBlockSizes) {
  const Context a = MakeContext("a", kRules);
  const Context b = MakeContext("b", kRules, {}, false, 32);
  EXPECT_FALSE(Explain(a, b, nullptr).has_value());
}

TEST(ExplainBreaks, RanksForksByWhatTheyCost) {
  std::vector<Context> contexts;
  for (int i = 0; i < 4; ++i) contexts.push_back(MakeContext("same" + std::to_string(i), "Common start.\n" + kR + kR));
  contexts.push_back(MakeContext("late", "Common start.\n" + kR + "Something else entirely. " + kR));
  contexts.push_back(MakeContext("early", "Date: 2026-11-24\nCommon start.\n" + kR + kR));
  contexts.push_back(MakeContext("early2", "Date: 2026-11-24\nCommon start.\n" + kR + kR));
  std::vector<const Context*> pointers;
  for (const Context& context : contexts) pointers.push_back(&context);
  WordEncoder encoder;
  const auto breaks = ExplainBreaks(pointers, &encoder);
  ASSERT_TRUE(breaks.has_value());
  ASSERT_EQ(breaks->size(), 2u);
  EXPECT_EQ((*breaks)[0].broken, (std::vector<uint32_t>{5, 6}));
  EXPECT_EQ((*breaks)[0].kept, (std::vector<uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ((*breaks)[0].lost_tokens, 2 * (*breaks)[0].explanation.lost_tokens);
  EXPECT_EQ((*breaks)[1].broken, (std::vector<uint32_t>{4}));
  EXPECT_EQ((*breaks)[1].explanation.divergence->cause, BreakCause::kContent);
  BreakOptions one;
  one.break_count_max = 1;
  const auto first = ExplainBreaks(pointers, nullptr, one);
  ASSERT_EQ(first->size(), 1u);
  EXPECT_EQ((*first)[0].broken, (*breaks)[0].broken);
}

}  // namespace
}  // namespace weir
