#include "vector_dot.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace weir::internal {
namespace {

#ifdef __x86_64__
__attribute__((target("avx512f"))) float VectorDotAvx512(const float* a, const float* b, uint32_t size) {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  __m512 sum2 = _mm512_setzero_ps();
  __m512 sum3 = _mm512_setzero_ps();
  uint32_t i = 0;
  for (; i + 64 <= size; i += 64) {
    sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
    sum1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), sum1);
    sum2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), sum2);
    sum3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), sum3);
  }
  for (; i < size; i += 16) sum0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0);
  alignas(64) float parts[16];
  _mm512_store_ps(parts, _mm512_add_ps(_mm512_add_ps(sum0, sum1), _mm512_add_ps(sum2, sum3)));
  for (uint32_t width = 8; width > 0; width /= 2) {
    for (uint32_t lane = 0; lane < width; ++lane) parts[lane] += parts[lane + width];
  }
  return parts[0];
}

__attribute__((target("avx2,fma"))) float VectorDotAvx2(const float* a, const float* b, uint32_t size) {
  __m256 sum0 = _mm256_setzero_ps();
  __m256 sum1 = _mm256_setzero_ps();
  __m256 sum2 = _mm256_setzero_ps();
  __m256 sum3 = _mm256_setzero_ps();
  uint32_t i = 0;
  for (; i + 32 <= size; i += 32) {
    sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
    sum1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), sum1);
    sum2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), sum2);
    sum3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), sum3);
  }
  for (; i < size; i += 8) sum0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum0);
  alignas(32) float parts[8];
  _mm256_store_ps(parts, _mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3)));
  return ((parts[0] + parts[4]) + (parts[1] + parts[5])) + ((parts[2] + parts[6]) + (parts[3] + parts[7]));
}
#endif

}  // namespace

float VectorDotPortable(const float* a, const float* b, uint32_t size) {
  float parts[kVectorPadding] = {};
  for (uint32_t i = 0; i < size; i += kVectorPadding) {
    for (uint32_t lane = 0; lane < kVectorPadding; ++lane) parts[lane] += a[i + lane] * b[i + lane];
  }
  float sum = 0;
  for (const float part : parts) sum += part;
  return sum;
}

VectorDot FastestVectorDot() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return VectorDotAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return VectorDotAvx2;
#endif
  return VectorDotPortable;
}

}  // namespace weir::internal
