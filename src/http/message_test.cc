#include "weir/http/message.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(HttpHeaders, CompareNamesWithoutCase) {
  HttpHeaders headers = {{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(headers.Find("a"), "1");
  EXPECT_EQ(headers.FindAll("A"), (std::vector<std::string_view>{"1", "3"}));
  EXPECT_FALSE(headers.Find("c"));
  headers.Set("A", "4");
  EXPECT_EQ(headers.FindAll("a"), (std::vector<std::string_view>{"4"}));
  headers.Set("new", "5");
  headers.Remove("B");
  EXPECT_EQ(headers.size(), 2u);
  headers.Add("Accept", "text/html , Text/Event-Stream");
  EXPECT_TRUE(headers.HasToken("accept", "text/event-stream"));
  EXPECT_FALSE(headers.HasToken("accept", "event-stream"));
}

TEST(HttpMessage, DecodesWhatIsEncodedAndNothingElse) {
  EXPECT_EQ(*PercentDecode("a%2Fb%20+%7e"), "a/b +~");
  EXPECT_EQ(*PercentDecode("a+b", true), "a b");
  EXPECT_EQ(*PercentDecode("%00"), std::string(1, '\0'));
  for (const char* wrong : {"%", "%2", "%2g", "%g2", "a%"}) EXPECT_FALSE(PercentDecode(wrong).has_value()) << wrong;
  std::string every;
  for (int i = 0; i < 256; ++i) every.push_back(static_cast<char>(i));
  EXPECT_EQ(*PercentDecode(PercentEncode(every)), every);
  EXPECT_EQ(PercentEncode("a/b c~"), "a%2Fb%20c~");
}

TEST(HttpMessage, SplitsQueriesAndPaths) {
  EXPECT_EQ(*ParseQuery("a=1&&b=%26&c&d==+"), (HttpParameters{{"a", "1"}, {"b", "&"}, {"c", ""}, {"d", "= "}}));
  EXPECT_TRUE(ParseQuery("")->empty());
  EXPECT_FALSE(ParseQuery("a=1&b=%").has_value());
  EXPECT_EQ(*PathSegments("/v1/a%2Fb/"), (std::vector<std::string>{"v1", "a/b", ""}));
  EXPECT_EQ(*PathSegments("/"), (std::vector<std::string>{""}));
  EXPECT_FALSE(PathSegments("v1").has_value());
  EXPECT_FALSE(PathSegments("/%zz").has_value());
}

TEST(HttpCancellation, CallsBackOnceOrNever) {
  int calls = 0;
  HttpCancellation left;
  left.OnCancelled([&] { ++calls; });
  EXPECT_TRUE(left.Cancel());
  EXPECT_FALSE(left.Cancel());
  EXPECT_EQ(calls, 1);
  left.OnCancelled([&] { ++calls; });
  EXPECT_EQ(calls, 2);
  HttpCancellation answered;
  answered.OnCancelled([&] { ++calls; });
  answered.Settle();
  EXPECT_FALSE(answered.Cancel());
  EXPECT_FALSE(answered.cancelled());
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace weir
