#include "heatmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace weir {
namespace {

constexpr size_t kAgentsMax = 40;
constexpr size_t kLabelMax = 22;  // columns
constexpr size_t kNumberCell = 8;
constexpr size_t kShadeCell = 2;

// Entries of the 256-colour palette, from little to much.
constexpr std::array<int, 6> kPrefixRamp = {22, 28, 34, 40, 46, 82};
constexpr std::array<int, 6> kSpanRamp = {52, 94, 136, 172, 208, 214};

// What a cell shows: the value and its share of the shorter of the two prompts.
struct Cell {
  std::optional<uint32_t> tokens;
  double share = 0;
  bool is_prefix = true;
  bool diagonal = false;
};

class Matrix {
 public:
  explicit Matrix(const ShareReport& report) : report_(report), count_(report.agents.size()), cells_(count_ * count_) {
    for (const PairShare& pair : report.pairs) {
      cells_[pair.a * count_ + pair.b] = Of(pair, pair.prefix_tokens, true);
      cells_[pair.b * count_ + pair.a] = Of(pair, pair.span_tokens, false);
    }
    for (size_t i = 0; i < count_; ++i) cells_[i * count_ + i].diagonal = true;
  }

  const Cell& At(size_t row, size_t column) const { return cells_[row * count_ + column]; }
  size_t count() const { return count_; }

 private:
  Cell Of(const PairShare& pair, std::optional<uint32_t> tokens, bool is_prefix) const {
    const uint32_t shorter = std::min(report_.agents[pair.a].tokens, report_.agents[pair.b].tokens);
    return {tokens, shorter == 0 ? 0.0 : static_cast<double>(tokens.value_or(0)) / shorter, is_prefix, false};
  }

  const ShareReport& report_;
  size_t count_;
  std::vector<Cell> cells_;
};

size_t Step(double share, size_t steps) {
  return std::min(steps - 1, static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(steps)));
}

std::string OnColor(const TextStyle& style, const Cell& cell, std::string_view text) {
  if (!style.color || cell.diagonal || cell.tokens.value_or(0) == 0) return Paint(style, Ink::kDim, text);
  const size_t step = Step(cell.share, kPrefixRamp.size());
  const int background = (cell.is_prefix ? kPrefixRamp : kSpanRamp)[step];
  return fmt::format("\x1b[48;5;{}m\x1b[38;5;{}m{}\x1b[0m", background, step >= 2 ? 16 : 231, text);
}

std::string NumberCell(const TextStyle& style, const Cell& cell) {
  if (cell.diagonal) return Paint(style, Ink::kDim, fmt::format("{:>{}} ", "■", kNumberCell - 1));
  const std::string number = !cell.tokens ? "?" : *cell.tokens == 0 ? "·" : Grouped(*cell.tokens);
  return OnColor(style, cell, fmt::format("{:>{}} ", number, kNumberCell - 1));
}

std::string ShadeCell(const TextStyle& style, const Cell& cell) {
  static constexpr std::string_view kShades[] = {"░░", "▒▒", "▓▓", "██"};
  if (cell.diagonal) return Paint(style, Ink::kDim, "■■");
  if (!cell.tokens) return "??";
  if (*cell.tokens == 0) return Paint(style, Ink::kDim, "··");
  if (style.color) return OnColor(style, cell, "  ");
  return std::string(kShades[Step(cell.share, std::size(kShades))]);
}

size_t LabelWidth(const ShareReport& report) {
  size_t width = 0;
  for (const AgentShare& agent : report.agents) width = std::max(width, DisplayWidth(Visible(agent.agent)));
  return std::min(width, kLabelMax);
}

bool HasRoomForNumbers(size_t agents, const TextStyle& style) {
  return 2 + kLabelMax + 4 + agents * kNumberCell <= style.width;
}

std::string Legend(const TextStyle& style, bool numbers) {
  std::string out = "  ";
  const auto ramp = [&](bool is_prefix) {
    for (size_t step = 0; step < kPrefixRamp.size(); ++step) {
      const Cell cell{1, (static_cast<double>(step) + 0.5) / static_cast<double>(kPrefixRamp.size()), is_prefix, false};
      out += style.color ? OnColor(style, cell, "  ") : std::string();
    }
  };
  if (style.color) {
    ramp(true);
    out += Paint(style, Ink::kDim, " exact prefix  ");
    ramp(false);
    out += Paint(style, Ink::kDim, " moved spans  (brighter: more of the shorter prompt)");
    return out + "\n";
  }
  return numbers ? std::string() : "  ·· none  ░░ under 25%  ▒▒ 50%  ▓▓ 75%  ██ more of the shorter prompt\n";
}

}  // namespace

bool FitsHeatmap(size_t agents, const TextStyle& style) {
  if (agents > kAgentsMax) return false;
  return HasRoomForNumbers(agents, style) || 2 + kLabelMax + 4 + agents * kShadeCell <= style.width;
}

std::string DrawHeatmap(const ShareReport& report, const TextStyle& style) {
  const Matrix matrix(report);
  const bool numbers = HasRoomForNumbers(matrix.count(), style);
  const size_t label_width = LabelWidth(report);
  std::string out = std::string(2 + 3 + label_width + 1, ' ');
  for (size_t column = 0; column < matrix.count(); ++column) {
    // Two columns of the terminal are too narrow for every number: every other one is named.
    const std::string shade_title = column % 2 == 0 ? fmt::format("{:>2}", column + 1) : "  ";
    const std::string title = numbers ? fmt::format("{:>{}} ", column + 1, kNumberCell - 1) : shade_title;
    out += Paint(style, Ink::kDim, title);
  }
  out += '\n';
  for (size_t row = 0; row < matrix.count(); ++row) {
    const std::string label = FitWidth(Visible(report.agents[row].agent), label_width);
    out += fmt::format("  {} {}{} ", Paint(style, Ink::kDim, fmt::format("{:>2}", row + 1)), label,
                       std::string(label_width - DisplayWidth(label), ' '));
    for (size_t column = 0; column < matrix.count(); ++column) {
      const Cell& cell = matrix.At(row, column);
      out += numbers ? NumberCell(style, cell) : ShadeCell(style, cell);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out + Legend(style, numbers);
}

}  // namespace weir
