#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "weir/report/explain_view.h"

namespace weir {
namespace {

constexpr size_t kIndent = 4;
constexpr size_t kNamesMax = 4;

// One side's text as it will stand on a line, with the place of the break in it.
struct MarkedText {
  std::string before;   // visible text in front of the break
  std::string differs;  // visible text of the differing region from the break on; may be empty
  std::string after;
};

MarkedText MarkSide(const BreakSide& side) {
  const std::string_view text = side.text;
  size_t at = std::min<size_t>(side.byte - std::min(side.byte, side.text_begin), text.size());
  while (at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  const size_t differs_end = side.differs_begin + side.differs.size();
  size_t end = differs_end > side.text_begin ? std::min(differs_end - side.text_begin, text.size()) : at;
  if (end < at) end = at;
  return {Visible(text.substr(0, at)), Visible(text.substr(at, end - at)), Visible(text.substr(end))};
}

// The last `width` columns of the text, begun by an ellipsis when something was cut.
std::string KeepEnd(const std::string& text, size_t width) {
  if (DisplayWidth(text) <= width) return text;
  size_t begin = 0;
  while (begin < text.size() && DisplayWidth(std::string_view(text).substr(begin)) + 1 > width) {
    do {
      ++begin;
    } while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80);
  }
  return "…" + text.substr(begin);
}

std::string DrawSide(const std::string& name, const BreakSide& side, size_t before_width, Ink ink, const TextStyle& style) {
  const size_t width = style.width > kIndent + 20 ? style.width - kIndent : 20;
  const MarkedText marked = MarkSide(side);
  const std::string before = KeepEnd(marked.before, before_width);
  const size_t caret = DisplayWidth(before);
  const std::string differs = FitWidth(marked.differs, width - caret);
  const std::string after = FitWidth(marked.after, width - caret - std::min(width - caret, DisplayWidth(differs)));
  const std::string margin(kIndent, ' ');
  std::string out = fmt::format(
      "  {}  {}\n", Paint(style, Ink::kBold, Visible(name)),
      Paint(style, Ink::kDim, fmt::format("{}, line {}, byte {}", Visible(side.segment), side.line, Grouped(side.byte))));
  if (differs.empty() && after.empty()) {
    out += margin + before + Paint(style, Ink::kDim, "(ends here)") + '\n';
  } else {
    out += margin + before + Paint(style, ink, differs) + after + '\n';
  }
  const size_t marks = std::max<size_t>(1, DisplayWidth(differs));
  out += margin + std::string(caret, ' ') + Paint(style, ink, "^" + std::string(marks - 1, '~')) + '\n';
  return out;
}

std::string GainText(const Fix& fix) {
  if (!fix.gain_tokens) return "gain not measured";
  if (*fix.gain_tokens <= 0) return "gains nothing by itself";
  const uint64_t blocks = fix.gain_blocks ? static_cast<uint64_t>(std::max<int64_t>(0, *fix.gain_blocks)) : 0;
  return fmt::format("gains {} of exact prefix ({})", Counted(static_cast<uint64_t>(*fix.gain_tokens), "token"),
                     Counted(blocks, "block"));
}

std::string DrawCost(const Explanation& explanation, const TextStyle& style) {
  std::string out;
  out += fmt::format("  {:<14} {}, {}\n", "shared prefix", Counted(explanation.prefix_tokens, "token"),
                     Counted(explanation.prefix_blocks, "whole block"));
  out += fmt::format(
      "  {:<14} {}", "lost behind it",
      Paint(style, explanation.lost_tokens > 0 ? Ink::kRed : Ink::kPlain,
            fmt::format("{}, {}", Counted(explanation.lost_tokens, "token"), Counted(explanation.lost_blocks, "block"))));
  if (explanation.lost_to_next_break < explanation.lost_tokens) {
    out += fmt::format("; {} of them before the next difference", Grouped(explanation.lost_to_next_break));
  }
  out += '\n';
  if (explanation.fix && explanation.fix->action != FixAction::kNone) {
    const Fix& fix = *explanation.fix;
    const std::string text = fix.segment.empty() ? fix.advice : fmt::format("{}: {}", Visible(fix.segment), fix.advice);
    out += fmt::format("  {:<14} {}", "fix", Wrapped(text, style.width, 17).substr(17));
    out += fmt::format("  {:<14} {}\n", "", Paint(style, Ink::kGreen, GainText(fix)));
  }
  return out;
}

std::string JoinedNames(std::span<const uint32_t> indexes, std::span<const std::string> names) {
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(indexes.size(), kNamesMax); ++i) shown.push_back(Visible(names[indexes[i]]));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (indexes.size() > kNamesMax) text += fmt::format(" and {} more", indexes.size() - kNamesMax);
  return text;
}

}  // namespace

std::string DrawExplanation(const Explanation& explanation, std::string_view a, std::string_view b, const TextStyle& style) {
  if (!explanation.divergence) {
    return fmt::format("{} and {} are equal, token by token: {}.\n", Visible(a), Visible(b),
                       Counted(explanation.prefix_tokens, "token"));
  }
  const Divergence& divergence = *explanation.divergence;
  std::string out = fmt::format("{} and {} part at token {} (block {}): {}\n", Paint(style, Ink::kBold, Visible(a)),
                                Paint(style, Ink::kBold, Visible(b)), Grouped(divergence.token), Grouped(divergence.block),
                                Paint(style, Ink::kYellow, BreakCauseName(divergence.cause)));
  if (!divergence.reason.empty()) out += Wrapped(divergence.reason, style.width, 2);
  const size_t widest = std::max(DisplayWidth(MarkSide(divergence.a).before), DisplayWidth(MarkSide(divergence.b).before));
  const size_t before_width = std::min(widest, style.width * 2 / 5);
  out += '\n' + DrawSide(std::string(a), divergence.a, before_width, Ink::kRed, style);
  out += DrawSide(std::string(b), divergence.b, before_width, Ink::kGreen, style);
  return out + '\n' + DrawCost(explanation, style);
}

std::string DrawBreaks(std::span<const GroupBreak> breaks, std::span<const std::string> names, const TextStyle& style) {
  if (breaks.empty()) return "No break costs anything: what these prompts share, they share from the start.\n";
  std::string out;
  for (size_t i = 0; i < breaks.size(); ++i) {
    const GroupBreak& group = breaks[i];
    out += fmt::format("{} {}\n", Paint(style, Ink::kBold, fmt::format("Break {} of {}", i + 1, breaks.size())),
                       Paint(style, Ink::kDim, fmt::format("costs {} in all", Counted(group.lost_tokens, "token"))));
    out += fmt::format("  {} {}\n  {} {}\n", Paint(style, Ink::kDim, "agree  "), JoinedNames(group.kept, names),
                       Paint(style, Ink::kDim, "part   "), JoinedNames(group.broken, names));
    out += DrawExplanation(group.explanation, names[group.kept.front()], names[group.broken.front()], style);
    if (i + 1 < breaks.size()) out += '\n';
  }
  return out;
}

}  // namespace weir
