#pragma once
// XXH3, the 64 and 128 bit forms of xxHash 0.8: fast and well mixed, not for secrets.
//
// Equal on every machine: values are numbers, and bytes (Xxh3Digest) are in xxHash's canonical big-endian order.

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace weir {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

uint64_t Xxh3_64(std::string_view bytes, uint64_t seed = 0);
Hash128 Xxh3_128(std::string_view bytes, uint64_t seed = 0);

// `high` then `low`, each big-endian.
std::array<uint8_t, 16> DigestBytes(Hash128 hash);

// The same hashes over bytes that come in pieces. One thread at a time.
class Xxh3Stream {
 public:
  explicit Xxh3Stream(uint64_t seed = 0);
  Xxh3Stream(Xxh3Stream&&) noexcept;
  Xxh3Stream& operator=(Xxh3Stream&&) noexcept;
  ~Xxh3Stream();

  void Update(std::string_view bytes);
  // Of everything so far; more may follow.
  uint64_t Finish64() const;
  Hash128 Finish128() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir
