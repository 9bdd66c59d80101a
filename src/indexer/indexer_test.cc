#include "weir/indexer/indexer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "fake_embedder.h"
#include "scratch_tree.h"

namespace weir {
namespace {

using testing::FakeModel;
using testing::ScratchTree;

class Indexer : public ::testing::Test {
 protected:
  Indexer() {
    Reopen();
    options_.root = tree_.root();
    options_.chunk_tokens = 64;
    model_.name = "fake-model";
    model_.tokenizer = std::make_shared<testing::ByteTokenizer>();
    model_.tokens_max = fake_.tokens_max;
  }
  ~Indexer() override { cache_.reset(); }

  // As in the next process: nothing in memory.
  void Reopen() {
    cache_.reset();
    EmbedCacheOptions options;
    options.store = store_.get();
    cache_ = *EmbedCache::Create(std::move(options));
    ASSERT_TRUE(cache_->AddModel(ModelOf(fake_)));
  }

  IndexReport Index() {
    Result<IndexReport> report = IndexTree(*cache_, *store_, model_, options_);
    EXPECT_TRUE(report) << (report ? "" : report.error().ToString());
    if (!report) return {};
    EXPECT_EQ(report->total, report->processed + report->skipped + report->failed);
    EXPECT_EQ(report->skipped, report->unchanged + report->not_text + report->too_large);
    EXPECT_EQ(report->chunks, report->hits + report->computed + report->coalesced);
    return *report;
  }

  // `files` files of three chunks or so each.
  void Fill(int files) {
    for (int i = 0; i < files; ++i) tree_.Write("f" + std::to_string(i) + ".txt", TextOfFile(i));
  }
  static std::string TextOfFile(int file) {
    std::string text;
    for (int part = 0; part < 3; ++part) {
      const std::string name = std::to_string(file) + "-" + std::to_string(part);
      text += "part " + name + " begins here\n  and " + name + " goes on\n\n";
    }
    return text;
  }

  // Long ago, so that times of change can be relied upon.
  void Age() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_.root())) {
      std::filesystem::last_write_time(entry.path(), std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    }
  }

  ScratchTree tree_;
  FakeModel fake_;
  std::unique_ptr<Store> store_ = NewMemoryStore();
  std::unique_ptr<EmbedCache> cache_;
  IndexModel model_;
  IndexOptions options_;
};

TEST_F(Indexer, TheSecondRunComputesNothingAndLoadsNoModel) {
  Fill(20);
  const IndexReport first = Index();
  EXPECT_EQ(first.total, 20u);
  EXPECT_EQ(first.processed, 20u);
  EXPECT_EQ(first.hits, 0u);
  EXPECT_GE(first.computed, 40u);
  EXPECT_EQ(fake_.loads, 1u);

  for (const bool aged : {false, true}) {
    if (aged) Age();
    for (int run = 0; run < 2; ++run) {
      Reopen();
      const IndexReport next = Index();
      EXPECT_EQ(next.unchanged, 20u);
      EXPECT_EQ(next.skipped, 20u);
      EXPECT_EQ(next.hits, first.computed);
      EXPECT_EQ(next.computed, 0u);
      EXPECT_EQ(fake_.loads, 1u);
      EXPECT_EQ(cache_->stats().calls, 0u);
    }
  }
}

TEST_F(Indexer, AfterAnEditOnlyChangedChunksAreComputed) {
  Fill(100);
  const IndexReport first = Index();
  Age();
  Index();
  Reopen();
  std::string text = TextOfFile(42);
  text.replace(text.find("and 42-1 goes"), 3, "but");
  tree_.Write("f42.txt", text);
  const IndexReport edited = Index();
  EXPECT_EQ(edited.processed, 1u);
  EXPECT_EQ(edited.unchanged, 99u);
  EXPECT_EQ(edited.computed, 1u);
  EXPECT_EQ(edited.hits, first.chunks - 1);
}

TEST_F(Indexer, AMovedFileCostsNothing) {
  Fill(3);
  const IndexReport first = Index();
  std::filesystem::create_directory(tree_.root() / "sub");
  std::filesystem::rename(tree_.root() / "f1.txt", tree_.root() / "sub/g.txt");
  const IndexReport next = Index();
  EXPECT_EQ(next.removed, 1u);
  EXPECT_EQ(next.processed, 1u);
  EXPECT_EQ(next.computed, 0u);
  EXPECT_EQ(next.hits, first.chunks);
}

TEST_F(Indexer, EqualChunksAreComputedOnce) {
  tree_.Write("a", TextOfFile(1));
  tree_.Write("b", TextOfFile(1));
  const IndexReport report = Index();
  EXPECT_EQ(report.computed, report.coalesced);
}

TEST_F(Indexer, EqualChunksOfFilesFarApartAreNoHitsOfTheFirstRun) {
  Fill(300);
  tree_.Write("z", TextOfFile(0));
  const IndexReport report = Index();
  EXPECT_EQ(report.hits, 0u);
  EXPECT_GT(report.coalesced, 0u);
}

TEST_F(Indexer, WhatIsGoneOrIgnoredLeavesTheIndex) {
  Fill(4);
  Index();
  std::filesystem::remove(tree_.root() / "f0.txt");
  tree_.Write(".gitignore", "f1.txt\n");
  tree_.Write("f2.txt", std::string("now\0binary", 10));
  const IndexReport next = Index();
  EXPECT_EQ(next.removed, 3u);
  EXPECT_EQ(next.not_text, 1u);
  EXPECT_EQ(next.ignored, 1u);
  EXPECT_EQ(Index().removed, 0u);
}

TEST_F(Indexer, FilesThatAreNoTextOrTooLargeAreSkipped) {
  tree_.Write("binary", std::string("ab\0cd", 5));
  tree_.Write("latin1", "caf\xe9");
  tree_.Write("large", std::string(3000, 'x'));
  tree_.Write("late-nul", std::string(1000, 'x') + "\n" + std::string(500, 'y'));
  tree_.Write("empty", "");
  options_.file_bytes_max = 2000;
  const IndexReport report = Index();
  EXPECT_EQ(report.not_text, 2u);
  EXPECT_EQ(report.too_large, 1u);
  EXPECT_EQ(report.processed, 2u);
  EXPECT_EQ(report.failed, 0u);
}

TEST_F(Indexer, AFileOfWhiteSpaceHasNoChunks) {
  tree_.Write("plain", " \n\t\n");
  tree_.Write("wide", "\u3000\n\u00a0");
  const IndexReport report = Index();
  EXPECT_EQ(report.processed, 2u);
  EXPECT_EQ(report.failed, 0u);
  EXPECT_EQ(report.chunks, 0u);
}

TEST_F(Indexer, AFileThatFailsIsNamedAndDoesNotHarmOthers) {
  Fill(3);
  tree_.Write("bad", "some words ~ more");
  fake_.poison = '~';
  const IndexReport report = Index();
  EXPECT_EQ(report.failed, 1u);
  ASSERT_EQ(report.problems.size(), 1u);
  EXPECT_EQ(report.problems[0].path, "bad");
  EXPECT_EQ(report.processed, 3u);
  fake_.poison = 0;
  const IndexReport again = Index();
  EXPECT_EQ(again.processed, 1u);
  EXPECT_EQ(again.computed, 1u);
}

TEST_F(Indexer, AFileThatFailsKeepsWhatWasRecorded) {
  Fill(2);
  Index();
  tree_.Write("f0.txt", "other ~ words");
  fake_.poison = '~';
  const IndexReport report = Index();
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(report.removed, 0u);
  const Result<SearchAnswer> answer = SearchIndex(*cache_, *store_, model_, "words", {.k = 100});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->files, 2u);
  for (const SearchHit& hit : answer->hits) {
    EXPECT_EQ(hit.state, hit.path == "f0.txt" ? ChunkState::kChanged : ChunkState::kSame);
  }
}

TEST_F(Indexer, AModelThatDoesNotLoadFailsTheRun) {
  Fill(2);
  fake_.load_status = Unavailable("the file is gone");
  const Result<IndexReport> report = IndexTree(*cache_, *store_, model_, options_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kUnavailable);
}

TEST_F(Indexer, VectorsThatWereForgottenAreComputedAgain) {
  Fill(5);
  const IndexReport first = Index();
  ASSERT_TRUE(cache_->Clear(true));
  const IndexReport next = Index();
  EXPECT_EQ(next.processed, 5u);
  EXPECT_EQ(next.computed, first.computed);
}

TEST_F(Indexer, AnotherSizeOfChunksCutsAgain) {
  Fill(5);
  Index();
  options_.chunk_tokens = 40;
  EXPECT_EQ(Index().processed, 5u);
  EXPECT_EQ(Index().processed, 0u);
}

TEST_F(Indexer, ProgressCountsEveryChunkOnce) {
  Fill(20);
  const IndexReport first = Index();
  tree_.Write("more.txt", "one chunk more");
  for (int file = 0; file < 10; ++file) tree_.Write("f" + std::to_string(file) + ".txt", TextOfFile(file) + "and more\n");
  IndexProgress last;
  options_.progress = [&](const IndexProgress& progress) {
    EXPECT_GE(progress.chunks_done, last.chunks_done);
    last = progress;
  };
  const IndexReport next = Index();
  EXPECT_GT(next.hits, first.chunks / 2);
  EXPECT_EQ(last.files_done, next.total);
  EXPECT_EQ(last.chunks_done, next.chunks);
}

TEST_F(Indexer, ARunThatWasCutShortGoesOn) {
  Fill(400);
  options_.progress = [this](const IndexProgress& progress) {
    if (progress.files_done != 300) return;
    fake_.load_status = Unavailable("the disk is gone");
    ASSERT_TRUE(cache_->Unload("fake-model"));
  };
  EXPECT_EQ(IndexTree(*cache_, *store_, model_, options_).error().code, ErrorCode::kUnavailable);
  const uint64_t computed = cache_->stats().computed;
  EXPECT_GT(computed, 0u);
  options_.progress = {};
  fake_.load_status = {};
  Reopen();
  const IndexReport report = Index();
  EXPECT_EQ(report.hits, computed);
  EXPECT_GT(report.computed, 0u);
}

TEST_F(Indexer, DropsTheVectorsOfChunksThatNoFileHas) {
  Fill(20);
  ScratchTree other;
  other.Write("same.txt", TextOfFile(7));
  other.Write("own.txt", "of another tree");
  const IndexReport first = Index();
  IndexOptions second = options_;
  second.root = other.root();
  ASSERT_TRUE(IndexTree(*cache_, *store_, model_, second));
  const std::vector<std::string_view> texts = {"of somebody else"};
  ASSERT_TRUE(cache_->Embed(model_.name, texts));
  EXPECT_EQ(*DropUnindexedVectors(*cache_, *store_), 1u);

  // Its chunks stand in the other tree as well.
  std::filesystem::remove(tree_.root() / "f7.txt");
  tree_.Write("f8.txt", "edited");
  std::filesystem::remove(tree_.root() / "f9.txt");
  const IndexReport edited = Index();
  EXPECT_EQ(edited.removed, 2u);
  EXPECT_EQ(edited.computed, 1u);
  EXPECT_EQ(*DropUnindexedVectors(*cache_, *store_), first.chunks * 2 / 20);
  EXPECT_EQ(*DropUnindexedVectors(*cache_, *store_), 0u);

  for (int run = 0; run < 2; ++run) {
    const IndexReport again = Index();
    EXPECT_EQ(again.hits, again.chunks);
    EXPECT_EQ(again.unchanged, 18u);
    const Result<SearchAnswer> answer = SearchIndex(*cache_, *store_, model_, "words");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->missing, 0u);
    EXPECT_EQ(answer->chunks, again.chunks + first.chunks / 20 + 1);
    Reopen();
  }
  EXPECT_EQ(*DropUnindexedVectors(*cache_, *store_), 1u);  // of the question
  EXPECT_EQ(store_->stats().of(StoreTable::kEmbedding).records, edited.chunks + first.chunks / 20 + 1);
}

TEST_F(Indexer, SearchFindsChunksAndReadsUnchangedFiles) {
  Fill(10);
  Index();
  // The fake gives equal vectors to equal texts alone.
  const std::string wanted = "part 7-1 begins here\n  and 7-1 goes on";
  const Result<SearchAnswer> answer = SearchIndex(*cache_, *store_, model_, wanted, {.k = 3});
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_EQ(answer->files, 10u);
  EXPECT_EQ(answer->missing, 0u);
  EXPECT_EQ(answer->hits.size(), 3u);
  for (const SearchHit& hit : answer->hits) {
    EXPECT_EQ(hit.root, tree_.root().string());
    EXPECT_EQ(hit.state, ChunkState::kSame);
    EXPECT_FALSE(hit.text.empty());
  }
}

TEST_F(Indexer, SearchSaysWhatChangedAndWhatIsGone) {
  tree_.Write("a", "one");
  tree_.Write("b", "two");
  tree_.Write("c", "three");
  Index();
  tree_.Write("a", "oNe");
  std::filesystem::remove(tree_.root() / "b");
  const Result<SearchAnswer> answer = SearchIndex(*cache_, *store_, model_, "words");
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->hits.size(), 3u);
  for (const SearchHit& hit : answer->hits) {
    EXPECT_EQ(hit.state, hit.path == "a" ? ChunkState::kChanged : hit.path == "b" ? ChunkState::kGone : ChunkState::kSame);
    EXPECT_EQ(hit.text, hit.path == "c" ? "three" : "");
  }
}

TEST_F(Indexer, SearchRefusesWhatItCannotAnswer) {
  EXPECT_EQ(SearchIndex(*cache_, *store_, model_, "words").error().code, ErrorCode::kNotFound);
  Fill(1);
  Index();
  EXPECT_EQ(SearchIndex(*cache_, *store_, model_, "  ").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(SearchIndex(*cache_, *store_, model_, "a", {.k = 0}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(SearchIndex(*cache_, *store_, model_, "a", {.threshold = 2}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(SearchIndex(*cache_, *store_, model_, "a", {.root = "/nowhere"}).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(SearchIndex(*cache_, *store_, model_, "a", {.root = tree_.root()}));
  ASSERT_TRUE(cache_->Clear(true));
  const Result<SearchAnswer> forgotten = SearchIndex(*cache_, *store_, model_, "a");
  ASSERT_TRUE(forgotten);
  EXPECT_TRUE(forgotten->hits.empty());
  EXPECT_GT(forgotten->missing, 0u);
}

TEST_F(Indexer, NoTextIsStored) {
  tree_.Write("a", "confidential words");
  Index();
  for (const StoreTable table : kStoreTables) {
    ASSERT_TRUE(store_->Scan(table, [](const StoreKey&, std::string_view bytes) -> Status {
      EXPECT_EQ(bytes.find("confidential"), std::string_view::npos);
      return {};
    }));
  }
}

}  // namespace
}  // namespace weir
