#pragma once
// SHA-256 (FIPS 180-4), for identities that engines and files already use; not a place for secrets.
//
// Uses the processor's SHA instructions where it has them, else portable code; both give the same bytes. Pure functions
// and values; safe from all threads.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(std::string_view bytes);

// As Sha256, without a copy: pads behind the message. REQUIRES: kSha256TailBytes writable bytes after bytes[0, size).
inline constexpr size_t kSha256TailBytes = 72;
void Sha256InPlace(uint8_t* bytes, size_t size, uint8_t digest[32]);

// Two messages at once, each as Sha256InPlace: their rounds interleave, which hides the latency of the instructions.
struct Sha256Message {
  uint8_t* bytes;
  size_t size;
  uint8_t* digest;
};
void Sha256InPlacePair(const Sha256Message& first, const Sha256Message& second);

// The same digest over bytes that come in pieces. One thread at a time.
class Sha256Stream {
 public:
  Sha256Stream();
  void Update(std::string_view bytes);
  // Of everything so far; more may follow.
  Sha256Digest Finish() const;

 private:
  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> pending_;
  uint64_t size_ = 0;  // bytes
};

// "sha-ni" or "portable".
std::string_view Sha256PathName();

}  // namespace weir
