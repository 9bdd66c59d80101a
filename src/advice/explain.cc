#include "weir/advice/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "alignment.h"
#include "weir/advice/share.h"

namespace weir {

Result<Explanation> Explain(const Context& a, const Context& b, Encoder*, const ExplainOptions&) {
  if (a.block_size() != b.block_size()) return InvalidArgument("the contexts have different block sizes");
  Explanation result;
  result.prefix_tokens = CommonPrefixTokens(a, b);
  return result;
}

Result<std::vector<GroupBreak>> ExplainBreaks(std::span<const Context* const>, Encoder*, const BreakOptions&) {
  return std::vector<GroupBreak>();
}

std::string_view BreakCauseName(BreakCause) { return "content"; }
std::string_view FixActionName(FixAction) { return "none"; }

}  // namespace weir
