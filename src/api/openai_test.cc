// /v1/embeddings and /v1/models as clients of OpenAI's API meet them.

#include <cstring>

#include "api_fixture.h"
#include "weir/codec/base64.h"

namespace weir {
namespace {

using testing::ApiAnswer;
using testing::CountAt;
using testing::FakeEmbedder;
using testing::TextAt;

class ApiOpenAiTest : public testing::ApiTest {
 protected:
  void SetUp() override { Open(); }

  ApiAnswer Embed(Json input, Json::Object more = {}) {
    Json body = Json::Object{{"model", "fake-model"}, {"input", std::move(input)}};
    for (Json::Member& member : more) body.Set(member.first, std::move(member.second));
    return Post("/v1/embeddings", body);
  }
  static std::vector<float> VectorAt(const ApiAnswer& answer, size_t index) {
    const Json& one = answer.json.Find("data")->as_array().at(index);
    EXPECT_EQ(CountAt(one, "index"), index);
    const Json& embedding = *one.Find("embedding");
    std::vector<float> vector;
    if (embedding.is_string()) {
      const std::string bytes = *ParseBase64(embedding.as_string());
      vector.resize(bytes.size() / sizeof(float));
      std::memcpy(vector.data(), bytes.data(), bytes.size());
    } else {
      for (const Json& number : embedding.as_array()) vector.push_back(static_cast<float>(number.as_double()));
    }
    return vector;
  }
  // 4xx in OpenAI's shape, with the parameter named.
  void Refused(const ApiAnswer& answer, int status, std::string_view param) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.Error("param"), param) << answer.body;
    EXPECT_FALSE(answer.Error("message").empty());
    EXPECT_EQ(answer.Error("type"), status == 429 ? "rate_limit_error" : "invalid_request_error");
  }
};

TEST_F(ApiOpenAiTest, SingleBatchBase64IdsAndCachedAgreeToTheBit) {
  const std::vector<std::string> texts = {"one", "two", "three", "one", "f\xc3\xbcnf"};
  const ApiAnswer batch = Embed(Json::Array(texts.begin(), texts.end()));
  ASSERT_EQ(batch.status, 200) << batch.body;
  EXPECT_EQ(TextAt(batch.json, "object"), "list");
  EXPECT_EQ(TextAt(batch.json, "model"), "fake-model");
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> vector = VectorAt(batch, i);
    EXPECT_EQ(vector.size(), 8u);
    const ApiAnswer single = Embed(texts[i]);
    EXPECT_TRUE(single.Header("x-weir-cache").starts_with("hit;")) << single.Header("x-weir-cache");
    EXPECT_EQ(VectorAt(single, 0), vector);
    EXPECT_EQ(VectorAt(Embed(texts[i], {{"encoding_format", "base64"}}), 0), vector);
    Json::Array ids;
    for (const char c : texts[i]) ids.emplace_back(uint64_t{static_cast<unsigned char>(c)});
    EXPECT_EQ(VectorAt(Embed(ids), 0), vector);
    EXPECT_EQ(VectorAt(Embed(Json::Array{Json(ids), Json(ids)}), 1), vector);
  }
}

TEST_F(ApiOpenAiTest, TheHeaderSaysWhatWasKnown) {
  EXPECT_EQ(Embed("one").Header("x-weir-cache"), "miss; hits=0; computed=1; coalesced=0");
  EXPECT_EQ(Embed("one").Header("x-weir-cache"), "hit; hits=1; computed=0; coalesced=0");
  EXPECT_EQ(Embed(Json::Array{"one", "two"}).Header("x-weir-cache"), "mixed; hits=1; computed=1; coalesced=0");
  EXPECT_TRUE(Embed("one").Header("Server-Timing").starts_with("embed;dur="));
}

TEST_F(ApiOpenAiTest, UsageCountsTokens) {
  const ApiAnswer answer = Embed(Json::Array{"one", "three"});
  EXPECT_EQ(CountAt(*answer.json.Find("usage"), "prompt_tokens"), 8u);
  EXPECT_EQ(CountAt(*answer.json.Find("usage"), "total_tokens"), 8u);
  EXPECT_EQ(CountAt(*Embed(Json::Array{"one", "three"}).json.Find("usage"), "prompt_tokens"), 8u) << "of known ones too";
  EXPECT_EQ(CountAt(*Embed(Json::Array{1, 2, 3}).json.Find("usage"), "prompt_tokens"), 3u);
  const ApiAnswer query = Embed("one", {{"input_type", "query"}});
  EXPECT_EQ(CountAt(*query.json.Find("usage"), "prompt_tokens"), 3u + std::string_view("query: ").size());
}

TEST_F(ApiOpenAiTest, Dimensions) {
  const ApiAnswer four = Embed("one", {{"dimensions", 4}});
  ASSERT_EQ(four.status, 200) << four.body;
  EXPECT_EQ(VectorAt(four, 0).size(), 4u);
  EXPECT_EQ(VectorAt(Embed("one", {{"dimensions", 8}}), 0).size(), 8u);
  for (const int wrong : {1, 3, 5, 9, 65'536}) EXPECT_EQ(Embed("one", {{"dimensions", wrong}}).status, 400) << wrong;
  Refused(Embed("one", {{"dimensions", 0}}), 400, "dimensions");
  Refused(Embed("one", {{"dimensions", 65'537}}), 400, "dimensions");
  Refused(Embed("one", {{"dimensions", "4"}}), 400, "dimensions");
}

TEST_F(ApiOpenAiTest, WhatIsRefused) {
  Refused(Embed(""), 400, "input");
  Refused(Embed(Json::MakeArray()), 400, "input");
  Refused(Embed(Json::Array{"one", ""}), 400, "input");
  Refused(Embed(Json::Array{"one", 2}), 400, "input");
  Refused(Embed(Json::Array{1, "two"}), 400, "input");
  Refused(Embed(Json::Array{Json::Array{1}, 2}), 400, "input");
  Refused(Embed(Json::Array{Json::MakeArray()}), 400, "input");
  Refused(Embed(Json::Array{-1}), 400, "input");
  Refused(Embed(Json::Array{1.5}), 400, "input");
  Refused(Embed(Json::Array{uint64_t{1} << 32}), 400, "input");
  Refused(Embed(Json()), 400, "input");
  Refused(Embed("one", {{"encoding_format", "hex"}}), 400, "encoding_format");
  Refused(Embed("one", {{"bogus", 1}}), 400, "bogus");
  Refused(Embed("one", {{"user", 1}}), 400, "user");
  Refused(Embed("one", {{"model", "nothing"}}), 404, "model");
  Refused(Embed("one", {{"model", ""}}), 400, "model");
  Refused(Post("/v1/embeddings", Json::Object{{"model", "fake-model"}}), 400, "input");
  EXPECT_EQ(Embed(Json::Array{256}).status, 400) << "beyond the vocabulary";
  EXPECT_EQ(Embed(Json::Array{1.0, 2.0}).status, 200) << "whole numbers may be written so";
}

TEST_F(ApiOpenAiTest, LongTextsAreRefusedWholeOrCut) {
  const ApiAnswer refused = Embed(Json::Array{"one", std::string(101, 'x')});
  Refused(refused, 400, "input");
  EXPECT_NE(refused.Error("message").find("/input/1"), std::string::npos) << refused.body;
  const ApiAnswer cut = Embed(std::string(101, 'x'), {{"truncate", true}});
  EXPECT_EQ(cut.status, 200) << cut.body;
}

TEST_F(ApiOpenAiTest, TwoThousandAndFortyEightInputsAndNoMore) {
  Json::Array inputs(2048, Json("x"));
  const ApiAnswer most = Embed(inputs);
  ASSERT_EQ(most.status, 200);
  EXPECT_EQ(most.json.Find("data")->as_array().size(), 2048u);
  inputs.emplace_back("x");
  Refused(Embed(inputs), 400, "input");
  Refused(Embed(Json::Array(2049, Json(Json::Array{1}))), 400, "input");
}

TEST_F(ApiOpenAiTest, AModelThatFailsIsNoCrash) {
  fake_.poison = '!';
  EXPECT_EQ(Embed("good").status, 200);
  const ApiAnswer poisoned = Embed(Json::Array{"good", "bad!"});
  EXPECT_GE(poisoned.status, 500);
  fake_.nan = '?';
  EXPECT_GE(Embed("what?").status, 400);
  EXPECT_EQ(Embed("what?").json.Find("data"), nullptr);
}

TEST_F(ApiOpenAiTest, Models) {
  const ApiAnswer list = Get("/v1/models");
  ASSERT_EQ(list.json.Find("data")->as_array().size(), 1u);
  const Json& model = list.json.Find("data")->as_array()[0];
  EXPECT_EQ(TextAt(model, "id"), "fake-model");
  EXPECT_EQ(CountAt(model, "dimensions"), 8u);
  EXPECT_EQ(TextAt(Get("/v1/models/some%2FFake_Model").json, "id"), "fake-model");
  EXPECT_EQ(TextAt(Embed("one", {{"model", "some/Fake_Model"}}).json, "model"), "fake-model");
  const ApiAnswer unknown = Get("/v1/models/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.Error("type"), "invalid_request_error");
  EXPECT_EQ(unknown.Error("code"), "not_found");
}

TEST_F(ApiOpenAiTest, ErrorsHaveTheShapeOfTheirPathWhateverIsWrong) {
  AddToken("default", kAllScopes);
  for (const char* path : {"/v1/embeddings", "/v1/models", "/v1/models/x"}) {
    EXPECT_EQ(Send("POST", path, std::string("{}")).Error("type"), "authentication_error") << path;
  }
  for (const char* path : {"/v1/models/x/load", "/v1/embeddings/cache", "/v1/status", "/nothing"}) {
    const ApiAnswer answer = Send("POST", path, std::string("{}"));
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.Error("type"), "") << path << " " << answer.body;
  }
}

}  // namespace
}  // namespace weir
