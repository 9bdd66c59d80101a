#include "gguf_writer.h"

#include <ggml.h>
#include <gguf.h>

#include <algorithm>

#include "llama_library.h"
#include "weir/base/check.h"
#include "weir/base/file.h"

namespace weir {
namespace {

constexpr size_t kTensorsMax = 4096;

ggml_type LibraryType(WeightType type) {
  switch (type) {
    case WeightType::kF32: return GGML_TYPE_F32;
    case WeightType::kF16: return GGML_TYPE_F16;
    case WeightType::kQ8: return GGML_TYPE_Q8_0;
  }
  return GGML_TYPE_F32;
}

}  // namespace

GgufWriter::GgufWriter() {
  SetUpLlama();
  gguf_ = gguf_init_empty();
  shapes_ = ggml_init({.mem_size = kTensorsMax * ggml_tensor_overhead(), .mem_buffer = nullptr, .no_alloc = true});
  WEIR_CHECK(gguf_ && shapes_, "no memory for a list of tensors");
}

GgufWriter::~GgufWriter() {
  gguf_free(gguf_);
  ggml_free(shapes_);
}

void GgufWriter::Set(const std::string& key, uint32_t value) { gguf_set_val_u32(gguf_, key.c_str(), value); }
void GgufWriter::Set(const std::string& key, float value) { gguf_set_val_f32(gguf_, key.c_str(), value); }
void GgufWriter::Set(const std::string& key, bool value) { gguf_set_val_bool(gguf_, key.c_str(), value); }
void GgufWriter::Set(const std::string& key, std::string_view value) {
  gguf_set_val_str(gguf_, key.c_str(), std::string(value).c_str());
}
void GgufWriter::Set(const std::string& key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  for (const std::string& value : values) pointers.push_back(value.c_str());
  gguf_set_arr_str(gguf_, key.c_str(), pointers.data(), pointers.size());
}
void GgufWriter::Set(const std::string& key, const std::vector<int32_t>& values) {
  gguf_set_arr_data(gguf_, key.c_str(), GGUF_TYPE_INT32, values.data(), values.size());
}

void GgufWriter::AddTensor(const std::string& name, std::span<const uint64_t> shape, std::span<const float> values,
                           WeightType type) {
  WEIR_CHECK(!shape.empty() && shape.size() <= GGML_MAX_DIMS && data_.size() < kTensorsMax, "tensor {}", name);
  std::vector<int64_t> extents(shape.rbegin(), shape.rend());  // the library counts from the innermost
  ggml_tensor* tensor = ggml_new_tensor(shapes_, LibraryType(type), static_cast<int>(extents.size()), extents.data());
  ggml_set_name(tensor, name.c_str());
  WEIR_CHECK(static_cast<size_t>(ggml_nelements(tensor)) == values.size(), "tensor {} of {} values", name, values.size());
  gguf_add_tensor(gguf_, tensor);
  std::string& bytes = data_.emplace_back(ggml_nbytes(tensor), '\0');
  const int64_t row = extents.front();
  switch (type) {
    case WeightType::kF32: std::copy_n(reinterpret_cast<const char*>(values.data()), bytes.size(), bytes.data()); break;
    case WeightType::kF16:
      ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(bytes.data()), ggml_nelements(tensor));
      break;
    case WeightType::kQ8:
      ggml_quantize_chunk(GGML_TYPE_Q8_0, values.data(), bytes.data(), 0, ggml_nelements(tensor) / row, row, nullptr);
      break;
  }
}

Status GgufWriter::Write(const std::filesystem::path& file) const {
  std::string whole(gguf_get_meta_size(gguf_), '\0');
  gguf_get_meta_data(gguf_, whole.data());
  const size_t data_begin = whole.size();
  for (size_t i = 0; i < data_.size(); ++i) {
    whole.resize(data_begin + gguf_get_tensor_offset(gguf_, static_cast<int64_t>(i)), '\0');
    whole += data_[i];
  }
  const size_t alignment = gguf_get_alignment(gguf_);
  whole.resize(data_begin + (whole.size() - data_begin + alignment - 1) / alignment * alignment, '\0');
  return WriteFileAtomically(file, whole);
}

}  // namespace weir
