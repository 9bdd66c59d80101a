#include "weir/codec/xxh3.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weir {

// 64-byte alignment comes with XXH3_state_t; new honours it.
struct Xxh3Stream::State {
  XXH3_state_t state;
};

uint64_t Xxh3_64(std::string_view bytes, uint64_t seed) { return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed); }

Hash128 Xxh3_128(std::string_view bytes, uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return {hash.high64, hash.low64};
}

std::array<uint8_t, 16> DigestBytes(Hash128 hash) {
  std::array<uint8_t, 16> bytes;
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(hash.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(hash.low >> (56 - 8 * i));
  }
  return bytes;
}

Xxh3Stream::Xxh3Stream(uint64_t seed) : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->state);
  XXH3_128bits_reset_withSeed(&state_->state, seed);
}
Xxh3Stream::Xxh3Stream(Xxh3Stream&&) noexcept = default;
Xxh3Stream& Xxh3Stream::operator=(Xxh3Stream&&) noexcept = default;
Xxh3Stream::~Xxh3Stream() = default;

// The 64 and 128 bit forms share their state; only the last step differs.
void Xxh3Stream::Update(std::string_view bytes) { XXH3_128bits_update(&state_->state, bytes.data(), bytes.size()); }

uint64_t Xxh3Stream::Finish64() const { return XXH3_64bits_digest(&state_->state); }

Hash128 Xxh3Stream::Finish128() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->state);
  return {hash.high64, hash.low64};
}

}  // namespace weir
