#pragma once
// SpanDocuments: document id to the borrowed tokens, for one writer and any number of readers inside a Pass of the gate.
//
// Documents carry the number of the change that brought them: a View leaves out what came after it was made. A document
// that is cleared disappears from every View; its id is not set again before its readers have left.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>
#include <span>

#include "limbo.h"
#include "metered_memory.h"
#include "weir/tokens/tokenizer.h"

namespace weir::internal {

class SpanDocuments {
  struct Entry {
    std::atomic<const TokenId*> tokens{nullptr};  // null: not here
    std::atomic<uint64_t> since{0};
    std::atomic<uint32_t> count{0};
  };
  struct Entries {
    uint64_t capacity;
    Entry at[];
  };

 public:
  class View {
   public:
    View() = default;
    View(const Entry* entries, uint32_t size, uint64_t change) : entries_(entries), size_(size), change_(change) {}
    uint32_t size() const { return size_; }
    // No tokens and a null pointer: not here, or not yet. REQUIRES: document < size().
    std::span<const TokenId> Tokens(uint32_t document) const {
      const Entry& entry = entries_[document];
      const TokenId* const tokens = entry.tokens.load(std::memory_order_acquire);  // pairs with Set
      if (tokens == nullptr || entry.since.load(std::memory_order_relaxed) > change_) return {};
      return {tokens, entry.count.load(std::memory_order_relaxed)};
    }

   private:
    const Entry* entries_ = nullptr;
    uint32_t size_ = 0;
    uint64_t change_ = 0;
  };

  SpanDocuments(MemoryMeter& meter, Limbo& limbo) : meter_(meter), limbo_(limbo) {}
  SpanDocuments(const SpanDocuments&) = delete;
  SpanDocuments& operator=(const SpanDocuments&) = delete;
  ~SpanDocuments() { meter_.Free(entries_.load(std::memory_order_relaxed)); }

  // For readers.
  View Now() const {
    const uint64_t change = change_.load(std::memory_order_acquire);  // pairs with Set
    const Entries* const entries = entries_.load(std::memory_order_acquire);
    if (entries == nullptr) return {};
    return {entries->at, static_cast<uint32_t>(entries->capacity), change};
  }

  // The writer's.
  uint32_t size() const { return size_; }
  bool Holds(uint32_t document) const { return document < size_ && Tokens(document).data() != nullptr; }
  std::span<const TokenId> Tokens(uint32_t document) const {
    const Entry& entry = entries_.load(std::memory_order_relaxed)->at[document];
    const TokenId* const tokens = entry.tokens.load(std::memory_order_relaxed);
    return {tokens, tokens == nullptr ? 0 : entry.count.load(std::memory_order_relaxed)};
  }
  // Room for this id. Throws std::bad_alloc.
  void Reserve(uint32_t document) {
    const Entries* const entries = entries_.load(std::memory_order_relaxed);
    const uint64_t capacity = entries == nullptr ? 0 : entries->capacity;
    if (document >= capacity) Resize(std::max<uint64_t>(document + uint64_t{1}, capacity + capacity / 2));
  }
  // REQUIRES: room was reserved.
  void Set(uint32_t document, std::span<const TokenId> tokens) noexcept {
    static constexpr TokenId kNothing = 0;
    Entry& entry = entries_.load(std::memory_order_relaxed)->at[document];
    const uint64_t change = change_.load(std::memory_order_relaxed) + 1;
    entry.since.store(change, std::memory_order_relaxed);
    entry.count.store(static_cast<uint32_t>(tokens.size()), std::memory_order_relaxed);
    entry.tokens.store(tokens.empty() ? &kNothing : tokens.data(), std::memory_order_release);
    change_.store(change, std::memory_order_release);
    size_ = std::max(size_, document + 1);
  }
  std::span<const TokenId> Clear(uint32_t document) noexcept {
    const std::span<const TokenId> tokens = Tokens(document);
    entries_.load(std::memory_order_relaxed)->at[document].tokens.store(nullptr, std::memory_order_release);
    while (size_ > 0 && Tokens(size_ - 1).data() == nullptr) --size_;
    return tokens;
  }
  void Shrink() noexcept {
    const Entries* const entries = entries_.load(std::memory_order_relaxed);
    if (entries == nullptr || uint64_t{size_} * 4 > entries->capacity) return;
    try {
      Resize(size_);
    } catch (const std::bad_alloc&) {  // the larger one stays
    }
  }

 private:
  void Resize(uint64_t capacity) {
    Entries* const old = entries_.load(std::memory_order_relaxed);
    Entries* fresh = nullptr;
    if (capacity > 0) {
      fresh = static_cast<Entries*>(meter_.Allocate(sizeof(Entries) + capacity * sizeof(Entry)));
      fresh->capacity = capacity;
      for (uint64_t i = 0; i < capacity; ++i) {
        Entry& entry = *new (&fresh->at[i]) Entry;
        if (i >= size_) continue;
        entry.since.store(old->at[i].since.load(std::memory_order_relaxed), std::memory_order_relaxed);
        entry.count.store(old->at[i].count.load(std::memory_order_relaxed), std::memory_order_relaxed);
        entry.tokens.store(old->at[i].tokens.load(std::memory_order_relaxed), std::memory_order_relaxed);
      }
    }
    entries_.store(fresh, std::memory_order_release);
    if (old != nullptr) limbo_.Retire(reinterpret_cast<uint64_t>(old), 0, old->capacity * sizeof(Entry));
  }

  MemoryMeter& meter_;
  Limbo& limbo_;
  std::atomic<Entries*> entries_{nullptr};
  std::atomic<uint64_t> change_{0};
  uint32_t size_ = 0;  // beyond it nothing is here
};

}  // namespace weir::internal
