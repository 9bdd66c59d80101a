#pragma once
// What the service says of itself, as JSON. Internal to `api`. Pure functions but for reading.

#include "weir/codec/json.h"
#include "weir/service/service.h"

namespace weir::api {

Json StatusJson(Service& service, Workspace& workspace);
Json EmbeddingsJson(Service& service);
Json JobJson(const IndexJob& job);
Json IndexReportJson(const IndexReport& report);
Json SearchJson(const SearchAnswer& answer);
Json OptimizedJson(const OptimizedContext& optimized);

// A figure of single precision as people would write it: 0.85, not 0.8500000238.
double RoundedScore(float value);
Json ShortNumber(float value);

}  // namespace weir::api
