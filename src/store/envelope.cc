#include "envelope.h"

#include "little_endian.h"
#include "weir/codec/xxh3.h"

namespace weir::store {
namespace {

void StoreBig(char* out, uint64_t number) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<char>(number >> (56 - 8 * i));
}

uint64_t LoadBig(const char* in) {
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = (number << 8) | static_cast<uint8_t>(in[i]);
  return number;
}

}  // namespace

EncodedKey EncodeKey(StoreTable table, const StoreKey& key) {
  EncodedKey bytes{};
  bytes[0] = static_cast<char>(table);
  StoreBig(bytes.data() + 1, key.high);
  StoreBig(bytes.data() + 9, key.low);
  return bytes;
}

std::optional<StoreKey> DecodeKey(StoreTable table, std::string_view bytes) {
  if (bytes.size() != kKeyBytes || bytes[0] != static_cast<char>(table)) return std::nullopt;
  return StoreKey{LoadBig(bytes.data() + 1), LoadBig(bytes.data() + 9)};
}

uint64_t RecordChecksum(const EncodedKey& key, std::string_view bytes) {
  // The key's hash is the seed of the record's, so that the bytes need no copy beside the key.
  return Xxh3_64(bytes, Xxh3_64(View(key), kEnvelopeVersion));
}

std::array<char, kEnvelopeBytes> EnvelopeHead(uint64_t checksum) {
  std::array<char, kEnvelopeBytes> head{};
  head[0] = kEnvelopeVersion;
  StoreLittle(head.data() + 1, checksum);
  return head;
}

std::optional<OpenedRecord> OpenEnvelope(const EncodedKey& key, std::string_view record) {
  if (record.size() < kEnvelopeBytes || record[0] != kEnvelopeVersion) return std::nullopt;
  const uint64_t checksum = LoadLittle<uint64_t>(record.data() + 1);
  const std::string_view bytes = record.substr(kEnvelopeBytes);
  if (RecordChecksum(key, bytes) != checksum) return std::nullopt;
  return OpenedRecord{checksum, bytes};
}

}  // namespace weir::store
