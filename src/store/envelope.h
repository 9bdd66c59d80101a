#pragma once
// The envelope around the bytes of a record: a format version and a checksum over table, key, version and bytes.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "weir/store/store.h"

namespace weir::store {

inline constexpr uint8_t kEnvelopeVersion = 1;
inline constexpr size_t kEnvelopeBytes = 9;  // version, checksum
inline constexpr size_t kKeyBytes = 17;      // table, high, low: big-endian, so that bytes sort as keys do
static_assert(kEnvelopeBytes + kKeyBytes == kStoreRecordOverheadBytes);

using EncodedKey = std::array<char, kKeyBytes>;
EncodedKey EncodeKey(StoreTable table, const StoreKey& key);
inline std::string_view View(const EncodedKey& key) { return {key.data(), key.size()}; }
// nullopt: not a key of that table.
std::optional<StoreKey> DecodeKey(StoreTable table, std::string_view bytes);

uint64_t RecordChecksum(const EncodedKey& key, std::string_view bytes);
// What stands before the bytes.
std::array<char, kEnvelopeBytes> EnvelopeHead(uint64_t checksum);

struct OpenedRecord {
  uint64_t checksum = 0;
  std::string_view bytes;
};
// nullopt: too short, of another version, or its checksum fails.
std::optional<OpenedRecord> OpenEnvelope(const EncodedKey& key, std::string_view record);

}  // namespace weir::store
