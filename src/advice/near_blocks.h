#pragma once
// The near part of the share report. A pure function.

#include <span>

#include "shared_spans.h"
#include "weir/advice/share.h"
#include "weir/base/result.h"
#include "weir/tokens/context.h"

namespace weir {

// Fills in near_blocks of report.pairs and the note. Expects pairs with their prefixes and span_tokens to be there; `spans`
// are those they came from.
Status AddNearBlocks(std::span<const Context* const> contexts, const PairSpans& spans, ShareReport& report);

}  // namespace weir
