#include "weir/reuse/span_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "span_finder.h"
#include "weir/base/check.h"

namespace weir {

using internal::Fingerprint;
using internal::ForEachFingerprint;
using internal::MeteredAllocator;
using internal::Posting;
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
        table_(meter_),
        documents_(MeteredAllocator<std::span<const TokenId>>(meter_)),
        shape_(WinnowingShape::For(options.tokens_min)),
        tokens_min_(options.tokens_min) {
    meter_.Adopt(this);
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Status Add(DocumentId document, std::span<const TokenId> tokens);
  bool Remove(DocumentId document);
  // Throws std::bad_alloc.
  void Find(SpanFinder& finder, std::span<const TokenId> tokens) const;

  std::span<const std::span<const TokenId>> documents() const { return documents_; }
  uint32_t count() const { return count_; }
  uint32_t tokens_min() const { return tokens_min_; }
  uint64_t bytes() const { return meter_.bytes(); }
  void CheckInvariants() const;

 private:
  using Documents = std::vector<std::span<const TokenId>, MeteredAllocator<std::span<const TokenId>>>;

  bool Holds(DocumentId document) const { return document < documents_.size() && documents_[document].data() != nullptr; }
  void RemovePostings(DocumentId document, std::span<const TokenId> tokens) noexcept;
  void ShrinkDocuments() noexcept;

  internal::MemoryMeter meter_;
  internal::PostingTable table_;
  Documents documents_;  // a null pointer: not here
  WinnowingShape shape_;
  uint32_t tokens_min_;
  uint32_t count_ = 0;
};

Status SpanIndex::Core::Add(DocumentId document, std::span<const TokenId> tokens) {
  static constexpr TokenId kNothing = 0;
  if (document >= kDocumentsMax) {
    return InvalidArgument(fmt::format("document {} is not below {}", document, kDocumentsMax), "use small, dense ids");
  }
  if (tokens.size() > INT32_MAX) return InvalidArgument(fmt::format("a document of {} tokens", tokens.size()));
  if (Holds(document))
    return Error{ErrorCode::kAlreadyExists, fmt::format("document {} is in the span index", document), ""};
  try {
    if (document >= documents_.size()) documents_.resize(size_t{document} + 1);
    ForEachFingerprint(tokens, shape_, [&](Fingerprint print) { table_.Add(print.hash, {document, print.position}); });
  } catch (const std::bad_alloc&) {
    RemovePostings(document, tokens);
    ShrinkDocuments();
    return Refused();
  }
  documents_[document] = tokens.empty() ? std::span(&kNothing, 0) : tokens;
  ++count_;
  return {};
}

void SpanIndex::Core::RemovePostings(DocumentId document, std::span<const TokenId> tokens) noexcept {
  ForEachFingerprint(tokens, shape_, [&](Fingerprint print) { table_.RemoveDocument(print.hash, document); });
}

void SpanIndex::Core::ShrinkDocuments() noexcept {
  while (!documents_.empty() && documents_.back().data() == nullptr) documents_.pop_back();
  if (documents_.size() * 4 > documents_.capacity()) return;
  try {
    Documents exact(documents_.begin(), documents_.end(), documents_.get_allocator());
    documents_.swap(exact);
  } catch (const std::bad_alloc&) {  // the larger one stays
  }
}

bool SpanIndex::Core::Remove(DocumentId document) {
  if (!Holds(document)) return false;
  RemovePostings(document, documents_[document]);
  documents_[document] = {};
  --count_;
  ShrinkDocuments();
  return true;
}

void SpanIndex::Core::Find(SpanFinder& finder, std::span<const TokenId> tokens) const {
  // Slots are asked for some fingerprints ahead: the table is larger than the caches.
  constexpr size_t kAhead = 8;
  Fingerprint waiting[kAhead];
  size_t arrived = 0;
  finder.Begin(tokens, documents_);
  const auto look_up = [&](Fingerprint print) { finder.Hit(print.position, table_.Find(print.hash)); };
  ForEachFingerprint(tokens, shape_, [&](Fingerprint print) {
    table_.Prefetch(print.hash);
    Fingerprint& place = waiting[arrived++ % kAhead];
    if (arrived > kAhead) look_up(place);
    place = print;
  });
  for (size_t i = arrived > kAhead ? arrived - kAhead : 0; i < arrived; ++i) look_up(waiting[i % kAhead]);
}

void SpanIndex::Core::CheckInvariants() const {
  uint64_t expected = 0;
  uint32_t held = 0;
  for (DocumentId document = 0; document < documents_.size(); ++document) {
    held += Holds(document) ? 1 : 0;
    ForEachFingerprint(documents_[document], shape_, [&](Fingerprint print) {
      const std::span<const Posting> places = table_.Find(print.hash);
      WEIR_CHECK(
          std::any_of(places.begin(), places.end(),
                      [&](const Posting& place) { return place.document == document && place.position == print.position; }),
          "document {} has no posting for position {}", document, print.position);
      ++expected;
    });
  }
  WEIR_CHECK(held == count_, "{} documents, counted {}", held, count_);
  uint64_t postings = 0;
  table_.ForEach([&](uint32_t hash, std::span<const Posting> places) {
    postings += places.size();
    std::vector<uint32_t> order;
    for (size_t at = 0; at < places.size(); at = internal::EndOfDocument(places, at)) order.push_back(places[at].document);
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
    core_->Find(finder, tokens);
    finder.Finish(0, false, matches);
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
      index.core_->Find(finder, documents[document]);
      finder.Finish(document, true, all.matches);
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
