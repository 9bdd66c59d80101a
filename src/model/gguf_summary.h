#pragma once
// What a GGUF file says about itself, read and checked before the engine gets to see it.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "weir/base/result.h"

namespace weir {

struct GgufSummary {
  std::string architecture;
  uint32_t embedding = 0;  // numbers a token
  uint32_t blocks = 0;
  uint32_t heads = 0;
  uint32_t positions = 0;           // tokens that the model was trained for
  std::optional<uint32_t> pooling;  // as the file numbers it: 0 none, 1 mean, 2 cls, 3 last, 4 rank
  uint64_t bytes = 0;
};

// corrupt: not GGUF, cut short (the message says how many bytes are missing), or sizes that no model has. The weights'
// values are not looked at.
Result<GgufSummary> ReadGgufSummary(const std::filesystem::path& file);

}  // namespace weir
