#include "layout_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "json_text.h"
#include "shared_blocks.h"
#include "text_forms.h"
#include "volatile_lines.h"

namespace weir {
namespace {

constexpr size_t kNormalisationCount = 6;
constexpr std::string_view kSplitSuffix = " (volatile)";

bool IsMessage(SegmentKind kind) { return kind != SegmentKind::kText && kind != SegmentKind::kTools; }

bool IsAllJson(std::string_view text) {
  size_t from = 0;
  const std::vector<JsonSpan> spans = FindJsonSpans(text);
  const auto is_blank = [](std::string_view gap) { return gap.find_first_not_of(" \t\r\n,") == std::string_view::npos; };
  for (const JsonSpan& span : spans) {
    if (!is_blank(text.substr(from, span.begin - from))) return false;
    from = span.end;
  }
  return !spans.empty() && is_blank(text.substr(from));
}

bool Has(std::span<const Normalisation> all, Normalisation one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// Pieces with the same text are rewritten once.
template <typename Rewrite>
size_t RewriteAll(std::vector<WorkCall>& calls, const Rewrite& rewrite) {
  size_t changed = 0;
  std::unordered_map<std::string, std::string> done[2];  // apart: tools and the rest
  for (WorkCall& call : calls) {
    for (WorkPiece& work : call) {
      if (work.piece.verbatim) continue;
      auto& known = done[work.piece.kind == SegmentKind::kTools ? 1 : 0];
      auto found = known.find(work.piece.text);
      if (found == known.end()) found = known.emplace(work.piece.text, rewrite(work.piece)).first;
      if (found->second == work.piece.text) continue;
      ++changed;
      work.piece.text = found->second;
    }
  }
  return changed;
}

// JSON values that the calls write in more than one member order, as sorted text.
std::set<std::string> ValuesInSeveralOrders(const std::vector<WorkCall>& calls) {
  std::map<std::string, std::string> first_order;
  std::set<std::string> several;
  std::set<std::string> read;
  for (const WorkCall& call : calls) {
    for (const WorkPiece& work : call) {
      if (work.piece.verbatim || !read.insert(work.piece.text).second) continue;
      for (const JsonSpan& span : FindJsonSpans(work.piece.text)) {
        const Result<Json> value = Json::Parse(std::string_view(work.piece.text).substr(span.begin, span.end - span.begin));
        if (!value) continue;
        const std::string sorted = SortedByKey(*value).Dump();
        const auto [known, is_new] = first_order.emplace(sorted, value->Dump());
        if (!is_new && known->second != value->Dump()) several.insert(sorted);
      }
    }
  }
  return several;
}

size_t SortKeys(std::vector<WorkCall>& calls) {
  const std::set<std::string> several = ValuesInSeveralOrders(calls);
  JsonRewrite everywhere;
  everywhere.sort_keys = true;
  JsonRewrite where_it_varies = everywhere;
  where_it_varies.chosen = [&](std::string_view span) {
    const Result<Json> value = Json::Parse(span);
    return value && several.contains(SortedByKey(*value).Dump());
  };
  return RewriteAll(calls, [&](const LayoutPiece& piece) {
    const bool all = piece.kind == SegmentKind::kTools || IsAllJson(piece.text);
    return RewriteJson(piece.text, all ? everywhere : where_it_varies);
  });
}

size_t PutSharedFirst(std::vector<WorkCall>& calls) {
  std::map<std::string, std::vector<std::string_view>> texts;  // of each class
  const auto may_change = [](const LayoutPiece& piece) { return !piece.verbatim && !piece.fixed; };
  for (const WorkCall& call : calls) {
    for (const WorkPiece& work : call) {
      if (may_change(work.piece)) texts[work.piece.name].push_back(work.piece.text);
    }
  }
  std::map<std::string, SharedBlocks> blocks;
  for (const auto& [name, of_class] : texts) blocks.emplace(name, SharedBlocks(of_class));
  size_t changed = 0;
  for (WorkCall& call : calls) {
    for (WorkPiece& work : call) {
      if (!may_change(work.piece)) continue;
      std::string text = blocks.at(work.piece.name).Apply(work.piece.text);
      if (text == work.piece.text) continue;
      work.piece.text = std::move(text);
      ++changed;
    }
  }
  return changed;
}

size_t SplitVolatiles(std::vector<WorkCall>& calls) {
  std::map<std::string, std::vector<std::string_view>> texts;  // of each class
  std::set<std::string> names;
  for (const WorkCall& call : calls) {
    for (const WorkPiece& work : call) {
      names.insert(work.piece.name);
      if (!work.piece.verbatim && !work.piece.fixed) texts[work.piece.name].push_back(work.piece.text);
    }
  }
  std::map<std::string, VolatileLines> lines;
  for (const auto& [name, of_class] : texts) {
    if (names.contains(name + std::string(kSplitSuffix))) continue;
    VolatileLines learned(of_class);
    if (!learned.empty()) lines.emplace(name, std::move(learned));
  }
  size_t changed = 0;
  for (WorkCall& call : calls) {
    WorkCall split_call;
    for (WorkPiece& work : call) {
      const auto learned = lines.find(work.piece.name);
      const bool apply = learned != lines.end() && !work.piece.verbatim && !work.piece.fixed;
      VolatileLines::Split split;
      if (apply) split = learned->second.Apply(work.piece.text);
      if (split.volatiles.empty() || split.stable.find_first_not_of(" \t\r\n") == std::string::npos) {
        split_call.push_back(std::move(work));
        continue;
      }
      WorkPiece moved = work;
      moved.piece.name += kSplitSuffix;
      moved.piece.text = std::move(split.volatiles);
      moved.is_split = true;
      work.piece.text = std::move(split.stable);
      split_call.push_back(std::move(work));
      split_call.push_back(std::move(moved));
      ++changed;
    }
    call = std::move(split_call);
  }
  return changed;
}

}  // namespace

Status ValidateCalls(std::span<const LayoutCall> calls) {
  if (calls.empty()) return InvalidArgument("no call to lay out", "give at least one prompt");
  for (size_t i = 0; i < calls.size(); ++i) {
    const LayoutCall& call = calls[i];
    const auto fault = [&](std::string_view what) {
      return InvalidArgument(fmt::format("call {} of agent '{}' {}", i + 1, call.agent, what));
    };
    if (call.pieces.empty()) return fault("has no pieces");
    std::set<std::string_view> before;
    std::set<std::string_view> names;
    for (const LayoutPiece& piece : call.pieces) names.insert(piece.name);
    for (const LayoutPiece& piece : call.pieces) {
      for (const std::string& name : piece.after) {
        if (!names.contains(name)) return fault(fmt::format("has no piece '{}', which '{}' must follow", name, piece.name));
        if (!before.contains(name))
          return fault(fmt::format("records '{}' before '{}', which it must follow", piece.name, name));
      }
      if (!before.insert(piece.name).second) return fault(fmt::format("has two pieces named '{}'", piece.name));
    }
  }
  return {};
}

std::vector<WorkCall> WorkCallsOf(std::span<const LayoutCall> calls) {
  std::vector<WorkCall> work_calls;
  work_calls.reserve(calls.size());
  for (const LayoutCall& call : calls) {
    WorkCall& work = work_calls.emplace_back();
    for (uint32_t i = 0; i < call.pieces.size(); ++i) work.push_back({call.pieces[i], i, false});
  }
  return work_calls;
}

Normalised Normalise(std::span<const LayoutCall> calls, std::span<const Normalisation> normalisations) {
  Normalised result;
  result.calls = WorkCallsOf(calls);
  result.changed.assign(kNormalisationCount, 0);
  const auto apply = [&](Normalisation one, const auto& change) {
    if (Has(normalisations, one)) result.changed[static_cast<size_t>(one)] = change();
  };
  apply(Normalisation::kUnicodeForm,
        [&] { return RewriteAll(result.calls, [](const LayoutPiece& piece) { return ComposeCharacters(piece.text); }); });
  apply(Normalisation::kTrailingBlanks,
        [&] { return RewriteAll(result.calls, [](const LayoutPiece& piece) { return TrimTrailingBlanks(piece.text); }); });
  apply(Normalisation::kToolOrder, [&] {
    JsonRewrite rewrite;
    rewrite.sort_tools = true;
    return RewriteAll(result.calls, [&](const LayoutPiece& piece) { return RewriteJson(piece.text, rewrite); });
  });
  apply(Normalisation::kJsonKeys, [&] { return SortKeys(result.calls); });
  apply(Normalisation::kSharedFirst, [&] { return PutSharedFirst(result.calls); });
  apply(Normalisation::kVolatileLast, [&] { return SplitVolatiles(result.calls); });
  return result;
}

bool IsPinned(const WorkPiece& first, const WorkPiece& second) {
  if (first.recorded == second.recorded) return true;  // what was split off stays behind the rest
  const LayoutPiece& x = first.piece;
  const LayoutPiece& y = second.piece;
  if (x.fixed || y.fixed) return true;
  if (IsMessage(x.kind) && IsMessage(y.kind)) return true;
  const auto uses_tools = [](SegmentKind kind) { return IsMessage(kind) && kind != SegmentKind::kSystem; };
  if (x.kind == SegmentKind::kTools && uses_tools(y.kind)) return true;
  if (y.kind == SegmentKind::kTools && uses_tools(x.kind)) return true;
  // A split piece keeps the name of its origin in front of the suffix.
  const auto names = [](const WorkPiece& later, const WorkPiece& earlier) {
    return std::any_of(later.piece.after.begin(), later.piece.after.end(), [&](const std::string& name) {
      return name == earlier.piece.name || (earlier.is_split && earlier.piece.name == name + std::string(kSplitSuffix));
    });
  };
  return names(second, first);
}

PieceClasses::PieceClasses(std::span<const WorkCall> calls) {
  std::vector<std::string> order;
  std::unordered_map<std::string, Class> found;
  for (const WorkCall& call : calls) {
    // A class that is new goes behind the one in front of it in this call.
    size_t place = 0;
    for (size_t i = 0; i < call.size(); ++i) {
      const LayoutPiece& piece = call[i].piece;
      auto [known, is_new] = found.try_emplace(piece.name);
      if (is_new) {
        known->second.name = piece.name;
        known->second.kind = piece.kind;
        known->second.is_split = call[i].is_split;
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(place), piece.name);
        ++place;
      } else {
        place = static_cast<size_t>(std::find(order.begin(), order.end(), piece.name) - order.begin()) + 1;
      }
      ++known->second.calls;
      if (known->second.movable) continue;
      for (size_t j = 0; j < call.size(); ++j) {
        if (i != j && !IsPinned(call[std::min(i, j)], call[std::max(i, j)])) known->second.movable = true;
      }
    }
  }
  for (const std::string& name : order) {
    index_.emplace(name, classes_.size());
    classes_.push_back(found.at(name));
  }
}

std::vector<uint32_t> Arrange(const WorkCall& call, std::span<const uint32_t> rank_of_piece) {
  const auto n = static_cast<uint32_t>(call.size());
  std::vector<uint32_t> order;
  order.reserve(n);
  std::vector<uint32_t> by_rank(n);
  std::iota(by_rank.begin(), by_rank.end(), 0u);
  std::stable_sort(by_rank.begin(), by_rank.end(),
                   [&](uint32_t x, uint32_t y) { return rank_of_piece[x] < rank_of_piece[y]; });
  std::vector<bool> placed(n, false);
  while (order.size() < n) {
    for (const uint32_t i : by_rank) {
      if (placed[i]) continue;
      bool is_free = true;
      for (uint32_t before = 0; before < i && is_free; ++before)
        is_free = placed[before] || !IsPinned(call[before], call[i]);
      if (!is_free) continue;
      placed[i] = true;
      order.push_back(i);
      break;
    }
  }
  return order;
}

std::vector<LayoutPiece> PiecesIn(const WorkCall& call, std::span<const uint32_t> order) {
  std::vector<LayoutPiece> pieces;
  pieces.reserve(order.size());
  for (size_t at = 0; at < order.size(); ++at) {
    pieces.push_back(call[order[at]].piece);
    if (at + 1 == order.size() || pieces.back().text.empty() || pieces.back().text.ends_with('\n')) continue;
    const WorkPiece& next = call[order[at + 1]];
    const bool neighbours = order[at + 1] == order[at] + 1 && !next.is_split;
    if (!neighbours) pieces.back().text += '\n';
  }
  return pieces;
}

}  // namespace weir
