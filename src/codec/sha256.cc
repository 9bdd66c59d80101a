#include "weir/codec/sha256.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "sha256_blocks.h"

namespace weir {
namespace internal {

const uint32_t kSha256Rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

uint32_t RotateRight(uint32_t value, unsigned by) { return value >> by | value << (32 - by); }

uint32_t ReadBig(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

void CompressBlock(uint32_t* state, const uint8_t* block) {
  uint32_t schedule[64];
  for (size_t i = 0; i < 16; ++i) schedule[i] = ReadBig(block + 4 * i);
  for (size_t i = 16; i < 64; ++i) {
    const uint32_t a = schedule[i - 15];
    const uint32_t b = schedule[i - 2];
    schedule[i] = schedule[i - 16] + (RotateRight(a, 7) ^ RotateRight(a, 18) ^ a >> 3) + schedule[i - 7] +
                  (RotateRight(b, 17) ^ RotateRight(b, 19) ^ b >> 10);
  }
  uint32_t v[8];
  std::copy_n(state, 8, v);
  for (size_t i = 0; i < 64; ++i) {
    const uint32_t sum1 = RotateRight(v[4], 6) ^ RotateRight(v[4], 11) ^ RotateRight(v[4], 25);
    const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    const uint32_t first = v[7] + sum1 + choice + kSha256Rounds[i] + schedule[i];
    const uint32_t sum0 = RotateRight(v[0], 2) ^ RotateRight(v[0], 13) ^ RotateRight(v[0], 22);
    const uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    std::copy_backward(v, v + 7, v + 8);
    v[4] += first;
    v[0] = first + sum0 + majority;
  }
  for (size_t i = 0; i < 8; ++i) state[i] += v[i];
}

void CompressPortable(const Sha256Lane& lane) {
  for (size_t i = 0; i < lane.count; ++i) CompressBlock(lane.state, lane.blocks + 64 * i);
}

void CompressPairPortable(const Sha256Lane& first, const Sha256Lane& second) {
  CompressPortable(first);
  CompressPortable(second);
}

}  // namespace

const Sha256Path& PortableSha256() {
  static constexpr Sha256Path kPath = {"portable", CompressPortable, CompressPairPortable};
  return kPath;
}

const Sha256Path& BestSha256() {
  static const Sha256Path& path = ShaNiSha256() != nullptr ? *ShaNiSha256() : PortableSha256();
  return path;
}

}  // namespace internal

namespace {

using internal::BestSha256;
using internal::kSha256Start;

// Writes 0x80, zeros and the bit count behind `filled` bytes; returns the number of whole blocks.
size_t Pad(uint8_t* bytes, size_t filled, uint64_t size) {
  const size_t blocks = (filled + 9 + 63) / 64;
  bytes[filled] = 0x80;
  std::memset(bytes + filled + 1, 0, blocks * 64 - 8 - (filled + 1));
  const uint64_t bits = __builtin_bswap64(size * 8);
  std::memcpy(bytes + blocks * 64 - 8, &bits, 8);
  return blocks;
}

void WriteDigest(const uint32_t* state, uint8_t* digest) {
  for (size_t i = 0; i < 8; ++i) {
    const uint32_t word = __builtin_bswap32(state[i]);
    std::memcpy(digest + 4 * i, &word, 4);
  }
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "byte swaps below assume it");

Sha256Digest Sha256(std::string_view bytes) {
  Sha256Stream stream;
  stream.Update(bytes);
  return stream.Finish();
}

void Sha256InPlace(uint8_t* bytes, size_t size, uint8_t digest[32]) {
  uint32_t state[8];
  std::copy_n(kSha256Start, 8, state);
  BestSha256().compress({state, bytes, Pad(bytes, size, size)});
  WriteDigest(state, digest);
}

void Sha256InPlacePair(const Sha256Message& first, const Sha256Message& second) {
  uint32_t states[2][8];
  std::copy_n(kSha256Start, 8, states[0]);
  std::copy_n(kSha256Start, 8, states[1]);
  BestSha256().compress_pair({states[0], first.bytes, Pad(first.bytes, first.size, first.size)},
                             {states[1], second.bytes, Pad(second.bytes, second.size, second.size)});
  WriteDigest(states[0], first.digest);
  WriteDigest(states[1], second.digest);
}

Sha256Stream::Sha256Stream() : pending_{} { std::copy_n(kSha256Start, 8, state_.begin()); }

void Sha256Stream::Update(std::string_view bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  const size_t filled = size_ % 64;
  size_ += left;
  if (filled > 0) {
    const size_t taken = std::min(left, 64 - filled);
    std::copy_n(at, taken, pending_.begin() + static_cast<std::ptrdiff_t>(filled));
    at += taken;
    left -= taken;
    if (filled + taken < 64) return;
    BestSha256().compress({state_.data(), pending_.data(), 1});
  }
  BestSha256().compress({state_.data(), at, left / 64});
  std::copy_n(at + left / 64 * 64, left % 64, pending_.begin());
}

Sha256Digest Sha256Stream::Finish() const {
  uint8_t tail[128];
  std::copy_n(pending_.begin(), size_ % 64, tail);
  std::array<uint32_t, 8> state = state_;
  BestSha256().compress({state.data(), tail, Pad(tail, size_ % 64, size_)});
  Sha256Digest digest;
  WriteDigest(state.data(), digest.data());
  return digest;
}

std::string_view Sha256PathName() { return BestSha256().name; }

}  // namespace weir
