#pragma once
// A share report for people and programs: JSON, a drawing for the terminal, and one self-contained HTML page.
//
// Pure functions over an advice report and the contexts it was made from; they print nothing themselves. Results hold
// prompt text (excerpts): do not log them.

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "weir/advice/share.h"
#include "weir/report/text.h"
#include "weir/tokens/context.h"

namespace weir {

// Everything is borrowed. `contexts` are those the report was made from, in its order.
struct ShareView {
  const ShareReport& report;
  std::span<const Context* const> contexts;
  std::string tokenizer;  // as people named it
  size_t block_size = kDefaultBlockSize;
};

// Takes the next piece of a long text.
using TextSink = std::function<void(std::string_view)>;

// {"agents":[{"agent","tokens","blocks",...}],"pairs":[{"a","b","prefix_tokens","prefix_blocks","span_tokens",
// "near_blocks"}],"totals":{...},"groups":[...],"spans":[...],...}, one line without a line end; `extra` is members that
// follow, such as "\"problems\":[]", or empty. In pieces, because pairs grow with the square of the agents.
void WriteShareJson(const ShareView& view, std::string_view extra, const TextSink& sink);

// Totals, agents, the agent x agent heatmap, the prefix tree and the weightiest moved spans. Many agents are summarised.
std::string DrawShare(const ShareView& view, const TextStyle& style);

// One page: inline style and script only, no requests to anywhere, all text escaped. More agents than fit are put together
// in the order of their prompts, so that the page stays small.
std::string SharePage(const ShareView& view);

}  // namespace weir
