#pragma once
// The tools that the demo's agents are offered.

#include "weir/codec/json.h"

namespace weir {

// Definitions in OpenAI's form, in their proper order.
Json DemoTools();

// The same definitions in the order that a hash map gave one framework.
Json ShuffledTools();

// The same definitions with the members of every object in reverse order, as another serialiser writes them.
Json ReversedKeys(const Json& value);

}  // namespace weir
