#include "weir/prompts/chat_request.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

std::string ErrorOf(std::string_view text) {
  const Result<ChatRequest> request = ChatRequest::Parse(text);
  return request ? "" : request.error().message;
}

TEST(ChatRequest, RefusesWhatIsNoRequest) {
  EXPECT_EQ(ErrorOf("[]"), "not a chat request: an array, not an object");
  EXPECT_EQ(ErrorOf("{}"), "not a chat request: it has no `messages`");
  EXPECT_EQ(ErrorOf(R"({"messages":{}})"), "`messages` is an object, not an array");
  EXPECT_EQ(ErrorOf(R"({"messages":["x"]})"), "messages[0] is a string, not an object");
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":""}]})"), "messages[0] has no `role`");
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":"user","content":7}]})"),
            "messages[0].content is a number, not a string, null or a list of parts");
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":"user","content":["x"]}]})"),
            "messages[0].content[0] is not an object with a `type`");
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":"user"}],"tools":{}})"), "`tools` is an object, not an array");
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":"user"}],"tools":[1]})"), "tools[0] is a number, not an object");
  EXPECT_EQ(ErrorOf(R"({"messages":[{"role":"assistant","tool_calls":{}}]})"),
            "messages[0].tool_calls is an object, not an array");
}

TEST(ChatRequest, KeepsAndFindsFields) {
  const Result<ChatRequest> request = ChatRequest::Parse(
      R"({"body":{"messages":[{"role":"user","content":null}],"tools":[{"type":"function"}],"user":"u",
          "metadata":{"agent":"planner"},"chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"low",
          "add_generation_prompt":false}})");
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(request->agent(), "planner");
  ASSERT_NE(request->tools(), nullptr);
  EXPECT_FALSE(request->add_generation_prompt());
  const Json variables = request->TemplateVariables();
  EXPECT_EQ(variables.Dump(), R"({"reasoning_effort":"low","enable_thinking":false})");
}

TEST(ChatRequest, AgentFallsBackToUser) {
  EXPECT_EQ(ChatRequest::Parse(R"({"messages":[{"role":"user"}],"user":"u","metadata":{"agent":""}})")->agent(), "u");
  EXPECT_FALSE(ChatRequest::Parse(R"({"messages":[{"role":"user"}]})")->agent().has_value());
  EXPECT_EQ(ChatRequest::Parse(R"({"messages":[{"role":"user"}],"tools":[]})")->tools(), nullptr);
}

}  // namespace
}  // namespace weir
