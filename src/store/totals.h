#pragma once
// What is known of the records without reading them: the directory's entries, and a count and a digest of each table's
// entries, which change in the same write as the records do.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "envelope.h"
#include "weir/store/store.h"

namespace weir::store {

// Of one record.
struct DirectoryEntry {
  uint64_t checksum = 0;
  uint64_t bytes = 0;  // without the envelope
  friend bool operator==(const DirectoryEntry&, const DirectoryEntry&) = default;
};
std::string EncodeEntry(const DirectoryEntry& entry);
std::optional<DirectoryEntry> DecodeEntry(std::string_view bytes);

// Of one table. The digest is the sum of a hash of each entry, modulo 2^128: it does not depend on their order.
struct Totals {
  uint64_t records = 0;
  uint64_t bytes = 0;  // overhead included
  unsigned __int128 digest = 0;
  friend bool operator==(const Totals&, const Totals&) = default;

  void Add(const EncodedKey& key, const DirectoryEntry& entry);
  void Remove(const EncodedKey& key, const DirectoryEntry& entry);
};
std::string TotalsKey(StoreTable table);
std::string EncodeTotals(StoreTable table, const Totals& totals);
std::optional<Totals> DecodeTotals(StoreTable table, std::string_view bytes);

using AllTotals = std::array<Totals, kStoreTables.size()>;
inline Totals& Of(AllTotals& totals, StoreTable table) { return totals[static_cast<size_t>(table) - 1]; }

// Counters that stay with the store.
struct Counters {
  uint64_t set_aside = 0;
  uint64_t missing = 0;
  uint64_t salvages = 0;
  friend bool operator==(const Counters&, const Counters&) = default;
};
inline constexpr std::string_view kCountersKey = "counters";
std::string EncodeCounters(const Counters& counters);
std::optional<Counters> DecodeCounters(std::string_view bytes);

}  // namespace weir::store
