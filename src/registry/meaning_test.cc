// Vectors of contexts from an embedding model: made, stored, found by, refused, replaced and removed.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fake_embedder.h"
#include "registry_cases.h"
#include "weir/embed/long_text.h"
#include "weir/registry/registry.h"

namespace weir {
namespace {

using testing::FakeModel;
using testing::ModelOf;
using testing::RegistryCase;
using testing::TextInput;
using testing::Words;

constexpr SimilarOptions kByMeaning{.by = SimilarBy::kMeaning, .threshold = 0};

ContextInput InParts(std::string agent, const std::vector<std::string>& parts) {
  ContextInput input;
  input.agent = std::move(agent);
  for (const std::string& part : parts) {
    Segment segment;
    segment.name = "part " + std::to_string(input.segments.size());
    segment.bytes = {static_cast<uint32_t>(input.text.size()), static_cast<uint32_t>(input.text.size() + part.size())};
    input.text += part;
    input.segments.push_back(std::move(segment));
  }
  return input;
}

class Meaning : public ::testing::Test {
 protected:
  Meaning() {
    Result<std::unique_ptr<EmbedCache>> made = EmbedCache::Create({});
    EXPECT_TRUE(made);
    cache_ = *std::move(made);
    EXPECT_TRUE(cache_->AddModel(ModelOf(fake_)));
    EmbedModel other = ModelOf(fake_, "other-model", "other");
    other.aliases.clear();
    EXPECT_TRUE(cache_->AddModel(std::move(other)));
    UseModel("fake-model");
  }

  void UseModel(const std::string& name) {
    case_.options.embeddings = name.empty() ? nullptr : cache_.get();
    case_.options.embedding_model = name;
  }
  Registry& Open() { return case_.Open(); }
  // Of a registry that may only look at the vectors that are there.
  void WithoutModel() {
    case_.options.vector_dimensions = fake_.dimensions;
    case_.options.vector_fingerprint = LongTextFingerprint(*cache_->Describe("fake-model"));
    UseModel("");
  }
  std::vector<float> VectorOf(std::string_view text) {
    const auto answer = EmbedLongTexts(*cache_, "fake-model", {&text, 1});
    EXPECT_TRUE(answer && answer->items[0].status);
    return answer->vectors;
  }

  FakeModel fake_;
  std::unique_ptr<EmbedCache> cache_;
  RegistryCase case_;
};

TEST_F(Meaning, AContextHasAVectorOfItsTextAndOfEachSegment) {
  Registry& registry = Open();
  const auto answer = registry.Register(InParts("a", {"first part. ", "   ", Words(1, 400)}));
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_TRUE(answer->has_vector);
  EXPECT_EQ(answer->vector_note, "");
  const auto held = registry.Get("a");
  ASSERT_TRUE(held);
  const ContextView& view = **held;
  EXPECT_EQ(std::vector<float>(view.vector().begin(), view.vector().end()), VectorOf(view.text()));
  const auto first = view.SegmentVector(0);
  EXPECT_EQ(std::vector<float>(first.begin(), first.end()), VectorOf("first part. "));
  EXPECT_TRUE(view.SegmentVector(1).empty());  // white space has no meaning
  EXPECT_EQ(view.SegmentVector(2).size(), 8u);
  EXPECT_TRUE(view.SegmentVector(3).empty());
  EXPECT_EQ(registry.stats().vectors, 1u);
  EXPECT_EQ(registry.stats().embedded, 1u);
  EXPECT_GT(registry.stats().vector_index_bytes, 0u);
  registry.CheckInvariants();
}

TEST_F(Meaning, ATextFindsItsContextAndTheSegment) {
  Registry& registry = Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(registry.Register(InParts("agent " + std::to_string(i), {Words(i, 50), Words(i + 100, 60)})));
  }
  const auto whole = registry.FindSimilar(Words(7, 50) + Words(107, 60), kByMeaning);
  ASSERT_TRUE(whole) << whole.error().ToString();
  EXPECT_TRUE(whole->by_vector);
  ASSERT_FALSE(whole->results.empty());
  EXPECT_EQ(whole->results[0].agent, "agent 7");
  EXPECT_NEAR(whole->results[0].similarity, 1, 1e-6);
  EXPECT_FALSE(whole->results[0].equal_blocks);
  ASSERT_TRUE(whole->results[0].nearest_segment);

  const auto part = registry.FindSimilar(Words(107, 60), {.by = SimilarBy::kMeaning, .k = 100, .threshold = -1});
  ASSERT_TRUE(part);
  const auto found = std::ranges::find(part->results, "agent 7", &SimilarContext::agent);
  ASSERT_NE(found, part->results.end());
  ASSERT_TRUE(found->nearest_segment);
  EXPECT_EQ(found->nearest_segment->segment, 1u);
  EXPECT_EQ(found->nearest_segment->name, "part 1");
  EXPECT_NEAR(found->nearest_segment->similarity, 1, 1e-6);
  EXPECT_LT(found->similarity, 0.999f);
}

TEST_F(Meaning, AMatchHasSemanticNeighbours) {
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(TextInput("a", "something quite else")));
  const auto report = registry.Match("something quite else");
  ASSERT_TRUE(report);
  ASSERT_EQ(report->results.size(), 1u);
  ASSERT_TRUE(report->results[0].similarity);
  EXPECT_NEAR(*report->results[0].similarity, 1, 1e-6);
  EXPECT_EQ(report->semantic_note, "");
  fake_.poison = '#';
  const auto without = registry.Match("something # else");
  ASSERT_TRUE(without);
  EXPECT_NE(without->semantic_note.find("poison"), std::string::npos) << without->semantic_note;
  MatchOptions options;
  options.find.semantic = false;
  const uint64_t asked = fake_.texts;
  ASSERT_TRUE(registry.Match("nobody embeds this", options));
  EXPECT_EQ(fake_.texts, asked);
}

TEST_F(Meaning, AnAppendEmbedsWhatIsNew) {
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(InParts("a", {Words(1, 60), Words(2, 70), Words(3, 80)})));
  ASSERT_TRUE(cache_->Clear(false));
  const uint64_t before = fake_.texts;
  ASSERT_TRUE(registry.Append("a", {" and one thing more", SegmentKind::kUser}));
  // Three windows of the whole, and the new segment; the vectors of the old ones are in the record.
  EXPECT_EQ(fake_.texts - before, 4u);
  const auto held = registry.Get("a");
  const auto last = (*held)->SegmentVector(3);
  EXPECT_EQ(std::vector<float>(last.begin(), last.end()), VectorOf(" and one thing more"));
  const auto old = (*held)->SegmentVector(1);
  EXPECT_EQ(std::vector<float>(old.begin(), old.end()), VectorOf(Words(2, 70)));
  registry.CheckInvariants();
}

TEST_F(Meaning, AReplacementHasTheNewVectorAlone) {
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(TextInput("a", "before it was replaced")));
  ASSERT_TRUE(registry.Replace(TextInput("a", "afterwards")));
  const auto report = registry.FindSimilar("afterwards", kByMeaning);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->results.size(), 1u);
  EXPECT_NEAR(report->results[0].similarity, 1, 1e-6);
  EXPECT_EQ(registry.stats().vectors, 1u);
  registry.CheckInvariants();
}

TEST_F(Meaning, RemovalGivesAllVectorsBack) {
  Registry& registry = Open();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(registry.Register(TextInput("agent " + std::to_string(i), Words(i, 120))));
  EXPECT_GT(registry.stats().vector_index_bytes, 0u);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(registry.Remove("agent " + std::to_string(i)));
  EXPECT_EQ(registry.stats().vector_index_bytes, 0u);
  EXPECT_EQ(registry.stats().vectors, 0u);
  EXPECT_EQ(registry.stats().held_bytes, 0u);
  registry.CheckInvariants();
}

TEST_F(Meaning, ARestartNeedsNoModel) {
  ASSERT_TRUE(Open().Register(InParts("a", {"one thing", " and another"})));
  ASSERT_TRUE(case_.registry->Register(TextInput("b", "a third")));
  const std::vector<float> vector = VectorOf("a third");
  const uint64_t loads = fake_.loads;
  const uint64_t texts = fake_.texts;
  {
    Registry& registry = Open();
    registry.CheckInvariants();
    EXPECT_EQ(registry.stats().vectors, 2u);
    EXPECT_EQ(fake_.loads, loads);
    EXPECT_EQ(fake_.texts, texts);
  }
  WithoutModel();
  Registry& registry = Open();
  const auto found = registry.FindSimilarVector(vector, {.threshold = 0.99f});
  ASSERT_TRUE(found);
  ASSERT_EQ(found->results.size(), 1u);
  EXPECT_EQ(found->results[0].agent, "b");
  const auto shared = registry.FindShared({}, "a");
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->semantic_note, "");
  EXPECT_EQ(registry.FindSimilar("a third", kByMeaning)->note, "disabled: there is no embedding model");
  EXPECT_EQ(registry.VectorOf("a third").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(registry.EmbedMissing().error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(fake_.texts, texts);
}

TEST_F(Meaning, WhatTheModelDoesNotKnowIsRegisteredAllTheSame) {
  fake_.load_status = Unavailable("the weights are gone");
  Registry& registry = Open();
  const auto answer = registry.Register(TextInput("a", "some text"));
  ASSERT_TRUE(answer) << answer.error().ToString();
  EXPECT_FALSE(answer->has_vector);
  EXPECT_NE(answer->vector_note.find("the weights are gone"), std::string::npos) << answer->vector_note;
  EXPECT_EQ(registry.stats().embed_failures, 1u);
  EXPECT_EQ(registry.stats().vectors, 0u);
  EXPECT_EQ(registry.FindSimilar("some text", kByMeaning).error().code, ErrorCode::kUnavailable);
  registry.CheckInvariants();
  // It comes back.
  fake_.load_status = Status();
  const auto done = registry.EmbedMissing();
  ASSERT_TRUE(done) << done.error().ToString();
  EXPECT_EQ(done->embedded, 1u);
  EXPECT_EQ(registry.FindSimilar("some text", kByMeaning)->results.size(), 1u);
  EXPECT_EQ(registry.EmbedMissing()->embedded, 0u);
  registry.CheckInvariants();
}

TEST_F(Meaning, ASegmentThatFailsCostsNobodyElseItsVector) {
  fake_.tokens_max = 1000;
  fake_.poison = '#';
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(InParts("a", {"good ", "bad # "})));
  EXPECT_EQ(registry.stats().vectors, 0u);  // the whole holds it, too
  EXPECT_EQ(registry.EmbedMissing()->failed, 1u);
  EXPECT_NE(registry.EmbedMissing()->note.find("poison"), std::string::npos);
}

TEST_F(Meaning, VectorsOfAnotherModelDoNotCountUntilTheyAreMadeAgain) {
  ContextInput input = InParts("a", {"one thing", " and another"});
  input.ttl = std::chrono::hours(1);
  ASSERT_TRUE(Open().Register(input));
  const auto expires = case_.registry->List()[0].terms.expires_ms;
  case_.now_ms += 1000;
  UseModel("other-model");
  Registry& registry = Open();
  EXPECT_EQ(registry.stats().set_aside, 0u);
  EXPECT_EQ(registry.stats().vectors, 0u);
  EXPECT_EQ(registry.stats().stale_vectors, 1u);
  const auto none = registry.FindSimilar("one thing and another", kByMeaning);
  ASSERT_TRUE(none) << none.error().ToString();
  EXPECT_TRUE(none->results.empty());
  EXPECT_NE(none->note.find("another model"), std::string::npos) << none->note;
  EXPECT_NE(registry.FindShared({}, "a")->semantic_note.find("another model"), std::string::npos);
  registry.CheckInvariants();

  ASSERT_TRUE(registry.EmbedMissing());
  EXPECT_EQ(registry.stats().stale_vectors, 0u);
  EXPECT_EQ(registry.List()[0].terms.expires_ms, expires);
  EXPECT_EQ(registry.List()[0].terms.revision, 1u);
  EXPECT_EQ(registry.FindSimilar("one thing and another", kByMeaning)->results.size(), 1u);
  registry.CheckInvariants();
  ASSERT_TRUE(Open().Contains("a"));
  EXPECT_EQ(case_.registry->stats().vectors, 1u);
}

TEST_F(Meaning, CallersVectorsAndTheModelsDoNotMix) {
  ContextInput supplied = TextInput("callers", "theirs");
  supplied.vector = std::vector<float>(8, 1);
  UseModel("");
  case_.options.vector_dimensions = 8;
  ASSERT_TRUE(Open().Register(supplied));
  UseModel("fake-model");
  Registry& registry = Open();
  EXPECT_EQ(registry.stats().stale_vectors, 1u);
  supplied.agent = "new";
  EXPECT_EQ(registry.Register(supplied).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(registry.Append("callers", {"more", SegmentKind::kText, "", supplied.vector}).error().code,
            ErrorCode::kInvalidArgument);
  ASSERT_TRUE(registry.Append("callers", {"more"}));
  EXPECT_EQ(registry.stats().stale_vectors, 0u);
  EXPECT_EQ(registry.stats().vectors, 1u);
}

TEST_F(Meaning, RefusedRegistrationsAreNotEmbedded) {
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(TextInput("a", "some text")));
  const uint64_t texts = fake_.texts;
  EXPECT_FALSE(registry.Register(TextInput("a", "another")));
  EXPECT_FALSE(registry.Replace(TextInput("nobody", "another")));
  EXPECT_FALSE(registry.Append("nobody", {"another"}));
  EXPECT_EQ(fake_.texts, texts);
}

TEST_F(Meaning, EmbeddingHoldsNobodyUp) {
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(TextInput("a", "some text")));
  const uint64_t entered = fake_.entered;
  fake_.Close();
  std::thread slow([&] { EXPECT_TRUE(registry.Append("a", {" that grows"})); });
  fake_.WaitUntilEntered(entered + 1);
  // The same agent is read, pinned and removed, and comes back, while its append waits for the model.
  EXPECT_TRUE(registry.SetPinned("a", true));
  EXPECT_TRUE(registry.Get("a"));
  fake_.Open();
  slow.join();
  EXPECT_EQ((*registry.Get("a"))->text(), "some text that grows");
  EXPECT_TRUE(registry.List()[0].terms.pinned);
  registry.CheckInvariants();
}

TEST_F(Meaning, AnAppendThatIsOvertakenIsOfTheLaterText) {
  Registry& registry = Open();
  ASSERT_TRUE(registry.Register(TextInput("a", "some text")));
  ASSERT_TRUE(EmbedLongTexts(*cache_, "fake-model", std::vector<std::string_view>{"quite another"}));
  const uint64_t entered = fake_.entered;
  fake_.Close();
  std::thread slow([&] { EXPECT_TRUE(registry.Append("a", {" that grows"})); });
  fake_.WaitUntilEntered(entered + 1);
  ASSERT_TRUE(registry.Replace(TextInput("a", "quite another")));  // whose vector is known
  fake_.Open();
  slow.join();
  const auto held = registry.Get("a");
  EXPECT_EQ((*held)->text(), "quite another that grows");
  EXPECT_EQ(std::vector<float>((*held)->vector().begin(), (*held)->vector().end()), VectorOf("quite another that grows"));
  registry.CheckInvariants();
}

// Whatever byte of a record with vectors is changed: set aside, or a context that holds together.
TEST_F(Meaning, AChangedRecordIsSetAsideOrHoldsTogether) {
  ASSERT_TRUE(Open().Register(InParts("a", {"one thing", " ", "and another"})));
  case_.registry.reset();
  StoreKey key;
  std::string record;
  ASSERT_TRUE(case_.store->Scan(StoreTable::kContext, [&](const StoreKey& found, std::string_view bytes) -> Status {
    key = found;
    record = bytes;
    return {};
  }));
  ASSERT_EQ(record[0], 2);
  for (size_t at = 0; at < record.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      SCOPED_TRACE("byte " + std::to_string(at) + " ^ " + std::to_string(mask));
      std::string bytes = record;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      StoreBatch batch;
      batch.Put(StoreTable::kContext, key, bytes);
      ASSERT_TRUE(case_.store->Apply(batch));
      Registry& registry = Open();
      registry.CheckInvariants();
      if (registry.stats().set_aside == 1) continue;
      static_cast<void>(registry.FindSimilar("another", kByMeaning));
      static_cast<void>(registry.Append("a", {"more"}));
      registry.CheckInvariants();
    }
  }
}

TEST_F(Meaning, WithoutAModelRecordsAreAsTheyWere) {
  UseModel("");
  ASSERT_TRUE(Open().Register(TextInput("a", "some text")));
  ASSERT_TRUE(case_.store->Scan(StoreTable::kContext, [&](const StoreKey&, std::string_view bytes) -> Status {
    EXPECT_EQ(bytes[0], 1);
    return {};
  }));
}

}  // namespace
}  // namespace weir
