// Vectors of contexts: whole ones and one for each segment, from the embedding model.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "core.h"
#include "weir/embed/long_text.h"

namespace weir::registry {
namespace {

// Vectors of more segments would be larger than what they are of; the whole has one all the same.
constexpr size_t kSegmentVectorsMax = 4096;
// The same for what is kept and what is asked: a text has the same vector on both sides.
EmbedCall CallFor(const RegistryOptions& options) {
  return {.input = EmbedInput::kPassage, .owner = options.embedding_owner};
}

std::string_view TextOf(std::string_view text, const Segment& segment) {
  return text.substr(segment.bytes.begin, segment.bytes.size());
}

// Of a segment that `known` has at the same place with the same text; empty: it has not.
std::span<const float> KnownVector(const ContextView* known, std::span<const Segment> known_segments, size_t index,
                                   std::string_view text) {
  if (index >= known_segments.size() || TextOf(known->text(), known_segments[index]) != text) return {};
  return known->SegmentVector(index);
}

}  // namespace

ContextVectors Core::VectorsOf(std::string_view text, std::vector<Segment> segments, const ContextView* known) const {
  ContextVectors vectors;
  // What is wrong with them is said by whoever tokenizes them.
  if (!CheckSegments(segments, text.size())) return vectors;
  const bool has_rows = segments.size() <= kSegmentVectorsMax;
  const size_t dimensions = options_.vector_dimensions;
  std::vector<Segment> known_segments;
  if (known != nullptr && known->vector_fingerprint() == options_.vector_fingerprint) known_segments = known->Segments();
  std::vector<float> rows(has_rows ? segments.size() * dimensions : 0);
  std::vector<std::string_view> texts = {text};
  std::vector<size_t> places;  // of texts[1...] among the segments
  for (size_t i = 0; has_rows && i < segments.size(); ++i) {
    const std::string_view own = TextOf(text, segments[i]);
    if (own.empty()) continue;
    const std::span<const float> row = KnownVector(known, known_segments, i, own);
    if (row.size() == dimensions) {
      std::ranges::copy(row, rows.begin() + static_cast<ptrdiff_t>(i * dimensions));
    } else {
      texts.push_back(own);
      places.push_back(i);
    }
  }
  Result<LongTextAnswer> answer = EmbedLongTexts(*options_.embeddings, options_.embedding_model, texts, CallFor(options_));
  const Status whole = answer ? answer->items[0].status : Status(answer.error());
  if (!whole) {
    vectors.note = whole.error().ToString();
    vectors.is_final = whole.error().code == ErrorCode::kInvalidArgument;
    return vectors;
  }
  vectors.whole.assign(answer->vector(0).begin(), answer->vector(0).end());
  // A segment without one, such as white space alone, keeps its row of zeros.
  for (size_t i = 0; i < places.size(); ++i) {
    if (!answer->items[i + 1].status) continue;
    std::ranges::copy(answer->vector(i + 1), rows.begin() + static_cast<ptrdiff_t>(places[i] * dimensions));
  }
  vectors.segments = std::move(rows);
  vectors.fingerprint = options_.vector_fingerprint;
  return vectors;
}

ContextVectors Core::VectorsFor(const ContextInput& input, const AgentPtr& before) {
  if (before != nullptr && before->has_vector) {
    if (const Pin pin = HoldWarm(*before)) {
      const ContextView view = pin.resource<Body>().view();
      return VectorsOf(input.text, input.segments, &view);
    }
  }
  return VectorsOf(input.text, input.segments);
}

void Core::CountVectors(const ContextVectors& vectors) {
  if (!Embeds()) return;
  (vectors.whole.empty() ? counters_.embed_failures : counters_.embedded).fetch_add(1, std::memory_order_relaxed);
}

Result<std::vector<float>> Core::VectorOf(std::string_view text) const {
  if (!Embeds()) return Unsupported("there is no embedding model", "open the registry with one");
  WEIR_ASSIGN(const LongTextAnswer answer,
              EmbedLongTexts(*options_.embeddings, options_.embedding_model, {&text, 1}, CallFor(options_)));
  WEIR_TRY(answer.items[0].status);
  return std::vector<float>(answer.vectors);
}

Result<bool> Core::EmbedAgain(const AgentPtr& seen, EmbeddedContexts& done) {
  ContextInput input;
  {
    const Result<Pin> pin = Hold(seen);
    if (!pin && pin.error().code == ErrorCode::kNotFound) return false;
    if (!pin) return pin.error();
    const ContextView view = pin->resource<Body>().view();
    WEIR_ASSIGN(input, InputLike(*seen, view));
    input.text = view.text();
  }
  const ContextVectors vectors = VectorsFor(input, nullptr);
  if (vectors.whole.empty()) {
    if (vectors.is_final) seen->vector_refused.store(true, std::memory_order_relaxed);
    ++done.failed;
    counters_.embed_failures.fetch_add(1, std::memory_order_relaxed);
    if (done.note.empty()) done.note = fmt::format("agent '{}': {}", seen->terms.agent, vectors.note);
    return true;
  }
  const std::lock_guard stripe(StripeOf(seen->terms.agent));
  if (directory_.Find(seen->terms.agent) != seen || IsExpired(*seen, NowMs())) return false;
  // It may have been pinned meanwhile, in place.
  input.pinned = seen->pinned.load(std::memory_order_relaxed);
  WEIR_TRY(CheckEmergency());
  WEIR_TRY(Change(input, vectors, seen, Age::kAsBefore));
  ++done.embedded;
  return true;
}

Result<EmbeddedContexts> Core::EmbedMissing() {
  if (!Embeds()) return Unsupported("there is no embedding model", "open the registry with one");
  EmbeddedContexts done;
  for (const AgentPtr& state : directory_.Snapshot()) {
    if (!state->has_vector && !IsExpired(*state, NowMs())) WEIR_TRY(EmbedAgain(state, done));
  }
  return done;
}

uint64_t Core::EmbedSome(Duration time) {
  if (!Embeds() || !awaits_vectors_.exchange(false, std::memory_order_acq_rel)) return 0;
  const auto end = std::chrono::steady_clock::now() + time;
  EmbeddedContexts done;
  for (const AgentPtr& state : directory_.Snapshot()) {
    if (state->has_vector || state->vector_refused.load(std::memory_order_relaxed) || IsExpired(*state, NowMs())) continue;
    const bool is_over = std::chrono::steady_clock::now() >= end;
    const uint64_t failed = done.failed;
    const bool is_done = !is_over && EmbedAgain(state, done).has_value();
    const bool has_failed = done.failed > failed && !state->vector_refused.load(std::memory_order_relaxed);
    if (is_done && !has_failed) continue;
    // Time is up, or the model, the store or memory failed in a way that may pass: a later round goes on. What only this
    // context meets holds up no other.
    awaits_vectors_.store(true, std::memory_order_release);
    if (is_over || has_failed) break;
  }
  return done.embedded;
}

Result<SimilarReport> Core::FindSimilarMeaning(std::string_view text, const SimilarOptions& options) {
  SimilarReport report;
  report.by_vector = true;
  if (options_.vector_dimensions == 0 || !Embeds()) {
    report.note = "disabled: there is no embedding model";
    return report;
  }
  WEIR_ASSIGN(const std::vector<float> vector, VectorOf(text));
  return FindSimilarVector(vector, options);
}

void Core::NameNearestSegments(std::span<const float> vector, SimilarReport& report) {
  for (SimilarContext& result : report.results) {
    const AgentPtr state = directory_.Find(result.agent);
    if (state == nullptr || state->terms.revision != result.revision) continue;
    const Pin pin = HoldWarm(*state);
    if (!pin) continue;
    const ContextView view = pin.resource<Body>().view();
    std::optional<NearestSegment> nearest;
    const std::vector<Segment> segments = view.Segments();
    for (size_t i = 0; i < segments.size(); ++i) {
      const std::span<const float> row = view.SegmentVector(i);
      if (row.size() != vector.size()) continue;
      const float similarity = Cosine(vector, row);
      if (!nearest || similarity > nearest->similarity) nearest = {static_cast<uint32_t>(i), segments[i].name, similarity};
    }
    result.nearest_segment = std::move(nearest);
  }
}

}  // namespace weir::registry
