// The embedding cache: what is known is not embedded again, whoever asks, also after a restart.

#include "weir/embed/embed_cache.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <thread>

#include "fake_embedder.h"

namespace weir {
namespace {

using testing::FakeEmbedder;
using testing::FakeModel;
using testing::ModelOf;

class EmbedCacheTest : public ::testing::Test {
 protected:
  EmbedCache& Open() {
    cache_.reset();
    auto created = EmbedCache::Create(options_);
    EXPECT_TRUE(created) << created.error().ToString();
    cache_ = *std::move(created);
    EXPECT_TRUE(cache_->AddModel(ModelOf(fake_)));
    return *cache_;
  }

  EmbedAnswer Embed(std::vector<std::string_view> texts, const EmbedCall& call = {}) {
    auto answer = cache_->Embed("fake-model", texts, call);
    EXPECT_TRUE(answer) << answer.error().ToString();
    return answer ? *std::move(answer) : EmbedAnswer();
  }
  static std::vector<EmbedSource> SourcesOf(const EmbedAnswer& answer) {
    std::vector<EmbedSource> sources;
    for (const EmbedItem& item : answer.items) sources.push_back(item.source);
    return sources;
  }
  static void ExpectVector(const EmbedAnswer& answer, size_t item, std::string_view text) {
    const std::vector<float> expected = FakeEmbedder::VectorOf(text, answer.dimensions);
    EXPECT_TRUE(std::ranges::equal(answer.vector(item), expected)) << text;
  }

  FakeModel fake_;
  EmbedCacheOptions options_;
  std::unique_ptr<EmbedCache> cache_;
};

using enum EmbedSource;

TEST_F(EmbedCacheTest, ComputesOnceAndRemembers) {
  Open();
  const EmbedAnswer first = Embed({"one", "two", "one"});
  EXPECT_EQ(SourcesOf(first), (std::vector{kComputed, kComputed, kCoalesced}));
  EXPECT_EQ(fake_.texts, 2u);
  ExpectVector(first, 0, "one");
  ExpectVector(first, 1, "two");
  ExpectVector(first, 2, "one");
  const EmbedAnswer second = Embed({"two", "one", "three"});
  EXPECT_EQ(SourcesOf(second), (std::vector{kHit, kHit, kComputed}));
  ExpectVector(second, 0, "two");
  EXPECT_EQ(fake_.texts, 3u);
  const EmbedStats stats = cache_->stats();
  EXPECT_EQ(stats.texts, 6u);
  EXPECT_EQ(stats.hits, 2u);
  EXPECT_EQ(stats.computed, 3u);
  EXPECT_EQ(stats.coalesced, 1u);
}

TEST_F(EmbedCacheTest, ABatchThatOnlyHitsNeverLoadsTheModel) {
  options_.store = nullptr;
  const auto store = NewMemoryStore();
  options_.store = store.get();
  Open();
  Embed({"one", "two"});
  EXPECT_EQ(fake_.loads, 1u);
  Open();
  const EmbedAnswer again = Embed({"one", "two"});
  EXPECT_EQ(SourcesOf(again), (std::vector{kStored, kStored}));
  ExpectVector(again, 1, "two");
  EXPECT_EQ(SourcesOf(Embed({"two", "one"})), (std::vector{kHit, kHit}));
  EXPECT_EQ(fake_.loads, 1u);
  ASSERT_TRUE(cache_->Unload("fake-model"));
  EXPECT_EQ(SourcesOf(Embed({"two", "one"})), (std::vector{kHit, kHit}));
  EXPECT_EQ(fake_.loads, 1u);
  cache_.reset();
}

TEST_F(EmbedCacheTest, HalfPrecisionInTheStoreIsNearTheWhole) {
  const auto store = NewMemoryStore();
  options_.store = store.get();
  options_.stored_as = VectorPrecision::kF16;
  Open();
  const EmbedAnswer whole = Embed({"one"});
  Open();
  const EmbedAnswer half = Embed({"one"});
  EXPECT_EQ(half.items[0].source, kStored);
  for (size_t i = 0; i < whole.dimensions; ++i) EXPECT_NEAR(half.vector(0)[i], whole.vector(0)[i], 3e-4);
  cache_.reset();
}

TEST_F(EmbedCacheTest, KeysTellApartWhatMakesOtherVectors) {
  Open();
  Embed({"text"});
  EXPECT_EQ(Embed({"text"}, {.input = EmbedInput::kQuery}).items[0].source, kComputed);
  // The model has no prefix for passages: one and the same.
  EXPECT_EQ(Embed({"text"}, {.input = EmbedInput::kPassage}).items[0].source, kHit);
  const EmbedAnswer small = Embed({"text"}, {.dimensions = 4});
  EXPECT_EQ(small.items[0].source, kComputed);
  EXPECT_EQ(small.dimensions, 4u);
  EXPECT_EQ(Embed({"text"}, {.truncate = true}).items[0].source, kComputed);
  ExpectVector(Embed({"text"}, {.input = EmbedInput::kQuery}), 0, "query: text");
  // Under any of its names.
  const std::vector<std::string_view> texts = {"text"};
  EXPECT_EQ(cache_->Embed("SOME/fake-model", texts)->items[0].source, kHit);
  EXPECT_EQ(*cache_->Resolve("some/fake_model"), "fake-model");
}

TEST_F(EmbedCacheTest, SixtyFourCallersOfOneTextMakeOneModelCall) {
  Open();
  fake_.Close();
  std::vector<std::thread> threads;
  std::atomic<uint32_t> computed{0}, coalesced{0}, hit{0};
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&] {
      const EmbedAnswer answer = Embed({"the same text"});
      computed += answer.items[0].source == kComputed;
      coalesced += answer.items[0].source == kCoalesced;
      hit += answer.items[0].source == kHit;
      ExpectVector(answer, 0, "the same text");
    });
  }
  fake_.WaitUntilEntered(1);
  fake_.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fake_.texts, 1u);
  EXPECT_EQ(fake_.calls, 1u);
  EXPECT_EQ(computed, 1u);
  EXPECT_EQ(computed + coalesced + hit, 64u);
}

TEST_F(EmbedCacheTest, WhatIsMissedWhileTheModelWorksGoesTogether) {
  Open();
  fake_.Close();
  std::vector<std::thread> threads;
  threads.emplace_back([&] { Embed({"first"}); });
  fake_.WaitUntilEntered(1);
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      const std::string text = "text " + std::to_string(i);
      ExpectVector(Embed({text}), 0, text);
    });
  }
  while (cache_->stats().waiting < 21) std::this_thread::yield();
  // Nor does whoever asks after the model wait for it.
  const std::vector<EmbedModelState> models = cache_->Models();
  ASSERT_EQ(models.size(), 1u);
  EXPECT_TRUE(models[0].loaded);
  EXPECT_EQ(models[0].memory_bytes, 1000u);
  fake_.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fake_.calls, 2u);
  EXPECT_EQ(fake_.texts, 21u);
}

TEST_F(EmbedCacheTest, OneBadTextLeavesTheOthersWhole) {
  fake_.poison = '!';
  fake_.nan = '?';
  Open();
  const std::string nul("a\0b", 3);
  const std::string long_text(101, 'x');
  const EmbedAnswer answer =
      Embed({"fine", "", " \t\n", "\xff", "poison!", "what?", long_text, nul, "fine too", "poison!", "\u3000\u00a0 \n"});
  const auto code = [&](size_t item) { return answer.items[item].status.error().code; };
  EXPECT_TRUE(answer.items[0].status);
  EXPECT_EQ(code(1), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(2), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(3), ErrorCode::kInvalidArgument);
  EXPECT_NE(answer.items[3].status.error().message.find("byte 0"), std::string::npos);
  EXPECT_EQ(code(4), ErrorCode::kInternal);
  EXPECT_EQ(code(5), ErrorCode::kInternal);
  EXPECT_EQ(code(6), ErrorCode::kInvalidArgument);
  EXPECT_NE(answer.items[6].status.error().message.find("101 tokens"), std::string::npos);
  EXPECT_TRUE(answer.items[7].status);
  EXPECT_TRUE(answer.items[8].status);
  EXPECT_EQ(code(9), ErrorCode::kInternal);
  EXPECT_EQ(code(10), ErrorCode::kInvalidArgument);
  ExpectVector(answer, 0, "fine");
  ExpectVector(answer, 7, nul);
  ExpectVector(answer, 8, "fine too");
  for (const float value : answer.vector(5)) EXPECT_EQ(value, 0);
  // Nothing of what failed stays.
  fake_.poison = fake_.nan = 0;
  EXPECT_EQ(SourcesOf(Embed({"poison!", "what?"})), (std::vector{kComputed, kComputed}));
  EXPECT_EQ(cache_->stats().failed, 8u);
}

TEST_F(EmbedCacheTest, AModelThatDoesNotLoadFailsWhatIsMissingAlone) {
  Open();
  Embed({"known"});
  ASSERT_TRUE(cache_->Unload("fake-model"));
  EXPECT_EQ(fake_.alive, 0u);
  fake_.load_status = Unavailable("the file is gone");
  const EmbedAnswer answer = Embed({"known", "new"});
  EXPECT_EQ(answer.items[0].source, kHit);
  EXPECT_EQ(answer.items[1].status.error().code, ErrorCode::kUnavailable);
  fake_.load_status = {};
  EXPECT_EQ(Embed({"new"}).items[0].source, kComputed);
  EXPECT_EQ(fake_.alive, 1u);
}

TEST_F(EmbedCacheTest, RefusesCallsThatConcernNoModelOrTooMuch) {
  options_.texts_max = 3;
  Open();
  const std::vector<std::string_view> four = {"a", "b", "c", "d"};
  EXPECT_EQ(cache_->Embed("fake-model", four).error().code, ErrorCode::kInvalidArgument);
  const std::vector<std::string_view> one = {"a"};
  EXPECT_EQ(cache_->Embed("fake", one).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(cache_->Embed("fake-model", one, {.dimensions = 5}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(cache_->AddModel(ModelOf(fake_, "other")).error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(cache_->Embed("fake-model", {})->items.empty());
}

TEST_F(EmbedCacheTest, ClearForgets) {
  const auto store = NewMemoryStore();
  options_.store = store.get();
  Open();
  Embed({"one", "two"});
  EXPECT_EQ(*cache_->Clear(false), 2u);
  EXPECT_EQ(Embed({"one"}).items[0].source, kStored);
  EXPECT_EQ(*cache_->Clear(true), 1u);
  EXPECT_EQ(Embed({"one"}).items[0].source, kComputed);
  cache_.reset();
}

TEST_F(EmbedCacheTest, ForgetsInTheStoreWhatIsNotWanted) {
  const auto store = NewMemoryStore();
  options_.store = store.get();
  Open();
  Embed({"one", "two", "three"});
  const std::vector<std::string_view> texts = {"one", "two", "three"};
  const std::vector<EmbedKey> keys = *cache_->KeysOf("fake-model", texts);
  EXPECT_EQ(*cache_->ForgetStored([&](const EmbedKey& key) { return key != keys[1]; }), 1u);
  EXPECT_EQ(cache_->Find("fake-model", keys)->found, (std::vector{true, false, true}));
  EXPECT_EQ(cache_->Clear(false).value(), 2u);
  EXPECT_EQ(cache_->Find("fake-model", keys)->found, (std::vector{true, false, true}));
  EXPECT_EQ(*cache_->ForgetStored([](const EmbedKey&) { return true; }), 0u);
  cache_.reset();
}

TEST_F(EmbedCacheTest, ForgetsMoreThanOneBatchOfTheStore) {
  const auto store = NewMemoryStore();
  options_.store = store.get();
  Open();
  std::vector<std::string> names;
  for (int i = 0; i < 9000; ++i) names.push_back("text " + std::to_string(i));
  Embed({names.begin(), names.end()});
  EXPECT_EQ(*cache_->ForgetStored([](const EmbedKey&) { return false; }), 9000u);
  EXPECT_EQ(store->stats().of(StoreTable::kEmbedding).records, 0u);
  EXPECT_EQ(cache_->stats().pool.entries, 0u);
  cache_.reset();
}

// A thread that the system refuses: here because no stack is so large.
TEST_F(EmbedCacheTest, AModelWithoutAThreadFailsWhatIsMissingAndNobodyWaits) {
  pthread_attr_t usual;
  pthread_attr_t impossible;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(pthread_attr_init(&impossible), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&impossible, size_t{1} << 50), 0);
  Open();
  ASSERT_EQ(pthread_setattr_default_np(&impossible), 0);
  const EmbedAnswer refused = Embed({"one", "two"});
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  pthread_attr_destroy(&usual);
  pthread_attr_destroy(&impossible);
  ASSERT_EQ(refused.items.size(), 2u);
  for (const EmbedItem& item : refused.items) {
    ASSERT_FALSE(item.status);
    EXPECT_EQ(item.status.error().code, ErrorCode::kUnavailable);
  }
  EXPECT_EQ(cache_->stats().waiting, 0u);
  EXPECT_EQ(SourcesOf(Embed({"one", "two"})), (std::vector{kComputed, kComputed}));
}

TEST_F(EmbedCacheTest, AStoreThatFailsCostsNoAnswer) {
  MemoryStoreOptions little;
  little.bytes_max = 10;
  const auto store = NewMemoryStore(little);
  options_.store = store.get();
  Open();
  EXPECT_EQ(Embed({"one"}).items[0].source, kComputed);
  EXPECT_EQ(Embed({"one"}).items[0].source, kHit);
  Embed({"two"});
  EXPECT_GE(cache_->stats().not_kept, 1u);
  cache_.reset();
}

}  // namespace
}  // namespace weir
