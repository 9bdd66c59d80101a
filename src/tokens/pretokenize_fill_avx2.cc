#include "pretokenize_fill.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WEIR_BLOCK_ISA avx2
#define WEIR_BLOCK_TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#include "pretokenize_blocks.h"

#define WEIR_INLINED WEIR_BLOCK_TARGET __attribute__((always_inline)) inline

namespace weir::pretokenize {
namespace {

class Vector {
 public:
  static constexpr size_t kBytesMin = 64;

  WEIR_INLINED static Vector Load(const char* text, size_t) {
    return Vector(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text)),
                  _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32)));
  }
  WEIR_INLINED uint64_t Equal(int value) const {
    return Join(_mm256_cmpeq_epi8(low_, All(value)), _mm256_cmpeq_epi8(high_, All(value)));
  }
  WEIR_INLINED uint64_t InRange(int first, int count) const {
    return Join(IsInRange(low_, first, count), IsInRange(high_, first, count));
  }
  WEIR_INLINED uint64_t Letters() const {
    return Vector(_mm256_or_si256(low_, All(0x20)), _mm256_or_si256(high_, All(0x20))).InRange('a', 26);
  }
  WEIR_INLINED uint64_t Wide() const { return Join(low_, high_); }

  WEIR_INLINED static void Emit(uint64_t bits, uint32_t base, uint32_t* out) {
    for (auto left = static_cast<int>(_mm_popcnt_u64(bits)); left > 0; left -= 8) {
      for (int i = 0; i < 8; ++i) {
        out[i] = base + static_cast<uint32_t>(_tzcnt_u64(bits));
        bits = _blsr_u64(bits);
      }
      out += 8;
    }
  }

 private:
  WEIR_INLINED Vector(__m256i low, __m256i high) : low_(low), high_(high) {}
  WEIR_INLINED static __m256i All(int value) { return _mm256_set1_epi8(static_cast<char>(value)); }
  WEIR_INLINED static uint64_t Join(__m256i low, __m256i high) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
  }
  WEIR_INLINED static __m256i IsInRange(__m256i bytes, int first, int count) {
    const __m256i from_first = _mm256_sub_epi8(bytes, All(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(from_first, All(count - 1)), from_first);
  }

  __m256i low_, high_;
};

}  // namespace

Fill Avx2Fill(Family family) { return avx2::kFillsOf<Vector>[static_cast<size_t>(family)]; }

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
