#include "chat_segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_map>

namespace weir {
namespace {

using jinja_rendering::IterationMark;
using jinja_rendering::LastMessage;
using jinja_rendering::Origin;
using jinja_rendering::OriginMark;

// Output of one origin, with nothing of another in between.
struct Run {
  size_t begin;
  size_t end;
  Origin origin;
};

std::string_view RoleOf(const Json& message) {
  const Json* role = message.Find("role");
  return role != nullptr && role->is_string() ? std::string_view(role->as_string()) : std::string_view("message");
}

bool IsSystem(std::string_view role) { return role == "system" || role == "developer"; }

Segment Named(Origin origin, const Json& messages) {
  Segment segment;
  if (origin == jinja_rendering::kFromTools) {
    segment.name = "tools";
    segment.kind = SegmentKind::kTools;
    return segment;
  }
  if (origin == jinja_rendering::kFromTemplate) {
    segment.name = "text";
    return segment;
  }
  const Origin message = jinja_rendering::LastMessage(origin);
  const Json::Array& all = messages.as_array();
  const std::string_view role = RoleOf(all[static_cast<size_t>(message)]);
  const bool has_leading_system = IsSystem(RoleOf(all[0]));
  const size_t number = static_cast<size_t>(message) + (has_leading_system ? 0 : 1);
  segment.kind = IsSystem(role)                         ? SegmentKind::kSystem
                 : role == "user"                       ? SegmentKind::kUser
                 : role == "assistant"                  ? SegmentKind::kAssistant
                 : role == "tool" || role == "function" ? SegmentKind::kToolResult
                                                        : SegmentKind::kText;
  const std::string_view word = segment.kind == SegmentKind::kText ? role : SegmentKindName(segment.kind);
  segment.name = number == 0 ? std::string(word) : fmt::format("{} {}", word, number);
  if (jinja_rendering::IsSeveral(origin)) {
    segment.name += " and earlier";
    segment.fixed = true;
  }
  return segment;
}

std::vector<Run> RunsOf(const std::vector<OriginMark>& marks) {
  std::vector<Run> runs;
  std::unordered_map<Origin, size_t> positions;
  for (const OriginMark& mark : marks) {
    const auto [at, is_new] = positions.try_emplace(mark.origin, runs.size());
    if (is_new) {
      runs.push_back({mark.begin, mark.end, mark.origin});
      continue;
    }
    // The same part again: what lies in between cannot be told apart from it.
    for (; runs.size() > at->second + 1; runs.pop_back()) positions.erase(runs.back().origin);
    runs.back().end = mark.end;
  }
  return runs;
}

// Where `next` begins: where the loop turned to it, else right after the output of `before`.
size_t Boundary(const Run& before, const Run& next, const std::vector<IterationMark>& iterations) {
  const IterationMark* best = nullptr;
  for (const IterationMark& mark : iterations) {
    if (mark.at < before.end || mark.at > next.begin) continue;
    if (next.origin == jinja_rendering::kFromTools) {
      if (mark.origin >= 0 && mark.origin != before.origin) best = &mark;
      continue;
    }
    const auto rank = [&](const IterationMark& m) {
      return m.origin >= 0 && m.origin == LastMessage(next.origin) ? -1 : m.depth;
    };
    if (best == nullptr || rank(mark) <= rank(*best)) best = &mark;
  }
  return best != nullptr ? best->at : before.end;
}

}  // namespace

std::vector<Segment> SegmentsOf(const jinja_rendering::Interpreter& rendering, const Json& messages, size_t text_size,
                                size_t prompt_end) {
  std::vector<Segment> segments;
  if (text_size == 0) return segments;
  const std::vector<Run> runs = RunsOf(rendering.origins());
  const auto add = [&](Segment segment, size_t begin) {
    segment.bytes = {static_cast<uint32_t>(begin), static_cast<uint32_t>(text_size)};
    if (!segments.empty()) segments.back().bytes.end = segment.bytes.begin;
    segments.push_back(std::move(segment));
  };
  if (runs.empty()) add(Named(jinja_rendering::kFromTemplate, messages), 0);
  for (size_t i = 0; i < runs.size(); ++i) {
    add(Named(runs[i].origin, messages), i == 0 ? 0 : Boundary(runs[i - 1], runs[i], rendering.iterations()));
  }
  if (prompt_end < text_size && (runs.empty() || prompt_end >= runs.back().end)) {
    Segment prompt;
    prompt.name = "generation prompt";
    prompt.kind = SegmentKind::kAssistant;
    prompt.fixed = true;
    if (prompt_end == 0) segments.clear();
    add(std::move(prompt), prompt_end);
  }
  return segments;
}

}  // namespace weir
