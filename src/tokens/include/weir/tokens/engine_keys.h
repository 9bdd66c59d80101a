#pragma once
// The block keys of engines and routers, bit for bit: vLLM's prefix cache, llm-d's request keys, Dynamo's and Mooncake's
// sequence hashes. Weir's own keys are in block_keys.h.
//
// Each chain takes the tokens of one prompt, in pieces of any size, and appends one key per block that fills up. Sources:
// vLLM vllm/v1/core/kv_cache_utils.py and vllm/utils/hashing.py (0.8 to 0.33), llm-d pkg/kvcache/kvblock, Dynamo
// lib/kv-router protocols. A chain is a value; one thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/block_keys.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct EngineKey {
  std::array<uint8_t, 32> bytes{};  // the first `size` of them; zero behind
  uint8_t size = 0;                 // 32: SHA-256, 16: XXH3-128, 8: routers

  std::string_view digest() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
  // What KV events and routers carry: the last 8 bytes, big-endian.
  uint64_t wire() const;
  // invalid_argument unless 8, 16 or 32 bytes.
  static Result<EngineKey> FromDigest(std::string_view digest);
  static EngineKey FromWire(uint64_t value);  // 8 bytes

  friend bool operator==(const EngineKey&, const EngineKey&) = default;
};

enum class VllmHash { kSha256, kSha256Cbor, kXxhash, kXxhashCbor };

// "sha256", "sha256_cbor", "xxhash", "xxhash_cbor"; invalid_argument for another name.
Result<VllmHash> ParseVllmHash(std::string_view name);

// How a release writes the extra keys into what it hashes.
enum class VllmExtras {
  kBare,      // strings alone; a multimodal item is its identifier
  kUntagged,  // strings alone; a multimodal item is (identifier, offset)
  kTagged,    // ("lora", name, path), ("mm", identifier, offset), ("cache_salt", salt), ("prompt_embeds", digest)
};

// An image, audio or other input, as placeholders in the token sequence. `offset` and `length` in tokens of the prompt.
struct VllmMultimodalItem {
  std::string identifier;
  uint64_t offset = 0;
  uint64_t length = 0;
};

struct VllmKeyOptions {
  VllmHash hash = VllmHash::kSha256;
  VllmExtras extras = VllmExtras::kTagged;
  size_t block_size = kDefaultBlockSize;
  // PYTHONHASHSEED of the engine. Unset, a SHA-256 engine of a recent release starts from a fixed text; an older one, and
  // every xxhash engine, draws a random start that nobody else can know.
  std::optional<std::string> seed{};
  // The start itself (NONE_HASH), where it is known otherwise; overrides `seed`.
  std::optional<std::string> none_hash{};

  std::string lora_name{};  // empty: none
  std::string lora_path{};  // only hashed with kTagged
  std::string cache_salt{};
  std::vector<VllmMultimodalItem> items{};  // by rising offset, not overlapping
  // SHA-256 of each block's prompt embeddings, 32 bytes each; empty: none. Blocks beyond the end have none.
  std::vector<std::string> prompt_embeds{};
};

// The parent of block 0 (NONE_HASH). invalid_argument when it cannot be known.
Result<EngineKey> VllmNoneHash(const VllmKeyOptions& options);

class VllmKeyChain {
 public:
  // invalid_argument: block size 0, items out of order, text that is not UTF-8, a start that cannot be known.
  static Result<VllmKeyChain> Start(VllmKeyOptions options);
  // Goes on behind block `next_block - 1`, whose whole digest is `parent`.
  static Result<VllmKeyChain> Resume(VllmKeyOptions options, const EngineKey& parent, uint64_t next_block);

  VllmKeyChain(VllmKeyChain&&) noexcept;
  VllmKeyChain& operator=(VllmKeyChain&&) noexcept;
  ~VllmKeyChain();

  // Appends one key per block that these tokens fill, counting tokens left over from earlier calls.
  void Append(std::span<const TokenId> tokens, std::vector<EngineKey>& keys);
  // The digest that the next block is chained to.
  const EngineKey& parent() const;

  class Impl;

 private:
  explicit VllmKeyChain(std::unique_ptr<Impl> impl);
  friend Result<std::vector<std::vector<EngineKey>>> VllmKeysOfPrompts(const VllmKeyOptions& options,
                                                                       std::span<const std::span<const TokenId>> prompts);
  std::unique_ptr<Impl> impl_;
};

// The keys of several prompts under the same options, as a chain for each would give them. Pairs of SHA-256 chains run
// interleaved, which takes a quarter off the time; keep prompts of like length side by side.
Result<std::vector<std::vector<EngineKey>>> VllmKeysOfPrompts(const VllmKeyOptions& options,
                                                              std::span<const std::span<const TokenId>> prompts);

// llm-d: FNV-1a-64 over canonical CBOR of [parent, tokens, extras]. All values are 8 bytes.
struct LlmdKeyOptions {
  std::string seed{};   // hashSeed of the router's configuration
  std::string model{};  // the LoRA's name in its place for a request with one
  size_t block_size = kDefaultBlockSize;
  // Hashes of the multimodal inputs in each block; empty: none. Blocks beyond the end have none.
  std::vector<std::vector<std::string>> multimodal_hashes{};
};

class LlmdKeyChain {
 public:
  static Result<LlmdKeyChain> Start(LlmdKeyOptions options);
  static Result<LlmdKeyChain> Resume(LlmdKeyOptions options, uint64_t parent, uint64_t next_block);
  void Append(std::span<const TokenId> tokens, std::vector<EngineKey>& keys);
  uint64_t parent() const { return parent_; }

 private:
  LlmdKeyChain(LlmdKeyOptions options, uint64_t parent, uint64_t next_block)
      : options_(std::move(options)), parent_(parent), next_block_(next_block) {}
  void AppendBlock(const TokenId* tokens, std::vector<EngineKey>& keys);

  LlmdKeyOptions options_;
  uint64_t parent_;
  uint64_t next_block_;
  std::vector<TokenId> pending_;
  std::string message_;
};

// Dynamo and Mooncake: XXH3-64 of each block's tokens (local), chained by XXH3-64 (sequence).
struct DynamoKeyOptions {
  uint64_t seed = 1337;
  size_t block_size = kDefaultBlockSize;
  std::string lora_name{};  // added to the seed of the local hashes as its XXH3-64; empty: none
};

struct DynamoKey {
  uint64_t local = 0;     // equal tokens, equal value, wherever the block stands
  uint64_t sequence = 0;  // with the history
  friend bool operator==(const DynamoKey&, const DynamoKey&) = default;
};

class DynamoKeyChain {
 public:
  static Result<DynamoKeyChain> Start(DynamoKeyOptions options);
  // `parent`: the sequence hash of the block before.
  static Result<DynamoKeyChain> Resume(DynamoKeyOptions options, uint64_t parent);
  void Append(std::span<const TokenId> tokens, std::vector<DynamoKey>& keys);

 private:
  DynamoKeyChain(DynamoKeyOptions options, std::optional<uint64_t> parent);

  DynamoKeyOptions options_;
  uint64_t local_seed_;
  std::optional<uint64_t> parent_;
  std::vector<TokenId> pending_;
};

}  // namespace weir
