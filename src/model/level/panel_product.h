#pragma once
// The matrix product of the CPU backend's kernels in this folder. Compiled once per level of instruction set (cmake/llama),
// never into the room itself.
//
// C = A'B with A of m rows of k, B of n rows of k, C of n rows of m. A lies in panels: kPanelRows of its rows turned around,
// so that a vector holds one k of many rows and nothing is summed across its lanes: the layout of Goto and van de Geijn,
// "Anatomy of High-Performance Matrix Multiplication" (2008). The sum of one element of C runs over k in one order, however
// many rows B has. Pure functions.

#include <cstdint>

#include "ggml.h"

namespace weir::level {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kColumns = 12;  // 24 sums, 2 of A and what is multiplied with: 32 registers
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
inline constexpr int kColumns = 6;
#else
inline constexpr int kLanes = 4;
inline constexpr int kColumns = 6;
#endif
inline constexpr int64_t kPanelRows = 2 * kLanes;
inline constexpr int64_t kDepth = 512;  // at most, of what is turned or multiplied at once: 64 KB, in the second-level cache

// Rows as they lie in a tensor: floats or half floats, which become floats.
struct StoredRows {
  const char* begin;
  int64_t row_bytes;
  ggml_type type;
  int64_t count;
};

// panel[k][row] of `rows` from k = `from`, `depth` of them; after the last row it is repeated. REQUIRES: depth <= kDepth.
void TurnAround(const StoredRows& rows, int64_t from, int64_t depth, float* panel);

// Where B and C begin, and the floats from one row to the next.
struct ProductPlace {
  const float* b;
  int64_t b_stride;
  float* c;
  int64_t c_stride;
};

// The panel's first `rows` rows with n rows of B; sets C, or adds to it.
void MultiplyPanel(const float* panel, int64_t depth, int64_t rows, int64_t n, const ProductPlace& place, bool add);

}  // namespace weir::level
