#include "inspection.h"

namespace weir::store {

Status WriteKnown(Database& database, const AllTotals& totals, const Counters& counters) {
  WriteSet changes;
  for (const StoreTable table : kStoreTables) {
    changes.Put(Family::kTotals, TotalsKey(table), EncodeTotals(table, totals[static_cast<size_t>(table) - 1]));
  }
  changes.Put(Family::kTotals, kCountersKey, EncodeCounters(counters));
  return database.Write(changes);
}

Status ReadKnown(const Database& database, AllTotals& totals, Counters& counters) {
  for (const StoreTable table : kStoreTables) {
    WEIR_ASSIGN(const Read read, database.Get(Family::kTotals, TotalsKey(table)));
    if (const auto known = DecodeTotals(table, read.bytes)) Of(totals, table) = *known;
  }
  WEIR_ASSIGN(const Read read, database.Get(Family::kTotals, kCountersKey));
  if (const auto known = DecodeCounters(read.bytes)) counters = *known;
  return {};
}

}  // namespace weir::store
