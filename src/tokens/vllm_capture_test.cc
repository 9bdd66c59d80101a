// Recomputes the block hashes of KV events that a real engine published (captures beside the checkout).

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weir/base/file.h"
#include "weir/codec/json.h"
#include "weir/tokens/engine_keys.h"

namespace weir {
namespace {

// The folder of captured events beside the checkout, or nothing.
std::optional<std::filesystem::path> CapturedFolder() {
  std::filesystem::path at = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  for (; at != at.root_path(); at = at.parent_path()) {
    const std::filesystem::path folder = at / "shared/real-engine/captured";
    if (std::filesystem::is_directory(folder)) return folder;
  }
  return std::nullopt;
}

// Recomputes every BlockStored of a capture from the root of its chain; returns how many.
int RecomputeCapture(const std::filesystem::path& path, VllmHash hash) {
  const Result<std::string> lines = ReadFile(path);
  EXPECT_TRUE(lines);
  std::map<uint64_t, std::pair<EngineKey, uint64_t>> known;  // wire -> digest, index of the block behind it
  int stored = 0;
  for (size_t begin = 0; begin < lines->size();) {
    const size_t end = std::min(lines->find('\n', begin), lines->size());
    const Result<Json> record = Json::Parse(std::string_view(*lines).substr(begin, end - begin));
    begin = end + 1;
    EXPECT_TRUE(record);
    const Json* batch = record->Find("decoded");
    if (batch == nullptr || !batch->is_array()) continue;
    for (const Json& event : batch->as_array().at(1).as_array()) {
      if (event.Find("type")->as_string() != "BlockStored") continue;
      ++stored;
      VllmKeyOptions options{.hash = hash, .seed = "0"};
      options.block_size = static_cast<size_t>(event.Find("block_size")->as_int());
      const Json& first_extras = event.Find("extra_keys")->as_array().at(0);
      if (first_extras.is_array()) options.cache_salt = first_extras.as_array().at(0).as_string();
      std::vector<TokenId> tokens;
      for (const Json& token : event.Find("token_ids")->as_array()) tokens.push_back(static_cast<TokenId>(token.as_int()));
      const auto wire = [](const Json& value) {
        return value.get_if_uint() != nullptr ? *value.get_if_uint() : static_cast<uint64_t>(value.as_int());
      };
      const Json& parent = *event.Find("parent_block_hash");
      std::pair<EngineKey, uint64_t> from(VllmNoneHash(options).value(), 0);
      if (!parent.is_null()) from = known.at(wire(parent));
      std::vector<EngineKey> keys;
      VllmKeyChain::Resume(options, from.first, from.second)->Append(tokens, keys);
      const Json::Array& hashes = event.Find("block_hashes")->as_array();
      EXPECT_EQ(keys.size(), hashes.size());
      for (size_t i = 0; i < keys.size(); ++i) {
        EXPECT_EQ(keys[i].wire(), wire(hashes[i]));
        known[keys[i].wire()] = {keys[i], from.second + i + 1};
      }
    }
  }
  return stored;
}

TEST(VllmKeys, EqualsEveryCapturedEvent) {
  const std::optional<std::filesystem::path> folder = CapturedFolder();
  if (!folder) GTEST_SKIP() << "no captured events beside the checkout";
  EXPECT_EQ(RecomputeCapture(*folder / "sha256_cbor.jsonl", VllmHash::kSha256Cbor), 16);
  EXPECT_EQ(RecomputeCapture(*folder / "evict_xxhash_cbor.jsonl", VllmHash::kXxhashCbor), 16);
}

}  // namespace
}  // namespace weir
