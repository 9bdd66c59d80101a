#include "mooncake_trace.h"

#include <fmt/format.h>

#include <string>

#include "weir/base/file.h"
#include "weir/base/random.h"
#include "weir/codec/json.h"

namespace weir {

Result<std::vector<std::vector<uint64_t>>> ReadMooncakeIds(const std::filesystem::path& path) {
  WEIR_ASSIGN(const std::string text, ReadFile(path));
  return ParseMooncakeIds(text, path.string());
}

Result<std::vector<std::vector<uint64_t>>> ParseMooncakeIds(std::string_view text, std::string_view name) {
  std::vector<std::vector<uint64_t>> requests;
  size_t line_number = 0;
  for (size_t begin = 0; begin < text.size();) {
    ++line_number;
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    const auto bad = [&](std::string_view what) {
      return InvalidArgument(fmt::format("{}, line {}: {}", name, line_number, what),
                             "give a Mooncake trace, one JSON object with hash_ids a line");
    };
    const Result<Json> row = Json::Parse(line);
    if (!row) return bad(row.error().message);
    const Json* const ids = row->Find("hash_ids");
    if (ids == nullptr || !ids->is_array()) return bad("no list hash_ids");
    auto& request = requests.emplace_back();
    for (const Json& id : ids->as_array()) {
      if (id.get_if_int() == nullptr || *id.get_if_int() < 0) return bad("an id is not a whole number");
      request.push_back(static_cast<uint64_t>(*id.get_if_int()));
    }
  }
  if (requests.empty()) return InvalidArgument(fmt::format("{} holds no request", name));
  return requests;
}

std::vector<std::vector<BlockKey>> ChainsOfIds(const std::vector<std::vector<uint64_t>>& requests, size_t block_size) {
  std::vector<std::vector<BlockKey>> chains(requests.size());
  const BlockKey root = RootKey(Space{}, block_size);
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < requests.size(); ++i) {
    tokens.clear();
    for (const uint64_t id : requests[i]) {
      Random random(id);
      for (uint32_t t = 0; t < kTokensPerTraceId; ++t) tokens.push_back(static_cast<TokenId>(random.Below(151'643)));
    }
    chains[i].reserve(tokens.size() / block_size);
    AppendBlockKeys(tokens, block_size, root, chains[i]);
  }
  return chains;
}

}  // namespace weir
