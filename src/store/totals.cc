#include "totals.h"

#include "little_endian.h"
#include "weir/codec/xxh3.h"

namespace weir::store {
namespace {

unsigned __int128 EntryHash(const EncodedKey& key, const DirectoryEntry& entry) {
  std::string bytes(View(key));
  bytes += EncodeEntry(entry);
  const Hash128 hash = Xxh3_128(bytes);
  return (static_cast<unsigned __int128>(hash.high) << 64) | hash.low;
}

// Numbers one after another, and a checksum that is seeded with what they are.
template <size_t kCount>
std::string Seal(const std::array<uint64_t, kCount>& numbers, uint64_t seed) {
  std::string bytes;
  for (const uint64_t number : numbers) AppendLittle(bytes, number);
  AppendLittle(bytes, Xxh3_64(bytes, seed));
  return bytes;
}

template <size_t kCount>
std::optional<std::array<uint64_t, kCount>> Unseal(std::string_view bytes, uint64_t seed) {
  constexpr size_t kNumbersBytes = kCount * sizeof(uint64_t);
  if (bytes.size() != kNumbersBytes + sizeof(uint64_t)) return std::nullopt;
  if (LoadLittle<uint64_t>(bytes.data() + kNumbersBytes) != Xxh3_64(bytes.substr(0, kNumbersBytes), seed))
    return std::nullopt;
  std::array<uint64_t, kCount> numbers{};
  for (size_t i = 0; i < kCount; ++i) numbers[i] = LoadLittle<uint64_t>(bytes.data() + i * sizeof(uint64_t));
  return numbers;
}

constexpr uint64_t kCountersSeed = 0x100;
uint64_t SeedOf(StoreTable table) { return static_cast<uint64_t>(table); }

}  // namespace

std::string EncodeEntry(const DirectoryEntry& entry) {
  std::string bytes;
  AppendLittle(bytes, entry.checksum);
  AppendLittle(bytes, entry.bytes);
  return bytes;
}

std::optional<DirectoryEntry> DecodeEntry(std::string_view bytes) {
  if (bytes.size() != 2 * sizeof(uint64_t)) return std::nullopt;
  return DirectoryEntry{LoadLittle<uint64_t>(bytes.data()), LoadLittle<uint64_t>(bytes.data() + sizeof(uint64_t))};
}

void Totals::Add(const EncodedKey& key, const DirectoryEntry& entry) {
  ++records;
  bytes += entry.bytes + kStoreRecordOverheadBytes;
  digest += EntryHash(key, entry);
}

void Totals::Remove(const EncodedKey& key, const DirectoryEntry& entry) {
  --records;
  bytes -= entry.bytes + kStoreRecordOverheadBytes;
  digest -= EntryHash(key, entry);
}

std::string TotalsKey(StoreTable table) { return "totals" + std::string(1, static_cast<char>(table)); }

std::string EncodeTotals(StoreTable table, const Totals& totals) {
  return Seal<4>(
      {totals.records, totals.bytes, static_cast<uint64_t>(totals.digest >> 64), static_cast<uint64_t>(totals.digest)},
      SeedOf(table));
}

std::optional<Totals> DecodeTotals(StoreTable table, std::string_view bytes) {
  const auto numbers = Unseal<4>(bytes, SeedOf(table));
  if (!numbers) return std::nullopt;
  const auto [records, record_bytes, high, low] = *numbers;
  return Totals{records, record_bytes, (static_cast<unsigned __int128>(high) << 64) | low};
}

std::string EncodeCounters(const Counters& counters) {
  return Seal<3>({counters.set_aside, counters.missing, counters.salvages}, kCountersSeed);
}

std::optional<Counters> DecodeCounters(std::string_view bytes) {
  const auto numbers = Unseal<3>(bytes, kCountersSeed);
  if (!numbers) return std::nullopt;
  return Counters{(*numbers)[0], (*numbers)[1], (*numbers)[2]};
}

}  // namespace weir::store
