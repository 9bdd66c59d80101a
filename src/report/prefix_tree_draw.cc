#include "prefix_tree_draw.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace weir {
namespace {

constexpr size_t kLinesMax = 40;
constexpr size_t kChildrenMax = 8;
constexpr size_t kDepthMax = 8;
constexpr size_t kNamesMax = 4;

class Drawing {
 public:
  Drawing(const ShareView& view, const TextStyle& style) : view_(view), style_(style), children_(view.report.groups.size()) {
    for (size_t i = 0; i < view.report.groups.size(); ++i) {
      const int32_t parent = view.report.groups[i].parent;
      (parent < 0 ? roots_ : children_[static_cast<size_t>(parent)]).push_back(i);
      saved_.push_back(Saved(Node(i)));
    }
    for (size_t i = saved_.size(); i-- > 0;) {  // parents come first, so this adds up every subtree
      if (Node(i).parent >= 0) saved_[static_cast<size_t>(Node(i).parent)] += saved_[i];
    }
  }

  std::string Draw() {
    if (std::all_of(roots_.begin(), roots_.end(), [&](size_t i) { return Node(i).count < 2; })) {
      return "  no two agents begin alike: they differ at the first token\n";
    }
    DrawSiblings(roots_, "", 0);
    return std::move(out_);
  }

 private:
  const PrefixNode& Node(size_t i) const { return view_.report.groups[i]; }

  static uint64_t Saved(const PrefixNode& node) { return uint64_t{node.end - node.begin} * (node.count - 1); }

  // Whether the branch gets a line of its own: it saves something worth seeing, or there are few agents anyway.
  bool Worth(size_t i) const {
    constexpr size_t kFewAgents = 12;
    if (view_.report.agents.size() <= kFewAgents) return true;
    return Node(i).count > 1 && saved_[i] >= std::max<uint64_t>(view_.block_size, view_.report.totals.tokens / 200);
  }

  void DrawSiblings(std::vector<size_t> nodes, const std::string& margin, size_t depth) {
    std::stable_sort(nodes.begin(), nodes.end(), [&](size_t a, size_t b) {
      return saved_[a] != saved_[b] ? saved_[a] > saved_[b] : Node(a).count > Node(b).count;
    });
    size_t shown = 0;
    while (shown < nodes.size() && shown < kChildrenMax && Worth(nodes[shown])) ++shown;
    if (shown + 1 == nodes.size() && Worth(nodes[shown])) ++shown;  // one more line instead of a line that counts it
    for (size_t i = 0; i < shown; ++i) {
      if (lines_ >= kLinesMax || depth > kDepthMax) {
        DrawRest(nodes, i, margin, depth);
        return;
      }
      const bool last = i + 1 == nodes.size();
      DrawNode(nodes[i], margin, last, depth);
      DrawSiblings(children_[nodes[i]], margin + (depth == 0 ? "" : last ? "   " : "│  "), depth + 1);
    }
    if (shown < nodes.size()) DrawRest(nodes, shown, margin, depth);
  }

  void DrawRest(const std::vector<size_t>& nodes, size_t from, const std::string& margin, size_t depth) {
    uint64_t agents = 0;
    for (size_t i = from; i < nodes.size(); ++i) agents += Node(nodes[i]).count;
    const size_t branches = nodes.size() - from;
    const std::string text = fmt::format("{}… {} in {} {}", depth == 0 ? "" : "└─ ", Counted(agents, "agent"),
                                         Grouped(branches), branches == 1 ? "branch" : "branches");
    out_ += fmt::format("  {}{}\n", Paint(style_, Ink::kDim, margin), Paint(style_, Ink::kDim, text));
    ++lines_;
  }

  std::string Names(const PrefixNode& node) const {
    const ShareReport& report = view_.report;
    if (node.count == 2 && report.agents.size() == 2) return "both agents";
    if (node.count == report.agents.size()) return fmt::format("all {}", Counted(node.count, "agent"));
    if (node.count > kNamesMax) {
      const std::string first = FitWidth(Visible(report.agents[report.order[node.first]].agent), 20);
      return fmt::format("{}, such as {}", Counted(node.count, "agent"), first);
    }
    std::vector<std::string> names;
    for (uint32_t i = 0; i < node.count; ++i) {
      names.push_back(FitWidth(Visible(report.agents[report.order[node.first + i]].agent), 24));
    }
    const std::string text = fmt::format("{}", fmt::join(names, ", "));
    return node.count == 1 ? text + " alone" : text;
  }

  std::string Excerpt(const PrefixNode& node) const {
    constexpr size_t kBytes = 120;
    const Context& context = *view_.contexts[view_.report.order[node.first]];
    const Range bytes = context.BytesOf({node.begin, node.end});
    return Visible(WholeCharacters(context.text(), bytes.begin, std::min<size_t>(bytes.size(), kBytes)));
  }

  void DrawNode(size_t index, const std::string& margin, bool last, size_t depth) {
    const PrefixNode& node = Node(index);
    const Ink ink = node.count > 1 ? Ink::kGreen : Ink::kDim;
    const std::string branch = depth == 0 ? "" : last ? "└─ " : "├─ ";
    std::string line = fmt::format("  {}{}{}  {}", Paint(style_, Ink::kDim, margin), Paint(style_, Ink::kDim, branch),
                                   Paint(style_, ink, Grouped(node.end - node.begin)), Names(node));
    const size_t used = DisplayWidth(line);
    constexpr size_t kTextColumn = 46;
    const size_t column = std::max(used + 2, kTextColumn);
    if (node.count > 1 && column + 16 < style_.width) {
      line += std::string(column - used, ' ') + Paint(style_, Ink::kDim, FitWidth(Excerpt(node), style_.width - column));
    }
    out_ += line + '\n';
    ++lines_;
  }

  const ShareView& view_;
  const TextStyle& style_;
  std::vector<std::vector<size_t>> children_;
  std::vector<size_t> roots_;
  std::vector<uint64_t> saved_;  // per node: tokens that sharing it and all below it saves
  std::string out_;
  size_t lines_ = 0;
};

}  // namespace

std::string DrawPrefixTree(const ShareView& view, const TextStyle& style) { return Drawing(view, style).Draw(); }

}  // namespace weir
