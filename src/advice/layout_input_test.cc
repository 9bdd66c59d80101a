#include "weir/advice/layout_input.h"

#include <gtest/gtest.h>

#include "testing/word_tokenizer.h"

namespace weir {
namespace {

ChatRequest Request(std::string_view text) {
  Result<ChatRequest> request = ChatRequest::Parse(text);
  EXPECT_TRUE(request.has_value());
  return *std::move(request);
}

constexpr const char* kBody =
    R"({"model":"m","messages":[{"role":"system","content":"You answer.\nNow: 10:32\nBe brief."},)"
    R"({"role":"user","content":"Hi"},)"
    R"({"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"tool","content":"x"}],)"
    R"("tools":[{"type":"function","function":{"name":"b"}},{"type":"function","function":{"name":"a"}}]})";

TEST(LayoutInput, RequestBecomesPiecesAndComesBack) {
  const ChatRequest request = Request(kBody);
  LayoutCall call = LayoutCallOf(request, "me");
  ASSERT_EQ(call.pieces.size(), 5u);
  EXPECT_EQ(call.pieces[0].name, "system");
  EXPECT_FALSE(call.pieces[0].fixed);
  EXPECT_EQ(call.pieces[1].name, "tools");
  EXPECT_TRUE(call.pieces[1].fixed);
  EXPECT_FALSE(call.pieces[1].verbatim);
  EXPECT_EQ(call.pieces[2].kind, SegmentKind::kUser);
  EXPECT_TRUE(call.pieces[3].verbatim);
  EXPECT_EQ(call.pieces[4].kind, SegmentKind::kToolResult);

  const Result<Json> same = RequestWithPieces(request, call.pieces);
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(*same, request.body());

  LayoutPiece moved = call.pieces[0];
  moved.name = "system (volatile)";
  moved.text = "Now: 10:32\n";
  call.pieces[0].text = "You answer.\nBe brief.\n";
  call.pieces.insert(call.pieces.begin() + 1, moved);
  const Result<Json> changed = RequestWithPieces(request, call.pieces);
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->Find("messages")->as_array()[0].Find("content")->as_string(), "You answer.\nBe brief.\nNow: 10:32");
  EXPECT_EQ(*changed->Find("tools"), *request.body().Find("tools"));
}

TEST(LayoutInput, SystemTextInPartsIsFoundAndSeveralPartsStayWhole) {
  const ChatRequest one = Request(
      R"({"messages":[{"role":"system","content":[{"type":"text","text":"Rules"}]},{"role":"user","content":"x"}]})");
  EXPECT_EQ(LayoutCallOf(one, "a").pieces[0].text, "Rules");
  EXPECT_FALSE(LayoutCallOf(one, "a").pieces[0].verbatim);
  const ChatRequest two =
      Request(R"({"messages":[{"role":"system","content":[{"type":"text","text":"R"},{"type":"text","text":"S"}]},)"
              R"({"role":"user","content":"x"}]})");
  EXPECT_TRUE(LayoutCallOf(two, "a").pieces[0].verbatim);
  const Result<Json> same = RequestWithPieces(two, LayoutCallOf(two, "a").pieces);
  EXPECT_EQ(*same, two.body());
}

TEST(LayoutInput, ContextSegmentsBecomePieces) {
  const Context context = testing::MakeContext(
      "a", {{"system", SegmentKind::kSystem, "Rules\n", true}, {"docs", SegmentKind::kText, "Text\n", false}});
  const LayoutCall call = LayoutCallOf(context);
  ASSERT_EQ(call.pieces.size(), 2u);
  EXPECT_EQ(call.pieces[0].text, "Rules\n");
  EXPECT_TRUE(call.pieces[0].fixed && call.pieces[0].verbatim);
  EXPECT_EQ(call.pieces[1].text, "Text\n");
}

TEST(LayoutInput, ChatCallsAreLaidOutThroughTheTemplate) {
  const Result<ChatTemplate> chat_template = ChatTemplate::FromSource(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
      "{% if tools %}{% for t in tools %}{{ t | tojson }}\n{% endfor %}{% endif %}");
  if (!chat_template.has_value() && chat_template.error().code == ErrorCode::kUnsupported) {
    GTEST_SKIP() << chat_template.error().message;
  }
  ASSERT_TRUE(chat_template.has_value()) << chat_template.error().message;
  std::string rules;
  for (int i = 0; i < 60; ++i) rules += "Rule " + std::string(1, static_cast<char>('a' + i % 26)) + " says be brief.\\n";
  std::vector<PromptCall> prompts;
  for (const char* time : {"10:32", "11:07", "12:55"}) {
    PromptCall prompt;
    prompt.agent = std::string("at ") + time;
    const std::string body = std::string(R"({"messages":[{"role":"system","content":"Now: )") + time + "\\n" + rules +
                             R"("},{"role":"user","content":"Question )" + time + R"("}]})";
    prompt.request = std::make_shared<const ChatRequest>(Request(body));
    prompts.push_back(std::move(prompt));
  }
  LayoutOptions options;
  options.renderer = RendererOf(prompts, &*chat_template, 0);
  const std::vector<LayoutCall> calls = LayoutCallsOf(prompts);
  testing::WordEncoder encoder;
  const Result<LayoutReport> report = Layout(calls, encoder, options);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_TRUE(report->improves);
  EXPECT_LT(report->reusable_before, 64u);
  EXPECT_GT(report->reusable_after, 2u * 300);
  EXPECT_TRUE(report->example_prompt.starts_with("<|im_start|>system\nRule a"));
  EXPECT_NE(report->example_prompt.find("\nNow: "), std::string::npos);
}

}  // namespace
}  // namespace weir
