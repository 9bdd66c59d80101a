// What a tokenizer.json may ask for, and how the rest is refused.

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "testing/bpe_samples.h"

namespace weir {
namespace {

using testing::BpeSample;
using testing::EncodeText;
using testing::LoadText;
using testing::TryLoadText;

Error RefusalOf(const std::string& json) {
  const auto tokenizer = TryLoadText(json);
  EXPECT_FALSE(tokenizer) << json.substr(0, 200);
  return tokenizer ? Error{} : tokenizer.error();
}

TEST(TokenizerConfig, RefusesWhatItDoesNotDoByName) {
  const struct {
    const char* member;  // of the document, or model/...
    const char* value;
    const char* named;
  } cases[] = {
      {"model/type", R"("Unigram")", "Unigram"},
      {"model/type", R"("WordLevel")", "WordLevel"},
      {"model/dropout", "0.1", "dropout"},
      {"model/continuing_subword_prefix", R"("##")", "continuing_subword_prefix"},
      {"model/end_of_word_suffix", R"("</w>")", "end_of_word_suffix"},
      {"model/byte_fallback", "true", "byte_fallback"},
      {"model/fuse_unk", "true", "fuse_unk"},
      {"version", R"("2.0")", "version"},
      {"truncation", R"({"max_length":5})", "truncation"},
      {"padding", R"({"strategy":"BatchLongest"})", "padding"},
      {"normalizer", R"({"type":"Lowercase"})", "Lowercase"},
      {"normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"NFKC"}]})", "NFKC"},
      {"pre_tokenizer", "null", "pre_tokenizer"},
      {"pre_tokenizer", R"({"type":"Metaspace"})", "Metaspace"},
      {"decoder", R"({"type":"Metaspace"})", "Metaspace"},
      {"decoder", R"({"type":"Sequence","decoders":[{"type":"Fuse"}]})", "Fuse"},
      {"post_processor", R"({"type":"Unheard"})", "Unheard"},
      {"post_processor", R"({"type":"TemplateProcessing","single":[],"special_tokens":{}})", "$A"},
  };
  for (const auto& [member, value, named] : cases) {
    Json document = BpeSample().ToJson();
    const std::string_view name(member);
    Json& owner = name.starts_with("model/") ? *document.Find("model") : document;
    owner.Set(name.starts_with("model/") ? name.substr(6) : name, *Json::Parse(value));
    const Error error = RefusalOf(document.Dump());
    EXPECT_EQ(error.code, ErrorCode::kUnsupported) << member << ' ' << value << ": " << error.ToString();
    EXPECT_NE(error.message.find(named), std::string::npos) << error.message;
  }
}

TEST(TokenizerConfig, SaysWhatIsMalformed) {
  const struct {
    const char* json;
    const char* said;
  } cases[] = {
      {"", "tokenizer.json"},
      {"{", "byte"},
      {"[1]", "no JSON object"},
      {"{}", "no model"},
      {R"({"model":7})", "not an object"},
      {R"({"model":{"type":"BPE","vocab":[],"merges":[]}})", "model.vocab"},
      {R"({"model":{"type":"BPE","vocab":{},"merges":7}})", "model.merges"},
      {R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})", "token id"},
      {R"({"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"}})", "twice"},
      {R"({"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"}})", "two tokens"},
      {R"({"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]},"pre_tokenizer":{"type":"ByteLevel"}})", "\"ab\""},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a x"]},"pre_tokenizer":{"type":"ByteLevel"}})", "\"x\""},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a b c"]},"pre_tokenizer":{"type":"ByteLevel"}})", "merges[0]"},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]},"pre_tokenizer":{"type":"ByteLevel"}})", "merges[0]"},
  };
  for (const auto& [json, said] : cases) {
    const Error error = RefusalOf(json);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument) << json << ": " << error.ToString();
    EXPECT_NE(error.message.find(said), std::string::npos) << json << ": " << error.message;
  }
  EXPECT_EQ(LoadTokenizer("/nonexistent/tokenizer.json", {}).error().code, ErrorCode::kNotFound);
}

TEST(TokenizerConfig, IdsAboveTheTablesLimitAreRefused) {
  const Error error =
      RefusalOf(R"({"model":{"type":"BPE","vocab":{"a":1048576},"merges":[]},"pre_tokenizer":{"type":"ByteLevel"}})");
  EXPECT_EQ(error.code, ErrorCode::kUnsupported) << error.ToString();
}

TEST(TokenizerConfig, ThePostProcessorAddsItsTokensOnRequest) {
  BpeSample sample;
  sample.AddToken("<s>");
  sample.AddToken("</s>");
  sample.post_processor = *Json::Parse(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
    {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
     {"SpecialToken":{"id":"</s>","type_id":0}}],"special_tokens":{"<s>":{"ids":[256]},"</s>":{"ids":[257,257]}}}]})");
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(EncodeText(*tokenizer, "ab").ids, (std::vector<TokenId>{'a', 'b'}));
  const Encoding with = EncodeText(*tokenizer, "ab", {.add_special_tokens = true});
  EXPECT_EQ(with.ids, (std::vector<TokenId>{256, 'a', 'b', 257, 257}));
  EXPECT_EQ(with.begins, (std::vector<uint32_t>{0, 0, 1, 2, 2}));

  sample.post_processor = *Json::Parse(R"({"type":"RobertaProcessing","cls":["<s>",256],"sep":["</s>",257]})");
  EXPECT_EQ(EncodeText(*LoadText(sample.Text()), "ab", {.add_special_tokens = true}).ids,
            (std::vector<TokenId>{256, 'a', 'b', 257}));
}

TEST(TokenizerConfig, APrefixSpaceStandsForNoByte) {
  BpeSample sample;
  sample.pre_tokenizer.Set("add_prefix_space", true);
  sample.AddMerges({"\xC4\xA0 a"});
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(EncodeText(*tokenizer, "ab").ids, (std::vector<TokenId>{256, 'b'}));
  EXPECT_EQ(EncodeText(*tokenizer, "ab").begins, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(EncodeText(*tokenizer, "b").begins, (std::vector<uint32_t>{0, 0}));
  EXPECT_EQ(EncodeText(*tokenizer, " b").begins, (std::vector<uint32_t>{0, 1}));
}

TEST(TokenizerConfig, TheFingerprintTellsWhatDecidesIds) {
  BpeSample sample;
  sample.AddMerges({"a b", "b c"});
  const std::string fingerprint = LoadText(sample.Text())->fingerprint();
  EXPECT_EQ(fingerprint.size(), 32u);
  EXPECT_EQ(fingerprint.find_first_not_of("0123456789abcdef"), std::string::npos);

  BpeSample same = sample;  // another spelling of the same
  same.merges_as_pairs = false;
  same.normalizer = *Json::Parse(R"({"type":"Sequence","normalizers":[]})");
  EXPECT_EQ(LoadText(same.ToJson().Dump(2))->fingerprint(), fingerprint);

  const std::function<void(BpeSample&)> changes[] = {
      [](BpeSample& s) { std::swap(s.merges[0], s.merges[1]); },
      [](BpeSample& s) { s.AddWord("zz"); },
      [](BpeSample& s) { std::swap(s.vocabulary.at("a"), s.vocabulary.at("b")); },
      [](BpeSample& s) { s.ignore_merges = true; },
      [](BpeSample& s) { s.AddToken("<x>"); },
      [](BpeSample& s) { s.normalizer = *Json::Parse(R"({"type":"NFC"})"); },
      [](BpeSample& s) { s.pre_tokenizer.Set("add_prefix_space", true); },
      [](BpeSample& s) { s.post_processor = *Json::Parse(R"({"type":"BertProcessing","cls":["a",1],"sep":["b",2]})"); },
  };
  std::set<std::string> seen{fingerprint};
  for (const auto& change : changes) {
    BpeSample other = sample;
    change(other);
    EXPECT_TRUE(seen.insert(LoadText(other.Text())->fingerprint()).second) << other.Text().size();
  }
}

}  // namespace
}  // namespace weir
