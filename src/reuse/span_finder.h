#pragma once
// SpanFinder: turns fingerprint hits between one text (the query) and many documents into maximal spans.
//
// Hits come in ascending order of the query. For each document the ends of the spans found so far are kept by diagonal
// (difference of the two positions): a hit that lies on a diagonal before that end is part of a span that is known already.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "posting_table.h"
#include "span_documents.h"
#include "weir/reuse/span_index.h"

namespace weir::internal {

// Equal tokens from the start of both, at most `most`.
uint32_t EqualForward(const TokenId* a, const TokenId* b, uint32_t most);
// Equal tokens that end just before a and b, at most `most`.
uint32_t EqualBackward(const TokenId* a, const TokenId* b, uint32_t most);

// Scratch memory; one query at a time, reusable. May throw std::bad_alloc; then discard it.
class SpanFinder {
 public:
  SpanFinder(uint32_t tokens_min, const SpanFindOptions& options) : tokens_min_(tokens_min), options_(options) {}

  // `documents` as it is now; stays until Finish has returned. Documents that come later are left out.
  void Begin(std::span<const TokenId> query, SpanDocuments::View documents);
  // No run that is looked for needs the fingerprint there.
  bool IsKnown(uint32_t position) const { return position + tokens_min_ <= options_.prefix_known; }
  void Hit(Fingerprint print, const Places& places);
  // Appends the pairs, ascending by document. `query_is_b`: the query is b of the pair and the document a.
  void Finish(uint32_t query_id, bool query_is_b, SpanMatches& matches);

 private:
  struct Found {
    uint32_t document;
    CommonSpan span;     // a is the query
    bool listed = true;  // false: it counts for the covered tokens only
  };
  // What is known of one document in this query.
  struct State {
    uint32_t query = 0;     // the query this belongs to; another: as if new
    uint32_t diagonal = 0;  // of the span found last
    uint32_t end = 0;       // of the span found last, in the query; 0: none
    uint32_t spans = 0;
    uint32_t candidates = 0;
    bool several = false;       // its diagonals are in ends_
    bool done = false;          // a limit was reached; `end` is then that of the span that reaches furthest
    uint32_t document_end = 0;  // end, in the document, of the span that reaches furthest there; kept once done
    uint64_t span_tokens = 0;
  };

  // The state for this query; a document to leave out is done from the start. REQUIRES: document < documents_known_.
  State& StateOf(uint32_t document);
  void Candidate(State& state, uint32_t query_position, Posting place);
  // For a document that is done: looks at a few places only, for what is not covered yet on either side. Returns up to
  // which query position these places need not be looked at again.
  uint32_t Cover(State& state, uint32_t query_position, const Places& places);
  // The maximal run through these positions; shorter than tokens_min: its length is 0.
  CommonSpan Extend(uint32_t query_position, Posting place) const;
  // End of the span known on this diagonal, 0 if there is none.
  uint32_t KnownEnd(uint32_t document, uint32_t diagonal) const;
  void FinishPair(uint32_t query_id, uint32_t document, bool query_is_b, std::span<Found> found, SpanMatches& matches);

  uint32_t tokens_min_;
  SpanFindOptions options_;
  std::span<const TokenId> query_;
  SpanDocuments::View documents_;
  uint32_t query_number_ = 0;
  // By document, in pages that come when one of theirs is touched: a query touches few of very many.
  static constexpr uint32_t kPage = 16;
  std::vector<std::unique_ptr<std::array<State, kPage>>> states_;
  uint32_t documents_known_ = 0;
  std::vector<uint32_t> touched_;  // documents with a span or a prefix
  std::vector<Found> found_;
  std::unordered_map<uint64_t, uint32_t> ends_;  // (document, diagonal) to end, for documents with several diagonals
  // Hashes of long lists of places of which every document is done, and covered up to this position.
  std::unordered_map<uint32_t, uint32_t> quiet_;
  std::vector<CommonSpan> scratch_;
  uint64_t candidates_ = 0;
};

}  // namespace weir::internal
