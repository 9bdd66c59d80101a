#include <cstdint>

#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/tokens/block_keys.h"

namespace weir {

Status BenchBlockKeys(const BenchOptions&, const BenchSink& sink) {
  constexpr size_t kTokens = 100'000;
  constexpr size_t kBlockSize = kDefaultBlockSize;
  constexpr int kRounds = 15;
  Random random(1);
  std::vector<TokenId> tokens(kTokens);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random.Below(151'643));
  std::vector<BlockKey> keys;
  const BlockKey root = RootKey(Space{}, kBlockSize);
  const auto seconds = TimeRounds(kRounds, [&] {
    keys.clear();
    AppendBlockKeys(tokens, kBlockSize, root, keys);
    KeepResult(keys.back().low);
  });
  const Json::Object sizes = {{"tokens", Json(uint64_t{kTokens})}, {"block_size", Json(uint64_t{kBlockSize})}};
  sink({"block-keys", "weir xxh3-128", "best", seconds.front() * 1e9 / kTokens, "ns/token", sizes});
  return {};
}

}  // namespace weir
