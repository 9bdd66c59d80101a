#pragma once
// The inside of a near index: documents, the distinct texts of their blocks, and the tables that find texts by hash.
//
// The owners of a text are a list through the documents: each document keeps its texts in ascending order, so the entry of
// a neighbour is found by halving. Readers walk tables and lists while one writer changes them; what leaves a table or a
// list stays as it was, and is freed or used again only when all readers that were inside have left: Remove waits for them.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include "limbo.h"
#include "metered_memory.h"
#include "near_scan.h"
#include "near_slab.h"
#include "near_tables.h"
#include "reader_gate.h"
#include "weir/reuse/near_index.h"

namespace weir {

namespace internal {

inline constexpr NearOwner kNoOwner = UINT32_MAX;

// A release of first_owner, or of a next, pairs with the acquire of who walks along the list: the document of the owner
// that it names was whole before.
struct NearText {
  uint64_t hash = 0;  // set before the text is in the tables
  std::atomic<NearOwner> first_owner{kNoOwner};
  uint32_t owners = 0;  // the writer's; 0: not in the tables, or not yet

  void Reset() {}  // nobody owns it already
};

// One text of one document. Copied only before readers see it.
struct NearEntry {
  NearTextId text = 0;
  uint32_t block = 0;  // the first with these tokens
  std::atomic<NearOwner> next{kNoOwner};
  NearOwner previous = kNoOwner;  // the writer's

  NearEntry() = default;
  NearEntry(NearTextId text_id, uint32_t first_block) : text(text_id), block(first_block) {}
  NearEntry(const NearEntry& other) { *this = other; }
  NearEntry& operator=(const NearEntry& other) {
    text = other.text;
    block = other.block;
    next.store(other.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    previous = other.previous;
    return *this;
  }
};
static_assert(sizeof(NearEntry) == 16);

struct NearDocument {
  // Not while it comes or goes. Pairs with the acquire of who looks for one owner.
  std::atomic<bool> shown{false};
  uint32_t size = 0;  // entries
  const TokenId* tokens = nullptr;
  NearEntry* entries = nullptr;  // ascending by text

  void Reset() {
    size = 0;
    tokens = nullptr;
    entries = nullptr;
  }
  // REQUIRES: the text is here.
  NearEntry& EntryOf(NearTextId text) const { return *Place(text); }
  const NearEntry* Find(NearTextId text) const {
    const NearEntry* const place = Place(text);
    return place != entries + size && place->text == text ? place : nullptr;
  }

 private:
  NearEntry* Place(NearTextId text) const;
};

}  // namespace internal

class NearIndex::Core {
 public:
  explicit Core(const NearOptions& options);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  Status Add(NearOwner owner, std::span<const TokenId> tokens);
  bool Remove(NearOwner owner);
  Status Find(std::span<const TokenId> block, const NearFindOptions& options, NearMatches& matches) const;

  uint32_t block_size() const { return block_size_; }
  NearStats stats() const;
  void CheckInvariants() const;

 private:
  class Search;  // near_find.cc
  enum Kind : uint32_t { kBlock, kHeads };
  struct Block {
    uint64_t hash;
    uint32_t block;
  };

  std::span<const TokenId> TokensOf(const TokenId* tokens, uint32_t block) const {
    return {tokens + size_t{block} * block_size_, block_size_};
  }
  std::span<const TokenId> TokensOf(internal::NearTextId text) const;

  std::vector<Block> DistinctBlocks(std::span<const TokenId> tokens) const;
  void AddOrThrow(NearOwner owner, std::span<const TokenId> tokens, uint32_t& linked);
  void ResolveTexts(internal::NearDocument& document, std::span<const Block> blocks);
  internal::NearTextId FindText(uint64_t hash, std::span<const TokenId> tokens) const;
  void Prefetch(const internal::NearDocument& document, uint32_t begin, uint32_t end) const;
  void Link(NearOwner owner, internal::NearEntry& entry);
  void Unlink(internal::NearEntry& entry) noexcept;
  void Forget(NearOwner owner, uint32_t linked) noexcept;
  void FitTables() noexcept;
  static bool Release(void* core, internal::Retired& retired) noexcept;
  void Publish() noexcept;

  internal::MemoryMeter meter_;
  mutable internal::ReaderGate gate_;
  mutable std::mutex changing_;  // guards everything below; readers look at it through the gate
  internal::Limbo limbo_;
  internal::NearTables tables_;
  internal::NearSlab<internal::NearText> texts_;
  internal::NearSlab<internal::NearDocument> documents_;
  const internal::NearScan scan_;
  const uint32_t block_size_;
  uint64_t resize_not_before_ = 0;  // texts; after a refusal

  // The writer's own, and what everybody reads.
  uint64_t text_count_ = 0;
  uint64_t entry_count_ = 0;
  uint64_t owner_count_ = 0;
  std::atomic<uint64_t> texts_shown_{0};
  std::atomic<uint64_t> entries_shown_{0};
  std::atomic<uint64_t> owners_shown_{0};
  std::atomic<uint64_t> bytes_shown_{0};
};

}  // namespace weir
