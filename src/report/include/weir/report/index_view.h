#pragma once
// What a run of the indexer counted, for programs. Pure functions.

#include "weir/codec/json.h"
#include "weir/indexer/indexer.h"

namespace weir {

// {"total","processed","skipped","failed","hits","computed","coalesced","hit_rate","elapsed_ms","chunks","unchanged",
// "not_text","too_large","ignored","removed"}; hit_rate is null when no chunk was asked for. Without the problems.
Json IndexCountsJson(const IndexReport& report);

}  // namespace weir
