// One look-up in a near index, and the check of its rules.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <tuple>

#include "near_core.h"
#include "weir/base/check.h"

namespace weir {

using internal::kNoOwner;
using internal::kNoText;
using internal::NearBucket;
using internal::NearDocument;
using internal::NearEntry;
using internal::NearTables;
using internal::NearText;
using internal::NearTextId;

namespace {

constexpr uint32_t kTables = NearTables::kTables;

bool IsFarther(const NearHit& x, const NearHit& y) { return x.distance < y.distance; }

}  // namespace

class NearIndex::Core::Search {
 public:
  Search(const Core& core, std::span<const TokenId> block, const NearFindOptions& options, NearMatches& matches)
      : core_(core), block_(block), options_(options), matches_(matches), hash_(NearHash(block)), limit_(options.radius) {
    for (uint32_t table = 0; table < kTables; ++table) {
      radius_[table] = NearTables::RadiusOf(table, options.radius);
    }
  }

  void Run() {
    matches_.hits.clear();
    matches_.holders.clear();
    matches_.tokens.clear();
    matches_.full = false;
    matches_.candidates = 0;
    {
      const internal::ReaderGate::Pass pass(core_.gate_);
      heads_ = &core_.tables_.Now();
      for (uint32_t table = 0; table < kTables && !done_; ++table) ReadTable(table);
    }
    Finish();
  }

 private:
  static constexpr size_t kAhead = 12;  // buckets asked for before the first of them is read

  void ReadTable(uint32_t table) {
    std::array<const NearBucket*, NearTables::kProbesMax> buckets;
    size_t count = 0;
    const uint32_t key = heads_->KeyOf(hash_, table);
    for (int ones = 0; ones <= radius_[table]; ++ones) {
      for (const uint16_t probe : NearTables::Probes(static_cast<uint32_t>(ones), heads_->bits)) {
        const NearBucket* const bucket = heads_->Bucket(table, key ^ probe);
        buckets[count] = bucket;
        count += bucket != nullptr ? 1 : 0;
      }
    }
    const uint64_t usual_size = core_.texts_shown_.load(std::memory_order_relaxed) >> heads_->bits;
    const size_t bytes = sizeof(NearBucket) + std::min<uint64_t>(usual_size, 128) * sizeof(uint32_t) + 48;
    for (size_t i = 0; i < std::min(kAhead, count); ++i) Prefetch(buckets[i], bytes);
    for (size_t i = 0; i < count && !done_; ++i) {
      if (i + kAhead < count) Prefetch(buckets[i + kAhead], bytes);
      ReadBucket(table, buckets[i]);
    }
  }

  static void Prefetch(const NearBucket* bucket, size_t bytes) {
    constexpr size_t kLine = 64;
    for (size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(reinterpret_cast<const char*>(bucket) + at);
  }

  void ReadBucket(uint32_t table, const NearBucket* bucket) {
    const uint32_t excerpt = NearTables::ExcerptOf(hash_, table);
    while (bucket != nullptr && !done_) {
      // Pairs with the release in InsertOne: what is below the size is there.
      const uint32_t size = bucket->size.load(std::memory_order_acquire);
      matches_.candidates += size;
      const uint32_t count = core_.scan_(bucket->excerpts(), size, excerpt, limit_, places_.data());
      for (uint32_t i = 0; i < count && !done_; ++i) {
        const NearTextId text = bucket->texts()[places_[i]].load(std::memory_order_relaxed);
        if (text != kNoText) Consider(table, text);
      }
      bucket = bucket->next.load(std::memory_order_acquire);
    }
  }

  void Consider(uint32_t table, NearTextId id) {
    const NearText& text = core_.texts_[id];
    const uint64_t different = text.hash ^ hash_;
    const auto distance = static_cast<uint32_t>(std::popcount(different));
    if (distance > limit_) return;
    for (uint32_t before = 0; before < table; ++before) {  // found there already, or not here yet when this began
      const uint32_t key = heads_->KeyOf(different, before);
      if (std::popcount(key) <= radius_[before]) return;
    }
    Take(id, text, distance);
  }

  // The owners that count, into `holders`; how many, and whether there are more.
  std::pair<uint32_t, bool> HoldersOf(NearTextId id, const NearText& text, NearHolder* holders) const {
    uint32_t count = 0;
    if (options_.only) {
      const NearOwner owner = *options_.only;
      const NearDocument* const document = core_.documents_.Find(owner);
      // Pairs with the release in AddOrThrow.
      if (document == nullptr || !document->shown.load(std::memory_order_acquire) || owner == options_.exclude) {
        return {0, false};
      }
      const NearEntry* const entry = document->Find(id);
      if (entry != nullptr) holders[count++] = {owner, entry->block};
      return {count, false};
    }
    for (NearOwner owner = text.first_owner.load(std::memory_order_acquire); owner != kNoOwner;) {
      const NearDocument& document = core_.documents_[owner];
      const NearEntry& entry = document.EntryOf(id);
      if (document.shown.load(std::memory_order_relaxed) && owner != options_.exclude) {
        if (count == options_.holders_max) return {count, true};
        holders[count++] = {owner, entry.block};
      }
      owner = entry.next.load(std::memory_order_acquire);
    }
    return {count, false};
  }

  void Take(NearTextId id, const NearText& text, uint32_t distance) {
    std::vector<NearHit>& hits = matches_.hits;
    const size_t slot = hits.size();  // a spare one at the end, kept when the hit is
    matches_.holders.resize((slot + 1) * options_.holders_max);
    matches_.tokens.resize((slot + 1) * block_.size());
    NearHit hit;
    hit.distance = distance;
    hit.first_holder = static_cast<uint32_t>(slot * options_.holders_max);
    hit.first_token = static_cast<uint32_t>(slot * block_.size());
    NearHolder* holders = &matches_.holders[hit.first_holder];
    std::tie(hit.holder_count, hit.more_holders) = HoldersOf(id, text, holders);
    if (hit.holder_count == 0) return;
    const std::span<const TokenId> tokens = core_.TokensOf(core_.documents_[holders->owner].tokens, holders->block);
    for (size_t i = 0; i < tokens.size(); ++i) hit.tokens_differ += tokens[i] != block_[i] ? 1 : 0;
    std::copy(tokens.begin(), tokens.end(), matches_.tokens.begin() + hit.first_token);
    if (hits.size() == options_.hits_max)
      Replace(hit);
    else
      hits.push_back(hit), std::push_heap(hits.begin(), hits.end(), IsFarther);
    if (hits.size() < options_.hits_max) return;
    matches_.full = true;
    done_ = hits.front().distance == 0;
    limit_ = done_ ? 0 : hits.front().distance - 1;
  }

  // The farthest hit makes room; what belongs to the new one moves into its place.
  void Replace(NearHit hit) {
    std::vector<NearHit>& hits = matches_.hits;
    std::pop_heap(hits.begin(), hits.end(), IsFarther);
    const NearHit& old = hits.back();
    std::copy_n(matches_.holders.begin() + hit.first_holder, hit.holder_count, matches_.holders.begin() + old.first_holder);
    std::copy_n(matches_.tokens.begin() + hit.first_token, block_.size(), matches_.tokens.begin() + old.first_token);
    hit.first_holder = old.first_holder;
    hit.first_token = old.first_token;
    hits.back() = hit;
    std::push_heap(hits.begin(), hits.end(), IsFarther);
  }

  void Finish() {
    matches_.query_hash = hash_;
    for (const NearHit& hit : matches_.hits) {
      const auto first = matches_.holders.begin() + hit.first_holder;
      std::sort(first, first + hit.holder_count, [](const NearHolder& x, const NearHolder& y) { return x.owner < y.owner; });
    }
    const auto rank = [&](const NearHit& hit) {
      const NearHolder& holder = matches_.holders[hit.first_holder];
      return std::tuple(hit.distance, hit.tokens_differ, holder.owner, holder.block);
    };
    std::sort(matches_.hits.begin(), matches_.hits.end(),
              [&](const NearHit& x, const NearHit& y) { return rank(x) < rank(y); });
  }

  const Core& core_;
  std::span<const TokenId> block_;
  const NearFindOptions& options_;
  NearMatches& matches_;
  uint64_t hash_;
  const NearTables::Heads* heads_ = nullptr;
  std::array<int, kTables> radius_{};  // of each table's substring; -1: not asked
  uint32_t limit_;                     // farther ones cannot become hits any more
  bool done_ = false;                  // nor can any
  std::array<uint32_t, NearBucket::kCapacityMax + 8> places_;
};

Status NearIndex::Core::Find(std::span<const TokenId> block, const NearFindOptions& options, NearMatches& matches) const {
  WEIR_TRY(options.Validate());
  if (block.size() != block_size_) {
    return InvalidArgument(fmt::format("a block of {} tokens; the near index has blocks of {}", block.size(), block_size_));
  }
  try {
    Search(*this, block, options, matches).Run();
  } catch (const std::bad_alloc&) {
    matches = {};
    return Exhausted("no memory for what is near", "ask for fewer hits or holders");
  }
  return {};
}

void NearIndex::Core::CheckInvariants() const {
  const std::lock_guard lock(changing_);
  uint64_t texts = 0;
  uint64_t owners_of_texts = 0;
  texts_.ForEach([&](NearTextId id) {
    const NearText& text = texts_[id];
    ++texts;
    owners_of_texts += text.owners;
    WEIR_CHECK(NearHash(TokensOf(id)) == text.hash, "text {}", id);
    WEIR_CHECK(FindText(text.hash, TokensOf(id)) == id, "text {} is here twice", id);
    uint32_t owners = 0;
    NearOwner previous = kNoOwner;
    for (NearOwner owner = text.first_owner.load(std::memory_order_relaxed); owner != kNoOwner; ++owners) {
      const NearEntry* const entry = documents_[owner].Find(id);
      WEIR_CHECK(entry != nullptr && entry->previous == previous, "owner {} of text {}", owner, id);
      WEIR_CHECK(std::ranges::equal(TokensOf(documents_[owner].tokens, entry->block), TokensOf(id)), "text {}", id);
      previous = std::exchange(owner, entry->next.load(std::memory_order_relaxed));
    }
    WEIR_CHECK(owners == text.owners && owners > 0, "text {} has {} owners, not {}", id, owners, text.owners);
  });
  WEIR_CHECK(texts == text_count_, "{} texts, not {}", texts, text_count_);
  uint64_t entries = 0;
  uint64_t documents = 0;
  documents_.ForEach([&](NearOwner owner) {
    const NearDocument& document = documents_[owner];
    WEIR_CHECK(document.shown, "owner {}", owner);
    ++documents;
    entries += document.size;
    for (uint32_t i = 1; i < document.size; ++i) {
      WEIR_CHECK(document.entries[i - 1].text < document.entries[i].text, "owner {} entry {}", owner, i);
    }
  });
  WEIR_CHECK(documents == owner_count_, "{} owners, not {}", documents, owner_count_);
  WEIR_CHECK(entries == entry_count_ && entries == owners_of_texts, "{} entries, not {}", entries, entry_count_);
  const NearTables::Heads& heads = tables_.Now();
  for (uint32_t table = 0; table < kTables; ++table) {
    uint64_t listed = 0;
    for (uint32_t key = 0; key < 1u << heads.bits; ++key) {
      for (const NearBucket* bucket = heads.Bucket(table, key); bucket != nullptr;
           bucket = bucket->next.load(std::memory_order_relaxed)) {
        const uint32_t size = bucket->size.load(std::memory_order_relaxed);
        WEIR_CHECK(bucket->live > 0 && size <= bucket->capacity, "a bucket of {}", size);
        uint32_t live = 0;
        for (uint32_t i = 0; i < size; ++i) {
          const NearTextId text = bucket->texts()[i].load(std::memory_order_relaxed);
          if (text == kNoText) continue;
          ++live;
          const uint64_t hash = texts_[text].hash;
          WEIR_CHECK(heads.KeyOf(hash, table) == key, "text {} in bucket {}", text, key);
          WEIR_CHECK(NearTables::ExcerptOf(hash, table) == bucket->excerpts()[i], "text {}", text);
        }
        WEIR_CHECK(live == bucket->live, "{} live texts, counted {}", live, bucket->live);
        listed += live;
      }
    }
    WEIR_CHECK(listed == texts, "table {} lists {} of {} texts", table, listed, texts);
  }
}

}  // namespace weir
