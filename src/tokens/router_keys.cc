// The chains of routers: llm-d, Dynamo, Mooncake.

#include <utility>

#include "block_feed.h"
#include "cbor_tokens.h"
#include "weir/codec/cbor.h"
#include "weir/codec/utf8.h"
#include "weir/codec/xxh3.h"
#include "weir/tokens/engine_keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weir {
namespace {

constexpr uint64_t kFnvStart = 0xcbf29ce484222325;
constexpr uint64_t kFnvPrime = 0x100000001b3;

uint64_t Fnv1a64(std::string_view bytes) {
  uint64_t hash = kFnvStart;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * kFnvPrime;
  return hash;
}

Error NoBlockSize() { return InvalidArgument("block size 0", "pass the engine's block size, for example 16"); }

Status CheckLlmd(const LlmdKeyOptions& options) {
  if (options.block_size == 0) return NoBlockSize();
  if (!IsValidUtf8(options.model)) return InvalidArgument("the model's name is not UTF-8");
  for (const auto& block : options.multimodal_hashes) {
    for (const std::string& hash : block) {
      if (!IsValidUtf8(hash)) return InvalidArgument("a multimodal hash is not UTF-8");
    }
  }
  return {};
}

}  // namespace

Result<LlmdKeyChain> LlmdKeyChain::Start(LlmdKeyOptions options) {
  WEIR_TRY(CheckLlmd(options));
  std::string message;
  CborWriter writer(message);
  writer.Array(3);
  writer.Unsigned(Fnv1a64(options.seed));
  writer.Null();
  writer.Text(options.model);
  return LlmdKeyChain(std::move(options), Fnv1a64(message), 0);
}

Result<LlmdKeyChain> LlmdKeyChain::Resume(LlmdKeyOptions options, uint64_t parent, uint64_t next_block) {
  WEIR_TRY(CheckLlmd(options));
  return LlmdKeyChain(std::move(options), parent, next_block);
}

void LlmdKeyChain::AppendBlock(const TokenId* tokens, std::vector<EngineKey>& keys) {
  message_.clear();
  CborWriter writer(message_);
  writer.Array(3);
  writer.Unsigned(parent_);
  const size_t begin = message_.size();
  message_.resize(begin + 9 + options_.block_size * internal::kCborTokenBytes + internal::kCborTokenSlack);
  auto* out = reinterpret_cast<uint8_t*>(message_.data());
  uint8_t* at = internal::WriteCborArrayHead(out + begin, options_.block_size);
  for (size_t i = 0; i < options_.block_size; ++i) at = internal::WriteCborToken(at, tokens[i]);
  message_.resize(static_cast<size_t>(at - out));
  const uint64_t block = next_block_++;
  if (block < options_.multimodal_hashes.size() && !options_.multimodal_hashes[block].empty()) {
    const std::vector<std::string>& hashes = options_.multimodal_hashes[block];
    writer.Array(hashes.size());
    for (const std::string& hash : hashes) {
      writer.Map(1);
      writer.Text("Hash");
      writer.Text(hash);
    }
  } else {
    writer.Null();
  }
  parent_ = Fnv1a64(message_);
  keys.push_back(EngineKey::FromWire(parent_));
}

void LlmdKeyChain::Append(std::span<const TokenId> tokens, std::vector<EngineKey>& keys) {
  internal::FeedBlocks(tokens, options_.block_size, pending_, [&](const TokenId* block) { AppendBlock(block, keys); });
}

DynamoKeyChain::DynamoKeyChain(DynamoKeyOptions options, std::optional<uint64_t> parent)
    : options_(std::move(options)), local_seed_(options_.seed), parent_(parent) {
  if (!options_.lora_name.empty()) local_seed_ += Xxh3_64(options_.lora_name);
}

Result<DynamoKeyChain> DynamoKeyChain::Start(DynamoKeyOptions options) {
  if (options.block_size == 0) return NoBlockSize();
  return DynamoKeyChain(std::move(options), std::nullopt);
}

Result<DynamoKeyChain> DynamoKeyChain::Resume(DynamoKeyOptions options, uint64_t parent) {
  if (options.block_size == 0) return NoBlockSize();
  return DynamoKeyChain(std::move(options), parent);
}

void DynamoKeyChain::Append(std::span<const TokenId> tokens, std::vector<DynamoKey>& keys) {
  static_assert(std::endian::native == std::endian::little, "tokens are hashed as they lie in memory");
  keys.reserve(keys.size() + (pending_.size() + tokens.size()) / options_.block_size);
  internal::FeedBlocks(tokens, options_.block_size, pending_, [&](const TokenId* block) {
    const uint64_t local = XXH3_64bits_withSeed(block, options_.block_size * sizeof(TokenId), local_seed_);
    uint64_t sequence = local;
    if (parent_) {
      const uint64_t link[2] = {*parent_, local};
      sequence = XXH3_64bits_withSeed(link, sizeof(link), options_.seed);
    }
    parent_ = sequence;
    keys.push_back({local, sequence});
  });
}

}  // namespace weir
