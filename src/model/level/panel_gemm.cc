// The matrix product of the CPU backend, in place of llamafile_sgemm: compiled with each level of instruction set
// (cmake/llama), never into the room itself.
//
// C = A'B with A the weights (m rows of k), B the tokens (n rows of k), C n rows of m. The kernel it stands before adds up
// along k in vectors and sums each across its lanes at the end; with k of 384 that sum is a third of the work. Here a panel
// of A is turned around first, so that a vector holds one k of many rows, and nothing is ever summed across lanes: the
// layout of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008). Turning it around costs
// m x k moves for m x k x n multiplications, so few tokens are left to the kernel behind. Half floats become floats on the
// way into the panel. Threads take panels in turn; none waits for another.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "ggml.h"

extern "C" bool weir_tinyblas_sgemm(const ggml_compute_params* params, int64_t m, int64_t n, int64_t k, const void* a,
                                    int64_t lda, const void* b, int64_t ldb, void* c, int64_t ldc, int a_type, int b_type,
                                    int c_type);

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
constexpr int kColumns = 12;  // 24 sums, 2 of A and what is multiplied with: 32 registers
#elif defined(__AVX__)
constexpr int kLanes = 8;
constexpr int kColumns = 6;
#else
constexpr int kLanes = 4;
constexpr int kColumns = 6;
#endif
constexpr int kRows = 2 * kLanes;
constexpr int64_t kDepth = 512;  // of a panel: 64 KB at most, in the second-level cache
constexpr int64_t kColumnsMin = 8;

typedef float Lanes __attribute__((vector_size(kLanes * sizeof(float))));

// The low or the high halves of two vectors, one value of each in turn.
template <int half, size_t... lane>
Lanes Interleave(Lanes a, Lanes b, std::index_sequence<lane...>) {
  return __builtin_shufflevector(a, b,
                                 (half * kLanes / 2 + static_cast<int>(lane) / 2 + static_cast<int>(lane) % 2 * kLanes)...);
}

// Rows to columns: each round doubles the run of one row's values that stand kLanes apart, log2(kLanes) rounds.
void Transpose(Lanes (&square)[kLanes]) {
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    Lanes mixed[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes / 2; ++i) {
      mixed[2 * i] = Interleave<0>(square[i], square[i + kLanes / 2], std::make_index_sequence<kLanes>());
      mixed[2 * i + 1] = Interleave<1>(square[i], square[i + kLanes / 2], std::make_index_sequence<kLanes>());
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) square[i] = mixed[i];
  }
}

// panel[k][row]; half floats become floats on the way.
void TurnAround(const char* a, int64_t row_bytes, int type, int64_t from, int64_t depth, int64_t rows, float* panel) {
  float widened[kLanes * kDepth];
  for (int64_t begin = 0; begin < kRows; begin += kLanes) {
    const float* in[kLanes];
    for (int64_t row = 0; row < kLanes; ++row) {
      const char* stored = a + std::min(begin + row, rows - 1) * row_bytes;  // beyond the end: computed, not stored
      if (type == GGML_TYPE_F32) {
        in[row] = reinterpret_cast<const float*>(stored) + from;
      } else {
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(stored) + from, widened + row * kDepth, depth);
        in[row] = widened + row * kDepth;
      }
    }
    int64_t k = 0;
    for (; k + kLanes <= depth; k += kLanes) {
      Lanes square[kLanes];
      for (int row = 0; row < kLanes; ++row) std::memcpy(&square[row], in[row] + k, sizeof(Lanes));
      Transpose(square);
      for (int i = 0; i < kLanes; ++i) std::memcpy(panel + (k + i) * kRows + begin, &square[i], sizeof(Lanes));
    }
    for (; k < depth; ++k) {
      for (int row = 0; row < kLanes; ++row) panel[k * kRows + begin + row] = in[row][k];
    }
  }
}

// One column of C, `rows` long: what was summed, added to what is there unless this is the beginning.
void Store(const Lanes (&sums)[2], float* out, int64_t rows, bool begin) {
  if (rows == kRows) {
    Lanes held[2] = {sums[0], sums[1]};
    if (!begin) {
      Lanes there[2];
      std::memcpy(there, out, sizeof(there));
      held[0] += there[0];
      held[1] += there[1];
    }
    std::memcpy(out, held, sizeof(held));
  } else {
    float whole[kRows];
    std::memcpy(whole, sums, sizeof(whole));
    for (int64_t row = 0; row < rows; ++row) out[row] = begin ? whole[row] : out[row] + whole[row];
  }
}

// A panel with as many rows of B as there are `column`s. Spelled out by the compiler, so that all sums stay in registers.
template <size_t... column>
void Multiply(const float* panel, int64_t depth, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
              bool begin, std::index_sequence<column...>) {
  Lanes sums[sizeof...(column)][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Lanes low, high;
    std::memcpy(&low, panel + k * kRows, sizeof(low));
    std::memcpy(&high, panel + k * kRows + kLanes, sizeof(high));
    const auto add = [&](Lanes(&sum)[2], float factor) {
      sum[0] += low * factor;
      sum[1] += high * factor;
    };
    (add(sums[column], b[static_cast<int64_t>(column) * ldb + k]), ...);
  }
  (Store(sums[column], c + static_cast<int64_t>(column) * ldc, rows, begin), ...);
}

template <size_t columns>
void Multiply(const float* panel, int64_t depth, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
              bool begin) {
  Multiply(panel, depth, b, ldb, c, ldc, rows, begin, std::make_index_sequence<columns>());
}

using Kernel = void (*)(const float*, int64_t, const float*, int64_t, float*, int64_t, int64_t, bool);

template <size_t... less>
Kernel ChooseKernel(size_t columns, std::index_sequence<less...>) {
  static constexpr Kernel kKernels[] = {Multiply<less + 1>...};
  return kKernels[columns - 1];
}

// All of B against rows [row, row + rows) of A.
void MultiplyPanel(const char* a, int64_t row_bytes, int type, const float* b, int64_t ldb, float* c, int64_t ldc,
                   int64_t rows, int64_t n, int64_t k) {
  alignas(64) float panel[kDepth * kRows];
  for (int64_t from = 0; from < k; from += kDepth) {
    const int64_t depth = k - from < kDepth ? k - from : kDepth;
    TurnAround(a, row_bytes, type, from, depth, rows, panel);
    for (int64_t column = 0; column < n; column += kColumns) {
      const int64_t columns = n - column < kColumns ? n - column : kColumns;
      const Kernel kernel = ChooseKernel(static_cast<size_t>(columns), std::make_index_sequence<kColumns>());
      kernel(panel, depth, b + column * ldb + from, ldb, c + column * ldc, ldc, rows, from == 0);
    }
  }
}

}  // namespace

extern "C" bool llamafile_sgemm(const ggml_compute_params* params, int64_t m, int64_t n, int64_t k, const void* a,
                                int64_t lda, const void* b, int64_t ldb, void* c, int64_t ldc, int a_type, int b_type,
                                int c_type) {
  const bool taken = n >= kColumnsMin && m >= kRows && k > 0 && b_type == GGML_TYPE_F32 && c_type == GGML_TYPE_F32 &&
                     (a_type == GGML_TYPE_F32 || a_type == GGML_TYPE_F16);
  if (!taken) return weir_tinyblas_sgemm(params, m, n, k, a, lda, b, ldb, c, ldc, a_type, b_type, c_type);
  const int64_t row_bytes = lda * (a_type == GGML_TYPE_F32 ? 4 : 2);
  for (int64_t row = params->ith * int64_t{kRows}; row < m; row += params->nth * int64_t{kRows}) {
    const int64_t rows = m - row < kRows ? m - row : kRows;
    MultiplyPanel(static_cast<const char*>(a) + row * row_bytes, row_bytes, a_type, static_cast<const float*>(b), ldb,
                  static_cast<float*>(c) + row, ldc, rows, n, k);
  }
  return true;
}
