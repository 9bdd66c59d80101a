#pragma once
// Cache traces: the keys that a program asked for, in order, as the papers on eviction publish them.

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "weir/base/result.h"

namespace weir {

struct KeyTrace {
  std::vector<uint32_t> keys;  // renumbered: 0, 1, 2... in the order of their first use
  uint32_t distinct = 0;
};

// The form follows the name, compressed or not (.zst, .xz; by the tools zstd and xz):
//   .lis     lines "start count ...", count keys from start on (the traces of the ARC paper)
//   .txt     one key a line, any word (the traces of the LIRS paper); "*" marks a pause
//   .jsonl   a Mooncake trace: the hash_ids of its requests
// invalid_argument names the line; unavailable: the tool is missing or failed.
Result<KeyTrace> ReadKeyTrace(const std::filesystem::path& path);

// The same for text at hand; `extension` as above, `name` for errors.
Result<KeyTrace> ParseKeyTrace(std::string_view text, std::string_view extension, std::string_view name);

}  // namespace weir
