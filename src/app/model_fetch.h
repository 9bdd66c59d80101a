#pragma once
// Brings a model of the table into the cache, by the set-up script of the source checkout.

#include "session.h"
#include "weir/base/result.h"
#include "weir/model/model_table.h"

namespace weir {

// Runs scripts/fetch-assets; what it says goes to standard error. not_found: this weir stands in no checkout (the hint says
// how to do it by hand); unavailable: the script failed and has said why.
Status FetchModel(Session& session, const ModelEntry& entry);

}  // namespace weir
