#include "weir/tokens/block_keys.h"

#include <bit>
#include <cstring>
#include <type_traits>

#include "weir/base/check.h"
#include "weir/codec/xxh3.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weir {
namespace {

constexpr size_t kKeyBytes = sizeof(BlockKey);
static_assert(kKeyBytes == 16);

// Bytes of integers are little-endian whatever the machine, so that stored keys can move.
constexpr bool kLittleEndian = std::endian::native == std::endian::little;

void AppendLittle(uint64_t value, std::string& out) {
  for (unsigned i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void WriteTokens(const TokenId* tokens, size_t count, char* out) {
  if constexpr (kLittleEndian) {
    std::memcpy(out, tokens, count * sizeof(TokenId));
  } else {
    for (size_t i = 0; i < count; ++i) {
      for (unsigned byte = 0; byte < 4; ++byte) *out++ = static_cast<char>(tokens[i] >> (8 * byte));
    }
  }
}

void WriteKey(BlockKey key, char* out) {
  const uint64_t words[2] = {kLittleEndian ? key.high : __builtin_bswap64(key.high),
                             kLittleEndian ? key.low : __builtin_bswap64(key.low)};
  std::memcpy(out, words, sizeof(words));
}

// One block after the other: key = XXH3-128(parent high, parent low, tokens), little-endian. The parent stands first
// because XXH3 mixes the outer bytes last: all work on the tokens runs ahead of the chain. With a constant block size
// the compiler unfolds the whole hash.
template <typename BlockSize>
void Chain(std::span<const TokenId> tokens, BlockSize block_size, BlockKey parent, char* buffer,
           std::vector<BlockKey>& keys) {
  for (size_t begin = 0; begin + block_size <= tokens.size(); begin += block_size) {
    WriteKey(parent, buffer);
    WriteTokens(tokens.data() + begin, block_size, buffer + kKeyBytes);
    const XXH128_hash_t hash = XXH3_128bits(buffer, kKeyBytes + block_size * sizeof(TokenId));
    parent = {hash.high64, hash.low64};
    keys.push_back(parent);
  }
}

}  // namespace

BlockKey RootKey(const Space& space, size_t block_size) {
  WEIR_CHECK(block_size > 0);
  std::string bytes = "weir block root 1";
  for (const std::string* part : {&space.tokenizer_fingerprint, &space.model, &space.lora, &space.salt}) {
    AppendLittle(part->size(), bytes);
    bytes += *part;
  }
  AppendLittle(block_size, bytes);
  const Hash128 hash = Xxh3_128(bytes);
  return {hash.high, hash.low};
}

void AppendBlockKeys(std::span<const TokenId> tokens, size_t block_size, BlockKey parent, std::vector<BlockKey>& keys) {
  WEIR_CHECK(block_size > 0);
  keys.reserve(keys.size() + tokens.size() / block_size);
  if (block_size == kDefaultBlockSize) {
    char buffer[kKeyBytes + kDefaultBlockSize * sizeof(TokenId)];
    Chain(tokens, std::integral_constant<size_t, kDefaultBlockSize>(), parent, buffer, keys);
  } else if (block_size <= tokens.size()) {
    std::vector<char> buffer(kKeyBytes + block_size * sizeof(TokenId));
    Chain(tokens, block_size, parent, buffer.data(), keys);
  }
}

}  // namespace weir
