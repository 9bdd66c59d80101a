#pragma once
// Weights that lie in panels from the moment they are loaded, and the operations that the CPU backend leaves to us.
//
// ggml asks each "extra buffer type" of a backend whether it wants a weight, and, before it computes an operation, whether
// it computes that. Ours takes matrices of floats and half floats for products (panel_weights.cc), and two operations whose
// own form is slow: attention (attention.cc) and the activation GELU (activation.cc). What they do not take, ggml does.

#include <cstddef>

#include "ggml-backend.h"
#include "traits.h"

// Under the name that ggml-cpu.cpp calls, as cmake/llama defines it.
extern "C" ggml_backend_buffer_type_t weir_panel_buffer_type(void);

namespace weir::level {

// Each gives null when the operation is not one for it.
ggml::cpu::tensor_traits* AttentionFor(const ggml_tensor* op);
ggml::cpu::tensor_traits* ActivationFor(const ggml_tensor* op);

}  // namespace weir::level
