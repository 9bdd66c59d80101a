#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "heatmap.h"
#include "prefix_tree_draw.h"
#include "weir/report/share_view.h"

namespace weir {
namespace {

constexpr size_t kAgentsListedMax = 40;
constexpr size_t kSummaryRows = 12;

std::string Heading(const TextStyle& style, std::string_view text, std::string_view note) {
  std::string out = "\n" + Paint(style, Ink::kBold, text);
  if (!note.empty()) out += "  " + Paint(style, Ink::kDim, note);
  return out + "\n";
}

std::string DrawTotals(const ShareView& view, const TextStyle& style) {
  const ShareTotals& totals = view.report.totals;
  std::string out =
      fmt::format("{}  {}\n",
                  Paint(style, Ink::kBold,
                        fmt::format("{}, {}", Counted(view.report.agents.size(), "agent"), Counted(totals.tokens, "token"))),
                  Paint(style, Ink::kDim, fmt::format("{}, blocks of {}", Visible(view.tokenizer), view.block_size)));
  const auto line = [&](std::string_view name, Ink ink, std::optional<uint64_t> tokens, std::string_view meaning) {
    if (!tokens) {
      out += fmt::format("  {:<13} {}\n", name, Paint(style, Ink::kDim, "not measured"));
      return;
    }
    const double fraction = totals.tokens == 0 ? 0 : static_cast<double>(*tokens) / static_cast<double>(totals.tokens);
    constexpr size_t kLeftWidth = 54;  // columns of all but the meaning
    const bool roomy = kLeftWidth + meaning.size() <= style.width;
    out += fmt::format("  {:<13} {} {:>4} {:>10}", name, Bar(style, ink, fraction, 20), Percent(*tokens, totals.tokens),
                       Grouped(*tokens));
    out += roomy ? "  " + Paint(style, Ink::kDim, meaning) + "\n" : "\n";
  };
  line("exact prefix", Ink::kGreen, totals.reusable_tokens, "what an engine's prefix cache can reuse");
  line("moved spans", Ink::kYellow, totals.moved_tokens, "the same text elsewhere: lost as it stands");
  return out;
}

std::string DrawAgents(const ShareView& view, const TextStyle& style) {
  const auto& agents = view.report.agents;
  std::vector<size_t> shown(agents.size());
  std::iota(shown.begin(), shown.end(), size_t{0});
  const bool all = agents.size() <= kAgentsListedMax;
  const auto unshared = [&](size_t i) { return agents[i].tokens - agents[i].best_prefix_tokens; };
  if (!all) {
    std::stable_sort(shown.begin(), shown.end(), [&](size_t a, size_t b) { return unshared(a) > unshared(b); });
    shown.resize(kSummaryRows);
  }
  Table table({{"agent", Align::kLeft, true},
               {"tokens", Align::kRight},
               {"longest shared prefix", Align::kRight},
               {"", Align::kLeft},
               {"", Align::kRight},
               {"with", Align::kLeft, true}});
  for (const size_t i : shown) {
    const AgentShare& agent = agents[i];
    const double fraction = agent.tokens == 0 ? 0 : static_cast<double>(agent.best_prefix_tokens) / agent.tokens;
    table.AddRow({Visible(agent.agent), Grouped(agent.tokens), Grouped(agent.best_prefix_tokens),
                  Bar(style, Ink::kGreen, fraction, 12), Percent(agent.best_prefix_tokens, agent.tokens),
                  agent.best_prefix_with ? Visible(agents[*agent.best_prefix_with].agent) : "-"});
  }
  const std::string note = all ? "" : fmt::format("the {} that share least of {}", shown.size(), Grouped(agents.size()));
  return Heading(style, "Agents", note) + table.Draw(style);
}

std::string DrawTopPairs(const ShareView& view, const TextStyle& style) {
  std::vector<const PairShare*> pairs;
  for (const PairShare& pair : view.report.pairs) {
    if (pair.prefix_tokens > 0 || pair.span_tokens.value_or(0) > 0) pairs.push_back(&pair);
  }
  const size_t shown = std::min(pairs.size(), kSummaryRows);
  const auto weight = [](const PairShare* pair) { return uint64_t{pair->prefix_tokens} + pair->span_tokens.value_or(0); };
  std::partial_sort(pairs.begin(), pairs.begin() + static_cast<ptrdiff_t>(shown), pairs.end(),
                    [&](const PairShare* a, const PairShare* b) { return weight(a) > weight(b); });
  if (shown == 0) return {};
  Table table({{"a", Align::kLeft, true},
               {"b", Align::kLeft, true},
               {"exact prefix", Align::kRight},
               {"moved spans", Align::kRight}});
  for (size_t i = 0; i < shown; ++i) {
    const PairShare& pair = *pairs[i];
    table.AddRow({Visible(view.report.agents[pair.a].agent), Visible(view.report.agents[pair.b].agent),
                  Grouped(pair.prefix_tokens), pair.span_tokens ? Grouped(*pair.span_tokens) : "-"});
  }
  const std::string note =
      pairs.size() > shown ? fmt::format("{} of {} that share anything", shown, Grouped(pairs.size())) : "";
  return Heading(style, "Pairs that share most", note) + table.Draw(style);
}

std::string DrawSpans(const ShareView& view, const TextStyle& style) {
  constexpr size_t kShown = 5;
  const auto& spans = view.report.spans;
  if (spans.empty()) return {};
  const size_t shown = std::min(kShown, spans.size());
  Table table({{"tokens", Align::kRight}, {"agents", Align::kRight}, {"passage", Align::kLeft, true}});
  for (size_t i = 0; i < shown; ++i) {
    const SharedSpan& span = spans[i];
    const Context& context = *view.contexts[span.example_agent];
    const Range bytes = context.BytesOf({span.example_token, span.example_token + span.tokens});
    const std::string text = Visible(WholeCharacters(context.text(), bytes.begin, std::min<size_t>(bytes.size(), 200)));
    table.AddRow(
        {Grouped(span.tokens), Grouped(span.agents.size()), FitWidth(text, style.width > 50 ? style.width - 24 : 26)});
  }
  const std::string note = spans.size() > shown ? fmt::format("{} of {}", shown, Grouped(spans.size())) : "";
  return Heading(style, "Weightiest moved spans", note) + table.Draw(style);
}

std::string DrawNearBlocks(const ShareView& view, const TextStyle& style) {
  constexpr size_t kShown = 5;
  std::vector<const PairShare*> pairs;
  for (const PairShare& pair : view.report.pairs) {
    if (pair.near_blocks.value_or(0) > 0) pairs.push_back(&pair);
  }
  if (pairs.empty()) return {};
  const size_t shown = std::min(pairs.size(), kShown);
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const PairShare* a, const PairShare* b) { return *a->near_blocks > *b->near_blocks; });
  Table table({{"blocks", Align::kRight}, {"of", Align::kRight}, {"a", Align::kLeft, true}, {"b", Align::kLeft, true}});
  for (size_t i = 0; i < shown; ++i) {
    const AgentShare& a = view.report.agents[pairs[i]->a];
    table.AddRow({Grouped(*pairs[i]->near_blocks), Grouped(a.blocks), Visible(a.agent),
                  Visible(view.report.agents[pairs[i]->b].agent)});
  }
  std::string note = "blocks of a like one of b, not equal: a hint, not reusable";
  if (pairs.size() > shown) note += fmt::format("; {} of {} pairs", shown, Grouped(pairs.size()));
  return Heading(style, "Near blocks", note) + table.Draw(style);
}

}  // namespace

std::string DrawShare(const ShareView& view, const TextStyle& style) {
  std::string out = DrawTotals(view, style) + DrawAgents(view, style);
  const size_t count = view.report.agents.size();
  if (count < 2) {
    out += "\nOne agent alone shares nothing: give a second prompt to compare it with.\n";
    return out;
  }
  const bool every_pair = view.report.pairs.size() == count * (count - 1) / 2;
  if (every_pair && FitsHeatmap(count, style)) {
    out += Heading(style, "Tokens in common", "above the diagonal: exact prefix; below: moved spans");
    out += DrawHeatmap(view.report, style);
  } else {
    out += DrawTopPairs(view, style);
  }
  out += Heading(style, "Prefix tree", "tokens at the same place with the same history");
  out += DrawPrefixTree(view, style);
  out += DrawSpans(view, style);
  out += DrawNearBlocks(view, style);
  if (!view.report.spans_note.empty()) out += fmt::format("\n{}\n", view.report.spans_note);
  if (!view.report.near_note.empty()) out += fmt::format("\n{}\n", view.report.near_note);
  return out;
}

}  // namespace weir
