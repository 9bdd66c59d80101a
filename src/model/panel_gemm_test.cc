// The matrix product that src/model/level puts into the CPU backend, through the backend, against sums in double.

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "llama_library.h"
#include "weir/base/random.h"
#include "weir/model/load_embedder.h"

namespace weir {
namespace {

struct Shape {
  int64_t m, n, k;
};

class PanelGemmTest : public testing::TestWithParam<Shape> {};

double WorstError(const Shape& shape, ggml_type type, int threads) {
  SetUpLlama();
  ggml_context* context = ggml_init({.mem_size = 64 << 20, .mem_buffer = nullptr, .no_alloc = false});
  ggml_tensor* a = ggml_new_tensor_2d(context, type, shape.k, shape.m);
  ggml_tensor* b = ggml_new_tensor_2d(context, GGML_TYPE_F32, shape.k, shape.n);
  ggml_tensor* c = ggml_mul_mat(context, a, b);
  Random random(static_cast<uint64_t>(shape.m * 131 + shape.n * 17 + shape.k));
  std::vector<float> weights(static_cast<size_t>(shape.m * shape.k));
  for (float& value : weights) value = static_cast<float>(random.Unit() - 0.5);
  auto* tokens = static_cast<float*>(b->data);
  for (int64_t i = 0; i < shape.n * shape.k; ++i) tokens[i] = static_cast<float>(random.Unit() - 0.5);
  if (type == GGML_TYPE_F16) {
    ggml_fp32_to_fp16_row(weights.data(), static_cast<ggml_fp16_t*>(a->data), ggml_nelements(a));
    ggml_fp16_to_fp32_row(static_cast<ggml_fp16_t*>(a->data), weights.data(), ggml_nelements(a));
  } else {
    std::copy(weights.begin(), weights.end(), static_cast<float*>(a->data));
  }
  ggml_cgraph* graph = ggml_new_graph(context);
  ggml_build_forward_expand(graph, c);
  ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
  ggml_backend_t backend = ggml_backend_dev_init(device, nullptr);
  auto set_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(
      ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads"));
  set_threads(backend, threads);
  EXPECT_EQ(ggml_backend_graph_compute(backend, graph), GGML_STATUS_SUCCESS);
  double worst = 0;
  for (int64_t n = 0; n < shape.n; ++n) {
    for (int64_t m = 0; m < shape.m; ++m) {
      double sum = 0;
      for (int64_t k = 0; k < shape.k; ++k) {
        sum += static_cast<double>(weights[static_cast<size_t>(m * shape.k + k)]) *
               static_cast<double>(tokens[n * shape.k + k]);
      }
      const double got = static_cast<double>(static_cast<const float*>(c->data)[n * shape.m + m]);
      worst = std::max(worst, std::abs(got - sum) / std::sqrt(static_cast<double>(shape.k)));
    }
  }
  ggml_backend_free(backend);
  ggml_free(context);
  return worst;
}

TEST_P(PanelGemmTest, IsTheSumOfProducts) {
  EXPECT_LT(WorstError(GetParam(), GGML_TYPE_F32, 1), 1e-6);
  EXPECT_LT(WorstError(GetParam(), GGML_TYPE_F32, 3), 1e-6);
  EXPECT_LT(WorstError(GetParam(), GGML_TYPE_F16, 2), 5e-4);  // the kernel behind rounds tokens to half floats
}

// Whole panels and not, fewer columns than a kernel has, k that is no multiple of a vector, k over the panel's depth, and
// too few columns to be taken.
INSTANTIATE_TEST_SUITE_P(Shapes, PanelGemmTest,
                         testing::Values(Shape{32, 12, 64}, Shape{33, 13, 64}, Shape{100, 8, 31}, Shape{47, 29, 515},
                                         Shape{384, 61, 384}, Shape{64, 5, 1536}, Shape{40, 37, 1100}, Shape{31, 40, 48},
                                         Shape{1, 20, 7}, Shape{96, 11, 512}, Shape{35, 24, 1}));

}  // namespace
}  // namespace weir
