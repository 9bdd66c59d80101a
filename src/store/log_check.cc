#include "log_check.h"

#include <algorithm>
#include <array>

#include "little_endian.h"

namespace weir::store {
namespace {

constexpr size_t kBlockBytes = 32768;
constexpr size_t kHeaderBytes = 7;
enum FragmentType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

using CrcTables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b]: what byte b contributes when k more bytes follow it.
constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}
constexpr CrcTables kCrcTables = MakeCrcTables();

uint32_t CrcStep(uint32_t state, char byte) {
  return (state >> 8) ^ kCrcTables[0][(state ^ static_cast<uint8_t>(byte)) & 0xff];
}

uint32_t Unmask(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

struct Fragment {
  uint32_t crc = 0;
  size_t length = 0;
  uint8_t type = 0;
};

// REQUIRES: kHeaderBytes bytes at `at`.
Fragment Header(std::string_view log, size_t at) {
  return {Unmask(LoadLittle<uint32_t>(log.data() + at)), LoadLittle<uint16_t>(log.data() + at + 4),
          static_cast<uint8_t>(log[at + 6])};
}

// Bytes from `at` to the end of its block or of the log.
size_t Room(std::string_view log, size_t at) { return std::min(kBlockBytes - at % kBlockBytes, log.size() - at); }

// A whole fragment with a right checksum starts here.
bool IsFragment(std::string_view log, size_t at) {
  const size_t room = Room(log, at);
  if (room < kHeaderBytes) return false;
  const Fragment fragment = Header(log, at);
  if (fragment.type < kFull || fragment.type > kLast || kHeaderBytes + fragment.length > room) return false;
  return Crc32c(log.substr(at + 6, fragment.length + 1)) == fragment.crc;
}

// The fragment at `at` is not whole. A torn one is a beginning of right bytes, with nothing behind it.
bool IsTorn(std::string_view log, size_t at) {
  const std::string_view rest = log.substr(at);
  if (rest.find_first_not_of('\0') == std::string_view::npos) return true;  // room that was never written
  if (rest.size() >= kHeaderBytes) {
    const Fragment fragment = Header(log, at);
    const size_t block_room = kBlockBytes - at % kBlockBytes;
    if (fragment.type < kFull || fragment.type > kLast) return false;
    if (kHeaderBytes + fragment.length > block_room || kHeaderBytes + fragment.length <= rest.size()) return false;
    // With another length its checksum is right: then it is the length that is wrong.
    uint32_t state = ~0u;
    for (size_t i = 6; i < rest.size(); ++i) {
      state = CrcStep(state, rest[i]);
      if (~state == fragment.crc) return false;
    }
  }
  for (size_t behind = at + 1; behind < log.size(); ++behind) {
    if (IsFragment(log, behind)) return false;
  }
  return true;
}

}  // namespace

uint32_t Crc32c(std::string_view bytes, uint32_t crc) {
  uint32_t state = ~crc;
  while (bytes.size() >= 8) {
    const uint64_t eight = LoadLittle<uint64_t>(bytes.data()) ^ state;
    state = 0;
    for (size_t i = 0; i < 8; ++i) state ^= kCrcTables[7 - i][(eight >> (8 * i)) & 0xff];
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) state = CrcStep(state, byte);
  return ~state;
}

LogCheck CheckLog(std::string_view log) {
  LogCheck check;
  bool within = false;  // a record that began and has not ended
  size_t at = 0;
  while (at < log.size()) {
    const size_t block_room = kBlockBytes - at % kBlockBytes;
    if (block_room < kHeaderBytes) {
      at += std::min(block_room, log.size() - at);
      continue;
    }
    check.found_at = at;
    if (!IsFragment(log, at)) {
      check.state = IsTorn(log, at) ? LogState::kTorn : LogState::kDamaged;
      return check;
    }
    const Fragment fragment = Header(log, at);
    const bool begins = fragment.type == kFull || fragment.type == kFirst;
    if (begins == within) {
      check.state = LogState::kDamaged;
      return check;
    }
    within = fragment.type == kFirst || fragment.type == kMiddle;
    at += kHeaderBytes + fragment.length;
    if (!within) check.whole_bytes = at;
  }
  check.found_at = at;
  if (within) check.state = LogState::kTorn;
  return check;
}

}  // namespace weir::store
