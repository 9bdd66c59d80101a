#include "panel_weights.h"

#include <algorithm>

#include "ggml-backend-impl.h"
#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "panel_product.h"

namespace weir::level {
namespace {

bool HasPanels(const ggml_tensor* weights) {
  return (weights->type == GGML_TYPE_F32 || weights->type == GGML_TYPE_F16) && ggml_n_dims(weights) == 2 &&
         weights->ne[1] >= kPanelRows && weights->view_src == nullptr;
}

int64_t PanelsOf(const ggml_tensor* weights) { return (weights->ne[1] + kPanelRows - 1) / kPanelRows; }

size_t PanelBytes(const ggml_tensor* weights) {
  return static_cast<size_t>(weights->ne[0] * kPanelRows) * ggml_type_size(weights->type);
}

void SetPanels(ggml_backend_buffer_t, ggml_tensor* weights, const void* rows, size_t offset, size_t size) {
  GGML_ASSERT(offset == 0 && size == ggml_nbytes(weights) && HasPanels(weights));
  alignas(64) float turned[kDepth * kPanelRows];
  const int64_t k = weights->ne[0];
  const int64_t row_bytes = k * static_cast<int64_t>(ggml_type_size(weights->type));
  for (int64_t panel = 0; panel < PanelsOf(weights); ++panel) {
    const int64_t row = panel * kPanelRows;
    const StoredRows stored = {static_cast<const char*>(rows) + row * row_bytes, row_bytes, weights->type,
                               std::min(weights->ne[1] - row, kPanelRows)};
    char* out = static_cast<char*>(weights->data) + static_cast<size_t>(panel) * PanelBytes(weights);
    for (int64_t from = 0; from < k; from += kDepth) {
      const int64_t depth = std::min(k - from, kDepth);
      TurnAround(stored, from, depth, turned);
      if (weights->type == GGML_TYPE_F32) {
        std::copy_n(turned, depth * kPanelRows, reinterpret_cast<float*>(out) + from * kPanelRows);
      } else {
        ggml_cpu_fp32_to_fp16(turned, reinterpret_cast<ggml_fp16_t*>(out) + from * kPanelRows, depth * kPanelRows);
      }
    }
  }
}

class PanelProduct final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int, const ggml_tensor*, size_t& size) override {
    size = 0;
    return true;
  }
  // Threads take panels in turn; none waits for another.
  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override {
    for (int64_t panel = params->ith; panel < PanelsOf(op->src[0]); panel += params->nth) {
      for (int64_t third = 0; third < op->ne[3]; ++third) {
        for (int64_t second = 0; second < op->ne[2]; ++second) MultiplyPlane(*op, panel, second, third);
      }
    }
    return true;
  }

 private:
  static void MultiplyPlane(const ggml_tensor& op, int64_t panel, int64_t second, int64_t third) {
    const ggml_tensor& weights = *op.src[0];
    const ggml_tensor& rows = *op.src[1];
    const int64_t at = panel * kPanelRows;
    const char* b = static_cast<const char*>(rows.data) + second * static_cast<int64_t>(rows.nb[2]) +
                    third * static_cast<int64_t>(rows.nb[3]);
    char* c = static_cast<char*>(op.data) + second * static_cast<int64_t>(op.nb[2]) + third * static_cast<int64_t>(op.nb[3]);
    const char* stored = static_cast<const char*>(weights.data) + static_cast<size_t>(panel) * PanelBytes(&weights);
    alignas(64) float widened[kDepth * kPanelRows];
    for (int64_t from = 0; from < weights.ne[0]; from += kDepth) {
      const int64_t depth = std::min(weights.ne[0] - from, kDepth);
      const float* turned = reinterpret_cast<const float*>(stored) + from * kPanelRows;
      if (weights.type == GGML_TYPE_F16) {
        ggml_cpu_fp16_to_fp32(reinterpret_cast<const ggml_fp16_t*>(stored) + from * kPanelRows, widened, depth * kPanelRows);
        turned = widened;
      }
      const ProductPlace place = {reinterpret_cast<const float*>(b) + from, static_cast<int64_t>(rows.nb[1] / sizeof(float)),
                                  reinterpret_cast<float*>(c) + at, static_cast<int64_t>(op.nb[1] / sizeof(float))};
      MultiplyPanel(turned, depth, std::min(weights.ne[1] - at, kPanelRows), op.ne[1], place, from > 0);
    }
  }
};

class PanelBuffer final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor* op) override {
    const ggml_tensor* weights = op->src[0];
    return op->op == GGML_OP_MUL_MAT && IsOurs(weights) && HasPanels(weights) && op->src[1]->type == GGML_TYPE_F32 &&
           op->src[1]->nb[0] == sizeof(float) &&
           (op->src[1]->buffer == nullptr || ggml_backend_buft_is_host(op->src[1]->buffer->buft));
  }
  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* op) override {
    static PanelProduct product;
    switch (op->op) {
      case GGML_OP_MUL_MAT: return IsOurs(op->src[0]) ? &product : nullptr;
      case GGML_OP_FLASH_ATTN_EXT: return AttentionFor(op);
      case GGML_OP_UNARY: return ActivationFor(op);
      default: return nullptr;
    }
  }

 private:
  static bool IsOurs(const ggml_tensor* weights) {
    return weights->buffer != nullptr && weights->buffer->buft == weir_panel_buffer_type();
  }
};

ggml_backend_buffer_t Allocate(ggml_backend_buffer_type_t type, size_t size) {
  ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(ggml_backend_cpu_buffer_type(), size);
  if (buffer == nullptr) return nullptr;
  buffer->buft = type;
  buffer->iface.set_tensor = SetPanels;
  buffer->iface.get_tensor = nullptr;
  buffer->iface.cpy_tensor = nullptr;
  return buffer;
}

size_t AllocationOf(ggml_backend_buffer_type_t, const ggml_tensor* tensor) {
  return HasPanels(tensor) ? static_cast<size_t>(PanelsOf(tensor)) * PanelBytes(tensor) : ggml_nbytes(tensor);
}

const char* NameOf(ggml_backend_buffer_type_t) { return "CPU_PANELS"; }
size_t AlignmentOf(ggml_backend_buffer_type_t) { return 64; }

}  // namespace
}  // namespace weir::level

extern "C" ggml_backend_buffer_type_t weir_panel_buffer_type(void) {
  using namespace weir::level;
  static PanelBuffer context;
  static ggml_backend_buffer_type type = {
      {NameOf, Allocate, AlignmentOf, nullptr, AllocationOf, nullptr},
      ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0),
      &context,
  };
  return &type;
}
