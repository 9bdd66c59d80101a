#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/codec/hex.h"
#include "weir/tokens/block_keys.h"
#include "weir/tokens/engine_keys.h"

namespace weir {
namespace {

constexpr size_t kTokens = 100'000;
constexpr size_t kBlockSize = kDefaultBlockSize;
constexpr int kRounds = 15;

// `hash` computes all keys of the tokens and returns the last one, for a comparison with other implementations.
template <typename Hash>
void Measure(std::string_view name, const BenchSink& sink, Hash hash) {
  std::string last;
  const auto seconds = TimeRounds(kRounds, [&] { last = hash(); });
  sink({"block-keys",
        std::string(name),
        "best",
        seconds.front() * 1e9 / kTokens,
        "ns/token",
        {{"tokens", Json(uint64_t{kTokens})}, {"block_size", Json(uint64_t{kBlockSize})}, {"last", Json(last)}}});
}

Status MeasureVllm(std::string_view name, std::span<const TokenId> tokens, const BenchSink& sink) {
  VllmKeyOptions options;
  WEIR_ASSIGN(options.hash, ParseVllmHash(name));
  options.seed = "0";
  std::vector<EngineKey> keys;
  Status status;
  Measure(fmt::format("vllm {}", name), sink, [&]() -> std::string {
    keys.clear();
    Result<VllmKeyChain> chain = VllmKeyChain::Start(options);
    if (!chain) return status = std::move(chain).error(), "";
    chain->Append(tokens, keys);
    return HexOf(keys.back().digest());
  });
  return status;
}

}  // namespace

Status BenchBlockKeys(const BenchOptions&, const BenchSink& sink) {
  Random random(1);
  std::vector<TokenId> tokens(kTokens);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random.Below(151'643));

  std::vector<BlockKey> keys;
  const BlockKey root = RootKey(Space{}, kBlockSize);
  Measure("weir xxh3-128", sink, [&] {
    keys.clear();
    AppendBlockKeys(tokens, kBlockSize, root, keys);
    return fmt::format("{:016x}{:016x}", keys.back().high, keys.back().low);
  });
  for (const char* hash : {"sha256", "sha256_cbor", "xxhash", "xxhash_cbor"}) WEIR_TRY(MeasureVllm(hash, tokens, sink));

  std::vector<EngineKey> requests;
  WEIR_ASSIGN(const LlmdKeyChain llmd, LlmdKeyChain::Start({.model = "m"}));
  Measure("llm-d", sink, [&] {
    requests.clear();
    LlmdKeyChain chain = llmd;
    chain.Append(tokens, requests);
    return std::to_string(requests.back().wire());
  });
  std::vector<DynamoKey> sequences;
  WEIR_ASSIGN(const DynamoKeyChain dynamo, DynamoKeyChain::Start({}));
  Measure("dynamo", sink, [&] {
    sequences.clear();
    DynamoKeyChain chain = dynamo;
    chain.Append(tokens, sequences);
    return std::to_string(sequences.back().sequence);
  });
  return {};
}

}  // namespace weir
