#include "weir/reuse/span_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <numeric>
#include <utility>

#include "limbo.h"
#include "posting_table.h"
#include "span_documents.h"
#include "span_finder.h"
#include "weir/base/check.h"

namespace weir {

using internal::Fingerprint;
using internal::ForEachFingerprint;
using internal::SpanFinder;
using internal::WinnowingShape;

namespace {

Error Refused() { return Exhausted("the span index may not grow", "raise its byte budget or remove documents"); }

}  // namespace

Status SpanOptions::Validate() const {
  if (tokens_min < internal::kTokensMinLeast || tokens_min > internal::kTokensMinMost) {
    return InvalidArgument(fmt::format("least span length {} is not from {} to {}", tokens_min, internal::kTokensMinLeast,
                                       internal::kTokensMinMost));
  }
  return {};
}

class SpanIndex::Core {
 public:
  explicit Core(const SpanOptions& options)
      : meter_(options.bytes_max),
        limbo_(meter_, gate_, FreeBlock, this),
        table_(meter_, limbo_),
        documents_(meter_, limbo_),
        shape_(WinnowingShape::For(options.tokens_min)),
        tokens_min_(options.tokens_min) {
    meter_.Adopt(this);
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Status Add(DocumentId document, std::span<const TokenId> tokens);
  bool Remove(DocumentId document);
  // Appends the pairs. Throws std::bad_alloc.
  void Find(SpanFinder& finder, std::span<const TokenId> tokens, uint32_t id, bool query_is_b, SpanMatches& matches) const;

  uint32_t count() const { return count_.load(std::memory_order_relaxed); }
  uint32_t tokens_min() const { return tokens_min_; }
  uint64_t bytes() const { return meter_.bytes(); }
  void CheckInvariants() const;

 private:
  static bool FreeBlock(void* core, internal::Retired& retired) noexcept {
    static_cast<Core*>(core)->meter_.Free(reinterpret_cast<void*>(retired.what));
    return true;
  }
  void AddPostings(DocumentId document, std::span<const TokenId> tokens);
  void RemovePostings(DocumentId document, std::span<const TokenId> tokens) noexcept;

  internal::MemoryMeter meter_;
  mutable internal::ReaderGate gate_;
  mutable std::mutex changing_;  // guards everything below; readers look at it through the gate
  internal::Limbo limbo_;
  internal::PostingTable table_;
  internal::SpanDocuments documents_;
  const WinnowingShape shape_;
  const uint32_t tokens_min_;
  std::atomic<uint32_t> count_{0};
};

// Throws std::bad_alloc with the document's postings taken back.
void SpanIndex::Core::AddPostings(DocumentId document, std::span<const TokenId> tokens) {
  try {
    documents_.Reserve(document);
    ForEachFingerprint(tokens, shape_, [&](Fingerprint print) { table_.Add(print.hash, {document, print.position}); });
  } catch (const std::bad_alloc&) {
    RemovePostings(document, tokens);
    documents_.Shrink();
    limbo_.Collect();
    throw;
  }
}

Status SpanIndex::Core::Add(DocumentId document, std::span<const TokenId> tokens) {
  if (document >= kDocumentsMax) {
    return InvalidArgument(fmt::format("document {} is not below {}", document, kDocumentsMax), "use small, dense ids");
  }
  if (tokens.size() > INT32_MAX) return InvalidArgument(fmt::format("a document of {} tokens", tokens.size()));
  const std::lock_guard lock(changing_);
  if (documents_.Holds(document)) {
    return Error{ErrorCode::kAlreadyExists, fmt::format("document {} is in the span index", document), ""};
  }
  try {
    AddPostings(document, tokens);
  } catch (const std::bad_alloc&) {
    if (limbo_.IsEmpty()) return Refused();
    limbo_.WaitForAll();  // what readers held back may be what was missing
    try {
      AddPostings(document, tokens);
    } catch (const std::bad_alloc&) {
      return Refused();
    }
  }
  documents_.Set(document, tokens);
  count_.store(count() + 1, std::memory_order_relaxed);
  limbo_.Collect();
  return {};
}

// A text that repeats itself has few hashes with many places each. Once is enough for a hash; to look for the document in
// a long list again and again, where it no longer is, would take the square of the text's length. Without memory to ask for,
// what was done lately is remembered.
void SpanIndex::Core::RemovePostings(DocumentId document, std::span<const TokenId> tokens) noexcept {
  constexpr uint64_t kIsSet = uint64_t{1} << 32;
  std::array<uint64_t, 4096> done{};
  ForEachFingerprint(tokens, shape_, [&](Fingerprint print) {
    uint64_t& last = done[print.hash % done.size()];
    if (std::exchange(last, print.hash | kIsSet) != (print.hash | kIsSet)) table_.RemoveDocument(print.hash, document);
  });
}

bool SpanIndex::Core::Remove(DocumentId document) {
  const std::lock_guard lock(changing_);
  if (!documents_.Holds(document)) return false;
  const std::span<const TokenId> tokens = documents_.Clear(document);
  RemovePostings(document, tokens);
  documents_.Shrink();
  count_.store(count() - 1, std::memory_order_relaxed);
  // The caller may free the tokens now: nobody looks at them any more.
  limbo_.Retire(0, 0, 0);
  limbo_.WaitForAll();
  return true;
}

void SpanIndex::Core::Find(SpanFinder& finder, std::span<const TokenId> tokens, uint32_t id, bool query_is_b,
                           SpanMatches& matches) const {
  // Slots are asked for some fingerprints ahead: the table is larger than the caches.
  constexpr size_t kAhead = 8;
  Fingerprint waiting[kAhead];
  size_t arrived = 0;
  const internal::ReaderGate::Pass pass(gate_);
  finder.Begin(tokens, documents_.Now());
  const auto look_up = [&](Fingerprint print) { finder.Hit(print, table_.Find(print.hash)); };
  ForEachFingerprint(tokens, shape_, [&](Fingerprint print) {
    if (finder.IsKnown(print.position)) return;
    table_.Prefetch(print.hash);
    Fingerprint& place = waiting[arrived++ % kAhead];
    if (arrived > kAhead) look_up(place);
    place = print;
  });
  for (size_t i = arrived > kAhead ? arrived - kAhead : 0; i < arrived; ++i) look_up(waiting[i % kAhead]);
  finder.Finish(id, query_is_b, matches);
}

void SpanIndex::Core::CheckInvariants() const {
  const std::lock_guard lock(changing_);
  uint64_t expected = 0;
  uint32_t held = 0;
  for (DocumentId document = 0; document < documents_.size(); ++document) {
    held += documents_.Holds(document) ? 1 : 0;
    ForEachFingerprint(documents_.Tokens(document), shape_, [&](Fingerprint print) {
      const internal::Places places = table_.Find(print.hash);
      bool found = false;
      for (size_t i = 0; i < places.size() && !found; ++i) {
        found = places[i].document == document && places[i].position == print.position;
      }
      WEIR_CHECK(found, "document {} has no posting for position {}", document, print.position);
      ++expected;
    });
  }
  WEIR_CHECK(held == count(), "{} documents, counted {}", held, count());
  uint64_t postings = 0;
  table_.ForEach([&](uint32_t hash, const internal::Places& places) {
    std::vector<uint32_t> order;
    for (size_t at = 0; at < places.size();) {
      const size_t end = places.EndOfDocument(at);
      if (places[at].document != internal::kDeadDocument) {
        order.push_back(places[at].document);
        postings += end - at;
      }
      at = end;
    }
    std::sort(order.begin(), order.end());
    WEIR_CHECK(std::adjacent_find(order.begin(), order.end()) == order.end(), "hash {} has a document in two places", hash);
  });
  WEIR_CHECK(postings == expected && postings == table_.postings(), "{} postings, counted {}, expected {}", postings,
             table_.postings(), expected);
}

SpanIndex::SpanIndex(const SpanOptions& options) {
  const Status valid = options.Validate();
  WEIR_CHECK(valid.has_value(), "{}", valid.has_value() ? std::string() : valid.error().ToString());
  core_ = std::make_unique<Core>(options);
}
SpanIndex::SpanIndex(SpanIndex&&) noexcept = default;
SpanIndex& SpanIndex::operator=(SpanIndex&&) noexcept = default;
SpanIndex::~SpanIndex() = default;

Status SpanIndex::Add(DocumentId document, std::span<const TokenId> tokens) { return core_->Add(document, tokens); }
bool SpanIndex::Remove(DocumentId document) { return core_->Remove(document); }

Result<SpanMatches> SpanIndex::Find(std::span<const TokenId> tokens, const SpanFindOptions& options) const {
  if (tokens.size() > INT32_MAX) return InvalidArgument(fmt::format("a text of {} tokens", tokens.size()));
  try {
    SpanMatches matches;
    SpanFinder finder(core_->tokens_min(), options);
    core_->Find(finder, tokens, 0, false, matches);
    return matches;
  } catch (const std::bad_alloc&) {
    return Refused();
  }
}

uint32_t SpanIndex::documents() const { return core_->count(); }
uint64_t SpanIndex::bytes() const { return core_->bytes(); }
void SpanIndex::CheckInvariants() const { core_->CheckInvariants(); }

namespace {

uint64_t HashOf(std::span<const TokenId> tokens) {
  uint64_t hash = tokens.size();
  for (const TokenId token : tokens) hash = (hash ^ token) * 0x9e3779b97f4a7c15u + (hash >> 29);
  return hash;
}

// For each document the first one with the same tokens.
std::vector<uint32_t> FirstOfEqual(std::span<const std::span<const TokenId>> documents) {
  std::vector<uint64_t> hashes;
  for (const auto& tokens : documents) hashes.push_back(HashOf(tokens));
  std::vector<uint32_t> order(documents.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t x, uint32_t y) { return std::pair(hashes[x], x) < std::pair(hashes[y], y); });
  std::vector<uint32_t> first(documents.size());
  for (size_t at = 0; at < order.size(); ++at) {
    const uint32_t document = order[at];
    first[document] = document;
    for (size_t back = at; back > 0 && hashes[order[back - 1]] == hashes[document]; --back) {
      const uint32_t other = first[order[back - 1]];
      if (std::ranges::equal(documents[other], documents[document])) {
        first[document] = other;
        break;
      }
    }
  }
  return first;
}

}  // namespace

// Each document asks the index of those before it, then joins it.
Result<AllSpans> AllCommonSpans(std::span<const std::span<const TokenId>> documents, const SpanOptions& options,
                                const SpanFindOptions& find) {
  WEIR_TRY(options.Validate());
  try {
    AllSpans all;
    all.same_as = FirstOfEqual(documents);
    SpanIndex index(options);
    SpanFinder finder(options.tokens_min, find);
    for (uint32_t document = 0; document < documents.size(); ++document) {
      if (all.same_as[document] != document) continue;
      index.core_->Find(finder, documents[document], document, true, all.matches);
      WEIR_TRY(index.Add(document, documents[document]));
    }
    std::sort(all.matches.pairs.begin(), all.matches.pairs.end(),
              [](const SpanPair& x, const SpanPair& y) { return std::pair(x.a, x.b) < std::pair(y.a, y.b); });
    return all;
  } catch (const std::bad_alloc&) {
    return Refused();
  }
}

}  // namespace weir
