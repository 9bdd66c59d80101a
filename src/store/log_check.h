#pragma once
// Looks at RocksDB's logs (of writes, and of table files) before RocksDB does, to tell a write that a crash tore from bytes
// that were changed: RocksDB takes a changed length near the end of a log for a torn write and drops what follows.
//
// A log is a row of blocks of 32 KiB; a block a row of fragments: CRC-32C of type and payload, masked (u32), length (u16),
// type (u8: 1 whole, 2 first, 3 middle, 4 last), payload. Fewer than 7 bytes at the end of a block are padding. The format
// is LevelDB's (doc/log_format.md there). Pure functions.

#include <cstdint>
#include <string_view>

namespace weir::store {

// CRC-32C (Castagnoli) of more bytes after those that gave `crc`.
uint32_t Crc32c(std::string_view bytes, uint32_t crc = 0);

enum class LogState : uint8_t {
  kWhole,    // ends with the end of a record
  kTorn,     // ends within a record: its writer was stopped, and nobody was told that it is there
  kDamaged,  // no crash leaves such bytes
};

struct LogCheck {
  LogState state = LogState::kWhole;
  uint64_t whole_bytes = 0;  // up to the end of the last whole record
  uint64_t found_at = 0;     // kTorn, kDamaged: the fragment that is torn or damaged
};

LogCheck CheckLog(std::string_view log);

}  // namespace weir::store
