#pragma once
// The prefix tree as text.

#include <string>

#include "weir/report/share_view.h"

namespace weir {

// A line per node, children under their parent; what would be too long is counted instead.
std::string DrawPrefixTree(const ShareView& view, const TextStyle& style);

}  // namespace weir
