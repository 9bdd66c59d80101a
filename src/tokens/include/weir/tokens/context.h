#pragma once
// Context: the prompt that a named agent holds, tokenized once as a whole. Immutable; share it by const pointer.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/tokens/block_keys.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

struct Range {  // [begin, end)
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

// What a segment is; decides what the layout adviser may move.
enum class SegmentKind {
  kText,    // a part of a text file
  kSystem,  // system or developer message
  kTools,   // tool definitions
  kUser,
  kAssistant,
  kToolResult,
};

// "text", "system", "tools", "user", "assistant", "tool".
std::string_view SegmentKindName(SegmentKind kind);
std::optional<SegmentKind> ParseSegmentKind(std::string_view name);

// Segments lie one after the other and tile the text.
struct Segment {
  std::string name;  // for people; unique inside its context
  SegmentKind kind = SegmentKind::kText;
  bool fixed = false;  // the author forbids moving it
  Range bytes;         // in the text
  Range tokens;        // tokens whose first byte lies in `bytes`
};

// invalid_argument: segments that do not lie one after the other and cover `text_bytes`, or a repeated name. None at all
// become one segment "text".
Status CheckSegments(std::vector<Segment>& segments, size_t text_bytes);
// Fills in Segment::tokens. REQUIRES: CheckSegments() was happy; `begins` as of an Encoding of the text.
void PlaceSegments(std::vector<Segment>& segments, std::span<const uint32_t> begins);

struct ContextSource {
  std::string agent;
  std::string text;               // UTF-8
  std::vector<Segment> segments;  // `tokens` is filled in; empty: one segment "text" over everything
  bool add_special_tokens = false;
};

class Context {
 public:
  // invalid_argument: not UTF-8 (byte offset), segments that do not tile the text, a repeated segment name.
  static Result<Context> Build(ContextSource source, Encoder& encoder, const Space& space,
                               size_t block_size = kDefaultBlockSize);
  // The same from an encoding of the text that was made before. invalid_argument: the segments, or token ranges that do
  // not lie one after the other inside the text.
  static Result<Context> Restore(ContextSource source, Encoding encoding, const Space& space,
                                 size_t block_size = kDefaultBlockSize);

  const std::string& agent() const { return agent_; }
  std::string_view text() const { return text_; }
  const std::vector<TokenId>& tokens() const { return encoding_.ids; }
  size_t block_size() const { return block_size_; }
  // One key per full block.
  const std::vector<BlockKey>& block_keys() const { return block_keys_; }
  const std::vector<Segment>& segments() const { return segments_; }

  // Bytes of the text that tokens [range) cover.
  Range BytesOf(Range tokens) const;
  // The segment that holds this token. REQUIRES: token < tokens().size().
  const Segment& SegmentOf(uint32_t token) const;

 private:
  Context() = default;

  std::string agent_;
  std::string text_;
  Encoding encoding_;
  size_t block_size_ = kDefaultBlockSize;
  std::vector<BlockKey> block_keys_;
  std::vector<Segment> segments_;
};

}  // namespace weir
