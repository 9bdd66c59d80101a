#include "pretokenize_fill.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WEIR_BLOCK_ISA avx512
#define WEIR_BLOCK_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,lzcnt,popcnt")))
#include "pretokenize_blocks.h"

#define WEIR_INLINED WEIR_BLOCK_TARGET __attribute__((always_inline)) inline

namespace weir::pretokenize {
namespace {

class Vector {
 public:
  static constexpr size_t kBytesMin = 1;

  WEIR_INLINED static Vector Load(const char* text, size_t size) {
    if (size >= 64) [[likely]] {
      return Vector(_mm512_loadu_si512(text));
    }
    return Vector(_mm512_maskz_loadu_epi8((uint64_t{1} << size) - 1, text));
  }
  WEIR_INLINED uint64_t Equal(int value) const { return _mm512_cmpeq_epi8_mask(bytes_, All(value)); }
  WEIR_INLINED uint64_t InRange(int first, int count) const { return InRange(bytes_, first, count); }
  WEIR_INLINED uint64_t Letters() const { return InRange(_mm512_or_si512(bytes_, All(0x20)), 'a', 26); }
  WEIR_INLINED uint64_t Wide() const { return static_cast<uint64_t>(_mm512_movepi8_mask(bytes_)); }

  WEIR_INLINED static void Emit(uint64_t bits, uint32_t base, uint32_t* out) {
    const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __m512i positions = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(base)), steps);
    for (int quarter = 0; quarter < 4; ++quarter) {
      const auto part = static_cast<__mmask16>(bits >> (16 * quarter));
      _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(part, positions));
      out += _mm_popcnt_u32(part);
      positions = _mm512_add_epi32(positions, _mm512_set1_epi32(16));
    }
  }

 private:
  WEIR_INLINED explicit Vector(__m512i bytes) : bytes_(bytes) {}
  WEIR_INLINED static __m512i All(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }
  WEIR_INLINED static uint64_t InRange(__m512i bytes, int first, int count) {
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, All(first)), All(count));
  }

  __m512i bytes_;
};

}  // namespace

Fill Avx512Fill(Family family) { return avx512::kFillsOf<Vector>[static_cast<size_t>(family)]; }

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
