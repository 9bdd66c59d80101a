// Bodies against the JSON mapping of OTLP.

#include "otlp_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "collector.h"
#include "weir/base/random.h"
#include "weir/codec/json_schema.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

// ExportTraceServiceRequest as far as it is written here; anything else is a mistake.
constexpr std::string_view kSchema = R"({
  "type": "object", "required": ["resourceSpans"], "additionalProperties": false,
  "properties": {"resourceSpans": {"type": "array", "items": {
    "type": "object", "required": ["resource", "scopeSpans"], "additionalProperties": false,
    "properties": {
      "resource": {"type": "object", "required": ["attributes"], "additionalProperties": false,
                   "properties": {"attributes": {"$ref": "#/$defs/attributes"}}},
      "scopeSpans": {"type": "array", "items": {
        "type": "object", "required": ["scope", "spans"], "additionalProperties": false,
        "properties": {
          "scope": {"type": "object", "required": ["name"], "additionalProperties": false,
                    "properties": {"name": {"type": "string"}, "version": {"type": "string"}}},
          "spans": {"type": "array", "items": {"$ref": "#/$defs/span"}}}}}}}}},
  "$defs": {
    "value": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
      "properties": {"stringValue": {"type": "string"}, "boolValue": {"type": "boolean"}, "intValue": {"type": "string"},
                     "doubleValue": {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}}},
    "attributes": {"type": "array", "items": {"type": "object", "required": ["key", "value"], "additionalProperties": false,
      "properties": {"key": {"type": "string"}, "value": {"$ref": "#/$defs/value"}}}},
    "span": {"type": "object", "additionalProperties": false,
      "required": ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano"],
      "properties": {
        "traceId": {"type": "string", "minLength": 32, "maxLength": 32},
        "spanId": {"type": "string", "minLength": 16, "maxLength": 16},
        "parentSpanId": {"type": "string", "minLength": 16, "maxLength": 16},
        "flags": {"type": "integer", "minimum": 0, "maximum": 4294967295},
        "name": {"type": "string"},
        "kind": {"type": "integer", "minimum": 1, "maximum": 5},
        "startTimeUnixNano": {"type": "string"}, "endTimeUnixNano": {"type": "string"},
        "attributes": {"$ref": "#/$defs/attributes"},
        "status": {"type": "object", "additionalProperties": false,
                   "properties": {"code": {"type": "integer", "minimum": 0, "maximum": 2}}}}}}})";

Status CheckBody(const std::string& body) {
  static const JsonSchema schema = *JsonSchema::Compile(*Json::Parse(kSchema));
  WEIR_ASSIGN(const Json parsed, Json::ParseUnique(body));
  return schema.Check(parsed);
}

std::string RandomText(Random& random) {
  std::string text(random.Below(20), '\0');
  for (char& c : text) c = static_cast<char>(random.Below(256));
  return text;
}

std::string RandomId(Random& random, size_t digits) {
  std::string text(digits, '0');
  for (char& c : text) c = "0123456789abcdefABCDEF"[random.Below(22)];
  text.back() = '1';
  return text;
}

Span RandomSpan(Random& random) {
  Span span;
  span.name = RandomText(random);
  span.kind = static_cast<SpanKind>(1 + random.Below(5));
  span.trace_id = RandomId(random, 32);
  span.span_id = RandomId(random, 16);
  if (random.Below(2) == 0) span.parent_span_id = RandomId(random, 16);
  span.is_parent_remote = random.Below(2) == 0;
  span.start_unix_ns = random.Next();
  span.end_unix_ns = std::max(span.start_unix_ns, random.Next());
  span.status = static_cast<SpanStatus>(random.Below(3));
  for (uint64_t i = random.Below(6); i > 0; --i) {
    SpanAttribute attribute{RandomText(random), RandomText(random)};
    switch (random.Below(4)) {
      case 0: attribute.value = static_cast<int64_t>(random.Next()); break;
      case 1: attribute.value = random.Unit() * 1e300; break;
      case 2: attribute.value = random.Below(2) == 0; break;
      default: break;
    }
    span.attributes.push_back(std::move(attribute));
  }
  return span;
}

std::string TextOf(const Json& object, std::string_view name) {
  const Json* member = object.Find(name);
  return member != nullptr && member->is_string() ? member->as_string() : "(no text)";
}

std::string Lowered(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

void ExpectAttribute(const Json& said, const SpanAttribute& attribute) {
  EXPECT_EQ(TextOf(said, "key"), ReplaceInvalidUtf8(attribute.key));
  const Json& value = *said.Find("value");
  if (const auto* text = std::get_if<std::string>(&attribute.value)) {
    EXPECT_EQ(TextOf(value, "stringValue"), ReplaceInvalidUtf8(*text));
  } else if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
    EXPECT_EQ(TextOf(value, "intValue"), std::to_string(*integer));
  } else if (const auto* flag = std::get_if<bool>(&attribute.value)) {
    ASSERT_NE(value.Find("boolValue"), nullptr);
    EXPECT_EQ(value.Find("boolValue")->as_bool(), *flag);
  } else {
    ASSERT_NE(value.Find("doubleValue"), nullptr);
    EXPECT_EQ(value.Find("doubleValue")->as_double(), std::get<double>(attribute.value));
  }
}

TEST(OtlpJson, SaysEverythingOfRandomSpans) {
  constexpr uint64_t kSeed = 5;
  Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(fmt::format("seed {}, round {}", kSeed, round));
    std::vector<Span> spans;
    for (uint64_t i = random.Below(4); i > 0; --i) spans.push_back(RandomSpan(random));
    const std::string body = trace::OtlpTraceRequest({}, "1.0", spans);
    const Status fits = CheckBody(body);
    ASSERT_TRUE(fits) << fits.error().ToString() << "\n" << body;
    const Json::Array said = SpansOf(body);
    ASSERT_EQ(said.size(), spans.size());
    for (size_t i = 0; i < spans.size(); ++i) {
      EXPECT_EQ(TextOf(said[i], "traceId"), Lowered(spans[i].trace_id));
      EXPECT_EQ(TextOf(said[i], "spanId"), Lowered(spans[i].span_id));
      EXPECT_EQ(said[i].Find("parentSpanId") != nullptr, !spans[i].parent_span_id.empty());
      EXPECT_EQ(TextOf(said[i], "name"), ReplaceInvalidUtf8(spans[i].name));
      EXPECT_EQ(said[i].Find("kind")->as_int(), static_cast<int>(spans[i].kind));
      EXPECT_EQ(TextOf(said[i], "startTimeUnixNano"), std::to_string(spans[i].start_unix_ns));
      EXPECT_EQ(TextOf(said[i], "endTimeUnixNano"), std::to_string(spans[i].end_unix_ns));
      EXPECT_EQ(said[i].Find("flags")->as_int(), spans[i].is_parent_remote ? 0x301 : 0x101);
      const Json* code = said[i].Find("status")->Find("code");
      EXPECT_EQ(code != nullptr ? code->as_int() : 0, static_cast<int>(spans[i].status));
      const Json::Array& attributes = said[i].Find("attributes")->as_array();
      ASSERT_EQ(attributes.size(), spans[i].attributes.size());
      for (size_t a = 0; a < attributes.size(); ++a) ExpectAttribute(attributes[a], spans[i].attributes[a]);
    }
  }
}

TEST(OtlpJson, NumbersThatJsonCannotSayAreNamed) {
  Span span = MakeTestSpan(1);
  span.attributes = {{"a", std::numeric_limits<double>::quiet_NaN()},
                     {"b", std::numeric_limits<double>::infinity()},
                     {"c", -std::numeric_limits<double>::infinity()}};
  const std::string body = trace::OtlpTraceRequest({}, "", {&span, 1});
  EXPECT_TRUE(CheckBody(body));
  EXPECT_NE(body.find(R"({"key":"a","value":{"doubleValue":"NaN"}},{"key":"b","value":{"doubleValue":"Infinity"}},)"
                      R"({"key":"c","value":{"doubleValue":"-Infinity"}})"),
            std::string::npos)
      << body;
}

TEST(OtlpJson, ReadsWhatACollectorRefused) {
  EXPECT_EQ(trace::RefusedSpans(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}})"), 3u);
  EXPECT_EQ(trace::RefusedSpans(R"({"partialSuccess":{"rejectedSpans":4}})"), 4u);
  for (const char* text : {"", "{}", "[]", "null", R"({"partialSuccess":{}})", R"({"partialSuccess":[]})",
                           R"({"partialSuccess":{"rejectedSpans":"-1"}})", R"({"partialSuccess":{"rejectedSpans":-1}})",
                           R"({"partialSuccess":{"rejectedSpans":"3x"}})", R"({"partialSuccess":{"rejectedSpans":{}}})"}) {
    EXPECT_EQ(trace::RefusedSpans(text), 0u) << text;
  }
}

}  // namespace
}  // namespace weir
