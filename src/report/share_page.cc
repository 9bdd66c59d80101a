#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "embedded_PageAssets.h"
#include "page_matrix.h"
#include "weir/base/check.h"
#include "weir/codec/json.h"
#include "weir/codec/sha256.h"
#include "weir/report/share_view.h"

namespace weir {
namespace {

constexpr size_t kAgentsListedMax = 200;  // rows of the table
constexpr size_t kNodesMax = 1200;        // rectangles of the icicle
constexpr size_t kSpansMax = 40;
constexpr size_t kExcerptBytes = 400;

std::string_view Asset(std::string_view name) {
  for (const EmbeddedFile& file : PageAssets()) {
    if (file.path.ends_with(name)) return file.text;
  }
  WEIR_CHECK(false, "no asset {}", name);
  return {};
}

// What a content security policy calls the one script or style sheet that may run: sha256- and base 64.
std::string ContentHash(std::string_view text) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto digest = Sha256(text);
  std::string out = "sha256-";
  for (size_t i = 0; i < digest.size(); i += 3) {
    const size_t left = std::min<size_t>(3, digest.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < left ? digest[i + k] : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

// JSON that may stand inside a script element: nothing in it can end the element.
std::string ScriptSafe(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  }
  return out;
}

template <typename Numbers>
Json NumbersJson(const Numbers& numbers) {
  Json array = Json::MakeArray();
  for (const auto number : numbers) array.Append(Json(static_cast<int64_t>(number)));
  return array;
}

Json CellsJson(const std::vector<std::optional<uint32_t>>& cells) {
  Json array = Json::MakeArray();
  for (const auto& cell : cells) array.Append(cell ? Json(uint64_t{*cell}) : Json());
  return array;
}

Json AgentsJson(const ShareReport& report) {
  Json array = Json::MakeArray();
  for (const AgentShare& agent : report.agents) {
    Json object = Json::MakeObject();
    object.Set("name", agent.agent);
    object.Set("tokens", uint64_t{agent.tokens});
    object.Set("blocks", uint64_t{agent.blocks});
    object.Set("prefix", uint64_t{agent.best_prefix_tokens});
    object.Set("mate", agent.best_prefix_with ? Json(uint64_t{*agent.best_prefix_with}) : Json());
    array.Append(std::move(object));
  }
  return array;
}

std::string TextOf(const Context& context, Range tokens, bool tail) {
  const Range bytes = context.BytesOf(tokens);
  if (!tail) return std::string(WholeCharacters(context.text(), bytes.begin, std::min<size_t>(bytes.size(), kExcerptBytes)));
  if (bytes.size() <= kExcerptBytes) return {};
  const size_t begin =
      std::max<size_t>(bytes.begin + kExcerptBytes, bytes.end - std::min<size_t>(bytes.size(), kExcerptBytes / 2));
  return std::string(WholeCharacters(context.text(), begin, bytes.end - begin));
}

// The nodes with the largest rectangles and their ancestors, in the tree's order.
std::vector<size_t> DrawnNodes(const ShareReport& report) {
  const auto& groups = report.groups;
  std::vector<size_t> by_area(groups.size());
  std::iota(by_area.begin(), by_area.end(), size_t{0});
  const auto area = [&](size_t i) { return uint64_t{groups[i].end - groups[i].begin} * groups[i].count; };
  std::stable_sort(by_area.begin(), by_area.end(), [&](size_t a, size_t b) { return area(a) > area(b); });
  std::vector<bool> drawn(groups.size(), false);
  size_t count = 0;
  for (const size_t node : by_area) {
    if (count >= kNodesMax) break;
    for (auto at = static_cast<int64_t>(node); at >= 0 && !drawn[static_cast<size_t>(at)];
         at = groups[static_cast<size_t>(at)].parent) {
      drawn[static_cast<size_t>(at)] = true;
      ++count;
    }
  }
  std::vector<size_t> out;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (drawn[i] && groups[i].end > groups[i].begin) out.push_back(i);
  }
  return out;
}

Json NodesJson(const ShareView& view) {
  const std::vector<size_t> drawn = DrawnNodes(view.report);
  std::vector<int64_t> place(view.report.groups.size(), -1);
  for (size_t i = 0; i < drawn.size(); ++i) place[drawn[i]] = static_cast<int64_t>(i);
  Json array = Json::MakeArray();
  for (const size_t index : drawn) {
    const PrefixNode& node = view.report.groups[index];
    const Context& context = *view.contexts[view.report.order[node.first]];
    Json object = Json::MakeObject();
    object.Set("parent", node.parent < 0 ? Json(int64_t{-1}) : Json(place[static_cast<size_t>(node.parent)]));
    object.Set("begin", uint64_t{node.begin});
    object.Set("end", uint64_t{node.end});
    object.Set("first", uint64_t{node.first});
    object.Set("count", uint64_t{node.count});
    object.Set("head", TextOf(context, {node.begin, node.end}, false));
    object.Set("tail", TextOf(context, {node.begin, node.end}, true));
    array.Append(std::move(object));
  }
  return array;
}

std::string DataOf(const ShareView& view) {
  const PageMatrix matrix = MakePageMatrix(view.report);
  Json bins = Json::MakeArray();
  for (const auto& bin : matrix.bins) bins.Append(NumbersJson(bin));
  Json data = Json::MakeObject();
  data.Set("agents", AgentsJson(view.report));
  data.Set("order", NumbersJson(view.report.order));
  data.Set("bins", std::move(bins));
  data.Set("prefix_tokens", CellsJson(matrix.prefix_tokens));
  data.Set("prefix_share", CellsJson(matrix.prefix_share));
  data.Set("span_tokens", CellsJson(matrix.span_tokens));
  data.Set("span_share", CellsJson(matrix.span_share));
  data.Set("near_blocks", CellsJson(matrix.near_blocks));
  data.Set("nodes", NodesJson(view));
  return ScriptSafe(data.Dump());
}

std::string FigureCard(std::string_view number, std::string_view label, std::string_view ink,
                       std::optional<double> fraction) {
  std::string bar;
  if (fraction) {
    bar = fmt::format(
        "<div class=\"bar\"><svg viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        "<rect class=\"fill-{}\" width=\"{:.1f}\" height=\"6\"/></svg></div>",
        ink, *fraction * 100);
  }
  return fmt::format("<div class=\"figure\"><b>{}</b><span>{}</span>{}</div>\n", number, label, bar);
}

std::string Figures(const ShareReport& report) {
  const ShareTotals& totals = report.totals;
  const auto of_all = [&](uint64_t tokens) {
    return totals.tokens == 0 ? 0.0 : static_cast<double>(tokens) / static_cast<double>(totals.tokens);
  };
  std::string out = "<div class=\"figures\">\n";
  out += FigureCard(Grouped(totals.tokens), fmt::format("tokens in {}", Counted(report.agents.size(), "prompt")), "",
                    std::nullopt);
  out += FigureCard(Percent(totals.reusable_tokens, totals.tokens),
                    fmt::format("exact prefix: {} tokens an engine can reuse", Grouped(totals.reusable_tokens)), "prefix",
                    of_all(totals.reusable_tokens));
  if (totals.moved_tokens) {
    out += FigureCard(
        Percent(*totals.moved_tokens, totals.tokens),
        fmt::format("moved spans: {} tokens of equal text elsewhere, lost as it stands", Grouped(*totals.moved_tokens)),
        "span", of_all(*totals.moved_tokens));
  } else {
    out += FigureCard("n/a", "moved spans: not measured", "", std::nullopt);
  }
  out += FigureCard(Grouped(totals.distinct_blocks), fmt::format("distinct blocks of {}", Grouped(totals.blocks)), "",
                    std::nullopt);
  return out + "</div>\n";
}

std::string AgentTable(const ShareReport& report) {
  std::string out =
      "<table><thead><tr><th>agent</th><th class=\"number\">tokens</th><th class=\"number\">blocks</th>"
      "<th class=\"number\">longest shared prefix</th><th>with</th></tr></thead><tbody>\n";
  const size_t shown = std::min(report.agents.size(), kAgentsListedMax);
  for (size_t i = 0; i < shown; ++i) {
    const AgentShare& agent = report.agents[i];
    out += fmt::format(
        "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{} ({})</td>"
        "<td>{}</td></tr>\n",
        Escaped(agent.agent), Grouped(agent.tokens), Grouped(agent.blocks), Grouped(agent.best_prefix_tokens),
        Percent(agent.best_prefix_tokens, agent.tokens).front() == '<' ? "under 1%"
                                                                       : Percent(agent.best_prefix_tokens, agent.tokens),
        agent.best_prefix_with ? Escaped(report.agents[*agent.best_prefix_with].agent) : "nobody");
  }
  out += "</tbody></table>\n";
  if (shown < report.agents.size())
    out += fmt::format("<p class=\"note\">… and {} more</p>\n", Grouped(report.agents.size() - shown));
  return out;
}

std::string SpanTable(const ShareView& view) {
  if (view.report.spans.empty()) return {};
  std::string out =
      "<section aria-labelledby=\"spans-title\"><h2 id=\"spans-title\">Weightiest moved spans</h2>\n"
      "<p class=\"note\">Equal passages outside the shared prefix: move them to the front, in one order, and an "
      "engine can reuse them.</p>\n<table><thead><tr><th class=\"number\">tokens</th><th class=\"number\">prompts"
      "</th><th>begins</th></tr></thead><tbody>\n";
  for (size_t i = 0; i < std::min(view.report.spans.size(), kSpansMax); ++i) {
    const SharedSpan& span = view.report.spans[i];
    const Range bytes = view.contexts[span.example_agent]->BytesOf({span.example_token, span.example_token + span.tokens});
    const std::string_view text =
        WholeCharacters(view.contexts[span.example_agent]->text(), bytes.begin, std::min<size_t>(bytes.size(), 160));
    out += fmt::format("<tr><td class=\"number\">{}</td><td class=\"number\">{}</td><td><code>{}</code></td></tr>\n",
                       Grouped(span.tokens), Grouped(span.agents.size()), Escaped(Visible(text)));
  }
  return out + "</tbody></table></section>\n";
}

}  // namespace

std::string SharePage(const ShareView& view) {
  const ShareReport& report = view.report;
  const std::string_view style = Asset("page.css");
  const std::string_view script = Asset("page.js");
  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; script-src '{}'; base-uri "
      "'none'; "
      "form-action 'none'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
      ContentHash(style), ContentHash(script));
  out += fmt::format("<title>Weir: what {} share</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n",
                     Counted(report.agents.size(), "agent"), style);
  out += fmt::format(
      "<header><h1>What {} share</h1><p>{}, blocks of {} tokens</p><button type=\"button\" id=\"theme\">light or "
      "dark</button></header>\n<noscript><p class=\"note\">The two pictures need JavaScript; the tables do "
      "not.</p></noscript>\n",
      Counted(report.agents.size(), "agent"), Escaped(view.tokenizer), view.block_size);
  out += Figures(report);
  if (report.agents.size() > 1) out += Asset("heatmap.html");
  out += Asset("icicle.html");
  out += SpanTable(view);
  out += fmt::format("<section aria-labelledby=\"agents-title\"><h2 id=\"agents-title\">Agents</h2>\n{}</section>\n",
                     AgentTable(report));
  if (!report.spans_note.empty()) out += fmt::format("<p class=\"note\">{}</p>\n", Escaped(report.spans_note));
  if (!report.near_note.empty()) out += fmt::format("<p class=\"note\">{}</p>\n", Escaped(report.near_note));
  out +=
      "<footer>Made by weir share. Exact prefixes, moved spans and near blocks are different things and are never added up; "
      "a near block is a hint, nothing of it can be reused.</footer>\n";
  out += fmt::format(
      "</main>\n<script type=\"application/json\" id=\"report\">{}</script>\n<script>{}</script>\n</body>\n</html>\n",
      DataOf(view), script);
  return out;
}

}  // namespace weir
