#include "weir/chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace weir {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::string_view kChat =
    "{{ bos_token }}{% if messages[0].role == 'system' %}<system>{{ messages[0].content }}{% endif %}"
    "{% if tools %} # Tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}"
    "{% for message in messages if message.role != 'system' %}<{{ message.role }}>{{ message.content }}</>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

Json Parsed(std::string_view text) {
  Result<Json> json = Json::Parse(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

ChatTemplate Make(std::string_view source, std::string_view tokens = R"({"bos_token":"^"})") {
  Result<ChatTemplate> made = ChatTemplate::FromSource(source, Parsed(tokens));
  EXPECT_TRUE(made) << made.error().ToString();
  return *std::move(made);
}

Result<RenderedPrompt> Render(const ChatTemplate& chat_template, std::string_view messages, std::string_view tools = "null",
                              const ChatRenderOptions& options = {}) {
  const Json tool_list = Parsed(tools);
  return chat_template.Render(Parsed(messages), &tool_list, options);
}

// The text with "[name]" before each segment.
std::string Marked(const Result<RenderedPrompt>& prompt) {
  if (!prompt) return prompt.error().ToString();
  std::string out;
  for (const Segment& segment : prompt->segments) {
    out += "[" + segment.name + "]" + prompt->text.substr(segment.bytes.begin, segment.bytes.size());
  }
  return out;
}

TEST(ChatTemplate, SegmentsOfAConversation) {
  const ChatTemplate chat = Make(kChat);
  EXPECT_EQ(Marked(Render(chat, R"([{"role":"system","content":"S"},{"role":"user","content":"a"},
                                    {"role":"assistant","content":"b"},{"role":"user","content":"a"}])",
                          R"([{"name":"f"}])")),
            "[system]^<system>S[tools] # Tools\n{\"name\": \"f\"}\n[user 1]<user>a</>[assistant 2]<assistant>b</>[user "
            "3]<user>a</>"
            "[generation prompt]<assistant>");
  EXPECT_EQ(Marked(Render(chat, R"([{"role":"user","content":"a"}])")), "[user 1]^<user>a</>[generation prompt]<assistant>");
}

TEST(ChatTemplate, KindsAndFixedMarks) {
  const Result<RenderedPrompt> prompt =
      Render(Make(kChat), R"([{"role":"system","content":"S"},{"role":"tool","content":"t"},{"role":"odd","content":"o"}])",
             "[{}]");
  ASSERT_TRUE(prompt);
  ASSERT_EQ(prompt->segments.size(), 5u);
  EXPECT_EQ(prompt->segments[0].kind, SegmentKind::kSystem);
  EXPECT_EQ(prompt->segments[1].kind, SegmentKind::kTools);
  EXPECT_EQ(prompt->segments[2].kind, SegmentKind::kToolResult);
  EXPECT_EQ(prompt->segments[3].kind, SegmentKind::kText);
  EXPECT_EQ(prompt->segments[3].name, "odd 2");
  EXPECT_FALSE(prompt->segments[3].fixed);
  EXPECT_TRUE(prompt->segments[4].fixed);
}

TEST(ChatTemplate, WhatCannotBeToldApartIsOneSegment) {
  const std::string_view messages =
      R"([{"role":"system","content":"S"},{"role":"user","content":"u"},{"role":"user","content":"v"}])";
  EXPECT_EQ(Marked(Render(Make("{{ messages | map(attribute='content') | join('+') }}."), messages)),
            "[user 2 and earlier]S+u+v.");
  EXPECT_EQ(Marked(Render(Make("{{ messages[1].content }}{{ messages[0].content ~ messages[2].content }}"), messages)),
            "[user 1]u[user 2 and earlier]Sv");
  EXPECT_EQ(Marked(Render(Make("{% for i in [0, 1, 0, 2] %}{{ messages[i].content }}{% endfor %}"), messages)),
            "[system]SuS[user 2]v");
  EXPECT_EQ(Marked(Render(Make("constant"), messages)), "[text]constant");
  EXPECT_EQ(Marked(Render(Make(""), messages)), "");
}

TEST(ChatTemplate, TextKeepsItsOriginThroughOperations) {
  const std::string_view source =
      "{% macro show(m) %}<{{ m.content | trim | replace('x', 'y') | upper }}>{% endmacro %}"
      "{% for m in messages %}{% set parts = m.content.split('|') %}{{ loop.index }}{{ parts[-1][1:] ~ show(m) }}{% endfor "
      "%}";
  EXPECT_EQ(Marked(Render(Make(source), R"([{"role":"user","content":" ax|12"},{"role":"user","content":"bx|34 "}])")),
            "[user 1]12<AY|12>[user 2]24 <BY|34>");
}

TEST(ChatTemplate, EngineInputIsNormalised) {
  const ChatTemplate chat =
      Make("{% for m in messages %}{{ m.content }}{{ m.tool_calls | default('-') | string }}{% endfor %}");
  const std::string_view messages =
      R"([{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"x\": 1}"}}]},
          {"role":"assistant","tool_calls":[{"function":{"name":"g","arguments":"nonsense"}},{"function":{"name":"h"}}]},
          {"role":"user","content":[{"type":"text","text":"p"},{"type":"text","text":"q"}],"tool_calls":[]}])";
  EXPECT_EQ(Render(chat, messages)->text,
            "[{'function': {'name': 'f', 'arguments': {'x': 1}}}]"
            "[{'function': {'name': 'g', 'arguments': {}}}, {'function': {'name': 'h', 'arguments': {}}}]p\nq-");
  ChatRenderOptions as_given;
  as_given.input = ChatInput::kAsGiven;
  EXPECT_THAT(Render(chat, messages, "null", as_given)->text,
              HasSubstr("None[{'function': {'name': 'f', 'arguments': '{\"x\": 1}'}}]"));

  const ChatTemplate parts =
      Make("{% for m in messages %}{% for part in m.content %}({{ part.text }}){% endfor %}{% endfor %}");
  EXPECT_TRUE(parts.walks_content_parts());
  EXPECT_FALSE(chat.walks_content_parts());
  EXPECT_EQ(Render(parts, messages)->text, "(p)(q)");
  EXPECT_EQ(Render(parts, R"([{"role":"user","content":"s"}])")->text, "(s)");
  EXPECT_EQ(Render(parts, R"([{"role":"user","content":[{"type":"image_url"}]}])").error().code, ErrorCode::kUnsupported);
}

TEST(ChatTemplate, ErrorsCarryTheTemplatesOwnMessage) {
  const Result<RenderedPrompt> raised =
      Render(Make("{% if messages | length < 2 %}\n{{ raise_exception('Roles must alternate') }}{% endif %}"),
             R"([{"role":"user","content":"a"}])");
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(raised.error().message, "chat template, line 2: Roles must alternate");
  EXPECT_THAT(Render(Make("{{ missing.x }}"), "[]").error().message, HasSubstr("'missing' is undefined"));
  EXPECT_EQ(Render(Make("{{ 1 | filesizeformat }}"), "[]").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(Make(kChat).Render(Parsed("{}"), nullptr, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(Make(kChat).Render(Parsed("[1]"), nullptr, {}).error().code, ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, BrokenSourcesAreRefused) {
  for (const std::string_view source :
       {"{{", "{% if %}", "{% if x %}", "{{ x | }}", "{% for x in %}{% endfor %}", "{% endif %}", "{{ 'open }}",
        "{{ 1 +* 2 }}", "{#", "{% macro %}", "{% set %}", "{{ x[ }}", "{%"}) {
    EXPECT_FALSE(ChatTemplate::FromSource(source)) << source;
  }
  EXPECT_EQ(ChatTemplate::FromSource("{{ 1 < 2 < 3 }}").error().code, ErrorCode::kUnsupported);
  const auto repeated = [](std::string_view part) {
    std::string out;
    for (int i = 0; i < 20000; ++i) out += part;
    return out;
  };
  for (const std::string& deep :
       {"{{ " + repeated("(") + "1" + repeated(")") + " }}", "{{ " + repeated("not ") + "1 }}",
        "{{ 1" + repeated("+1") + " }}", "{{ " + repeated("1 if 1 else ") + "1 }}", repeated("{% if 1 %}"),
        repeated("{% set a %}"), "{% if 1 %}" + repeated("{% elif 1 %}") + "{% endif %}", repeated("{% for a in b %}"),
        repeated("{% macro m() %}")}) {
    EXPECT_EQ(ChatTemplate::FromSource(deep).error().code, ErrorCode::kUnsupported) << deep.substr(0, 40);
  }
  EXPECT_EQ(ChatTemplate::FromSource(std::string(2 << 20, 'x')).error().code, ErrorCode::kUnsupported);
}

TEST(ChatTemplate, EndlessWorkIsStopped) {
  EXPECT_EQ(
      Render(Make("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"), "[]").error().code,
      ErrorCode::kUnsupported);
  EXPECT_FALSE(Render(Make("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "[]"));
  EXPECT_FALSE(Render(Make("{{ 'x' * 999999999999 }}"), "[]"));
}

TEST(ChatTemplate, TimeComesFromTheCaller) {
  ChatRenderOptions options;
  options.now_local_s = 1783260189;
  EXPECT_EQ(Render(Make("{{ strftime_now('%d %b %Y %H:%M') }}"), "[]", "null", options)->text, "05 Jul 2026 14:03");
}

TEST(ChatTemplate, VariablesWinOverSpecialTokens) {
  ChatRenderOptions options;
  options.variables = Parsed(R"({"bos_token":"B","enable_thinking":false})");
  EXPECT_EQ(Render(Make("{{ bos_token }}{{ enable_thinking }}{{ eos_token }}"), "[]", "null", options)->text, "BFalse");
}

TEST(ChatTemplate, ConfigurationsNameTemplatesAndTokens) {
  const Result<ChatTemplate> chat = ChatTemplate::FromTokenizerConfig(Parsed(
      R"({"chat_template":[{"name":"default","template":"D{{ bos_token }}"},
                           {"name":"tool_use","template":"T{{ eos_token }}"}],
          "bos_token":{"content":"<s>","lstrip":false},"eos_token":"</s>","add_bos_token":true,"pad_token":null})"));
  ASSERT_TRUE(chat);
  EXPECT_EQ(Render(*chat, "[]")->text, "D<s>");
  EXPECT_EQ(Render(*chat, "[]", "[{}]")->text, "T</s>");
  EXPECT_EQ(Render(*chat, "[]", "[]")->text, "D<s>");
  EXPECT_EQ(ChatTemplate::FromTokenizerConfig(Parsed("{}")).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(ChatTemplate::FromTokenizerConfig(Parsed(R"({"chat_template":7})")));
  EXPECT_FALSE(ChatTemplate::FromTokenizerConfig(Parsed(R"({"chat_template":[{"name":"x"}]})")));
  EXPECT_NE(Make("a").fingerprint(), Make("b").fingerprint());
  EXPECT_NE(Make("a").fingerprint(), Make("a", "{}").fingerprint());
  EXPECT_EQ(Make("a").fingerprint(), Make("a").fingerprint());
}

TEST(ChatTemplate, LoadsFromFilesAndFolders) {
  std::string pattern = (fs::temp_directory_path() / "weir-chat-XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  const auto write = [&](const std::string& name, std::string_view text) { std::ofstream(folder / name) << text; };
  EXPECT_EQ(ChatTemplate::Load(folder / "tokenizer.json").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(ChatTemplate::Load(folder).error().ToString(), HasSubstr("--chat-template"));
  write("tokenizer_config.json", R"({"chat_template":"config{{ bos_token }}","bos_token":"^"})");
  EXPECT_EQ(Render(*ChatTemplate::Load(folder), "[]")->text, "config^");
  EXPECT_EQ(Render(*ChatTemplate::Load(folder / "tokenizer.json"), "[]")->text, "config^");
  EXPECT_EQ(Render(*ChatTemplate::Load(folder / "tokenizer_config.json"), "[]")->text, "config^");
  write("chat_template.jinja", "file{{ bos_token }}");
  EXPECT_EQ(Render(*ChatTemplate::Load(folder), "[]")->text, "file^");
  write("own.jinja", "own{{ bos_token }}");
  EXPECT_EQ(Render(*ChatTemplate::Load(folder / "own.jinja"), "[]")->text, "own^");
  EXPECT_EQ(ChatTemplate::Load(folder / "missing.jinja").error().code, ErrorCode::kNotFound);
  write("tokenizer_config.json", "{");
  EXPECT_THAT(ChatTemplate::Load(folder).error().message, HasSubstr("tokenizer_config.json"));
  fs::remove_all(folder);
}

// Whatever the messages hold: segments tile the prompt and each message's text lies in its own segment.
TEST(ChatTemplate, SegmentsHoldTheirMessages) {
  const ChatTemplate chat = Make("{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}");
  rc::check([&] {
    const auto texts = *rc::gen::container<std::vector<std::string>>(
        rc::gen::element<std::string>("", "a", "</><user>", "a a", "{{ x }}", "\n", "日本", "same", "same"));
    Json messages = Json::MakeArray();
    for (size_t i = 0; i < texts.size(); ++i) {
      messages.Append(Json(Json::Object{{"role", Json(i % 2 == 0 ? "user" : "assistant")}, {"content", Json(texts[i])}}));
    }
    ChatRenderOptions options;
    options.add_generation_prompt = false;
    const Result<RenderedPrompt> prompt = chat.Render(messages, nullptr, options);
    RC_ASSERT(prompt.has_value());
    RC_ASSERT(prompt->segments.size() == texts.size());
    uint32_t at = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      const Segment& segment = prompt->segments[i];
      RC_ASSERT(segment.bytes.begin == at);
      at = segment.bytes.end;
      RC_ASSERT(prompt->text.substr(segment.bytes.begin, segment.bytes.size()) ==
                (i % 2 == 0 ? "<user>" : "<assistant>") + texts[i] + "</>");
    }
    RC_ASSERT(at == prompt->text.size());
  });
}

TEST(ChatTemplate, PlainChatMl) {
  const ChatTemplate chat = ChatTemplate::ChatMl();
  const std::string user = R"({"role":"user","content":"a"})";
  EXPECT_EQ(Render(chat, "[" + user + "]", "[]")->text, "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
  const std::string system = R"({"role":"system","content":"s"},)";
  EXPECT_EQ(Render(chat, "[" + system + user + "]", R"([{"b":1},{"a":2}])")->text,
            "<|im_start|>system\ns\n\n# Tools\n{\"b\": 1}\n{\"a\": 2}<|im_end|>\n"
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(Render(chat, "[" + user + "]", R"([{"b":1}])")->text,
            "<|im_start|>system\n# Tools\n{\"b\": 1}<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, ManyThreadsRenderAtOnce) {
  const ChatTemplate chat = Make(kChat);
  const std::string expected = Render(chat, R"([{"role":"user","content":"a"}])", "[{}]")->text;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) wrong[t] += Render(chat, R"([{"role":"user","content":"a"}])", "[{}]")->text != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace weir
