#pragma once
// The span part of the share report. Pure functions.

#include <span>

#include "weir/advice/share.h"
#include "weir/base/result.h"
#include "weir/tokens/context.h"

namespace weir {

// Fills in span_tokens of report.pairs, report.spans, totals.moved_tokens and the note. Expects agents (with their best
// prefixes) and pairs to be there.
Status AddSpans(std::span<const Context* const> contexts, const ShareOptions& options, ShareReport& report);

}  // namespace weir
