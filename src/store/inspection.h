#pragma once
// What is known of a database, read and written; and the inspection of every record when a store is opened.

#include "database.h"
#include "totals.h"

namespace weir::store {

Status WriteKnown(Database& database, const AllTotals& totals, const Counters& counters);
Status ReadKnown(const Database& database, AllTotals& totals, Counters& counters);

}  // namespace weir::store
