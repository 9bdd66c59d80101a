// vLLM's block hashes.

#include <fmt/format.h>

#include <algorithm>
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
// The longest block that the fast pickle writer takes: with extras of a few KiB its frame stays below CPython's 64 KiB.
constexpr size_t kFastPickleTokensMax = 8192;
// Below it tuples have opcodes of their own.
constexpr size_t kFastPickleTokensMin = 4;
constexpr size_t kPickleTokenBytes = 7;
constexpr size_t kPickleTokenSlack = 8;
constexpr size_t kPickleHead = 11;  // protocol, frame opcode and length

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
  bool uses_sha() const { return UsesSha(options_.hash); }

  void Append(std::span<const TokenId> tokens, std::vector<EngineKey>& keys) {
    keys.reserve(keys.size() + (pending_.size() + tokens.size()) / options_.block_size);
    internal::FeedBlocks(tokens, options_.block_size, pending_, [&](const TokenId* block) {
      const size_t size = WriteMessage(block);
      Digest(uses_sha(), buffer_.data(), size, parent_);
      keys.push_back(parent_);
    });
  }

  // One block of each of two SHA-256 chains.
  static void AppendBlocks(Impl& a, const TokenId* a_block, std::vector<EngineKey>& a_keys, Impl& b, const TokenId* b_block,
                           std::vector<EngineKey>& b_keys) {
    const size_t a_size = a.WriteMessage(a_block);
    const size_t b_size = b.WriteMessage(b_block);
    a.parent_.size = b.parent_.size = kShaBytes;
    Sha256InPlacePair({a.buffer_.data(), a_size, a.parent_.bytes.data()},
                      {b.buffer_.data(), b_size, b.parent_.bytes.data()});
    a_keys.push_back(a.parent_);
    b_keys.push_back(b.parent_);
  }

 private:
  // The preimage of the next block into buffer_, with room behind it for the hash's padding; returns its size.
  size_t WriteMessage(const TokenId* block) {
    const uint64_t index = next_block_++;
    const size_t count = options_.block_size;
    if (UsesCbor(options_.hash)) {
      SettleExtras(index);
      return WriteCbor(block);
    }
    if (count < kFastPickleTokensMin || count > kFastPickleTokensMax) return WritePickleSlowly(block, index);
    SettleExtras(index);
    return WritePickle(block);
  }

  // Brings extras_ up to date: all that follows the tokens in the preimage.
  void SettleExtras(uint64_t index) {
    if (settled_) return;
    settled_ = internal::VllmExtrasSettled(options_, index);
    const std::vector<VllmExtra> extras = internal::VllmExtrasOfBlock(options_, index);
    extras_.clear();
    if (UsesCbor(options_.hash)) {
      CborWriter writer(extras_);
      return WriteCborExtras(extras, writer);
    }
    // A pickle's memo counts objects, whatever they hold: behind any parent and tuple the rest is the same.
    static constexpr size_t kTokensBytes = 4 * 2 + 2;  // four small integers, the end of the tuple and its memo
    pickle_.Reset();
    pickle_.BeginTuple(3);
    pickle_.Bytes(parent_.digest());
    pickle_.BeginTuple(4);
    for (int i = 0; i < 4; ++i) pickle_.Integer(0);
    pickle_.EndTuple();
    WritePickleExtras(extras, pickle_);
    pickle_.EndTuple();
    const std::string_view whole = pickle_.Finish();
    extras_ = whole.substr(kPickleHead + 2 + parent_.size + 2 + kTokensBytes);
  }

  uint8_t* Reserve(size_t bytes) {
    if (buffer_.size() < bytes) buffer_.resize(bytes);
    return buffer_.data();
  }

  size_t WriteCbor(const TokenId* block) {
    static constexpr size_t kHeadsMax = 1 + 2 + 9;
    uint8_t* message = Reserve(kHeadsMax + kShaBytes + options_.block_size * internal::kCborTokenBytes +
                               internal::kCborTokenSlack + extras_.size() + kSha256TailBytes);
    uint8_t* at = message;
    *at++ = 0x83;
    if (parent_.size == kShaBytes) *at++ = 0x58;
    *at++ = parent_.size == kShaBytes ? 0x20 : 0x40 | parent_.size;
    at = WriteBytes(at, parent_.digest());
    at = internal::WriteCborArrayHead(at, options_.block_size);
    for (size_t i = 0; i < options_.block_size; ++i) at = internal::WriteCborToken(at, block[i]);
    return static_cast<size_t>(WriteBytes(at, extras_) - message);
  }

  size_t WritePickle(const TokenId* block) {
    const size_t count = options_.block_size;
    uint8_t* message = Reserve(kPickleHead + 2 + kShaBytes + 2 + count * kPickleTokenBytes + 2 + kPickleTokenSlack +
                               extras_.size() + kSha256TailBytes);
    uint8_t* at = WriteBytes(message, "\x80\x05\x95") + sizeof(uint64_t);
    *at++ = 'C';
    *at++ = parent_.size;
    at = WriteBytes(at, parent_.digest());
    at = WriteBytes(at, "\x94(");
    for (size_t i = 0; i < count; ++i) at = WritePickleToken(at, block[i]);
    at = WriteBytes(at, "t\x94");
    at = WriteBytes(at, extras_);
    const auto size = static_cast<size_t>(at - message);
    const uint64_t frame = size - kPickleHead;
    std::memcpy(message + kPickleHead - sizeof(frame), &frame, sizeof(frame));
    return size;
  }

  size_t WritePickleSlowly(const TokenId* block, uint64_t index) {
    pickle_.Reset();
    pickle_.BeginTuple(3);
    pickle_.Bytes(parent_.digest());
    pickle_.BeginTuple(options_.block_size);
    for (size_t i = 0; i < options_.block_size; ++i) pickle_.Unsigned(block[i]);
    pickle_.EndTuple();
    WritePickleExtras(internal::VllmExtrasOfBlock(options_, index), pickle_);
    pickle_.EndTuple();
    const std::string_view message = pickle_.Finish();
    WriteBytes(Reserve(message.size() + kSha256TailBytes), message);
    return message.size();
  }

  VllmKeyOptions options_;
  EngineKey parent_;
  uint64_t next_block_;
  bool settled_ = false;  // extras_ holds for all later blocks
  std::string extras_;
  std::vector<TokenId> pending_;
  std::vector<uint8_t> buffer_;
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

Result<std::vector<std::vector<EngineKey>>> VllmKeysOfPrompts(const VllmKeyOptions& options,
                                                              std::span<const std::span<const TokenId>> prompts) {
  std::vector<VllmKeyChain> chains;
  for (size_t i = 0; i < prompts.size(); ++i) {
    WEIR_ASSIGN(VllmKeyChain chain, VllmKeyChain::Start(options));
    chains.push_back(std::move(chain));
  }
  std::vector<std::vector<EngineKey>> keys(prompts.size());
  std::vector<size_t> done(prompts.size(), 0);
  if (UsesSha(options.hash)) {
    for (size_t i = 0; i + 1 < prompts.size(); i += 2) {
      const size_t common = std::min(prompts[i].size(), prompts[i + 1].size()) / options.block_size * options.block_size;
      for (size_t at = 0; at < common; at += options.block_size) {
        VllmKeyChain::Impl::AppendBlocks(*chains[i].impl_, &prompts[i][at], keys[i], *chains[i + 1].impl_,
                                         &prompts[i + 1][at], keys[i + 1]);
      }
      done[i] = done[i + 1] = common;
    }
  }
  for (size_t i = 0; i < prompts.size(); ++i) chains[i].Append(prompts[i].subspan(done[i]), keys[i]);
  return keys;
}

}  // namespace weir
