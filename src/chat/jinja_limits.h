#pragma once
// Bounds on a template's source, so that reading and running it cannot exhaust the stack. Internal to `chat`; pure.

#include "jinja/lexer.h"
#include "weir/base/result.h"

namespace weir::jinja_rendering {

// unsupported: brackets, blocks or one tag's tokens beyond what any real template has. The parser, the lowering and the
// interpreter recurse at most that deep.
Status CheckLimits(const jinja::lexer_result& source);

}  // namespace weir::jinja_rendering
