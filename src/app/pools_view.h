#pragma once
// What a process with pools told about itself (BrokerJson of the room inspect), drawn for a terminal.
//
// Pure functions. Fields that are absent or of another type show as "n/a": the process may be of another version.

#include <string>

#include "weir/base/clock.h"
#include "weir/codec/json.h"
#include "weir/report/text.h"

namespace weir {

// One line on all pools together, and a table with a row for each.
std::string DrawPools(const Json& snapshot, const TextStyle& style);

// Memory by device, the kernel's own figures, grants, counters and the last relief.
std::string DrawPressure(const Json& snapshot, const TextStyle& style);

// The picture that `weir top` refreshes. `before`: the last snapshot, `between` ago, for rates; null at first.
std::string DrawTop(const Json& snapshot, const Json* before, Duration between, const TextStyle& style);

}  // namespace weir
