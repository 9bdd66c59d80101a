// vLLM's block hashes.

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "block_feed.h"
#include "cbor_tokens.h"
#include "vllm_extras.h"
#include "weir/base/check.h"
#include "weir/codec/cbor.h"
#include "weir/codec/pickle.h"
#include "weir/codec/sha256.h"
#include "weir/codec/utf8.h"
#include "weir/tokens/engine_keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weir {
namespace {

using internal::VllmBytes;
using internal::VllmExtra;
using internal::VllmLeaf;
using internal::VllmTag;
using internal::VllmText;

// The seed of recent releases when PYTHONHASHSEED is unset and the hash is SHA-256.
constexpr std::string_view kFixedSeed = "vllm-none-hash";

constexpr size_t kShaBytes = 32;
constexpr size_t kXxhBytes = 16;
// The longest block that the fast pickle writer takes: its frame stays whole. CPython starts a new one at 64 KiB.
constexpr size_t kFastPickleTokensMax = 8192;
// Below it tuples have opcodes of their own.
constexpr size_t kFastPickleTokensMin = 4;
constexpr size_t kPickleTokenBytes = 7;

bool UsesCbor(VllmHash hash) { return hash == VllmHash::kSha256Cbor || hash == VllmHash::kXxhashCbor; }
bool UsesSha(VllmHash hash) { return hash == VllmHash::kSha256 || hash == VllmHash::kSha256Cbor; }

// `message` has kSha256TailBytes of room behind it.
void Digest(bool sha, uint8_t* message, size_t size, EngineKey& key) {
  if (sha) {
    key.size = kShaBytes;
    Sha256InPlace(message, size, key.bytes.data());
  } else {
    key = {};
    key.size = kXxhBytes;
    XXH128_canonicalFromHash(reinterpret_cast<XXH128_canonical_t*>(key.bytes.data()), XXH3_128bits(message, size));
  }
}

EngineKey DigestOf(bool sha, std::string message) {
  const size_t size = message.size();
  message.resize(size + kSha256TailBytes);
  EngineKey key;
  Digest(sha, reinterpret_cast<uint8_t*>(message.data()), size, key);
  return key;
}

void WriteCborExtras(const std::vector<VllmExtra>& extras, CborWriter& writer) {
  if (extras.empty()) return writer.Null();
  writer.Array(extras.size());
  for (const VllmExtra& extra : extras) {
    if (extra.is_tuple) writer.Array(extra.leaves.size());
    for (const VllmLeaf& leaf : extra.leaves) {
      if (const auto* tag = std::get_if<VllmTag>(&leaf)) writer.Text(tag->text);
      if (const auto* text = std::get_if<VllmText>(&leaf)) writer.Text(text->text);
      if (const auto* bytes = std::get_if<VllmBytes>(&leaf)) writer.Bytes(bytes->bytes);
      if (const auto* number = std::get_if<int64_t>(&leaf)) writer.Integer(*number);
    }
  }
}

void WritePickleExtras(const std::vector<VllmExtra>& extras, PickleWriter& writer) {
  if (extras.empty()) return writer.None();
  std::vector<std::pair<std::string_view, size_t>> tags;
  const auto write_tag = [&](std::string_view text) {
    for (const auto& [known, memo] : tags) {
      if (known == text) return writer.Again(memo);
    }
    tags.emplace_back(text, writer.Text(text));
  };
  writer.BeginTuple(extras.size());
  for (const VllmExtra& extra : extras) {
    if (extra.is_tuple) writer.BeginTuple(extra.leaves.size());
    for (const VllmLeaf& leaf : extra.leaves) {
      if (const auto* tag = std::get_if<VllmTag>(&leaf)) write_tag(tag->text);
      if (const auto* text = std::get_if<VllmText>(&leaf)) writer.Text(text->text);
      if (const auto* bytes = std::get_if<VllmBytes>(&leaf)) writer.Bytes(bytes->bytes);
      if (const auto* number = std::get_if<int64_t>(&leaf)) writer.Integer(*number);
    }
    if (extra.is_tuple) writer.EndTuple();
  }
  writer.EndTuple();
}

// As the pickler writes an int of this size; up to 8 bytes are overwritten.
inline uint8_t* WritePickleToken(uint8_t* out, TokenId id) {
  if (id > INT32_MAX) [[unlikely]] {
    out[0] = 0x8A;
    out[1] = 5;
    std::memcpy(out + 2, &id, sizeof(id));
    out[6] = 0;
    return out + kPickleTokenBytes;
  }
  const unsigned at = 8 * (unsigned{id > 0xFF} + unsigned{id > 0xFFFF});
  const uint64_t word = uint64_t{id} << 8 | (0x4A4D4Bu >> at & 0xFF);
  std::memcpy(out, &word, sizeof(word));
  return out + (0x050302u >> at & 0xFF);
}

uint8_t* WriteBytes(uint8_t* out, std::string_view bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

}  // namespace

uint64_t EngineKey::wire() const {
  WEIR_CHECK(size >= 8);
  uint64_t value;
  std::memcpy(&value, bytes.data() + size - 8, sizeof(value));
  return __builtin_bswap64(value);
}

Result<EngineKey> EngineKey::FromDigest(std::string_view digest) {
  if (digest.size() != 8 && digest.size() != kXxhBytes && digest.size() != kShaBytes) {
    return InvalidArgument(fmt::format("a key of {} bytes; 8, 16 or 32 are due", digest.size()));
  }
  EngineKey key;
  key.size = static_cast<uint8_t>(digest.size());
  std::memcpy(key.bytes.data(), digest.data(), digest.size());
  return key;
}

EngineKey EngineKey::FromWire(uint64_t value) {
  EngineKey key;
  key.size = 8;
  const uint64_t big = __builtin_bswap64(value);
  std::memcpy(key.bytes.data(), &big, sizeof(big));
  return key;
}

Result<VllmHash> ParseVllmHash(std::string_view name) {
  if (name == "sha256") return VllmHash::kSha256;
  if (name == "sha256_cbor") return VllmHash::kSha256Cbor;
  if (name == "xxhash") return VllmHash::kXxhash;
  if (name == "xxhash_cbor") return VllmHash::kXxhashCbor;
  return InvalidArgument("unknown vLLM hash", "use sha256, sha256_cbor, xxhash or xxhash_cbor");
}

Result<EngineKey> VllmNoneHash(const VllmKeyOptions& options) {
  if (options.none_hash) return EngineKey::FromDigest(*options.none_hash);
  if (!options.seed && !UsesSha(options.hash)) {
    return InvalidArgument("an xxhash engine without PYTHONHASHSEED starts from random bytes",
                           "start the engine with PYTHONHASHSEED set, and pass the same seed");
  }
  const std::string_view seed = options.seed ? std::string_view(*options.seed) : kFixedSeed;
  if (!IsValidUtf8(seed)) return InvalidArgument("the seed is not UTF-8");
  std::string message;
  if (UsesCbor(options.hash)) {
    CborWriter(message).Text(seed);
  } else {
    PickleWriter writer;
    writer.Text(seed);
    message = writer.Finish();
  }
  return DigestOf(UsesSha(options.hash), std::move(message));
}

class VllmKeyChain::Impl {
 public:
  Impl(VllmKeyOptions options, const EngineKey& parent, uint64_t next_block)
      : options_(std::move(options)), parent_(parent), next_block_(next_block) {}

  const EngineKey& parent() const { return parent_; }

  void Append(std::span<const TokenId> tokens, std::vector<EngineKey>& keys) {
    keys.reserve(keys.size() + (pending_.size() + tokens.size()) / options_.block_size);
    internal::FeedBlocks(tokens, options_.block_size, pending_, [&](const TokenId* block) {
      plain_ = plain_ || internal::VllmExtrasEnd(options_, next_block_);
      const std::vector<VllmExtra> extras =
          plain_ ? std::vector<VllmExtra>() : internal::VllmExtrasOfBlock(options_, next_block_);
      if (UsesCbor(options_.hash)) {
        HashCbor(block, extras);
      } else {
        HashPickle(block, extras);
      }
      ++next_block_;
      keys.push_back(parent_);
    });
  }

 private:
  uint8_t* Reserve(size_t bytes) {
    if (buffer_.size() < bytes) buffer_.resize(bytes);
    return buffer_.data();
  }

  void HashCbor(const TokenId* block, const std::vector<VllmExtra>& extras) {
    extras_.clear();
    CborWriter writer(extras_);
    WriteCborExtras(extras, writer);
    const size_t heads_max = 1 + 2 + 9;
    uint8_t* message = Reserve(heads_max + kShaBytes + options_.block_size * internal::kCborTokenBytes +
                               internal::kCborTokenSlack + extras_.size() + kSha256TailBytes);
    uint8_t* at = message;
    *at++ = 0x83;
    if (parent_.size == kShaBytes) *at++ = 0x58;
    *at++ = parent_.size == kShaBytes ? 0x20 : 0x40 | parent_.size;
    at = WriteBytes(at, parent_.digest());
    at = internal::WriteCborArrayHead(at, options_.block_size);
    for (size_t i = 0; i < options_.block_size; ++i) at = internal::WriteCborToken(at, block[i]);
    at = WriteBytes(at, extras_);
    Digest(UsesSha(options_.hash), message, static_cast<size_t>(at - message), parent_);
  }

  void HashPickle(const TokenId* block, const std::vector<VllmExtra>& extras) {
    const size_t count = options_.block_size;
    if (!extras.empty() || count < kFastPickleTokensMin || count > kFastPickleTokensMax)
      return HashPickleSlowly(block, extras);
    static constexpr uint8_t kEnd[] = {'t', 0x94, 'N', 0x87, 0x94, '.'};
    static constexpr size_t kFrameHead = 11;
    uint8_t* message = Reserve(kFrameHead + kShaBytes + count * kPickleTokenBytes + 8 + kSha256TailBytes + 16);
    static constexpr uint8_t kBegin[] = {0x80, 0x05, 0x95};
    std::memcpy(message, kBegin, sizeof(kBegin));
    uint8_t* at = message + kFrameHead;
    *at++ = 'C';
    *at++ = parent_.size;
    at = WriteBytes(at, parent_.digest());
    *at++ = 0x94;
    *at++ = '(';
    for (size_t i = 0; i < count; ++i) at = WritePickleToken(at, block[i]);
    std::memcpy(at, kEnd, sizeof(kEnd));
    at += sizeof(kEnd);
    const auto frame = static_cast<uint64_t>(at - message) - kFrameHead;
    std::memcpy(message + sizeof(kBegin), &frame, sizeof(frame));
    Digest(UsesSha(options_.hash), message, static_cast<size_t>(at - message), parent_);
  }

  void HashPickleSlowly(const TokenId* block, const std::vector<VllmExtra>& extras) {
    pickle_.Reset();
    pickle_.BeginTuple(3);
    pickle_.Bytes(parent_.digest());
    pickle_.BeginTuple(options_.block_size);
    for (size_t i = 0; i < options_.block_size; ++i) pickle_.Unsigned(block[i]);
    pickle_.EndTuple();
    WritePickleExtras(extras, pickle_);
    pickle_.EndTuple();
    parent_ = DigestOf(UsesSha(options_.hash), std::string(pickle_.Finish()));
  }

  VllmKeyOptions options_;
  EngineKey parent_;
  uint64_t next_block_;
  bool plain_ = false;  // no later block has extras
  std::vector<TokenId> pending_;
  std::vector<uint8_t> buffer_;
  std::string extras_;
  PickleWriter pickle_;
};

Result<VllmKeyChain> VllmKeyChain::Start(VllmKeyOptions options) {
  WEIR_ASSIGN(const EngineKey none, VllmNoneHash(options));
  return Resume(std::move(options), none, 0);
}

Result<VllmKeyChain> VllmKeyChain::Resume(VllmKeyOptions options, const EngineKey& parent, uint64_t next_block) {
  if (options.block_size == 0) return InvalidArgument("block size 0", "pass the engine's block size, for example 16");
  WEIR_TRY(internal::CheckVllmExtras(options));
  return VllmKeyChain(std::make_unique<Impl>(std::move(options), parent, next_block));
}

VllmKeyChain::VllmKeyChain(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VllmKeyChain::VllmKeyChain(VllmKeyChain&&) noexcept = default;
VllmKeyChain& VllmKeyChain::operator=(VllmKeyChain&&) noexcept = default;
VllmKeyChain::~VllmKeyChain() = default;

void VllmKeyChain::Append(std::span<const TokenId> tokens, std::vector<EngineKey>& keys) { impl_->Append(tokens, keys); }

const EngineKey& VllmKeyChain::parent() const { return impl_->parent(); }

}  // namespace weir
