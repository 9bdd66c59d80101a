#pragma once
// What a broker tells about itself, as JSON: the one form that the socket, the commands and scripts see.
//
// Pure functions. Figures that nobody could read are null, never 0; a price is null when nothing can be given up. Fields may
// be added, not renamed.

#include "weir/broker/broker.h"
#include "weir/codec/json.h"

namespace weir {

// {"budget_bytes","used_bytes","capacity_bytes","pressure","tier","mode","pools":[...],"devices":[...],"stall","events",
// "counters":{...},"grants":[...],"last_relief":{...}|null, ...}. Pools come fullest first; the host is the first device.
Json BrokerJson(const BrokerSnapshot& snapshot);

// {"wanted_bytes","planned_bytes","short_bytes","why_short","demands":[...],"steps":[...],"text"}
Json PlanJson(const Plan& plan);

// {"triggered","on_hold","passes","released_bytes","accounted_bytes","seen_bytes","steps":[...],"plan":{...},"text", ...}
Json ReliefJson(const ReliefReport& report);

}  // namespace weir
