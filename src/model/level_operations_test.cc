// What src/model/level puts into the CPU backend, through the backend, against sums in double.

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "ggml-alloc.h"
#include "llama_library.h"
#include "weir/base/random.h"
#include "weir/model/load_embedder.h"

namespace weir {
namespace {

// A graph of one operation, on so many threads.
class OneOperation {
 public:
  explicit OneOperation(int threads) {
    SetUpLlama();
    device_ = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    context_ = ggml_init({.mem_size = 64 << 20, .mem_buffer = nullptr, .no_alloc = false});
    backend_ = ggml_backend_dev_init(device_, nullptr);
    reinterpret_cast<ggml_backend_set_n_threads_t>(Address("ggml_backend_set_n_threads"))(backend_, threads);
  }
  ~OneOperation() {
    ggml_backend_buffer_free(weights_);
    ggml_free(weights_context_);
    ggml_backend_free(backend_);
    ggml_free(context_);
  }
  OneOperation(const OneOperation&) = delete;
  OneOperation& operator=(const OneOperation&) = delete;

  ggml_context* context() { return context_; }

  ggml_tensor* Floats(int64_t width, int64_t rows, int64_t planes, std::vector<double>& values) {
    ggml_tensor* tensor = ggml_new_tensor_3d(context_, GGML_TYPE_F32, width, rows, planes);
    auto* out = static_cast<float*>(tensor->data);
    for (int64_t i = 0; i < ggml_nelements(tensor); ++i) {
      out[i] = static_cast<float>(random_.Unit() * 2 - 1);
      values.push_back(static_cast<double>(out[i]));
    }
    return tensor;
  }

  // Where a model's matrices lie; without values yet.
  ggml_tensor* NewWeights(ggml_type type, int64_t width, int64_t rows) {
    weights_context_ = ggml_init({.mem_size = 1 << 16, .mem_buffer = nullptr, .no_alloc = true});
    ggml_tensor* tensor = ggml_new_tensor_2d(weights_context_, type, width, rows);
    weights_ = ggml_backend_alloc_ctx_tensors_from_buft(weights_context_, Panels());
    return tensor;
  }

  ggml_tensor* Weights(ggml_type type, int64_t width, int64_t rows, std::vector<double>& values) {
    ggml_tensor* tensor = NewWeights(type, width, rows);
    std::vector<float> floats(static_cast<size_t>(width * rows));
    std::vector<ggml_fp16_t> halves(floats.size());
    for (float& value : floats) value = static_cast<float>(random_.Unit() - 0.5);
    if (type == GGML_TYPE_F16) {
      ggml_fp32_to_fp16_row(floats.data(), halves.data(), ggml_nelements(tensor));
      ggml_fp16_to_fp32_row(halves.data(), floats.data(), ggml_nelements(tensor));
    }
    const void* from = type == GGML_TYPE_F16 ? static_cast<const void*>(halves.data()) : floats.data();
    ggml_backend_tensor_set(tensor, from, 0, ggml_nbytes(tensor));
    for (const float value : floats) values.push_back(static_cast<double>(value));
    return tensor;
  }

  // Whether the backend would take it with its weights where they are.
  bool IsTaken(const ggml_tensor* operation) { return ggml_backend_dev_supports_op(device_, operation); }

  std::vector<float> Compute(ggml_tensor* operation) {
    ggml_cgraph* graph = ggml_new_graph(context_);
    ggml_build_forward_expand(graph, operation);
    EXPECT_EQ(ggml_backend_graph_compute(backend_, graph), GGML_STATUS_SUCCESS);
    const auto* out = static_cast<const float*>(operation->data);
    return {out, out + ggml_nelements(operation)};
  }

 private:
  void* Address(const char* name) { return ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device_), name); }

  ggml_backend_buffer_type_t Panels() {
    auto extra = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(Address("ggml_backend_dev_get_extra_bufts"));
    ggml_backend_buffer_type_t* type = extra(device_);
    while (*type && std::string_view(ggml_backend_buft_name(*type)) != "CPU_PANELS") ++type;
    EXPECT_NE(*type, nullptr);
    return *type;
  }

  Random random_{7};
  ggml_backend_dev_t device_ = nullptr;
  ggml_backend_t backend_ = nullptr;
  ggml_context* context_ = nullptr;
  ggml_context* weights_context_ = nullptr;
  ggml_backend_buffer_t weights_ = nullptr;
};

struct ProductShape {
  int64_t m, n, k, planes = 1;
};

class PanelProductTest : public testing::TestWithParam<ProductShape> {};

double WorstError(const ProductShape& shape, ggml_type type, int threads) {
  OneOperation one(threads);
  std::vector<double> weights;
  std::vector<double> rows;
  ggml_tensor* a = one.Weights(type, shape.k, shape.m, weights);
  ggml_tensor* product = ggml_mul_mat(one.context(), a, one.Floats(shape.k, shape.n, shape.planes, rows));
  EXPECT_TRUE(one.IsTaken(product));
  const std::vector<float> got = one.Compute(product);
  double worst = 0;
  for (int64_t n = 0; n < shape.n * shape.planes; ++n) {
    for (int64_t m = 0; m < shape.m; ++m) {
      double sum = 0;
      for (int64_t k = 0; k < shape.k; ++k) {
        sum += weights[static_cast<size_t>(m * shape.k + k)] * rows[static_cast<size_t>(n * shape.k + k)];
      }
      const auto there = static_cast<double>(got[static_cast<size_t>(n * shape.m + m)]);
      worst = std::max(worst, std::abs(there - sum) / std::sqrt(static_cast<double>(shape.k)));
    }
  }
  return worst;
}

TEST_P(PanelProductTest, IsTheSumOfProducts) {
  EXPECT_LT(WorstError(GetParam(), GGML_TYPE_F32, 1), 1e-6);
  EXPECT_LT(WorstError(GetParam(), GGML_TYPE_F32, 3), 1e-6);
  EXPECT_LT(WorstError(GetParam(), GGML_TYPE_F16, 2), 1e-6);
}

// Whole panels and not, fewer columns than a kernel has, k that is no multiple of a vector, k over the panel's depth.
INSTANTIATE_TEST_SUITE_P(Shapes, PanelProductTest,
                         testing::Values(ProductShape{32, 12, 64}, ProductShape{33, 13, 64}, ProductShape{100, 8, 31},
                                         ProductShape{47, 29, 515}, ProductShape{384, 61, 384}, ProductShape{64, 5, 1536},
                                         ProductShape{40, 37, 1100}, ProductShape{96, 11, 512, 3}, ProductShape{32, 1, 7},
                                         ProductShape{35, 24, 2}));

TEST(PanelWeightsTest, FewRowsAreLeftToTheBackend) {
  OneOperation one(1);
  std::vector<double> rows;
  ggml_tensor* a = one.NewWeights(GGML_TYPE_F32, 16, 3);
  EXPECT_FALSE(one.IsTaken(ggml_mul_mat(one.context(), a, one.Floats(16, 4, 1, rows))));
}

TEST(ActivationTest, IsGelu) {
  OneOperation one(2);
  std::vector<double> values;
  ggml_tensor* in = one.Floats(301, 7, 1, values);
  auto* floats = static_cast<float*>(in->data);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(floats[i] *= 12);
  const float far[] = {0.0f, -0.0f, 1e4f, -1e4f, 1e19f, -1e19f, 9.99f, -9.99f};
  for (size_t i = 0; i < std::size(far); ++i) values[i] = static_cast<double>(floats[i] = far[i]);
  const std::vector<float> got = one.Compute(ggml_gelu(one.context(), in));
  for (size_t i = 0; i < values.size(); ++i) {
    const double x = values[i];
    const double u = std::sqrt(2 / 3.141592653589793) * x * (1 + 0.044715 * x * x);
    const double expected = 0.5 * x * (1 + std::tanh(u));
    EXPECT_NEAR(static_cast<double>(got[i]), expected, 2e-6 * std::max(1.0, std::abs(expected))) << x;
  }
}

struct AttentionShape {
  int64_t width, heads, heads_shared;
  std::vector<int64_t> texts;  // tokens of each
};

class AttentionTest : public testing::TestWithParam<AttentionShape> {};

// A mask that lets the tokens of a text see one another and nobody else, and weighs some pairs down.
ggml_tensor* TextMask(OneOperation& one, const AttentionShape& shape, int64_t tokens, std::vector<double>& values) {
  values.assign(static_cast<size_t>(tokens * tokens), -std::numeric_limits<double>::infinity());
  int64_t begin = 0;
  for (size_t text = 0; text < shape.texts.size(); ++text) {
    const int64_t end = begin + shape.texts[text];
    for (int64_t q = begin; q < end; ++q) {
      for (int64_t k = begin; k < end; ++k) {
        const bool weighed = text % 2 == 1 && (q + k) % 3 == 0;
        values[static_cast<size_t>(q * tokens + k)] = weighed ? -1.5 : 0;
      }
    }
    begin = end;
  }
  ggml_tensor* mask = ggml_new_tensor_2d(one.context(), GGML_TYPE_F16, tokens, tokens);
  for (size_t i = 0; i < values.size(); ++i) {
    static_cast<ggml_fp16_t*>(mask->data)[i] = ggml_fp32_to_fp16(static_cast<float>(values[i]));
  }
  return mask;
}

std::vector<double> NaiveAttention(const AttentionShape& shape, int64_t tokens, const std::vector<double>& q,
                                   const std::vector<double>& k, const std::vector<double>& v,
                                   const std::vector<double>& mask, double scale) {
  const auto at = [&](int64_t head, int64_t token, int64_t i) {
    return static_cast<size_t>((head * tokens + token) * shape.width + i);
  };
  std::vector<double> out(q.size());
  for (int64_t head = 0; head < shape.heads; ++head) {
    const int64_t shared = head / (shape.heads / shape.heads_shared);
    for (int64_t token = 0; token < tokens; ++token) {
      std::vector<double> shares(static_cast<size_t>(tokens));
      double sum = 0;
      for (int64_t key = 0; key < tokens; ++key) {
        double score = 0;
        for (int64_t i = 0; i < shape.width; ++i) score += q[at(head, token, i)] * k[at(shared, key, i)];
        sum += shares[static_cast<size_t>(key)] = std::exp(score * scale + mask[static_cast<size_t>(token * tokens + key)]);
      }
      for (int64_t i = 0; i < shape.width; ++i) {
        double mixed = 0;
        for (int64_t key = 0; key < tokens; ++key) mixed += shares[static_cast<size_t>(key)] * v[at(shared, key, i)];
        out[static_cast<size_t>((token * shape.heads + head) * shape.width + i)] = sum > 0 ? mixed / sum : 0;
      }
    }
  }
  return out;
}

TEST_P(AttentionTest, IsTheWeighedSumOfValuesInSight) {
  const AttentionShape& shape = GetParam();
  int64_t tokens = 0;
  for (const int64_t text : shape.texts) tokens += text;
  for (const int threads : {1, 3}) {
    OneOperation one(threads);
    std::vector<double> q, k, v, mask;
    ggml_tensor* queries = one.Floats(shape.width, tokens, shape.heads, q);
    ggml_tensor* keys = one.Floats(shape.width, tokens, shape.heads_shared, k);
    ggml_tensor* values = one.Floats(shape.width, tokens, shape.heads_shared, v);
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(shape.width)));
    const std::vector<float> got = one.Compute(
        ggml_flash_attn_ext(one.context(), queries, keys, values, TextMask(one, shape, tokens, mask), scale, 0, 0));
    const std::vector<double> expected = NaiveAttention(shape, tokens, q, k, v, mask, static_cast<double>(scale));
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(static_cast<double>(got[i]), expected[i], 5e-6) << i;
  }
}

// One text and several, fewer tokens than a vector has lanes, tiles that texts end within, heads that share keys.
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest,
                         testing::Values(AttentionShape{32, 12, 12, {74}}, AttentionShape{32, 12, 12, {3, 1, 2}},
                                         AttentionShape{64, 4, 2, {49, 47, 96}}, AttentionShape{32, 3, 1, {1, 130, 17, 16}},
                                         AttentionShape{32, 2, 2, {256}}));

}  // namespace
}  // namespace weir
