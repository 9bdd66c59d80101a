#pragma once
// WordTokenizer: a tokenizer for tests that splits like the known ones (a word with the blank in front of it, up to three
// digits, runs of line ends, single other characters) and needs no vocabulary: an id is a hash of the token's bytes.
// <|...|> is one token. Immutable; one thread at a time.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/tokens/context.h"
#include "weir/tokens/tokenizer.h"

namespace weir::testing {

class WordEncoder final : public Encoder {
 public:
  static constexpr TokenId kBegin = 7;  // with add_special_tokens

  Status Encode(std::string_view text, const EncodeOptions& options, Encoding& out) override {
    out.Clear();
    if (options.add_special_tokens) {
      out.ids.push_back(kBegin);
      out.begins.push_back(0);
    }
    for (size_t at = 0; at < text.size();) {
      const size_t size = Next(text.substr(at));
      uint32_t hash = 2166136261u;
      for (const char c : text.substr(at, size)) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
      out.ids.push_back(hash);
      out.begins.push_back(static_cast<uint32_t>(at));
      at += size;
      ++tokens_encoded_;
    }
    return {};
  }
  uint64_t tokens_encoded() const { return tokens_encoded_; }

 private:
  static bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  static size_t Next(std::string_view text) {
    if (text.starts_with("<|")) {
      const size_t end = text.find("|>");
      if (end != std::string_view::npos) return end + 2;
    }
    size_t at = text[0] == ' ' && text.size() > 1 && (IsLetter(text[1]) || IsDigit(text[1])) ? 1 : 0;
    const size_t start = at;
    if (IsLetter(text[at])) {
      while (at < text.size() && IsLetter(text[at])) ++at;
    } else if (IsDigit(text[at])) {
      while (at < text.size() && IsDigit(text[at]) && at - start < 3) ++at;
    } else if (text[at] == '\n') {
      while (at < text.size() && text[at] == '\n') ++at;
    } else {
      ++at;
      while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    }
    return at;
  }

  uint64_t tokens_encoded_ = 0;
};

inline Context MakeContext(std::string agent, std::string text, std::vector<Segment> segments = {},
                           bool add_special_tokens = false, size_t block_size = kDefaultBlockSize) {
  ContextSource source;
  source.agent = std::move(agent);
  source.text = std::move(text);
  source.segments = std::move(segments);
  source.add_special_tokens = add_special_tokens;
  WordEncoder encoder;
  Result<Context> context = Context::Build(std::move(source), encoder, Space(), block_size);
  WEIR_CHECK(context.has_value(), "{}", context ? "" : context.error().ToString());
  return *std::move(context);
}

// Segments from (name, kind, text), one after the other.
struct Part {
  std::string name;
  SegmentKind kind = SegmentKind::kText;
  std::string text;
  bool fixed = false;
};
inline Context MakeContext(std::string agent, const std::vector<Part>& parts) {
  std::string text;
  std::vector<Segment> segments;
  for (const Part& part : parts) {
    Segment segment;
    segment.name = part.name;
    segment.kind = part.kind;
    segment.fixed = part.fixed;
    segment.bytes.begin = static_cast<uint32_t>(text.size());
    text += part.text;
    segment.bytes.end = static_cast<uint32_t>(text.size());
    segments.push_back(std::move(segment));
  }
  return MakeContext(std::move(agent), std::move(text), std::move(segments));
}

}  // namespace weir::testing
