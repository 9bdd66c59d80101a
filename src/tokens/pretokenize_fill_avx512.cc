#include "pretokenize_fill.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pretokenize_blocks.h"

#define WEIR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,lzcnt,popcnt")))

namespace weir::pretokenize {
namespace {

WEIR_AVX512 inline __m512i Bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
WEIR_AVX512 inline uint64_t InRange(__m512i bytes, int first, int count) {
  return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, Bytes(first)), Bytes(count));
}
WEIR_AVX512 inline uint64_t Equal(__m512i bytes, int value) { return _mm512_cmpeq_epi8_mask(bytes, Bytes(value)); }

template <Rules R>
WEIR_AVX512 inline BlockMasks Classify(const char* text, uint64_t known) {
  const __m512i bytes = known == ~uint64_t{0} ? _mm512_loadu_si512(text) : _mm512_maskz_loadu_epi8(known, text);
  BlockMasks m;
  m.letter = InRange(_mm512_or_si512(bytes, Bytes(0x20)), 'a', 26);
  m.number = InRange(bytes, '0', 10);
  m.blank = Equal(bytes, ' ');
  m.space = m.blank | InRange(bytes, '\t', 5);
  m.wide = static_cast<uint64_t>(_mm512_movepi8_mask(bytes));
  if (R.contractions) m.apostrophe = Equal(bytes, '\'');
  if (R.style != Style::kGpt2) m.newline = Equal(bytes, '\n') | Equal(bytes, '\r');
  if (R.style == Style::kCasedWords) {
    m.slash = Equal(bytes, '/');
    m.upper = InRange(bytes, 'A', 26);
  }
  if (R.style == Style::kDeepSeek) m.control = (InRange(bytes, 0, 0x20) | Equal(bytes, 0x7F)) & ~m.space & known;
  if (m.wide != 0) [[unlikely]] {
    m.continuation = InRange(bytes, 0x80, 0x40);
    m.ideograph = InRange(bytes, 0xE5, 4);
    m.plain_letters = InRange(bytes, 0xEB, 2) | InRange(bytes, 0xD0, 2) | Equal(bytes, 0xE9);
  }
  return m;
}

// The positions of the bits, plus `base`, at `out`; all 64 slots there may be written.
WEIR_AVX512 inline void Emit(uint64_t bits, uint32_t base, uint32_t* out) {
  const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i positions = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(base)), steps);
  for (int quarter = 0; quarter < 4; ++quarter) {
    const auto part = static_cast<__mmask16>(bits >> (16 * quarter));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(part, positions));
    out += _mm_popcnt_u32(part);
    positions = _mm512_add_epi32(positions, _mm512_set1_epi32(16));
  }
}

template <Rules R>
WEIR_AVX512 size_t FillAvx512(std::string_view text, size_t& at, std::span<uint32_t> ends) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const char* next = begin + at;
  size_t count = 0;
  size_t scalar_pieces = 0;  // to cut before the next block: more the less blocks achieve here
  while (count < ends.size() && next != end) {
    const size_t size = std::min<size_t>(static_cast<size_t>(end - next), kBlockBytes);
    const BlockMasks masks = Classify<R>(next, Below(size));
    uint64_t starts = Block<R>(next, size, masks).Starts() & ~uint64_t{1};
    if (starts == 0) {
      scalar_pieces = std::min<size_t>(scalar_pieces * 2 + 1, 8);
      for (size_t i = 0; i < scalar_pieces && count < ends.size() && next != end; ++i) {
        next = Scanner<R>::PieceEnd(next, end);
        ends[count++] = static_cast<uint32_t>(next - begin);
      }
      continue;
    }
    scalar_pieces = 0;
    const auto base = static_cast<uint32_t>(next - begin);
    if (ends.size() - count >= kBlockBytes) [[likely]] {
      Emit(starts, base, ends.data() + count);
      count += static_cast<size_t>(_mm_popcnt_u64(starts));
      next += HighestBit(starts);
    } else {
      for (; starts != 0 && count < ends.size(); starts &= starts - 1) {
        ends[count++] = base + static_cast<uint32_t>(LowestBit(starts));
      }
      next = begin + ends[count - 1];
    }
  }
  at = static_cast<size_t>(next - begin);
  return count;
}

template <int... kIndex>
constexpr std::array<Fill, sizeof...(kIndex)> Fills(std::integer_sequence<int, kIndex...>) {
  return {FillAvx512<RulesOf(static_cast<Family>(kIndex))>...};
}
constexpr auto kFills = Fills(std::make_integer_sequence<int, kFamilyCount>());

}  // namespace

Fill Avx512Fill(Family family) { return kFills[static_cast<size_t>(family)]; }

bool HasAvx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

}  // namespace weir::pretokenize

#else

namespace weir::pretokenize {

Fill Avx512Fill(Family) { return nullptr; }
bool HasAvx512() { return false; }

}  // namespace weir::pretokenize

#endif
