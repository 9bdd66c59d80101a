#pragma once
// A Mooncake trace (JSON lines with `hash_ids`, one id for 512 tokens of prefix) as chains of block keys.

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/block_keys.h"

namespace weir {

inline constexpr uint32_t kTokensPerTraceId = 512;

// The id lists of a trace's requests, in order. "-" is standard input. invalid_argument names the line.
Result<std::vector<std::vector<uint64_t>>> ReadMooncakeIds(const std::filesystem::path& path);
// The same for text at hand; `name` for errors.
Result<std::vector<std::vector<uint64_t>>> ParseMooncakeIds(std::string_view text, std::string_view name);

// Each id becomes 512 tokens of its own; the chains are the keys of those tokens in blocks of `block_size`.
std::vector<std::vector<BlockKey>> ChainsOfIds(const std::vector<std::vector<uint64_t>>& requests, size_t block_size);

}  // namespace weir
