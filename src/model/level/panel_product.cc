#include "panel_product.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ggml-cpu.h"

namespace weir::level {
namespace {

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

// One column of C, `rows` long.
void Store(const Lanes (&sums)[2], float* out, int64_t rows, bool add) {
  if (rows == kPanelRows) {
    Lanes held[2] = {sums[0], sums[1]};
    if (add) {
      Lanes there[2];
      std::memcpy(there, out, sizeof(there));
      held[0] += there[0];
      held[1] += there[1];
    }
    std::memcpy(out, held, sizeof(held));
  } else {
    float whole[kPanelRows];
    std::memcpy(whole, sums, sizeof(whole));
    for (int64_t row = 0; row < rows; ++row) out[row] = add ? out[row] + whole[row] : whole[row];
  }
}

// A panel with as many rows of B as there are `column`s. Spelled out by the compiler, so that all sums stay in registers.
template <size_t... column>
void Multiply(const float* panel, int64_t depth, int64_t rows, const ProductPlace& place, bool add,
              std::index_sequence<column...>) {
  Lanes sums[sizeof...(column)][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Lanes low, high;
    std::memcpy(&low, panel + k * kPanelRows, sizeof(low));
    std::memcpy(&high, panel + k * kPanelRows + kLanes, sizeof(high));
    const auto take = [&](Lanes(&sum)[2], float factor) {
      sum[0] += low * factor;
      sum[1] += high * factor;
    };
    (take(sums[column], place.b[static_cast<int64_t>(column) * place.b_stride + k]), ...);
  }
  (Store(sums[column], place.c + static_cast<int64_t>(column) * place.c_stride, rows, add), ...);
}

template <size_t columns>
void Multiply(const float* panel, int64_t depth, int64_t rows, const ProductPlace& place, bool add) {
  Multiply(panel, depth, rows, place, add, std::make_index_sequence<columns>());
}

using Kernel = void (*)(const float*, int64_t, int64_t, const ProductPlace&, bool);

template <size_t... less>
Kernel ChooseKernel(size_t columns, std::index_sequence<less...>) {
  static constexpr Kernel kKernels[] = {Multiply<less + 1>...};
  return kKernels[columns - 1];
}

}  // namespace

void TurnAround(const StoredRows& rows, int64_t from, int64_t depth, float* panel) {
  float widened[kLanes * kDepth];
  for (int64_t begin = 0; begin < kPanelRows; begin += kLanes) {
    const float* in[kLanes];
    for (int64_t row = 0; row < kLanes; ++row) {
      const char* stored = rows.begin + std::min(begin + row, rows.count - 1) * rows.row_bytes;
      if (rows.type == GGML_TYPE_F32) {
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
      for (int i = 0; i < kLanes; ++i) std::memcpy(panel + (k + i) * kPanelRows + begin, &square[i], sizeof(Lanes));
    }
    for (; k < depth; ++k) {
      for (int row = 0; row < kLanes; ++row) panel[k * kPanelRows + begin + row] = in[row][k];
    }
  }
}

void MultiplyPanel(const float* panel, int64_t depth, int64_t rows, int64_t n, const ProductPlace& place, bool add) {
  for (int64_t column = 0; column < n; column += kColumns) {
    const auto columns = static_cast<size_t>(std::min<int64_t>(n - column, kColumns));
    const ProductPlace there = {place.b + column * place.b_stride, place.b_stride, place.c + column * place.c_stride,
                                place.c_stride};
    ChooseKernel(columns, std::make_index_sequence<kColumns>())(panel, depth, rows, there, add);
  }
}

}  // namespace weir::level
