#pragma once
// Canonical CBOR of token ids, without branches. Private to this room.

#include <bit>
#include <cstdint>
#include <cstring>

#include "weir/tokens/tokenizer.h"

namespace weir::internal {

// Writes the id and returns the place behind it; up to kCborTokenSlack bytes behind that are overwritten.
inline constexpr size_t kCborTokenBytes = 5;  // at most, per id
inline constexpr size_t kCborTokenSlack = 8;

static_assert(std::endian::native == std::endian::little, "the word below is stored in this order");

inline uint8_t* WriteCborToken(uint8_t* out, TokenId id) {
  // By size class (1, 2, 3 or 5 bytes), one byte of each constant: the shift that leaves the value's bytes, big-endian,
  // the head, and the size.
  const unsigned at = 8 * (unsigned{id > 23} + unsigned{id > 0xFF} + unsigned{id > 0xFFFF});
  const uint64_t value = uint64_t{__builtin_bswap32(id)} >> (0x00101820u >> at & 0xFF);
  const uint64_t head = at == 0 ? id : 0x1A191800u >> at & 0xFF;
  const uint64_t word = value << 8 | head;
  std::memcpy(out, &word, sizeof(word));
  return out + (0x05030201u >> at & 0xFF);
}

// The head of an array of `count` items.
inline uint8_t* WriteCborArrayHead(uint8_t* out, uint64_t count) {
  if (count > UINT32_MAX) {
    *out++ = 0x9B;
    const uint64_t big = __builtin_bswap64(count);
    std::memcpy(out, &big, sizeof(big));
    return out + sizeof(big);
  }
  uint8_t* end = WriteCborToken(out, static_cast<uint32_t>(count));
  *out |= 0x80;
  return end;
}

}  // namespace weir::internal
