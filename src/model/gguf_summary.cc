#include "gguf_summary.h"

#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>

#include <memory>
#include <system_error>

#include "llama_library.h"
#include "weir/base/file.h"

namespace weir {
namespace {

struct GgufDeleter {
  void operator()(gguf_context* gguf) const { gguf_free(gguf); }
};
using GgufPointer = std::unique_ptr<gguf_context, GgufDeleter>;

// A whole number under `key`, whatever width it is stored in.
std::optional<uint64_t> FindNumber(const gguf_context* gguf, const std::string& key) {
  const int64_t id = gguf_find_key(gguf, key.c_str());
  if (id < 0) return std::nullopt;
  switch (gguf_get_kv_type(gguf, id)) {
    case GGUF_TYPE_UINT32: return gguf_get_val_u32(gguf, id);
    case GGUF_TYPE_INT32:
      if (gguf_get_val_i32(gguf, id) < 0) return std::nullopt;
      return static_cast<uint64_t>(gguf_get_val_i32(gguf, id));
    case GGUF_TYPE_UINT64: return gguf_get_val_u64(gguf, id);
    case GGUF_TYPE_UINT16: return gguf_get_val_u16(gguf, id);
    default: return std::nullopt;
  }
}

Result<uint32_t> NeedNumber(const gguf_context* gguf, const std::string& key, uint64_t max) {
  const std::optional<uint64_t> value = FindNumber(gguf, key);
  if (!value) return Corrupt(fmt::format("it does not say {}", key));
  if (*value == 0 || *value > max) return Corrupt(fmt::format("{} is {}; models have 1 to {}", key, *value, max));
  return static_cast<uint32_t>(*value);
}

// Every tensor's bytes lie inside the file.
Status CheckTensors(const gguf_context* gguf, uint64_t file_bytes) {
  const int64_t count = gguf_get_n_tensors(gguf);
  if (count == 0) return Corrupt("it holds no weights");
  const uint64_t data = gguf_get_data_offset(gguf);
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t offset = gguf_get_tensor_offset(gguf, i);
    const uint64_t size = gguf_get_tensor_size(gguf, i);
    uint64_t end = 0;
    if (__builtin_add_overflow(data, offset, &end) || __builtin_add_overflow(end, size, &end) || end > file_bytes) {
      return Corrupt(fmt::format("it is cut short: the weights '{}' end at byte {} of {}", gguf_get_tensor_name(gguf, i),
                                 end, file_bytes));
    }
  }
  return {};
}

Result<GgufSummary> Summarize(const gguf_context* gguf, uint64_t file_bytes) {
  WEIR_TRY(CheckTensors(gguf, file_bytes));
  GgufSummary summary;
  summary.bytes = file_bytes;
  const int64_t id = gguf_find_key(gguf, "general.architecture");
  if (id < 0 || gguf_get_kv_type(gguf, id) != GGUF_TYPE_STRING) return Corrupt("it names no architecture");
  summary.architecture = gguf_get_val_str(gguf, id);
  const std::string& name = summary.architecture;
  WEIR_ASSIGN(summary.embedding, NeedNumber(gguf, name + ".embedding_length", 1u << 16));
  WEIR_ASSIGN(summary.blocks, NeedNumber(gguf, name + ".block_count", 1u << 10));
  WEIR_ASSIGN(summary.heads, NeedNumber(gguf, name + ".attention.head_count", 1u << 10));
  WEIR_ASSIGN(summary.positions, NeedNumber(gguf, name + ".context_length", 1u << 26));
  if (const auto pooling = FindNumber(gguf, name + ".pooling_type")) summary.pooling = static_cast<uint32_t>(*pooling);
  return summary;
}

}  // namespace

Result<GgufSummary> ReadGgufSummary(const std::filesystem::path& file) {
  SetUpLlama();
  uint64_t file_bytes = 0;
  {
    WEIR_ASSIGN(const MappedFile mapped, MappedFile::Open(file));  // its errors name the path and the reason
    file_bytes = mapped.bytes().size();
    if (!mapped.bytes().starts_with("GGUF")) {
      return Corrupt(fmt::format("{} is not a GGUF file", file.string()), "models are converted by `weir models fetch`");
    }
  }
  const std::string doing = fmt::format("{} is no sound GGUF file", file.string());
  TakeLibraryError();
  return Contained(ErrorCode::kCorrupt, doing, nullptr, [&]() -> Result<GgufSummary> {
    const GgufPointer gguf(gguf_init_from_file(file.c_str(), {.no_alloc = true, .ctx = nullptr}));
    if (!gguf) return Corrupt(fmt::format("{}: {}", doing, TakeLibraryError()));
    Result<GgufSummary> summary = Summarize(gguf.get(), file_bytes);
    if (!summary) return Corrupt(fmt::format("{}: {}", doing, summary.error().message));
    return summary;
  });
}

}  // namespace weir
