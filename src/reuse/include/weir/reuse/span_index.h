#pragma once
// SpanIndex: every maximal common run of at least `tokens_min` tokens, at any offset, between documents.
//
// A span {a_begin, b_begin, length} says that the two documents have the same `length` tokens there and differ, or end,
// on both sides. Nothing is missed: fingerprints of k tokens are selected by winnowing (Schleimer, Wilkerson and Aiken,
// "Winnowing: Local Algorithms for Document Fingerprinting", 2003) with a window of tokens_min - k + 1, so each common run
// holds a fingerprint that both documents select; each hit is then compared and extended token by token, so nothing is
// reported that is not so.
//
// Kinds are kept apart: a run that starts at token 0 of both is their common prefix ("exact") and is given as
// prefix_tokens; spans are "moved". Tokens of the common prefix are in neither of the two token counts.
//
// Limits are never silent: a pair beyond one of the limits of SpanFindOptions has `truncated` set. Its spans are then some
// of all (each still true and maximal), and its token counts are lower bounds, near the truth. Repetitive text needs this:
// two texts of n equal tokens have 2n - 1 maximal runs.
//
// Thread rule: any member from any thread. Find, documents and bytes never wait for a writer, whatever it does (growth
// included); Add and Remove take turns, and CheckInvariants with them. Find answers for exactly the documents that were here
// when it began and still are when it ends. Remove returns when nobody looks at the document any more: it waits for
// the Finds that run, and must not be called from inside one. Moving or destroying the index needs it to itself.
// Memory: about 3 bytes a token (repetitive text: up to 12), bounded by bytes_max; bytes() is exactly what the allocator
// handed out. What Finds that run may still look at is freed when they have ended, and counts until then (8 MiB at most,
// but for one table that was replaced as a whole). What a query gathers is bounded by spans_max and pairs_max.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// Chosen by the caller, best small and dense: an id costs 24 bytes up to the largest in use.
using DocumentId = uint32_t;
inline constexpr DocumentId kDocumentsMax = 1u << 24;

struct SpanOptions {
  uint32_t tokens_min = 32;  // 8 to 1,024
  uint64_t bytes_max = UINT64_MAX;

  Status Validate() const;
};

struct SpanFindOptions {
  bool prefix_as_span = false;                       // report the common prefix as a span like any other instead
  uint32_t spans_per_pair_max = 4096;                // spans
  uint32_t candidates_per_pair_max = 1u << 18;       // places looked at
  uint32_t repetition_max = 16;                      // sum of the span lengths of a pair over its tokens
  uint64_t spans_max = 1u << 22;                     // over all pairs; 12 bytes each
  uint64_t pairs_max = 1u << 22;                     // 40 bytes each
  std::optional<DocumentId> exclude = std::nullopt;  // a document not to look at; Find only
  // Find only: so many tokens from the start are what every document that matters has in common with the query, so that
  // only runs that reach beyond them are looked for. Of documents with a shorter common prefix some runs may be missing.
  uint32_t prefix_known = 0;
};

struct CommonSpan {
  uint32_t a_begin = 0;
  uint32_t b_begin = 0;
  uint32_t length = 0;
  friend bool operator==(const CommonSpan&, const CommonSpan&) = default;
  friend bool operator<(const CommonSpan& x, const CommonSpan& y) {
    return std::tie(x.a_begin, x.b_begin, x.length) < std::tie(y.a_begin, y.b_begin, y.length);
  }
};

struct SpanPair {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t prefix_tokens = 0;  // equal tokens from the start, whatever their number
  uint32_t a_tokens = 0;       // tokens of a that some span covers, each once, without those of the common prefix
  uint32_t b_tokens = 0;       // the same of b
  uint32_t span_count = 0;
  uint64_t first_span = 0;  // in SpanMatches::spans
  bool truncated = false;
};

struct SpanMatches {
  // Pairs with a span, or with a common prefix of at least tokens_min; ascending by (a, b).
  std::vector<SpanPair> pairs;
  std::vector<CommonSpan> spans;  // those of a pair together, ascending
  uint64_t candidates = 0;        // places looked at
  uint64_t pairs_truncated = 0;
  uint64_t pairs_dropped = 0;  // pairs beyond pairs_max, not listed at all
  bool truncated() const { return pairs_truncated > 0 || pairs_dropped > 0; }

  std::span<const CommonSpan> SpansOf(const SpanPair& pair) const {
    return std::span(spans).subspan(pair.first_span, pair.span_count);
  }
};

class SpanIndex {
 public:
  // REQUIRES: options.Validate().
  explicit SpanIndex(const SpanOptions& options = {});
  SpanIndex(SpanIndex&&) noexcept;
  SpanIndex& operator=(SpanIndex&&) noexcept;
  ~SpanIndex();

  // The tokens are borrowed: they must stay as they are until Remove returns or the index is gone.
  // already_exists; exhausted: bytes_max or the machine's memory; invalid_argument: the id is not below kDocumentsMax, or
  // 2^31 tokens or more. All or nothing.
  Status Add(DocumentId document, std::span<const TokenId> tokens);
  // False when it is not here. Never fails for want of memory.
  bool Remove(DocumentId document);

  // The spans that `tokens` (a) shares with each document (b). SpanPair::a is 0. exhausted: memory.
  Result<SpanMatches> Find(std::span<const TokenId> tokens, const SpanFindOptions& options = {}) const;

  uint32_t documents() const;
  uint64_t bytes() const;
  // Stops the process when a rule of the structure does not hold. Linear in the index; for tests.
  void CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;

  friend Result<struct AllSpans> AllCommonSpans(std::span<const std::span<const TokenId>> documents,
                                                const SpanOptions& options, const SpanFindOptions& find);
};

struct AllSpans {
  // a < b are places in `documents`; of documents with the same tokens only the first takes part.
  SpanMatches matches;
  std::vector<uint32_t> same_as;  // for each document the first one with the same tokens (itself, if it is the first)
};

// Every pair of documents. Errors as of Add and Find.
Result<AllSpans> AllCommonSpans(std::span<const std::span<const TokenId>> documents, const SpanOptions& options = {},
                                const SpanFindOptions& find = {});

}  // namespace weir
