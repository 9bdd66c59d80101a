// Files that are not what they should be: each gives an error, none ends the process. A small model with random weights
// stands in, so that every run tries thousands of damages.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gguf_writer.h"
#include "weir/base/file.h"
#include "weir/base/random.h"
#include "weir/model/convert_model.h"
#include "weir/model/load_embedder.h"

namespace weir {
namespace {

constexpr uint32_t kWidth = 32;
constexpr uint32_t kVocab = 24;

// A BERT of one layer, written with the converter's own writer.
void WriteTinyModel(const std::filesystem::path& file, uint32_t pooling, const std::string& architecture = "bert") {
  Random random(7);
  GgufWriter writer;
  const std::string a = architecture + ".";
  writer.Set("general.architecture", std::string_view(architecture));
  writer.Set(a + "block_count", 1u);
  writer.Set(a + "context_length", 64u);
  writer.Set(a + "embedding_length", kWidth);
  writer.Set(a + "feed_forward_length", kWidth);
  writer.Set(a + "attention.head_count", 2u);
  writer.Set(a + "attention.layer_norm_epsilon", 1e-12F);
  writer.Set(a + "attention.causal", false);
  if (pooling < 9) writer.Set(a + "pooling_type", pooling);
  std::vector<std::string> tokens;
  for (uint32_t i = 0; i < kVocab; ++i) tokens.push_back("t" + std::to_string(i));
  writer.Set("tokenizer.ggml.model", std::string_view("bert"));
  writer.Set("tokenizer.ggml.pre", std::string_view("default"));
  writer.Set("tokenizer.ggml.tokens", tokens);
  writer.Set("tokenizer.ggml.token_type", std::vector<int32_t>(kVocab, 1));
  writer.Set("tokenizer.ggml.token_type_count", 2u);
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
    uint64_t count = 1;
    for (uint64_t extent : shape) count *= extent;
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(random.Unit() - 0.5);
    writer.AddTensor(name, shape, values, WeightType::kF32);
  };
  add("token_embd.weight", {kVocab, kWidth});
  add("position_embd.weight", {64, kWidth});
  add("token_types.weight", {2, kWidth});
  add("token_embd_norm.weight", {kWidth});
  add("token_embd_norm.bias", {kWidth});
  for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"}) {
    add(std::string("blk.0.") + part + ".weight", {kWidth, kWidth});
    add(std::string("blk.0.") + part + ".bias", {kWidth});
  }
  for (const char* part : {"attn_output_norm", "layer_output_norm"}) {
    add(std::string("blk.0.") + part + ".weight", {kWidth});
    add(std::string("blk.0.") + part + ".bias", {kWidth});
  }
  ASSERT_TRUE(writer.Write(file));
}

class DamageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-model-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    model_ = folder_ / "tiny.gguf";
    WriteTinyModel(model_, 1);
    options_.threads = 1;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path Write(const std::string& bytes) {
    std::ofstream(folder_ / "damaged.gguf", std::ios::binary | std::ios::trunc) << bytes;
    return folder_ / "damaged.gguf";
  }

  // Loads, and computes something if it loads; whatever comes, it comes back.
  static ErrorCode Try(const std::filesystem::path& file, const EmbedderOptions& options) {
    const auto embedder = LoadEmbedder(file, options);
    if (!embedder) return embedder.error().code;
    const std::vector<TokenId> ids = {1, 2, 3, 4, 5};
    const std::vector<std::span<const TokenId>> texts = {ids, std::span(ids).first(2)};
    Embeddings out;
    EXPECT_TRUE((*embedder)->Embed(texts, {}, out));
    for (const Status& item : out.items) {
      if (!item) return item.error().code;
    }
    return ErrorCode::kAlreadyExists;  // stands for: it worked
  }

  std::filesystem::path folder_;
  std::filesystem::path model_;
  EmbedderOptions options_;
};

TEST_F(DamageTest, TheWholeModelWorks) { EXPECT_EQ(Try(model_, options_), ErrorCode::kAlreadyExists); }

TEST_F(DamageTest, CutShortAnywhereIsCorrupt) {
  const std::string whole = ReadFile(model_).value();
  for (size_t size = 0; size < whole.size() - 64; size += 1 + size / 12) {
    EXPECT_EQ(Try(Write(whole.substr(0, size)), options_), ErrorCode::kCorrupt) << "cut at " << size;
  }
}

TEST_F(DamageTest, NoByteOfTheHeaderCanEndTheProcess) {
  const std::string whole = ReadFile(model_).value();
  const size_t header = whole.find("layer_output_norm.bias", whole.find("layer_output_norm.bias") + 1) == std::string::npos
                            ? std::min<size_t>(whole.size(), 4096)
                            : whole.rfind("layer_output_norm.bias") + 64;
  size_t refused = 0, worked = 0;
  Random random(11);
  const char* every = std::getenv("WEIR_TEST_EVERY_BYTE");
  for (size_t at = 0; at < header; at += every ? 1 : 1 + random.Below(6)) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.Below(8)));
    (Try(Write(damaged), options_) == ErrorCode::kAlreadyExists ? worked : refused) += 1;
  }
  std::printf("%zu damaged headers refused, %zu harmless\n", refused, worked);
  EXPECT_GT(refused, worked / 8);
}

TEST_F(DamageTest, AnyFlipIsFoundWhereTheChecksumIsKnown) {
  const std::string whole = ReadFile(model_).value();
  options_.file_sha256 = FileSha256(model_).value();
  EXPECT_EQ(Try(model_, options_), ErrorCode::kAlreadyExists);
  Random random(13);
  for (int round = 0; round < 50; ++round) {
    std::string damaged = whole;
    damaged[random.Below(damaged.size())] ^= 1;
    EXPECT_EQ(Try(Write(damaged), options_), ErrorCode::kCorrupt);
  }
}

TEST_F(DamageTest, WeightsThatAreNotNumbersFailTheTextOrTheLoad) {
  std::string damaged = ReadFile(model_).value();
  for (size_t at = damaged.size() - 4096; at + 4 <= damaged.size(); at += 4) damaged.replace(at, 4, "\xff\xff\xff\x7f");
  EXPECT_NE(Try(Write(damaged), options_), ErrorCode::kAlreadyExists);
}

TEST_F(DamageTest, WhatIsNoEmbeddingModelIsRefusedByName) {
  EXPECT_EQ(Try(folder_ / "absent.gguf", options_), ErrorCode::kNotFound);
  EXPECT_EQ(Try(Write("not a model at all, only text"), options_), ErrorCode::kCorrupt);
  for (uint32_t pooling : {0u, 4u, 9u}) {  // none, reranking, nothing said
    WriteTinyModel(folder_ / "other.gguf", pooling);
    EXPECT_EQ(Try(folder_ / "other.gguf", options_), ErrorCode::kUnsupported) << pooling;
  }
  WriteTinyModel(folder_ / "other.gguf", 1, "no-such-architecture");
  EXPECT_EQ(Try(folder_ / "other.gguf", options_), ErrorCode::kUnsupported);
  options_.pooling = Pooling::kCls;
  WriteTinyModel(folder_ / "other.gguf", 9);
  EXPECT_EQ(Try(folder_ / "other.gguf", options_), ErrorCode::kAlreadyExists);
}

TEST_F(DamageTest, ConversionRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ConvertBert(folder_, WeightType::kF32, folder_ / "out.gguf").error().code, ErrorCode::kNotFound);
  std::ofstream(folder_ / "config.json") << R"({"model_type": "llama", "hidden_act": "silu"})";
  EXPECT_EQ(ConvertBert(folder_, WeightType::kF32, folder_ / "out.gguf").error().code, ErrorCode::kUnsupported);
  std::ofstream(folder_ / "config.json") << R"({"model_type": )";
  EXPECT_EQ(ConvertBert(folder_, WeightType::kF32, folder_ / "out.gguf").error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.gguf"));
}

}  // namespace
}  // namespace weir
