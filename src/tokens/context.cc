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

Result<Context> Context::Build(ContextSource source, Encoder& encoder, const Space& space, size_t block_size) {
  WEIR_CHECK(block_size > 0);
  Context context;
  if (source.segments.empty()) {
    Segment whole;
    whole.name = "text";
    whole.bytes = {0, static_cast<uint32_t>(source.text.size())};
    source.segments.push_back(std::move(whole));
  }
  uint32_t at = 0;
  std::set<std::string_view> names;
  for (const Segment& segment : source.segments) {
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
  if (at != source.text.size()) {
    return InvalidArgument(fmt::format("segments end at byte {} of {}", at, source.text.size()),
                           "segments must lie one after the other and cover the text");
  }
  EncodeOptions options;
  options.add_special_tokens = source.add_special_tokens;
  WEIR_TRY(encoder.Encode(source.text, options, context.encoding_));
  const std::vector<uint32_t>& begins = context.encoding_.begins;
  uint32_t token = 0;
  for (Segment& segment : source.segments) {
    segment.tokens.begin = token;
    token =
        static_cast<uint32_t>(std::lower_bound(begins.begin() + token, begins.end(), segment.bytes.end) - begins.begin());
    segment.tokens.end = token;
  }
  // Tokens that begin at the very end of the text (an appended special token) belong to the last segment.
  source.segments.back().tokens.end = static_cast<uint32_t>(begins.size());

  context.agent_ = std::move(source.agent);
  context.text_ = std::move(source.text);
  context.segments_ = std::move(source.segments);
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
