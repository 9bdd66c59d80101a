#pragma once
// WordCache: words and the tokens they are encoded as, learnt from the text of one encoder. Bounded: when it is full it
// starts again. One thread at a time.

#include <cstdint>
#include <string_view>
#include <vector>

#include "huge_vector.h"
#include "word_key.h"

namespace weir::bpe {

inline constexpr size_t kLongWordBytes = 255;  // words above are not kept

// A word of 16 to kLongWordBytes bytes; its tokens and text lie in the arena.
struct LongWordEntry {
  uint64_t hash = 0;
  uint32_t place = 0;  // in the arena; 0: free
  uint16_t size = 0;   // bytes of the word
  uint16_t count = 0;  // tokens
};

class WordCache {
 public:
  WordCache();

  // Room for `count` more words of each kind; forgets all when that would pass the bound. Slots move.
  void Reserve(size_t count);

  const WordEntry* slots() const { return short_.data(); }
  size_t mask() const { return short_.size() - 1; }

  // The entry of this key, or null. REQUIRES: hash == HashWord(key).
  const WordEntry* Find(WordKey key, uint64_t hash) const {
    for (size_t slot = hash & mask();; slot = (slot + 1) & mask()) {
      const WordEntry& entry = short_[slot];
      if (entry.key == key) return &entry;
      if (entry.layout == 0) return nullptr;
    }
  }
  // Adds a word that is not there; null when the room that Reserve() made is used up.
  const WordEntry* Add(WordKey key, uint64_t hash, const uint32_t* ids, const uint32_t* begins, size_t count);

  const LongWordEntry* FindLong(std::string_view word, uint64_t hash) const {
    for (size_t slot = hash & (long_.size() - 1);; slot = (slot + 1) & (long_.size() - 1)) {
      const LongWordEntry& entry = long_[slot];
      if (entry.place == 0) return nullptr;
      if (entry.hash == hash && entry.size == word.size() && TextOf(entry) == word) return &entry;
    }
  }
  void AddLong(std::string_view word, uint64_t hash, const uint32_t* ids, const uint32_t* begins, size_t count);
  void PrefetchLong(uint64_t hash) const { __builtin_prefetch(&long_[hash & (long_.size() - 1)]); }

  // `count` ids, then `count` begins of one byte each; readable for three more.
  const uint32_t* ArenaIds(uint32_t place) const { return arena_.data() + place; }
  const uint8_t* ArenaBegins(uint32_t place, size_t count) const {
    return reinterpret_cast<const uint8_t*>(arena_.data() + place + count);
  }

  size_t MemoryBytes() const;

 private:
  std::string_view TextOf(const LongWordEntry& entry) const {
    return {reinterpret_cast<const char*>(ArenaBegins(entry.place, entry.count)) + entry.count, entry.size};
  }
  uint32_t AddToArena(const uint32_t* ids, const uint32_t* begins, size_t count, std::string_view text);
  void Forget();
  void GrowShort();
  void GrowLong();

  HugeVector<WordEntry> short_;
  std::vector<LongWordEntry> long_;
  std::vector<uint32_t> arena_;
  size_t short_count_ = 0;
  size_t long_count_ = 0;
};

}  // namespace weir::bpe
