#include "weir/codec/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "json_scan.h"
#include "weir/base/random.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

Result<Json> Scanned(std::string_view text) {
  size_t folded = 0;
  return internal::ScanJson(text, folded);
}


std::string FaultOf(std::string_view text) {
  const Result<Json> parsed = Json::Parse(text);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(Json, ReadsEveryKindAndKeepsOrder) {
  const Result<Json> parsed =
      Json::Parse(R"( {"b":[1,-2,2.5,1e3],"a":{"x":null,"y":true,"z":false},"s":"\u00e9\n\ud83d\ude00"} )");
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(parsed->as_object()[0].first, "b");
  EXPECT_EQ(parsed->Find("b")->as_array()[1].as_int(), -2);
  EXPECT_EQ(parsed->Find("b")->as_array()[3].as_double(), 1000.0);
  EXPECT_FALSE(parsed->Find("b")->as_array()[3].is_integer());
  EXPECT_TRUE(parsed->Find("a")->Find("x")->is_null());
  EXPECT_EQ(parsed->Find("s")->as_string(), "\u00e9\n\U0001F600");
  EXPECT_EQ(parsed->Find("nothing"), nullptr);
  EXPECT_EQ(parsed->Dump(),
            "{\"b\":[1,-2,2.5,1000.0],\"a\":{\"x\":null,\"y\":true,\"z\":false},\"s\":\"\u00e9\\n\U0001F600\"}");
}

TEST(Json, NumbersTakeTheNarrowestForm) {
  EXPECT_EQ(*Json::Parse("9223372036854775807")->get_if_int(), INT64_MAX);
  EXPECT_EQ(*Json::Parse("-9223372036854775808")->get_if_int(), INT64_MIN);
  EXPECT_EQ(*Json::Parse("9223372036854775808")->get_if_uint(), 9223372036854775808u);
  EXPECT_EQ(*Json::Parse("18446744073709551615")->get_if_uint(), UINT64_MAX);
  EXPECT_EQ(Json::Parse("18446744073709551616")->as_double(), 18446744073709551616.0);
  EXPECT_EQ(Json::Parse("-9223372036854775809")->as_double(), -9223372036854775808.0);
  EXPECT_EQ(Json::Parse("1e-400")->as_double(), 0.0);
  EXPECT_EQ(FaultOf("[1e400]"), "not JSON at byte 1 (line 1, column 2): a number beyond the range of a double");
  EXPECT_TRUE(Json(uint64_t{7}).get_if_int());
  EXPECT_EQ(Json(uint64_t{7}), Json(7));
}

TEST(Json, DoublesPrintShortAndStayDoubles) {
  EXPECT_EQ(Json(0.1).Dump(), "0.1");
  EXPECT_EQ(Json(1.0).Dump(), "1.0");
  EXPECT_EQ(Json(1e22).Dump(), "1e+22");
  EXPECT_EQ(Json(-0.0).Dump(), "-0.0");
  EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).Dump(), "null");
  EXPECT_EQ(Json(std::nan("")).Dump(), "null");
  Random random(11);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t bits = random.Next();
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    const Result<Json> again = Json::Parse(Json(value).Dump());
    ASSERT_TRUE(again);
    ASSERT_FALSE(again->is_integer());
    ASSERT_EQ(again->as_double(), value) << Json(value).Dump();
  }
}

TEST(Json, SaysWhereAndWhy) {
  EXPECT_EQ(FaultOf(""), "not JSON at byte 0 (line 1, column 1): the text ends where a value is due");
  EXPECT_EQ(FaultOf("{\"a\":1,}"), "not JSON at byte 7 (line 1, column 8): a member name in quotes is due");
  EXPECT_EQ(FaultOf("[1,\n 2\n 3]"), "not JSON at byte 8 (line 3, column 2): ',' or ']' is due");
  EXPECT_EQ(FaultOf("[1] x"), "not JSON at byte 4 (line 1, column 5): something stands after the value");
  EXPECT_EQ(FaultOf("[\"a\x01\"]"),
            "not JSON at byte 3 (line 1, column 4): a control character in a string must be escaped");
  EXPECT_EQ(FaultOf("[\"\\q\"]"), "not JSON at byte 2 (line 1, column 3): unknown escape");
  EXPECT_EQ(FaultOf("\"\\ud800\""), "not JSON at byte 1 (line 1, column 2): lone high surrogate");
  EXPECT_EQ(FaultOf("\"\\udc00\""), "not JSON at byte 1 (line 1, column 2): lone low surrogate");
  EXPECT_EQ(FaultOf("\"\\ud83dx\""), "not JSON at byte 1 (line 1, column 2): lone high surrogate");
  EXPECT_EQ(FaultOf("[\"\xff\"]"), "not JSON: invalid UTF-8 at byte 2");
  EXPECT_EQ(FaultOf("{\"a\" 1}"), "not JSON at byte 5 (line 1, column 6): ':' is due");
  EXPECT_EQ(FaultOf("{\"a\":1"), "not JSON at byte 6 (line 1, column 7): the text ends inside an object");
  for (const char* bad : {"tru", "nul", "+1", "01", "1.", ".5", "1e", "-", "NaN", "Infinity", "'a'", "[1 2]", "{1:2}", "[,]",
                          "\"a", "[\"\\u12g4\"]", "// c\n1", "[1,]", "\xEF\xBB\xBF{}"}) {
    EXPECT_FALSE(Json::Parse(bad)) << bad;
  }
}

TEST(Json, EscapedBackslashBeforeUIsNoSurrogate) {
  const Result<Json> parsed = Json::Parse(R"("\\ud800 \\\\udfff")");
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(parsed->as_string(), R"(\ud800 \\udfff)");
}

TEST(Json, DepthIsBounded) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(Json::Parse(nested(Json::kDepthMax)));
  EXPECT_EQ(FaultOf(nested(Json::kDepthMax + 1)), "not JSON at byte 1000 (line 1, column 1001): nested too deep");
  const auto holding = [](size_t depth) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += i % 2 == 0 ? "[" : "{\"a\":";
    text += "1";
    for (size_t i = depth; i-- > 0;) text += i % 2 == 0 ? "]" : "}";
    return text;
  };
  for (size_t depth = Json::kDepthMax - 1; depth < Json::kDepthMax + 3; ++depth) {
    EXPECT_EQ(Json::Parse(holding(depth)).has_value(), depth <= Json::kDepthMax) << depth;
    EXPECT_EQ(Scanned(holding(depth)).has_value(), depth <= Json::kDepthMax) << depth;
  }
  EXPECT_FALSE(Json::Parse(nested(10'000'000)));
  EXPECT_FALSE(Json::Parse(std::string(1'000'000, '{')));
}

TEST(Json, DuplicateKeepsFirstPlaceAndLastValue) {
  EXPECT_EQ(Json::Parse(R"({"a":1,"b":2,"a":3})")->Dump(), R"({"a":3,"b":2})");
  std::string large = "{";
  std::string expected = "{";
  for (int i = 0; i < 300; ++i) large += "\"k" + std::to_string(i % 100) + "\":" + std::to_string(i) + ",";
  for (int i = 0; i < 100; ++i) expected += "\"k" + std::to_string(i) + "\":" + std::to_string(200 + i) + ",";
  large.back() = expected.back() = '}';
  EXPECT_EQ(Json::Parse(large)->Dump(), expected);
}

TEST(Json, BuildsAndPrintsPretty) {
  Json value = Json::MakeObject();
  value.Set("a", 1);
  Json& list = value.Set("list", Json::MakeArray());
  list.Append("x\"\\\x01\x7f");
  value.Set("a", Json());
  value.Set("empty", Json::MakeObject());
  EXPECT_EQ(value.Dump(2), "{\n  \"a\": null,\n  \"list\": [\n    \"x\\\"\\\\\\u0001\x7f\"\n  ],\n  \"empty\": {}\n}");
  EXPECT_EQ(JsonQuote("\t"), "\"\\t\"");
}

// A random value as Json, with every kind and awkward strings.
Json RandomJson(Random& random, int depth) {
  const auto text = [&] {
    std::string out;
    for (uint64_t n = random.Below(6); n > 0; --n) {
      const uint64_t kind = random.Below(4);
      if (kind == 0) out.push_back(static_cast<char>(random.Below(128)));
      if (kind == 1) AppendUtf8(static_cast<char32_t>(0x10000 + random.Below(0x100000)), out);
      if (kind == 2) AppendUtf8(static_cast<char32_t>(random.Below(0xD800)), out);
      if (kind == 3) out += "\"\\/"[random.Below(3)];
    }
    return out;
  };
  switch (random.Below(depth > 0 ? 8 : 6)) {
    case 0: return Json();
    case 1: return Json(random.Below(2) == 0);
    case 2: return Json(static_cast<int64_t>(random.Next() >> random.Below(64)));
    case 3: return Json(random.Next());
    case 4: return Json(random.Unit() * std::pow(10.0, static_cast<double>(random.Below(40)) - 20));
    case 5: return Json(text());
    case 6: {
      Json out = Json::MakeArray();
      for (uint64_t n = random.Below(5); n > 0; --n) out.Append(RandomJson(random, depth - 1));
      return out;
    }
    default: {
      Json out = Json::MakeObject();
      for (uint64_t n = random.Below(5); n > 0; --n) out.Set(text(), RandomJson(random, depth - 1));
      return out;
    }
  }
}

// Both readers must agree on every text, well-formed or not; what is accepted must survive printing.
TEST(Json, FastAndPlainReaderAgree) {
  Random random(20261124);
  int accepted = 0;
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    const Json value = RandomJson(random, 4);
    std::string text = value.Dump(static_cast<int>(random.Below(3)));
    ASSERT_EQ(*Json::Parse(text), value) << text;
    for (uint64_t edits = random.Below(3); edits > 0 && !text.empty(); --edits) {
      const size_t at = random.Below(text.size());
      switch (random.Below(3)) {
        case 0: text.erase(at, 1); break;
        case 1: text.insert(at, 1, "{}[]\",:0-e.\\u1t\xC3"[random.Below(17)]); break;
        default: text[at] = static_cast<char>(random.Below(256));
      }
    }
    const Result<Json> fast = Json::Parse(text);
    const Result<Json> plain = Scanned(text);
    ASSERT_EQ(fast.has_value(), plain.has_value()) << text;
    if (fast) {
      ASSERT_EQ(*fast, *plain) << text;
    }
    ++(fast ? accepted : refused);
  }
  EXPECT_GT(accepted, 5000);
  EXPECT_GT(refused, 2000);
}

TEST(Json, MembersOfOneNameCanBeRefused) {
  for (const char* twice :
       {R"({"a":1,"a":1})", R"([{"b":{"c":1,"d":2,"c":3}}])", R"({"a":123456789012345678901234567890,"a":1})"}) {
    EXPECT_EQ(Json::ParseUnique(twice).error().code, ErrorCode::kInvalidArgument) << twice;
  }
  EXPECT_TRUE(Json::ParseUnique(R"([{"a":1},{"a":1,"b":{"a":2}}])"));
}

}  // namespace
}  // namespace weir
