#pragma once
// Builds a GGUF file in memory: key-values first, then tensors, in the order added. One thread.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/model/model_table.h"

struct ggml_context;
struct gguf_context;

namespace weir {

class GgufWriter {
 public:
  GgufWriter();
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  void Set(const std::string& key, uint32_t value);
  void Set(const std::string& key, float value);
  void Set(const std::string& key, bool value);
  void Set(const std::string& key, std::string_view value);
  void Set(const std::string& key, const std::vector<std::string>& values);
  void Set(const std::string& key, const std::vector<int32_t>& values);

  // `shape` outermost first; `values` in that order, copied in the form wanted. REQUIRES: q8_0 rows of whole blocks of 32.
  void AddTensor(const std::string& name, std::span<const uint64_t> shape, std::span<const float> values, WeightType type);

  // Writes the old file or the whole new one.
  Status Write(const std::filesystem::path& file) const;

 private:
  gguf_context* gguf_;
  ggml_context* shapes_;
  std::vector<std::string> data_;  // of each tensor
};

}  // namespace weir
