#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "weir/report/layout_view.h"

namespace weir {
namespace {

constexpr size_t kRowsMax = 20;

std::string Signed(int64_t number) {
  if (number == 0) return "0";
  return (number > 0 ? "+" : "-") + Grouped(static_cast<uint64_t>(number > 0 ? number : -number));
}

// What the change does, for people; the JSON has the short names.
std::string_view WordsFor(Normalisation normalisation) {
  switch (normalisation) {
    case Normalisation::kVolatileLast: return "lines with times, ids and counters last";
    case Normalisation::kJsonKeys: return "JSON keys sorted";
    case Normalisation::kToolOrder: return "tools by name";
    case Normalisation::kTrailingBlanks: return "blanks at line ends removed";
    case Normalisation::kUnicodeForm: return "accented letters composed (NFC)";
    case Normalisation::kSharedFirst: return "shared paragraphs first";
  }
  return NormalisationName(normalisation);
}

std::string StateOf(const NormalisationGain& gain, const TextStyle& style) {
  if (gain.applied) return Paint(style, Ink::kGreen, "applied");
  if (gain.measured_only) return Paint(style, Ink::kYellow, "yours to judge");
  return Paint(style, Ink::kDim, "not needed");
}

std::string DrawBars(const LayoutReport& report, const TextStyle& style) {
  std::string out;
  const auto line = [&](std::string_view name, Ink ink, uint64_t reusable, uint64_t tokens) {
    const double fraction = tokens == 0 ? 0 : static_cast<double>(reusable) / static_cast<double>(tokens);
    out += fmt::format("  {:<7} {} {:>4}  {} of {}\n", name, Bar(style, ink, fraction, 40), Percent(reusable, tokens),
                       Paint(style, Ink::kBold, Grouped(reusable)), Counted(tokens, "token"));
  };
  line("before", Ink::kRed, report.reusable_before, report.tokens_before);
  line("after", Ink::kGreen, report.reusable_after, report.tokens_after);
  return out;
}

std::string DrawOrder(const LayoutReport& report, const TextStyle& style) {
  Table table({{"", Align::kRight},
               {"segment", Align::kLeft, true},
               {"kind"},
               {"in calls", Align::kRight},
               {"texts", Align::kRight},
               {"tokens", Align::kRight},
               {""}});
  for (size_t i = 0; i < std::min(report.classes.size(), kRowsMax); ++i) {
    const LayoutClass& piece = report.classes[i];
    const std::string note = piece.is_split ? "split off" : piece.movable ? "" : "stays in place";
    table.AddRow({std::to_string(i + 1), Visible(piece.name), std::string(SegmentKindName(piece.kind)), Grouped(piece.calls),
                  Grouped(piece.contents), Grouped(piece.tokens), Paint(style, Ink::kDim, note)});
  }
  std::string out = fmt::format("\n{}\n{}", Paint(style, Ink::kBold, "Order"), table.Draw(style));
  if (report.classes.size() > kRowsMax) out += fmt::format("     … and {} more\n", report.classes.size() - kRowsMax);
  return out;
}

std::string DrawChanges(const LayoutReport& report, const TextStyle& style) {
  Table table({{"change", Align::kLeft, true},
               {""},
               {"pieces", Align::kRight},
               {"gains alone", Align::kRight},
               {"in the proposal", Align::kRight}});
  bool judged = false;
  if (report.gain_of_order != 0) {
    table.AddRow({"order of segments", Paint(style, Ink::kGreen, "applied"), "", "", Signed(report.gain_of_order)});
  }
  for (const NormalisationGain& gain : report.normalisations) {
    table.AddRow({std::string(WordsFor(gain.normalisation)), StateOf(gain, style), Grouped(gain.pieces),
                  Signed(gain.gain_alone), gain.gain_in_proposal ? Signed(*gain.gain_in_proposal) : "-"});
    judged = judged || (gain.measured_only && gain.gain_alone > 0);
  }
  if (table.empty()) return {};
  std::string out = fmt::format("\n{}  {}\n{}", Paint(style, Ink::kBold, "Changes"),
                                Paint(style, Ink::kDim, "reusable tokens"), table.Draw(style));
  if (judged) {
    out += Wrapped("Yours to judge: it changes the order of paragraphs, which may carry meaning; measured, not applied.",
                   style.width, 2);
  }
  return out;
}

std::string DrawCalls(const LayoutReport& report, const TextStyle& style) {
  if (report.calls.empty()) return {};
  Table table({{"call", Align::kLeft, true},
               {"tokens", Align::kRight},
               {"reusable before", Align::kRight},
               {"after", Align::kRight},
               {""}});
  for (size_t i = 0; i < std::min(report.calls.size(), kRowsMax); ++i) {
    const LayoutCallChange& call = report.calls[i];
    const double fraction = call.tokens_after == 0 ? 0 : static_cast<double>(call.reusable_after) / call.tokens_after;
    table.AddRow({Visible(call.agent), Grouped(call.tokens_after), Grouped(call.reusable_before),
                  Grouped(call.reusable_after), Bar(style, Ink::kGreen, fraction, 12)});
  }
  std::string out = fmt::format("\n{}\n{}", Paint(style, Ink::kBold, "Calls"), table.Draw(style));
  if (report.calls.size() > kRowsMax)
    out += fmt::format("  … and {} more (--json lists all)\n", report.calls.size() - kRowsMax);
  return out;
}

std::string DrawExample(const LayoutReport& report, const TextStyle& style) {
  if (!report.improves || !report.example_call) return {};
  std::string out = fmt::format("\n{}  {}\n", Paint(style, Ink::kBold, "Example"),
                                Paint(style, Ink::kDim,
                                      fmt::format("call {}, {}: its segments as proposed", *report.example_call + 1,
                                                  Visible(report.calls[*report.example_call].agent))));
  Table table({{"segment", Align::kLeft, true}, {"begins"}});
  const size_t text_width = style.width > 50 ? style.width - 34 : 30;
  for (size_t i = 0; i < std::min(report.example_pieces.size(), kRowsMax); ++i) {
    const LayoutPiece& piece = report.example_pieces[i];
    table.AddRow(
        {Visible(piece.name), Paint(style, Ink::kDim, FitWidth(Visible(WholeCharacters(piece.text, 0, 200)), text_width))});
  }
  return out + table.Draw(style);
}

}  // namespace

std::string DrawLayout(const LayoutReport& report, uint64_t cache_tokens, const TextStyle& style) {
  std::string out = fmt::format(
      "{}  {}\n", Paint(style, Ink::kBold, "Reusable tokens"),
      Paint(style, Ink::kDim,
            fmt::format("{}, simulated cache of {}", Counted(report.calls.size(), "call"), Counted(cache_tokens, "token"))));
  out += DrawBars(report, style);
  if (report.refused_calls > 0) {
    out += Paint(style, Ink::kYellow,
                 fmt::format("  {} larger than the cache and could not run\n",
                             report.refused_calls == 1 ? "1 call is" : fmt::format("{} calls are", report.refused_calls)));
  }
  if (!report.improves) {
    out += '\n' + Wrapped(report.note.empty() ? "Nothing helps: the recorded layout is as good as any tried." : report.note,
                          style.width, 2);
    return out + DrawCalls(report, style);
  }
  out += DrawOrder(report, style) + DrawChanges(report, style) + DrawCalls(report, style) + DrawExample(report, style);
  if (!report.note.empty()) out += '\n' + Wrapped(report.note, style.width, 2);
  out += Paint(style, Ink::kDim,
               fmt::format("\n  search: {}, {}\n", LayoutSearchName(report.search),
                           Counted(report.orders_tried, "order") + " tried"));
  return out;
}

}  // namespace weir
