// GELU in vectors, in its tanh form: x / (1 + exp(-2u)) with u = sqrt(2 / pi) (x + 0.044715 x^3). With s = 2u / x this is
// silu(s x) / s, and silu is what the backend has in vectors; its own GELU looks half floats up in a table one by one.

#include <algorithm>

#include "ggml-cpu-impl.h"
#include "ggml.h"
#include "panel_weights.h"
#include "vec.h"

namespace weir::level {
namespace {

constexpr int64_t kAtOnce = 256;  // in the first-level cache

// s of each x; beyond 10 the result is x or nothing, whatever s is.
float Slope(float x) { return 1.5957691216057308f * (1 + 0.044715f * std::min(x * x, 100.0f)); }

void Gelu(const float* in, float* out, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    const int64_t size = std::min(count - begin, kAtOnce);
    float slopes[kAtOnce];
    float scaled[kAtOnce];
    for (int64_t i = 0; i < size; ++i) slopes[i] = Slope(in[begin + i]);
    for (int64_t i = 0; i < size; ++i) scaled[i] = in[begin + i] * slopes[i];
    ggml_vec_silu_f32(static_cast<int>(size), scaled, scaled);
    for (int64_t i = 0; i < size; ++i) out[begin + i] = scaled[i] / slopes[i];
  }
}

class Activation final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor*, size_t& size) override {
    size = 0;
    return true;
  }
  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override {
    const int64_t width = op->ne[0];
    const auto* in = static_cast<const float*>(op->src[0]->data);
    auto* out = static_cast<float*>(op->data);
    for (int64_t row = params->ith; row < ggml_nrows(op); row += params->nth)
      Gelu(in + row * width, out + row * width, width);
    return true;
  }
};

}  // namespace

ggml::cpu::tensor_traits* ActivationFor(const ggml_tensor* op) {
  static Activation activation;
  const bool taken = ggml_get_unary_op(op) == GGML_UNARY_OP_GELU && op->type == GGML_TYPE_F32 &&
                     op->src[0]->type == GGML_TYPE_F32 && ggml_is_contiguous(op) && ggml_is_contiguous(op->src[0]);
  return taken ? &activation : nullptr;
}

}  // namespace weir::level
