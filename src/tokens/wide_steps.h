#pragma once
// The two inner steps that are written for 16-byte registers, and the same in portable code: equal results, which a test
// compares. SSE2 belongs to every x86-64 processor, so nothing is chosen at run time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "word_key.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::bpe {

// Tokens that StoreEntry() may write at most, whatever the entry's count.
inline constexpr size_t kStoredTokens = 4;

// Writes the entry's tokens, at most three, and where they begin when the word begins at `from`; what lies behind them,
// up to kStoredTokens, is overwritten with anything.
inline void StoreEntryPortable(const WordEntry& entry, uint32_t from, uint32_t* ids, uint32_t* begins) {
  std::memcpy(ids, entry.ids, sizeof entry.ids);
  begins[0] = from;
  begins[1] = from + (entry.layout >> 8 & 255);
  begins[2] = from + (entry.layout >> 16 & 255);
}

// The least of `count` keys: a multiple of 8, 16-byte aligned, below 2^31. No branch depends on the keys: which one is
// least cannot be predicted.
inline uint32_t LeastKeyPortable(const uint32_t* keys, size_t count) {
  uint32_t least = keys[0];
  for (size_t i = 1; i < count; ++i) least = std::min(least, keys[i]);
  return least;
}

#if defined(__SSE2__)

inline void StoreEntry(const WordEntry& entry, uint32_t from, uint32_t* ids, uint32_t* begins) {
  const __m128i value = _mm_load_si128(reinterpret_cast<const __m128i*>(entry.ids));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(ids), value);
  const __m128i zero = _mm_setzero_si128();
  const __m128i layout = _mm_cvtsi32_si128(static_cast<int>(entry.layout));
  const __m128i wide = _mm_unpacklo_epi16(_mm_unpacklo_epi8(layout, zero), zero);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(begins), _mm_add_epi32(wide, _mm_set1_epi32(static_cast<int>(from))));
}

inline __m128i LesserKeys(__m128i a, __m128i b) {
  const __m128i is_less = _mm_cmplt_epi32(a, b);
  return _mm_or_si128(_mm_and_si128(is_less, a), _mm_andnot_si128(is_less, b));
}

inline uint32_t LeastKey(const uint32_t* keys, size_t count) {
  const auto* blocks = reinterpret_cast<const __m128i*>(keys);
  __m128i least = LesserKeys(_mm_load_si128(blocks), _mm_load_si128(blocks + 1));
  for (size_t i = 2; i < count / 4; i += 2) {
    least = LesserKeys(least, LesserKeys(_mm_load_si128(blocks + i), _mm_load_si128(blocks + i + 1)));
  }
  least = LesserKeys(least, _mm_shuffle_epi32(least, 0x4e));
  least = LesserKeys(least, _mm_shuffle_epi32(least, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(least));
}

#else

inline void StoreEntry(const WordEntry& entry, uint32_t from, uint32_t* ids, uint32_t* begins) {
  StoreEntryPortable(entry, from, ids, begins);
}
inline uint32_t LeastKey(const uint32_t* keys, size_t count) { return LeastKeyPortable(keys, count); }

#endif

}  // namespace weir::bpe
