#pragma once
// What every store refuses, and how it counts records.

#include <cstdint>

#include "weir/store/store.h"

namespace weir::store {

// invalid_argument: a table that does not exist, a record that is too large.
Status CheckBatch(const StoreBatch& batch);

// exhausted: the store would grow beyond bytes_max (0: no limit).
Status CheckRoom(uint64_t bytes_before, uint64_t bytes_after, uint64_t bytes_max);

inline void Count(uint64_t bytes, StoreTableStats& table, StoreStats& stats) {
  ++table.records;
  table.bytes += bytes + kStoreRecordOverheadBytes;
  stats.bytes += bytes + kStoreRecordOverheadBytes;
}

inline void Uncount(uint64_t bytes, StoreTableStats& table, StoreStats& stats) {
  --table.records;
  table.bytes -= bytes + kStoreRecordOverheadBytes;
  stats.bytes -= bytes + kStoreRecordOverheadBytes;
}

}  // namespace weir::store
