#include "span_finder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace weir::internal {
namespace {

constexpr size_t kLongList = 64;      // places
constexpr size_t kPlacesCovered = 4;  // looked at once a document is done

uint64_t TwoTokens(const TokenId* tokens) {
  uint64_t two;
  std::memcpy(&two, tokens, sizeof(two));
  return two;
}

// Tokens in the union of the spans along one side, without those before `from`. REQUIRES: ascending by begin.
template <typename Begin>
uint32_t Covered(std::span<const CommonSpan> spans, uint32_t from, Begin&& begin) {
  uint32_t covered = 0;
  uint32_t end = from;
  for (const CommonSpan& span : spans) {
    const uint32_t start = std::max(end, begin(span));
    const uint32_t stop = begin(span) + span.length;
    if (stop <= start) continue;
    covered += stop - start;
    end = stop;
  }
  return covered;
}

}  // namespace

uint32_t EqualForward(const TokenId* a, const TokenId* b, uint32_t most) {
  uint32_t n = 0;
  for (; n + 8 <= most; n += 8) {
    uint64_t differs = 0;
    for (uint32_t i = 0; i < 8; i += 2) differs |= TwoTokens(a + n + i) ^ TwoTokens(b + n + i);
    if (differs != 0) break;
  }
  while (n < most && a[n] == b[n]) ++n;
  return n;
}

uint32_t EqualBackward(const TokenId* a, const TokenId* b, uint32_t most) {
  uint32_t n = 0;
  while (n < most && *(a - n - 1) == *(b - n - 1)) ++n;
  return n;
}

void SpanFinder::Begin(std::span<const TokenId> query, SpanDocuments::View documents) {
  query_ = query;
  documents_ = documents;
  ++query_number_;
  documents_known_ = documents.size();
  states_.resize(std::max<size_t>(states_.size(), documents_known_ / kPage + 1));
  touched_.clear();
  found_.clear();
  ends_.clear();
  quiet_.clear();
}

uint32_t SpanFinder::KnownEnd(uint32_t document, uint32_t diagonal) const {
  const auto known = ends_.find(uint64_t{document} << 32 | diagonal);
  return known == ends_.end() ? 0 : known->second;
}

SpanFinder::State& SpanFinder::StateOf(uint32_t document) {
  auto& page = states_[document / kPage];
  if (page == nullptr) page = std::make_unique<std::array<State, kPage>>();
  State& state = (*page)[document % kPage];
  if (state.query != query_number_) {
    state = State();
    state.query = query_number_;
    if (options_.exclude == document || documents_.Tokens(document).data() == nullptr) {
      state.done = true;
      state.end = state.document_end = UINT32_MAX;
    }
  }
  return state;
}

void SpanFinder::Hit(Fingerprint print, const Places& places) {
  const uint32_t query_position = print.position;
  const bool is_long = places.size() > kLongList;
  if (is_long) {
    const auto quiet = quiet_.find(print.hash);
    if (quiet != quiet_.end() && query_position < quiet->second) return;
  }
  uint32_t quiet_to = UINT32_MAX;
  for (size_t at = 0; at < places.size();) {
    const Posting place = places[at];
    if (place.position == query_position && query_position < options_.prefix_known) {  // the common prefix
      quiet_to = 0;
      ++at;
      continue;
    }
    if (place.document >= documents_known_) {  // dead, or came after Begin
      at = places.EndOfDocument(at);
      continue;
    }
    State& state = StateOf(place.document);
    if (state.done) {
      const size_t end = places.EndOfDocument(at);
      quiet_to = std::min(quiet_to, Cover(state, query_position, places.Part(at, end - at)));
      at = end;
      continue;
    }
    quiet_to = 0;
    if (state.diagonal != place.position - query_position || query_position >= state.end) {
      Candidate(state, query_position, place);
    }
    ++at;
  }
  if (is_long && quiet_to > query_position) quiet_[print.hash] = quiet_to;
}

CommonSpan SpanFinder::Extend(uint32_t query_position, Posting place) const {
  const std::span<const TokenId> document = documents_.Tokens(place.document);
  if (place.position >= document.size()) return {};  // it is being removed
  const TokenId* const a = query_.data() + query_position;
  const TokenId* const b = document.data() + place.position;
  const auto after = static_cast<uint32_t>(std::min(query_.size() - query_position, document.size() - place.position));
  const uint32_t forward = EqualForward(a, b, after);
  if (forward == 0) return {};
  const uint32_t backward = EqualBackward(a, b, std::min(query_position, place.position));
  if (backward + forward < tokens_min_) return {};
  return {query_position - backward, place.position - backward, backward + forward};
}

void SpanFinder::Candidate(State& state, uint32_t query_position, Posting place) {
  ++candidates_;
  if (++state.candidates > options_.candidates_per_pair_max) {
    state.done = true;
    if (state.end == 0) touched_.push_back(place.document);
    return;
  }
  const uint32_t diagonal = place.position - query_position;
  if (state.several) {
    const uint32_t end = KnownEnd(place.document, diagonal);
    if (query_position < end) {
      state.diagonal = diagonal;
      state.end = end;
      return;
    }
  }
  const CommonSpan span = Extend(query_position, place);
  if (span.length == 0) return;
  if (state.end == 0) touched_.push_back(place.document);
  const bool is_prefix = span.a_begin == 0 && span.b_begin == 0;
  if (!is_prefix || options_.prefix_as_span) {
    const uint64_t tokens = query_.size() + documents_.Tokens(place.document).size();
    if (state.spans == options_.spans_per_pair_max || state.span_tokens > tokens * options_.repetition_max ||
        found_.size() >= options_.spans_max) {
      state.done = true;
      if (found_.size() < options_.spans_max) found_.push_back({place.document, span, false});
      state.end = std::max(state.end, span.a_begin + span.length);
      return;
    }
    found_.push_back({place.document, span});
    ++state.spans;
    state.span_tokens += span.length;
  }
  if (state.end != 0 && !state.several && state.diagonal != diagonal) {
    state.several = true;
    ends_[uint64_t{place.document} << 32 | state.diagonal] = state.end;
  }
  state.diagonal = diagonal;
  state.end = span.a_begin + span.length;
  if (state.several) ends_[uint64_t{place.document} << 32 | diagonal] = state.end;
}

uint32_t SpanFinder::Cover(State& state, uint32_t query_position, const Places& places) {
  const auto look_at = [&](Posting place) {
    if (place.document >= documents_known_) return;  // dead by now
    ++candidates_;
    const CommonSpan span = Extend(query_position, place);
    if (span.length == 0) return;
    if (found_.size() < options_.spans_max) found_.push_back({place.document, span, false});
    state.end = std::max(state.end, span.a_begin + span.length);
    state.document_end = std::max(state.document_end, span.b_begin + span.length);
  };
  if (query_position >= state.end) {
    for (size_t i = 0; i < std::min(places.size(), kPlacesCovered); ++i) look_at(places[i]);
  }
  const uint32_t last = places[places.size() - 1].position;
  if (last >= state.document_end) {
    size_t begin = 0;  // the first place that is not covered is from here on
    for (size_t count = places.size(); count > 0;) {
      const size_t half = count / 2;
      const bool covered = places[begin + half].position < state.document_end;
      begin = covered ? begin + half + 1 : begin;
      count = covered ? count - half - 1 : half;
    }
    look_at(places[begin]);
  }
  return last < state.document_end ? state.end : 0;
}

void SpanFinder::Finish(uint32_t query_id, bool query_is_b, SpanMatches& matches) {
  matches.candidates += std::exchange(candidates_, 0);
  std::sort(touched_.begin(), touched_.end());
  std::sort(found_.begin(), found_.end(), [](const Found& x, const Found& y) {
    return x.document != y.document ? x.document < y.document : x.span < y.span;
  });
  size_t at = 0;
  for (const uint32_t document : touched_) {
    size_t end = at;
    while (end < found_.size() && found_[end].document == document) ++end;
    FinishPair(query_id, document, query_is_b, std::span(found_).subspan(at, end - at), matches);
    at = end;
  }
}

void SpanFinder::FinishPair(uint32_t query_id, uint32_t document, bool query_is_b, std::span<Found> found,
                            SpanMatches& matches) {
  const std::span<const TokenId> tokens = documents_.Tokens(document);
  if (tokens.data() == nullptr) return;  // it was removed meanwhile
  if (matches.pairs.size() >= options_.pairs_max) {
    ++matches.pairs_dropped;
    return;
  }
  SpanPair pair;
  pair.a = query_is_b ? document : query_id;
  pair.b = query_is_b ? query_id : document;
  pair.prefix_tokens =
      EqualForward(query_.data(), tokens.data(), static_cast<uint32_t>(std::min(query_.size(), tokens.size())));
  const uint32_t exact = options_.prefix_as_span ? 0 : pair.prefix_tokens;
  pair.truncated = StateOf(document).done;
  pair.first_span = matches.spans.size();
  scratch_.clear();
  for (const Found& one : found) {
    const CommonSpan span = query_is_b ? CommonSpan{one.span.b_begin, one.span.a_begin, one.span.length} : one.span;
    scratch_.push_back(span);
    if (!one.listed) continue;
    if (matches.spans.size() < options_.spans_max) {
      matches.spans.push_back(span);
    } else {
      pair.truncated = true;
    }
  }
  pair.span_count = static_cast<uint32_t>(matches.spans.size() - pair.first_span);
  std::sort(matches.spans.begin() + static_cast<ptrdiff_t>(pair.first_span), matches.spans.end());
  std::sort(scratch_.begin(), scratch_.end());
  pair.a_tokens = Covered(scratch_, exact, [](const CommonSpan& span) { return span.a_begin; });
  std::sort(scratch_.begin(), scratch_.end(),
            [](const CommonSpan& x, const CommonSpan& y) { return x.b_begin < y.b_begin; });
  pair.b_tokens = Covered(scratch_, exact, [](const CommonSpan& span) { return span.b_begin; });
  matches.pairs_truncated += pair.truncated ? 1 : 0;
  matches.pairs.push_back(pair);
}

}  // namespace weir::internal
