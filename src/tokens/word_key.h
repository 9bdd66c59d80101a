#pragma once
// WordKey: a word of up to 15 bytes and its length in 16 bytes, compared and hashed without looking at memory again.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::bpe {

static_assert(std::endian::native == std::endian::little, "word keys and flat files are little-endian");

inline constexpr size_t kShortWordBytes = 15;
inline constexpr size_t kKeyReadBytes = 16;  // LoadWordKey reads so many

struct WordKey {
  uint64_t low = 0;
  uint64_t high = 0;  // the length is its highest byte
  friend bool operator==(const WordKey& a, const WordKey& b) { return ((a.low ^ b.low) | (a.high ^ b.high)) == 0; }
};

// A word and the up to three tokens it is encoded as. Two lie in a cache line.
struct alignas(32) WordEntry {
  WordKey key;  // all zero: free
  uint32_t ids[3] = {};
  // From the lowest byte: 0, begin of the second token, begin of the third, count. A count of kManyTokens: ids[0] is the
  // place in the cache's arena, ids[1] the count.
  uint32_t layout = 0;
};
inline constexpr uint32_t kManyTokens = 255;

struct WordMask {
  uint64_t low, high, length;
};
inline constexpr auto kWordMasks = [] {
  struct Masks {
    WordMask of[kShortWordBytes + 1];
  } masks{};
  for (size_t n = 0; n <= kShortWordBytes; ++n) {
    masks.of[n].low = n >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * n)) - 1;
    masks.of[n].high = n <= 8 ? 0 : (uint64_t{1} << (8 * (n - 8))) - 1;
    masks.of[n].length = uint64_t{n} << 56;
  }
  return masks;
}();

// REQUIRES: size <= kShortWordBytes, and kKeyReadBytes readable from `bytes`.
inline WordKey LoadWordKey(const char* bytes, size_t size) {
  uint64_t low, high;
  std::memcpy(&low, bytes, 8);
  std::memcpy(&high, bytes + 8, 8);
  const WordMask& mask = kWordMasks.of[size];
  return {low & mask.low, (high & mask.high) | mask.length};
}

// REQUIRES: word.size() <= kShortWordBytes.
inline WordKey MakeWordKey(std::string_view word) {
  char padded[kKeyReadBytes] = {};
  std::memcpy(padded, word.data(), word.size());
  return LoadWordKey(padded, word.size());
}

// Both halves of a 128-bit product, folded.
inline uint64_t FoldedProduct(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t HashWord(WordKey key) {
  return FoldedProduct(key.low ^ 0xa0761d6478bd642fu, key.high ^ 0xe7037ed1a0b428dbu);
}

// For words of at least 16 bytes. Not for secrets.
inline uint64_t HashLongWord(const char* bytes, size_t size) {
  uint64_t hash = size * 0x9e3779b97f4a7c15u;
  const char* const last = bytes + size - 16;
  uint64_t low, high;
  for (const char* at = bytes; at < last; at += 16) {
    std::memcpy(&low, at, 8);
    std::memcpy(&high, at + 8, 8);
    hash = FoldedProduct(low ^ hash ^ 0xa0761d6478bd642fu, high ^ 0xe7037ed1a0b428dbu);
  }
  std::memcpy(&low, last, 8);
  std::memcpy(&high, last + 8, 8);
  return FoldedProduct(low ^ hash ^ 0x8ebc6af09c88c6e3u, high ^ 0x589965cc75374cc3u);
}

// A hash scaled to [0, size).
inline size_t ScaledIndex(uint64_t hash, size_t size) {
  return static_cast<size_t>((static_cast<unsigned __int128>(hash) * size) >> 64);
}

}  // namespace weir::bpe
