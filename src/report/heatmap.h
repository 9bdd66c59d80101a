#pragma once
// The agent x agent heatmap of the terminal: exact prefix above the diagonal, moved spans below it.

#include <cstddef>
#include <string>

#include "weir/advice/share.h"
#include "weir/report/text.h"

namespace weir {

// Whether a matrix of that many agents fits the terminal.
bool FitsHeatmap(size_t agents, const TextStyle& style);

// Numbers where there is room, else shades. REQUIRES: the report lists every pair, and FitsHeatmap().
std::string DrawHeatmap(const ShareReport& report, const TextStyle& style);

}  // namespace weir
