#include "weir/tokens/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace weir {

std::string_view SegmentKindName(SegmentKind kind) {
  switch (kind) {
    case SegmentKind::kText: return "text";
    case SegmentKind::kSystem: return "system";
    case SegmentKind::kTools: return "tools";
    case SegmentKind::kUser: return "user";
    case SegmentKind::kAssistant: return "assistant";
    case SegmentKind::kToolResult: return "tool";
  }
  return "text";
}

std::optional<SegmentKind> ParseSegmentKind(std::string_view name) {
  for (const SegmentKind kind : {SegmentKind::kText, SegmentKind::kSystem, SegmentKind::kTools, SegmentKind::kUser,
                                 SegmentKind::kAssistant, SegmentKind::kToolResult}) {
    if (SegmentKindName(kind) == name) return kind;
  }
  return std::nullopt;
}

Status CheckSegments(std::vector<Segment>& segments, size_t text_bytes) {
  if (segments.empty()) {
    Segment whole;
    whole.name = "text";
    whole.bytes = {0, static_cast<uint32_t>(text_bytes)};
    segments.push_back(std::move(whole));
  }
  uint32_t at = 0;
  std::set<std::string_view> names;
  for (const Segment& segment : segments) {
    if (segment.bytes.begin != at || segment.bytes.end < at) {
      return InvalidArgument(
          fmt::format("segment '{}' starts at byte {}, expected {}", segment.name, segment.bytes.begin, at),
          "segments must lie one after the other and cover the text");
    }
    if (!names.insert(segment.name).second) {
      return InvalidArgument(fmt::format("two segments are named '{}'", segment.name), "give each segment its own name");
    }
    at = segment.bytes.end;
  }
  if (at != text_bytes) {
    return InvalidArgument(fmt::format("segments end at byte {} of {}", at, text_bytes),
                           "segments must lie one after the other and cover the text");
  }
  return {};
}

void PlaceSegments(std::vector<Segment>& segments, std::span<const uint32_t> begins) {
  uint32_t token = 0;
  for (Segment& segment : segments) {
    segment.tokens.begin = token;
    token =
        static_cast<uint32_t>(std::lower_bound(begins.begin() + token, begins.end(), segment.bytes.end) - begins.begin());
    segment.tokens.end = token;
  }
  // Tokens that begin at the very end of the text (an appended special token) belong to the last segment.
  segments.back().tokens.end = static_cast<uint32_t>(begins.size());
}

Result<Context> Context::Build(ContextSource source, Encoder& encoder, const Space& space, size_t block_size) {
  WEIR_TRY(CheckSegments(source.segments, source.text.size()));
  EncodeOptions options;
  options.add_special_tokens = source.add_special_tokens;
  Encoding encoding;
  WEIR_TRY(encoder.Encode(source.text, options, encoding));
  return Restore(std::move(source), std::move(encoding), space, block_size);
}

Result<Context> Context::Restore(ContextSource source, Encoding encoding, const Space& space, size_t block_size) {
  WEIR_CHECK(block_size > 0);
  WEIR_TRY(CheckSegments(source.segments, source.text.size()));
  const std::vector<uint32_t>& begins = encoding.begins;
  if (begins.size() != encoding.ids.size() || !std::is_sorted(begins.begin(), begins.end()) ||
      (!begins.empty() && begins.back() > source.text.size())) {
    return InvalidArgument(
        fmt::format("the byte ranges of {} tokens do not fit {} bytes of text", encoding.ids.size(), source.text.size()));
  }
  PlaceSegments(source.segments, begins);
  Context context;
  context.agent_ = std::move(source.agent);
  context.text_ = std::move(source.text);
  context.segments_ = std::move(source.segments);
  context.encoding_ = std::move(encoding);
  context.block_size_ = block_size;
  AppendBlockKeys(context.encoding_.ids, block_size, RootKey(space, block_size), context.block_keys_);
  return context;
}

Range Context::BytesOf(Range tokens) const {
  const auto begin_of = [&](uint32_t token) {
    return token < encoding_.begins.size() ? encoding_.begins[token] : static_cast<uint32_t>(text_.size());
  };
  return {begin_of(tokens.begin), begin_of(tokens.end)};
}

const Segment& Context::SegmentOf(uint32_t token) const {
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), token,
                                      [](uint32_t value, const Segment& segment) { return value < segment.tokens.end; });
  WEIR_CHECK(after != segments_.end(), "token {} of {}", token, encoding_.ids.size());
  return *after;
}

}  // namespace weir
