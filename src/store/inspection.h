#pragma once
// The inspection of every record when a store is opened, and what is done about what it finds.

#include <cstdint>
#include <functional>

#include "database.h"
#include "totals.h"

namespace weir::store {

// A database, and what is known of it.
struct OpenedDatabase {
  std::unique_ptr<Database> database;
  AllTotals totals{};
  Counters counters{};
};

// Of a database that nobody else uses.
struct Inspection {
  AllTotals totals{};    // of the intact records
  Counters counters{};   // with what was found now
  bool damaged = false;  // something cannot be read: the database has to be replaced
  bool changed = false;  // records were missing or have to be set aside
  WriteSet repairs{};    // unless damaged: what makes the database whole again
};

Status WriteKnown(Database& database, const AllTotals& totals, const Counters& counters);
// As far as they can be read; for a store that is open for reading only.
Status ReadKnown(OpenedDatabase& opened);

// Reads everything, changes nothing. An error: the disk failed.
Result<Inspection> Inspect(const Database& database);

// Copies what is intact, and what was set aside, into an empty database.
Status CopyIntact(const Database& from, Database& to, const Counters& counters);

}  // namespace weir::store
