#pragma once
// Reader of the safetensors format: a JSON header, then tensors' bytes.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/file.h"
#include "weir/base/result.h"

namespace weir {

struct SafeTensor {
  std::string dtype;            // "F32", "F16", "I64", ...
  std::vector<uint64_t> shape;  // outermost first
  std::string_view bytes;       // little-endian, in the mapped file
};

class SafeTensors {
 public:
  // corrupt: a header that is no JSON or too long, offsets outside the file, a size that the shape contradicts.
  static Result<SafeTensors> Open(const std::filesystem::path& file);

  // Null when there is none of that name.
  const SafeTensor* Find(std::string_view name) const;
  size_t size() const { return tensors_.size(); }

 private:
  explicit SafeTensors(MappedFile file) : file_(std::move(file)) {}

  MappedFile file_;
  std::map<std::string, SafeTensor, std::less<>> tensors_;
};

}  // namespace weir
