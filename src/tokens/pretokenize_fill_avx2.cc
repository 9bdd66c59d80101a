#include "pretokenize_fill.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pretokenize_blocks.h"

#define WEIR_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))

namespace weir::pretokenize {
namespace {

struct Halves {
  __m256i low, high;
};

WEIR_AVX2 inline __m256i Bytes(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
WEIR_AVX2 inline uint64_t Join(__m256i low, __m256i high) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
         static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
}
WEIR_AVX2 inline uint64_t Equal(Halves bytes, int value) {
  return Join(_mm256_cmpeq_epi8(bytes.low, Bytes(value)), _mm256_cmpeq_epi8(bytes.high, Bytes(value)));
}
WEIR_AVX2 inline __m256i IsInRange(__m256i bytes, int first, int count) {
  const __m256i from_first = _mm256_sub_epi8(bytes, Bytes(first));
  return _mm256_cmpeq_epi8(_mm256_min_epu8(from_first, Bytes(count - 1)), from_first);
}
WEIR_AVX2 inline uint64_t InRange(Halves bytes, int first, int count) {
  return Join(IsInRange(bytes.low, first, count), IsInRange(bytes.high, first, count));
}
WEIR_AVX2 inline Halves Load(const char* text) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32))};
}

template <Rules R>
WEIR_AVX2 inline BlockMasks Classify(const char* text) {
  const Halves bytes = Load(text);
  const Halves folded = {_mm256_or_si256(bytes.low, Bytes(0x20)), _mm256_or_si256(bytes.high, Bytes(0x20))};
  BlockMasks m;
  m.letter = InRange(folded, 'a', 26);
  m.number = InRange(bytes, '0', 10);
  m.blank = Equal(bytes, ' ');
  m.space = m.blank | InRange(bytes, '\t', 5);
  m.wide = Join(bytes.low, bytes.high);
  if (R.contractions) m.apostrophe = Equal(bytes, '\'');
  if (R.style != Style::kGpt2) m.newline = Equal(bytes, '\n') | Equal(bytes, '\r');
  if (R.style == Style::kCasedWords) {
    m.slash = Equal(bytes, '/');
    m.upper = InRange(bytes, 'A', 26);
  }
  if (R.style == Style::kDeepSeek) m.control = (InRange(bytes, 0, 0x20) | Equal(bytes, 0x7F)) & ~m.space;
  if (m.wide != 0) [[unlikely]] {
    m.continuation = InRange(bytes, 0x80, 0x40);
    m.ideograph = InRange(bytes, 0xE5, 4);
    m.plain_letters = InRange(bytes, 0xEB, 2) | InRange(bytes, 0xD0, 2) | Equal(bytes, 0xE9);
  }
  return m;
}

// The positions of the bits, plus `base`, at `out`; up to 7 slots behind the last may be written.
WEIR_AVX2 inline void Emit(uint64_t bits, uint32_t base, uint32_t* out) {
  for (auto left = static_cast<int>(_mm_popcnt_u64(bits)); left > 0; left -= 8) {
    for (int i = 0; i < 8; ++i) {
      out[i] = base + static_cast<uint32_t>(_tzcnt_u64(bits));
      bits = _blsr_u64(bits);
    }
    out += 8;
  }
}

template <Rules R>
WEIR_AVX2 size_t FillAvx2(std::string_view text, size_t& at, std::span<uint32_t> ends) {
  const char* begin = text.data();
  const char* end = begin + text.size();
  const char* next = begin + at;
  size_t count = 0;
  size_t scalar_pieces = 0;  // to cut before the next block: more the less blocks achieve here
  while (count < ends.size() && next != end) {
    uint64_t starts = 0;
    if (static_cast<size_t>(end - next) >= kBlockBytes) [[likely]] {
      starts = Block<R>(next, kBlockBytes, Classify<R>(next)).Starts() & ~uint64_t{1};
    }
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
  return {FillAvx2<RulesOf(static_cast<Family>(kIndex))>...};
}
constexpr auto kFills = Fills(std::make_integer_sequence<int, kFamilyCount>());

}  // namespace

Fill Avx2Fill(Family family) { return kFills[static_cast<size_t>(family)]; }

bool HasAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("popcnt");
}

}  // namespace weir::pretokenize

#else

namespace weir::pretokenize {

Fill Avx2Fill(Family) { return nullptr; }
bool HasAvx2() { return false; }

}  // namespace weir::pretokenize

#endif
