#pragma once
// The compression function of SHA-256, once per way of computing it. Private to this room.

#include <cstddef>
#include <cstdint>

namespace weir::internal {

inline constexpr uint32_t kSha256Start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
extern const uint32_t kSha256Rounds[64];

struct Sha256Lane {
  uint32_t* state;        // 8 words
  const uint8_t* blocks;  // 64 bytes each
  size_t count;
};

// Both lanes may have different counts.
struct Sha256Path {
  const char* name;
  void (*compress)(const Sha256Lane& lane);
  void (*compress_pair)(const Sha256Lane& first, const Sha256Lane& second);
};

const Sha256Path& PortableSha256();
// Null when the processor or the build lacks it.
const Sha256Path* ShaNiSha256();
// The best one here; chosen once.
const Sha256Path& BestSha256();

}  // namespace weir::internal
