#pragma once
// BpeModel: the tables of a byte-level BPE model, flat so that they can be mapped from a file.
//
// Symbols are token ids. A merge is (left, right) -> product with a rank, its index in the merge list; the pair of least
// rank merges first, the leftmost of equals (Sennrich et al. 2016, as Hugging Face `tokenizers` does it). Immutable after
// Build() or Attach(); shared by all threads.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "char_joints.h"
#include "huge_vector.h"
#include "weir/base/file.h"
#include "weir/base/result.h"
#include "word_key.h"

namespace weir::bpe {

inline constexpr uint32_t kNone = UINT32_MAX;
inline constexpr uint32_t kSymbolsMax = 1u << 20;  // ids that a pair entry can name
inline constexpr uint32_t kMergesMax = 1u << 20;   // ranks that a pair entry can name

// One string of the vocabulary, in the byte alphabet of byte_alphabet.h.
struct VocabularyItem {
  std::string_view text;
  uint32_t id = 0;
};

struct ModelSource {
  std::span<const VocabularyItem> vocabulary;
  std::span<const std::pair<std::string_view, std::string_view>> merges;  // by rank
  bool ignore_merges = false;  // a whole word that is in the vocabulary is one token
  bool has_unknown_token = false;
};

enum TokenKind : uint8_t {
  kAbsent = 0,  // no token has this id
  kBytes = 1,   // its text stands for bytes
  kRaw = 2,     // its text leaves the byte alphabet: only an added token can yield it
  kKindMask = 3,
  kStandsAlone = 4,  // as a whole word it is encoded as itself
  kMerges = 8,       // merging its bytes yields it
};

enum ModelFlag : uint32_t {
  kIgnoreMerges = 1,
  kDropsBytes = 2,  // a byte of valid UTF-8 has no token and vanishes
};

// The tables, borrowed from the model that holds them.
struct ModelTables {
  std::span<const uint32_t> scalars;        // kScalarFlags, kScalarShortSlots, ...
  std::span<const uint32_t> token_offsets;  // vocabulary size + 1, into token_bytes
  std::span<const uint8_t> token_bytes;     // bytes that a token stands for (its own text when kRaw)
  std::span<const uint8_t> token_kinds;
  std::span<const WordEntry> short_words;  // tokens of up to kShortWordBytes that stand alone; linear probing
  std::span<const uint32_t> long_words;    // ids of longer ones; linear probing; kNone is free
  std::span<const uint64_t> pairs;         // left 20 bits, right 20 bits, rank 20 bits; linear probing; kFreePair is free
  std::span<const uint32_t> products;      // by rank
  std::span<const uint32_t> byte_ids;      // id of each byte or kNone
  std::span<const uint32_t> char_starts;   // by code point below kCharStarts; see CharStart
  std::span<const uint64_t> joints;        // see char_joints.h
};
inline constexpr size_t kTableCount = 11;
enum Scalar { kScalarFlags, kScalarPairShift, kScalarLongestToken, kScalarCount };

// A character of two or three bytes whose bytes merge into one token before anything beside it can take part in a merge:
// merging may then start from that token. Low 20 bits: the token. Above: with which neighbours that holds (kBeside...);
// none set: never.
inline constexpr size_t kCharStarts = size_t{1} << 16;
enum CharStart : uint32_t {
  kBesideLeftAscii = 1u << 20,
  kBesideLeftOther = 1u << 21,
  kBesideRightAscii = 1u << 22,
  kBesideRightOther = 1u << 23,
};

inline constexpr uint64_t kFreePair = ~uint64_t{0};

inline uint64_t PairKey(uint32_t left, uint32_t right) { return uint64_t{left} << 20 | right; }
inline uint64_t PairHash(uint64_t key) { return key * 0x9e3779b97f4a7c15u; }

class BpeModel {
 public:
  // invalid_argument: a merge names a string that is not in the vocabulary, a repeated string, two strings with one id.
  // unsupported: limits above, or unknown tokens that could really occur.
  static Result<BpeModel> Build(const ModelSource& source);
  // Tables that lie in `keeper`'s bytes. corrupt when they contradict each other.
  static Result<BpeModel> Attach(const ModelTables& tables, MappedFile keeper);

  BpeModel(BpeModel&&) noexcept = default;
  BpeModel& operator=(BpeModel&&) noexcept = default;

  const ModelTables& tables() const { return tables_; }
  uint32_t vocab_size() const { return static_cast<uint32_t>(tables_.token_kinds.size()); }
  bool ignore_merges() const { return (tables_.scalars[kScalarFlags] & kIgnoreMerges) != 0; }
  bool drops_bytes() const { return (tables_.scalars[kScalarFlags] & kDropsBytes) != 0; }
  size_t longest_token() const { return tables_.scalars[kScalarLongestToken]; }

  // kAbsent beyond the vocabulary.
  TokenKind Kind(uint32_t id) const {
    return id < vocab_size() ? static_cast<TokenKind>(tables_.token_kinds[id] & kKindMask) : kAbsent;
  }
  // Bytes that the token stands for. REQUIRES: Kind(id) != kAbsent.
  std::string_view Bytes(uint32_t id) const {
    const uint32_t begin = tables_.token_offsets[id];
    return {reinterpret_cast<const char*>(tables_.token_bytes.data()) + begin, tables_.token_offsets[id + 1] - begin};
  }

  // The token that a whole word of these bytes is encoded as, or kNone when it takes several or merging must tell.
  uint32_t FindWord(std::string_view bytes) const {
    return bytes.size() <= kShortWordBytes ? FindShortWord(MakeWordKey(bytes)) : FindLongWord(bytes);
  }
  uint32_t FindShortWord(WordKey key) const;
  uint32_t FindLongWord(std::string_view bytes) const;
  const WordEntry* ShortWordSlot(WordKey key) const {
    return &tables_.short_words[ScaledIndex(HashWord(key), tables_.short_words.size())];
  }
  // The token of exactly these bytes (or this raw text), whether or not it stands alone; kNone. Slower than FindWord.
  uint32_t FindToken(std::string_view text) const;

  bool LacksByteOf(std::string_view bytes) const;

  // The rank of a merge, or kNone.
  uint32_t Rank(uint32_t left, uint32_t right) const {
    const uint64_t key = PairKey(left, right);
    const uint64_t* pairs = tables_.pairs.data();
    const size_t mask = tables_.pairs.size() - 1;
    for (size_t slot = PairHash(key) >> pair_shift_;; ++slot) {
      const uint64_t entry = pairs[slot & mask];
      if (entry >> 20 == key) return static_cast<uint32_t>(entry & 0xfffff);
      if (entry == kFreePair) return kNone;
    }
  }
  // The same in two steps, so that many look-ups can wait for memory together.
  struct PairQuery {
    uint64_t key = 0;
    size_t slot = 0;
  };
  PairQuery AskRank(uint32_t left, uint32_t right) const {
    const uint64_t key = PairKey(left, right);
    const size_t slot = PairHash(key) >> pair_shift_;
    __builtin_prefetch(&tables_.pairs[slot]);
    return {key, slot};
  }
  // A query that finds nothing and touches no memory that is not in a cache.
  static PairQuery NoQuery() { return {uint64_t{1} << 42, 0}; }  // pair keys have 40 bits, a free slot 44 ones
  uint32_t ReadRank(PairQuery query) const {
    const uint64_t* pairs = tables_.pairs.data();
    const size_t mask = tables_.pairs.size() - 1;
    const uint64_t first = pairs[query.slot];
    const uint64_t second = pairs[(query.slot + 1) & mask];
    // No branch on the outcome, which nothing predicts; only a pair that lies further off takes one.
    uint32_t rank = second >> 20 == query.key ? static_cast<uint32_t>(second & 0xfffff) : kNone;
    rank = first >> 20 == query.key ? static_cast<uint32_t>(first & 0xfffff) : rank;
    const bool is_settled = rank != kNone || first == kFreePair || second == kFreePair;
    return is_settled ? rank : ReadRankBeyond(query);
  }

  // The symbols that merging `word` starts from, at most one per byte: characters where char_starts allows, else bytes.
  // Bytes without a token are left out. Returns how many. REQUIRES: `word` is valid UTF-8, or char_starts is empty.
  size_t LoadSymbols(std::string_view word, uint32_t* ids, uint32_t* begins) const;

  // Bytes of memory or mapping that the tables take.
  size_t MemoryBytes() const;

 private:
  friend class ModelBuilder;
  struct Owned {
    std::vector<uint32_t> scalars, token_offsets, long_words, products, byte_ids, char_starts;
    std::vector<uint8_t> token_bytes, token_kinds;
    HugeVector<WordEntry> short_words;
    HugeVector<uint64_t> pairs;
    std::vector<uint64_t> joints;
  };

  BpeModel() = default;
  void UseOwned();
  uint32_t ReadRankBeyond(PairQuery query) const;

  ModelTables tables_;
  unsigned pair_shift_ = 0;
  std::unique_ptr<Owned> owned_;
  std::unique_ptr<MappedFile> mapped_;
};

}  // namespace weir::bpe
