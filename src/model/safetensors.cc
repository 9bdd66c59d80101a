#include "safetensors.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "weir/codec/json.h"

namespace weir {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr uint64_t kHeaderBytesMax = 100'000'000;  // as the format's own reader

uint64_t BytesOf(std::string_view dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64") return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32") return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16") return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL") return 1;
  return 0;
}

// The member as a list of whole numbers that are not negative.
Result<std::vector<uint64_t>> Numbers(const Json& of, std::string_view member) {
  const Json* list = of.Find(member);
  if (!list || !list->is_array()) return Corrupt(fmt::format("has no list '{}'", member));
  std::vector<uint64_t> numbers;
  for (const Json& item : list->as_array()) {
    const int64_t* value = item.get_if_int();
    if (!value || *value < 0) return Corrupt(fmt::format("'{}' holds what is no size", member));
    numbers.push_back(static_cast<uint64_t>(*value));
  }
  return numbers;
}

Result<SafeTensor> ReadTensor(const Json& entry, std::string_view data) {
  SafeTensor tensor;
  const Json* dtype = entry.Find("dtype");
  if (!dtype || !dtype->is_string()) return Corrupt("has no dtype");
  tensor.dtype = dtype->as_string();
  WEIR_ASSIGN(tensor.shape, Numbers(entry, "shape"));
  WEIR_ASSIGN(const std::vector<uint64_t> range, Numbers(entry, "data_offsets"));
  if (range.size() != 2 || range[0] > range[1] || range[1] > data.size()) return Corrupt("lies outside the file");
  uint64_t bytes = BytesOf(tensor.dtype);
  if (bytes == 0) return Unsupported(fmt::format("is of type {}", tensor.dtype));
  for (uint64_t extent : tensor.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return Corrupt("is larger than any memory");
  }
  if (bytes != range[1] - range[0]) {
    return Corrupt(fmt::format("takes {} bytes; its shape needs {}", range[1] - range[0], bytes));
  }
  tensor.bytes = data.substr(range[0], bytes);
  return tensor;
}

}  // namespace

Result<SafeTensors> SafeTensors::Open(const std::filesystem::path& file) {
  WEIR_ASSIGN(MappedFile mapped, MappedFile::Open(file));
  SafeTensors result(std::move(mapped));
  const std::string_view bytes = result.file_.bytes();
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) return Corrupt(fmt::format("{} is no safetensors file", file.string()));
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  if (header_bytes > kHeaderBytesMax || header_bytes > bytes.size() - sizeof(header_bytes)) {
    return Corrupt(fmt::format("{} is no safetensors file, or cut short", file.string()));
  }
  const Result<Json> header = Json::Parse(bytes.substr(sizeof(header_bytes), header_bytes));
  if (!header || !header->is_object()) return Corrupt(fmt::format("{}: its header is no JSON object", file.string()));
  const std::string_view data = bytes.substr(sizeof(header_bytes) + header_bytes);
  for (const auto& [name, entry] : header->as_object()) {
    if (name == "__metadata__") continue;
    Result<SafeTensor> tensor = ReadTensor(entry, data);
    if (!tensor) {
      return Error{tensor.error().code, fmt::format("{}: '{}' {}", file.string(), name, tensor.error().message), {}};
    }
    result.tensors_.insert_or_assign(name, *std::move(tensor));
  }
  return result;
}

const SafeTensor* SafeTensors::Find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace weir
