#include "json_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "text_forms.h"
#include "weir/base/random.h"

namespace weir {
namespace {

std::vector<std::string> Spans(std::string_view text) {
  std::vector<std::string> found;
  for (const JsonSpan& span : FindJsonSpans(text)) found.emplace_back(text.substr(span.begin, span.end - span.begin));
  return found;
}

TEST(FindJsonSpans, FindsOutermostValuesInProse) {
  EXPECT_EQ(Spans(R"(Use {"a": [1, {"b": 2}]} or [{"c": "}"}] now)"),
            (std::vector<std::string>{R"({"a": [1, {"b": 2}]})", R"([{"c": "}"}])"}));
  EXPECT_EQ(Spans("see [1] and {x} and [a, b]"), std::vector<std::string>{});
  EXPECT_EQ(Spans(R"(broken {"a": 1 then {"b": 2})"), std::vector<std::string>{R"({"b": 2})"});
  EXPECT_EQ(Spans("{}"), std::vector<std::string>{"{}"});
}

TEST(FindJsonSpans, ManyOpenBracketsStayCheap) {
  const std::string text = std::string(300000, '[') + R"({"a":1})";
  EXPECT_LE(Spans(text).size(), 1u);
}

TEST(RewriteJson, SortsKeysAndKeepsTheFormatting) {
  JsonRewrite keys;
  keys.sort_keys = true;
  EXPECT_EQ(RewriteJson("x {\n  \"b\": 1,\n  \"a\": {\"d\":2, \"c\" : 3}\n} y", keys),
            "x {\n  \"a\": {\"c\" : 3, \"d\":2},\n  \"b\": 1\n} y");
  EXPECT_EQ(RewriteJson(R"({"b":"\"}","a":[]})", keys), R"({"a":[],"b":"\"}"})");
  EXPECT_EQ(RewriteJson(R"({"a":1,"b":2})", keys), R"({"a":1,"b":2})");
}

TEST(RewriteJson, SortsToolsButNoOtherList) {
  JsonRewrite tools;
  tools.sort_tools = true;
  const std::string a = R"({"type":"function","function":{"name":"a"}})";
  const std::string b = R"({"type":"function","function":{"name":"b"}})";
  EXPECT_EQ(RewriteJson("[" + b + ", " + a + "]", tools), "[" + a + ", " + b + "]");
  EXPECT_EQ(RewriteJson("<tools>\n" + b + "\n" + a + "\n</tools>", tools), "<tools>\n" + a + "\n" + b + "\n</tools>");
  EXPECT_EQ(RewriteJson(b + " then " + a, tools), b + " then " + a);
  EXPECT_EQ(RewriteJson(R"([{"name":"b"},{"name":"a"}])", tools), R"([{"name":"b"},{"name":"a"}])");
}

Json RandomJson(Random& random, int depth) {
  const uint64_t kind = random.Below(depth > 0 ? 6 : 4);
  if (kind == 0) return Json(static_cast<int64_t>(random.Below(100)));
  if (kind == 1) return Json("te\"xt, {" + std::to_string(random.Below(9)));
  if (kind == 2) return Json(random.Below(2) == 0);
  if (kind == 3) return Json(nullptr);
  if (kind == 4) {
    Json::Array items;
    for (uint64_t i = random.Below(4); i > 0; --i) items.push_back(RandomJson(random, depth - 1));
    return Json(std::move(items));
  }
  Json object = Json::MakeObject();
  for (uint64_t i = random.Below(5); i > 0; --i)
    object.Set("k" + std::to_string(random.Below(20)), RandomJson(random, depth - 1));
  return object;
}

TEST(RewriteJson, IsCanonicalAndKeepsTheValue) {
  JsonRewrite keys;
  keys.sort_keys = true;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Random random(seed);
    Json value = Json::MakeObject();
    value.Set("only", RandomJson(random, 4));
    for (const int indent : {0, 2}) {
      const std::string text = value.Dump(indent);
      const std::string sorted = RewriteJson(text, keys);
      ASSERT_EQ(sorted, SortedByKey(value).Dump(indent)) << "seed " << seed;
      ASSERT_EQ(RewriteJson(sorted, keys), sorted);
    }
  }
}

TEST(TextForms, BlanksCollapse) {
  EXPECT_EQ(CollapseBlanks("a  b\n\nc : d"), "a b c:d");
  EXPECT_EQ(TrimTrailingBlanks("a \t\r\nb  \r c  "), "a\nb\n c");
  EXPECT_EQ(LowerCase("\xC3\x84 A \xD0\x96"), "\xC3\xA4 a \xD0\xB6");
}

TEST(TextForms, ScaffoldIsOnlyScaffold) {
  for (const char* text : {"<|im_start|>system\n", "<|im_end|>", "[INST]", "### Instruction:", "System:", "---", "<s>",
                           "<|start_header_id|>user<|end_header_id|>\n\n"}) {
    EXPECT_TRUE(IsScaffold(text)) << text;
  }
  for (const char* text : {"", " \n", "system", "You:", "<|im_start|>hello", "the user: me", "-", "<| broken |>", "a ---"}) {
    EXPECT_FALSE(IsScaffold(text)) << text;
  }
  EXPECT_EQ(WithoutScaffoldTail("Be brief.\n<|im_end|>\n"), "Be brief.");
  EXPECT_EQ(WithoutScaffoldTail("See [1]"), "See [1]");
  EXPECT_EQ(WithoutScaffoldTail("x <<SYS>>\n"), "x");
}

}  // namespace
}  // namespace weir
