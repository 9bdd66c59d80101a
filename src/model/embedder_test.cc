// Over the real model; skipped where set-up did not fetch it.

#include "weir/model/embedder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "reference_texts.h"
#include "weir/model/load_embedder.h"
#include "weir/model/named_model.h"

namespace weir {
namespace {

using Texts = std::vector<std::span<const TokenId>>;

class EmbedderTest : public testing::Test {
 protected:
  void SetUp() override {
    entry_ = FindModel("minilm").value();
    if (!std::filesystem::exists(ModelFolder(*entry_, WEIR_TEST_MODELS) / "model.safetensors")) {
      GTEST_SKIP() << "all-minilm-l6-v2 is not in " << WEIR_TEST_MODELS << ": scripts/setup model";
    }
    references_ = ReadReferenceTexts(WEIR_TEST_REFERENCE);
  }

  std::unique_ptr<Embedder> Load(WeightType type = WeightType::kF32, uint32_t threads = 1) {
    auto loaded = LoadNamedEmbedder(*entry_, type, WEIR_TEST_MODELS, threads);
    EXPECT_TRUE(loaded) << loaded.error().ToString();
    return loaded ? *std::move(loaded) : nullptr;
  }

  Texts ReferenceIds() const {
    Texts texts;
    for (const ReferenceText& reference : references_) texts.emplace_back(reference.ids);
    return texts;
  }

  const ModelEntry* entry_ = nullptr;
  std::vector<ReferenceText> references_;
};

class FormTest : public EmbedderTest, public testing::WithParamInterface<std::pair<WeightType, double>> {};

TEST_P(FormTest, VectorsAreThoseOfTheReference) {
  const auto [type, cosine_min] = GetParam();
  const auto embedder = Load(type);
  ASSERT_NE(embedder, nullptr);
  ASSERT_GE(references_.size(), 30u);
  Embeddings out;
  ASSERT_TRUE(embedder->Embed(ReferenceIds(), {}, out));
  ASSERT_EQ(out.items.size(), references_.size());
  double least = 1;
  for (size_t i = 0; i < references_.size(); ++i) {
    ASSERT_TRUE(out.items[i]) << out.items[i].error().ToString();
    const double cosine = Cosine(out.vector(i), references_[i].vector);
    EXPECT_GE(cosine, cosine_min) << references_[i].text;
    least = std::min(least, cosine);
  }
  RecordProperty("least_cosine", std::to_string(least));
  std::printf("%s on %s: least cosine %.6f, %.1f MB held\n", std::string(WeightTypeName(type)).c_str(),
              std::string(CpuLevelName()).c_str(), least, static_cast<double>(embedder->memory_bytes()) / 1e6);
}

INSTANTIATE_TEST_SUITE_P(Forms, FormTest,
                         testing::Values(std::pair{WeightType::kF32, 0.9999}, std::pair{WeightType::kF16, 0.999},
                                         std::pair{WeightType::kQ8, 0.99}),
                         [](const auto& form) { return std::string(WeightTypeName(form.param.first)); });

TEST_F(EmbedderTest, SaysWhatItIs) {
  const auto embedder = Load();
  ASSERT_NE(embedder, nullptr);
  EXPECT_EQ(embedder->dimensions(), 384u);
  EXPECT_EQ(embedder->tokens_max(), 256u);
  EXPECT_EQ(embedder->vocab_size(), 30522u);
  EXPECT_EQ(embedder->pooling(), Pooling::kMean);
  EXPECT_EQ(embedder->fingerprint(), FingerprintOf(*entry_, WeightType::kF32));
  EXPECT_NE(embedder->fingerprint(), FingerprintOf(*entry_, WeightType::kF16));
  EXPECT_GT(embedder->memory_bytes(), 80'000'000u);
}

TEST_F(EmbedderTest, EachTextFailsAlone) {
  const auto embedder = Load();
  ASSERT_NE(embedder, nullptr);
  const std::vector<TokenId> good = references_[0].ids;
  const std::vector<TokenId> stray = {101, 30522, 102};
  const std::vector<TokenId> endless(1000, 2000);
  const Texts texts = {good, {}, stray, endless, good};
  Embeddings out;
  ASSERT_TRUE(embedder->Embed(texts, {}, out));
  EXPECT_TRUE(out.items[0]);
  EXPECT_TRUE(out.items[4]);
  for (size_t i : {1u, 2u, 3u}) {
    ASSERT_FALSE(out.items[i]);
    EXPECT_EQ(out.items[i].error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(std::ranges::all_of(out.vector(i), [](float value) { return value == 0; }));
  }
  EXPECT_NE(out.items[2].error().message.find("30522"), std::string::npos);
  EXPECT_NE(out.items[3].error().message.find("1000"), std::string::npos);
  EXPECT_GE(Cosine(out.vector(0), references_[0].vector), 0.9999);

  ASSERT_TRUE(embedder->Embed({}, {}, out));
  EXPECT_TRUE(out.items.empty());
}

TEST_F(EmbedderTest, AVectorIsTheSameWhoeverSharesItsBatch) {
  for (const WeightType type : {WeightType::kF32, WeightType::kF16}) {
    const auto embedder = Load(type);
    ASSERT_NE(embedder, nullptr);
    Embeddings together;
    ASSERT_TRUE(embedder->Embed(ReferenceIds(), {}, together));
    for (size_t i = 0; i < references_.size(); ++i) {
      const Texts texts = {references_[i].ids};
      Embeddings alone;
      ASSERT_TRUE(embedder->Embed(texts, {}, alone));
      for (size_t d = 0; d < together.dimensions; ++d) {  // pooling adds up in another order
        ASSERT_NEAR(alone.vector(0)[d], together.vector(i)[d], 1e-6) << WeightTypeName(type) << ", text " << i;
      }
    }
  }
}

TEST_F(EmbedderTest, OverlongTextIsCutOnlyWhenAskedAndKeepsItsEnd) {
  const auto embedder = Load();
  ASSERT_NE(embedder, nullptr);
  const ReferenceText& cut = references_.back();  // 256 tokens: the reference cut it, and put [SEP] last
  ASSERT_EQ(cut.ids.size(), 256u);
  std::vector<TokenId> whole(cut.ids.begin(), cut.ids.end() - 1);
  for (int i = 0; i < 300; ++i) whole.push_back(cut.ids[1 + static_cast<size_t>(i) % 15]);
  whole.push_back(102);
  const Texts texts = {whole};
  Embeddings out;
  ASSERT_TRUE(embedder->Embed(texts, {.dimensions = 0, .truncate = true}, out));
  ASSERT_TRUE(out.items[0]) << out.items[0].error().ToString();
  EXPECT_GE(Cosine(out.vector(0), cut.vector), 0.9999);
}

TEST_F(EmbedderTest, DimensionsThatTheModelLacksAreRefused) {
  const auto plain = Load();
  ASSERT_NE(plain, nullptr);
  Embeddings out;
  const Texts texts = {references_[0].ids};
  EXPECT_EQ(plain->Embed(texts, {.dimensions = 128, .truncate = false}, out).error().code, ErrorCode::kInvalidArgument);

  const auto path = PrepareModelFile(*entry_, WeightType::kF32, WEIR_TEST_MODELS);
  ASSERT_TRUE(path);
  EmbedderOptions options;
  options.threads = 1;
  options.dimensions_allowed = {64};
  const auto nested = LoadEmbedder(*path, options);
  ASSERT_TRUE(nested) << nested.error().ToString();
  ASSERT_TRUE((*nested)->Embed(texts, {.dimensions = 64, .truncate = false}, out));
  ASSERT_EQ(out.vector(0).size(), 64u);
  double square = 0;
  for (float value : out.vector(0)) square += static_cast<double>(value) * static_cast<double>(value);
  EXPECT_NEAR(square, 1, 1e-5);
  EXPECT_GE(Cosine(out.vector(0), std::span(references_[0].vector).first(64)), 0.9999);
  options.dimensions_allowed = {385};
  EXPECT_EQ(LoadEmbedder(*path, options).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EmbedderTest, CallsFromManyThreadsGetTheirOwnVectors) {
  const auto embedder = Load(WeightType::kF32, 2);
  ASSERT_NE(embedder, nullptr);
  std::vector<std::thread> callers;
  std::vector<double> least(4, 1);
  for (size_t caller = 0; caller < least.size(); ++caller) {
    callers.emplace_back([&, caller] {
      Embeddings out;
      for (size_t round = 0; round < 3; ++round) {
        Texts texts;
        std::vector<size_t> chosen;
        for (size_t i = caller; i < 20; i += 1 + caller + round) {
          texts.emplace_back(references_[i].ids);
          chosen.push_back(i);
        }
        if (!embedder->Embed(texts, {}, out)) least[caller] = -1;
        for (size_t i = 0; i < chosen.size(); ++i) {
          least[caller] = std::min(least[caller], Cosine(out.vector(i), references_[chosen[i]].vector));
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (double cosine : least) EXPECT_GE(cosine, 0.9999);
}

}  // namespace
}  // namespace weir
