#include "weir/reuse/near_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

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

constexpr uint32_t kBlockSizeLeast = 2;
constexpr uint32_t kBlockSizeMost = 1024;
constexpr uint64_t kBytesMaxLeast = 4096;
constexpr uint32_t kHitsMost = 65'536;
constexpr uint32_t kHoldersMost = 4096;
constexpr uint32_t kAhead = 16;  // texts whose buckets are fetched before the first of them changes

// Texts in a bucket at which the tables are doubled and halved.
constexpr uint64_t kBucketMost = 16;
constexpr uint64_t kBucketLeast = 4;

Error Refused() { return Exhausted("the near index may not grow", "raise its byte budget or remove owners"); }

}  // namespace

Status NearOptions::Validate() const {
  if (block_size < kBlockSizeLeast || block_size > kBlockSizeMost) {
    return InvalidArgument(
        fmt::format("a block of {} tokens is not from {} to {}", block_size, kBlockSizeLeast, kBlockSizeMost));
  }
  if (bytes_max < kBytesMaxLeast) {
    return InvalidArgument(fmt::format("a byte budget of {} for the near index is below {}", bytes_max, kBytesMaxLeast));
  }
  return {};
}

Status NearFindOptions::Validate() const {
  if (radius > kNearRadiusMax) return InvalidArgument(fmt::format("a radius of {} is above {}", radius, kNearRadiusMax));
  if (hits_max == 0 || hits_max > kHitsMost) {
    return InvalidArgument(fmt::format("{} hits is not from 1 to {}", hits_max, kHitsMost));
  }
  if (holders_max == 0 || holders_max > kHoldersMost) {
    return InvalidArgument(fmt::format("{} holders is not from 1 to {}", holders_max, kHoldersMost));
  }
  return {};
}

NearEntry* NearDocument::Place(NearTextId text) const {
  return std::lower_bound(entries, entries + size, text,
                          [](const NearEntry& entry, NearTextId value) { return entry.text < value; });
}

NearIndex::Core::Core(const NearOptions& options)
    : meter_(options.bytes_max),
      limbo_(meter_, gate_, Release, this),
      tables_(meter_, limbo_, kHeads),
      texts_(meter_, limbo_),
      documents_(meter_, limbo_),
      scan_(options.portable_only ? internal::NearScanPortable : internal::FastestNearScan()),
      block_size_(options.block_size) {
  meter_.Adopt(this);
  Publish();
}

NearIndex::Core::~Core() {
  documents_.ForEach([&](NearOwner owner) { meter_.Free(documents_[owner].entries); });
}

bool NearIndex::Core::Release(void* core, internal::Retired& retired) noexcept {
  internal::MemoryMeter& meter = static_cast<Core*>(core)->meter_;
  if (retired.kind == kHeads) {
    NearTables::FreeHeads(meter, reinterpret_cast<NearTables::Heads*>(retired.what));
  } else {
    meter.Free(reinterpret_cast<void*>(retired.what));
  }
  return true;
}

std::span<const TokenId> NearIndex::Core::TokensOf(NearTextId text) const {
  const NearDocument& document = documents_[texts_[text].first_owner.load(std::memory_order_relaxed)];
  return TokensOf(document.tokens, document.EntryOf(text).block);
}

// By hash; of equal blocks the first.
std::vector<NearIndex::Core::Block> NearIndex::Core::DistinctBlocks(std::span<const TokenId> tokens) const {
  std::vector<Block> blocks(tokens.size() / block_size_);
  for (uint32_t i = 0; i < blocks.size(); ++i) blocks[i] = {NearHash(TokensOf(tokens.data(), i)), i};
  std::sort(blocks.begin(), blocks.end(),
            [](const Block& x, const Block& y) { return std::pair(x.hash, x.block) < std::pair(y.hash, y.block); });
  size_t kept = 0;
  for (const Block& block : blocks) {
    bool seen = false;
    for (size_t back = kept; back > 0 && blocks[back - 1].hash == block.hash && !seen; --back) {
      seen = std::ranges::equal(TokensOf(tokens.data(), blocks[back - 1].block), TokensOf(tokens.data(), block.block));
    }
    if (!seen) blocks[kept++] = block;
  }
  blocks.resize(kept);
  return blocks;
}

// For the writer.
NearTextId NearIndex::Core::FindText(uint64_t hash, std::span<const TokenId> tokens) const {
  const uint32_t excerpt = NearTables::ExcerptOf(hash, 0);
  const NearTables::Heads& heads = tables_.Now();
  const NearBucket* bucket = heads.Bucket(0, heads.KeyOf(hash, 0));
  for (; bucket != nullptr; bucket = bucket->next.load(std::memory_order_relaxed)) {
    const uint32_t size = bucket->size.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < size; ++i) {
      if (bucket->excerpts()[i] != excerpt) continue;
      const NearTextId text = bucket->texts()[i].load(std::memory_order_relaxed);
      if (text == kNoText || texts_[text].hash != hash) continue;
      if (std::ranges::equal(TokensOf(text), tokens)) return text;
    }
  }
  return kNoText;
}

// Entries of the document for `blocks`; a text that is new gets an id.
void NearIndex::Core::ResolveTexts(NearDocument& document, std::span<const Block> blocks) {
  for (const Block& block : blocks) {
    NearTextId text = FindText(block.hash, TokensOf(document.tokens, block.block));
    if (text == kNoText) {
      text = texts_.FreeId();
      if (text == kNoText) throw std::bad_alloc();
      texts_.Make(text).hash = block.hash;
    }
    new (&document.entries[document.size++]) NearEntry(text, block.block);
  }
  std::sort(document.entries, document.entries + document.size,
            [](const NearEntry& x, const NearEntry& y) { return x.text < y.text; });
}

void NearIndex::Core::Prefetch(const NearDocument& document, uint32_t begin, uint32_t end) const {
  for (uint32_t at = begin; at < end; ++at) {
    const NearText& text = texts_[document.entries[at].text];
    if (text.owners <= 1) tables_.Prefetch(text.hash);
  }
}

// At the head of the list: a reader sees the list with it or without it. Throws std::bad_alloc; nothing has changed then.
void NearIndex::Core::Link(NearOwner owner, NearEntry& entry) {
  NearText& text = texts_[entry.text];
  const NearOwner next = text.first_owner.load(std::memory_order_relaxed);
  if (text.owners == 0) {
    tables_.Insert(text.hash, entry.text);  // nobody's for a moment: a reader passes over it
    ++text_count_;
  } else {
    documents_[next].EntryOf(entry.text).previous = owner;
  }
  entry.next.store(next, std::memory_order_relaxed);
  text.first_owner.store(owner, std::memory_order_release);
  ++text.owners;
  ++entry_count_;
}

// The entry keeps its way on, for readers that stand on it: what it leads to goes no sooner than they, for a removal ends
// when all of them have left.
void NearIndex::Core::Unlink(NearEntry& entry) noexcept {
  NearText& text = texts_[entry.text];
  const NearOwner next = entry.next.load(std::memory_order_relaxed);
  if (next != kNoOwner) documents_[next].EntryOf(entry.text).previous = entry.previous;
  if (entry.previous != kNoOwner) {
    documents_[entry.previous].EntryOf(entry.text).next.store(next, std::memory_order_release);
  } else {
    text.first_owner.store(next, std::memory_order_release);
  }
  --entry_count_;
  if (--text.owners > 0) return;
  tables_.Erase(text.hash, entry.text);
  --text_count_;
}

void NearIndex::Core::AddOrThrow(NearOwner owner, std::span<const TokenId> tokens, uint32_t& linked) {
  const std::vector<Block> blocks = DistinctBlocks(tokens);
  NearDocument& document = documents_.Make(owner);
  document.tokens = tokens.data();
  if (!blocks.empty()) document.entries = static_cast<NearEntry*>(meter_.Allocate(blocks.size() * sizeof(NearEntry)));
  ResolveTexts(document, blocks);
  while (linked < document.size) {
    const uint32_t end = std::min(document.size, linked + kAhead);
    Prefetch(document, linked, end);
    for (; linked < end; ++linked) Link(owner, document.entries[linked]);
  }
  document.shown.store(true, std::memory_order_release);
}

// Takes a document away of whose entries the first `linked` are in the lists. When it returns, nobody looks at the tokens.
void NearIndex::Core::Forget(NearOwner owner, uint32_t linked) noexcept {
  NearDocument& document = documents_[owner];
  document.shown.store(false, std::memory_order_release);
  for (uint32_t at = 0; at < linked;) {
    const uint32_t end = std::min(linked, at + kAhead);
    Prefetch(document, at, end);
    for (; at < end; ++at) Unlink(document.entries[at]);
  }
  // Whatever was unlinked may be freed or used again when all who may have come by it have left, and no sooner.
  limbo_.Retire(0, kBlock, 0);
  limbo_.WaitForAll();
  for (uint32_t at = 0; at < document.size; ++at) {
    const NearTextId text = document.entries[at].text;
    if (texts_[text].owners == 0) texts_.Free(text);
  }
  meter_.Free(document.entries);
  documents_.Free(owner);
  texts_.ShrinkDirectory();
  documents_.ShrinkDirectory();
}

// Tables of another size are made aside from the texts; readers go on with the old ones.
void NearIndex::Core::FitTables() noexcept {
  uint32_t bits = tables_.bits();
  while (bits < NearTables::kWidth && text_count_ > kBucketMost << bits) ++bits;
  while (bits > NearTables::kBitsLeast && text_count_ < kBucketLeast << bits) --bits;
  if (bits == tables_.bits() || (bits > tables_.bits() && text_count_ < resize_not_before_)) return;
  try {
    tables_.Resize(bits, text_count_,
                   [&](const auto& insert) { texts_.ForEach([&](NearTextId text) { insert(texts_[text].hash, text); }); });
    resize_not_before_ = 0;
  } catch (const std::bad_alloc&) {  // slower, not wrong
    resize_not_before_ = text_count_ + text_count_ / 4;
  }
}

void NearIndex::Core::Publish() noexcept {
  texts_shown_.store(text_count_, std::memory_order_relaxed);
  entries_shown_.store(entry_count_, std::memory_order_relaxed);
  owners_shown_.store(owner_count_, std::memory_order_relaxed);
  bytes_shown_.store(meter_.bytes(), std::memory_order_relaxed);
}

Status NearIndex::Core::Add(NearOwner owner, std::span<const TokenId> tokens) {
  if (owner >= kNearOwnersMax) {
    return InvalidArgument(fmt::format("owner {} is not below {}", owner, kNearOwnersMax), "use small, dense ids");
  }
  if (tokens.size() > INT32_MAX) return InvalidArgument(fmt::format("a document of {} tokens", tokens.size()));
  const std::lock_guard lock(changing_);
  if (documents_.Holds(owner)) {
    return Error{ErrorCode::kAlreadyExists, fmt::format("owner {} is in the near index", owner), ""};
  }
  uint32_t linked = 0;
  try {
    AddOrThrow(owner, tokens, linked);
  } catch (const std::bad_alloc&) {
    if (documents_.Holds(owner)) Forget(owner, linked);
    limbo_.Collect();
    Publish();
    return Refused();
  }
  ++owner_count_;
  FitTables();
  limbo_.Collect();
  Publish();
  return {};
}

bool NearIndex::Core::Remove(NearOwner owner) {
  const std::lock_guard lock(changing_);
  if (!documents_.Holds(owner)) return false;
  Forget(owner, documents_[owner].size);
  --owner_count_;
  FitTables();
  limbo_.Collect();
  Publish();
  return true;
}

NearStats NearIndex::Core::stats() const {
  return {.texts = texts_shown_.load(std::memory_order_relaxed),
          .entries = entries_shown_.load(std::memory_order_relaxed),
          .owners = owners_shown_.load(std::memory_order_relaxed),
          .bytes = bytes_shown_.load(std::memory_order_relaxed)};
}

NearIndex::NearIndex(const NearOptions& options) {
  const Status valid = options.Validate();
  WEIR_CHECK(valid, "{}", valid ? "" : valid.error().ToString());
  core_ = std::make_unique<Core>(options);
}
NearIndex::NearIndex(NearIndex&&) noexcept = default;
NearIndex& NearIndex::operator=(NearIndex&&) noexcept = default;
NearIndex::~NearIndex() = default;

Status NearIndex::Add(NearOwner owner, std::span<const TokenId> tokens) { return core_->Add(owner, tokens); }
bool NearIndex::Remove(NearOwner owner) { return core_->Remove(owner); }
Status NearIndex::Find(std::span<const TokenId> block, const NearFindOptions& options, NearMatches& matches) const {
  return core_->Find(block, options, matches);
}
uint32_t NearIndex::block_size() const { return core_->block_size(); }
NearStats NearIndex::stats() const { return core_->stats(); }
uint64_t NearIndex::bytes() const { return core_->stats().bytes; }
void NearIndex::CheckInvariants() const { core_->CheckInvariants(); }

}  // namespace weir
