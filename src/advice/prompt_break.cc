#include "prompt_break.h"

#include <algorithm>

#include "weir/advice/share.h"

namespace weir {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

uint32_t CharacterStart(std::string_view text, uint32_t byte) {
  while (byte > 0 && byte < text.size() && IsContinuation(text[byte])) --byte;
  return byte;
}

// Words longer than this are cut: text without blanks has no words to widen to.
constexpr uint32_t kWordBytesMax = 256;

Range WidenToWords(std::string_view text, Range bytes) {
  Range wide = bytes;
  while (wide.begin > 0 && bytes.begin - wide.begin < kWordBytesMax && IsWord(text[wide.begin - 1]) &&
         (bytes.begin > wide.begin || bytes.begin == text.size() || IsWord(text[bytes.begin]) || bytes.size() == 0)) {
    --wide.begin;
  }
  while (wide.end < text.size() && wide.end - bytes.end < kWordBytesMax && IsWord(text[wide.end]) &&
         (wide.end > 0 && IsWord(text[wide.end - 1]))) {
    ++wide.end;
  }
  wide.begin = CharacterStart(text, wide.begin);
  while (wide.end < text.size() && IsContinuation(text[wide.end])) ++wide.end;
  return wide;
}

uint32_t ByteOfToken(const Context& context, uint32_t token) { return context.BytesOf({token, token}).begin; }

uint32_t LineOf(std::string_view text, uint32_t byte) {
  return 1 + static_cast<uint32_t>(std::count(text.begin(), text.begin() + byte, '\n'));
}

// At most bytes_max bytes from `begin` on, ending with a whole character.
Range Cut(std::string_view text, Range bytes, uint32_t bytes_max) {
  if (bytes.size() <= bytes_max) return bytes;
  return {bytes.begin, CharacterStart(text, bytes.begin + bytes_max)};
}

}  // namespace

std::optional<PromptBreak> FindBreak(const Context& a, const Context& b) {
  PromptBreak at;
  at.a = &a;
  at.b = &b;
  at.token = CommonPrefixTokens(a, b);
  if (at.token == a.tokens().size() && at.token == b.tokens().size()) return std::nullopt;

  const std::string_view x = a.text();
  const std::string_view y = b.text();
  at.byte_a = ByteOfToken(a, at.token);
  at.byte_b = ByteOfToken(b, at.token);
  while (at.byte_a < x.size() && at.byte_b < y.size() && x[at.byte_a] == y[at.byte_b]) {
    ++at.byte_a;
    ++at.byte_b;
  }
  // Step back to where both characters begin.
  while (
      at.byte_a > 0 && at.byte_b > 0 &&
      ((at.byte_a < x.size() && IsContinuation(x[at.byte_a])) || (at.byte_b < y.size() && IsContinuation(y[at.byte_b])))) {
    --at.byte_a;
    --at.byte_b;
  }

  at.runs = AlignRuns(std::span(a.tokens()).subspan(at.token), std::span(b.tokens()).subspan(at.token), kAlignedRunMin);
  uint32_t end_a = static_cast<uint32_t>(x.size());
  uint32_t end_b = static_cast<uint32_t>(y.size());
  if (!at.runs.empty()) {
    end_a = ByteOfToken(a, at.token + at.runs[0].a);
    end_b = ByteOfToken(b, at.token + at.runs[0].b);
  }
  end_a = std::max(end_a, at.byte_a);
  end_b = std::max(end_b, at.byte_b);
  while (end_a > at.byte_a && end_b > at.byte_b && x[end_a - 1] == y[end_b - 1]) {
    --end_a;
    --end_b;
  }
  while (end_a < x.size() && end_b < y.size() && (IsContinuation(x[end_a]) || IsContinuation(y[end_b]))) {
    ++end_a;
    ++end_b;
  }
  at.region_a = {at.byte_a, end_a};
  at.region_b = {at.byte_b, end_b};
  at.words_a = WidenToWords(x, at.region_a);
  at.words_b = WidenToWords(y, at.region_b);
  // Both sides are widened over the same text in front.
  const uint32_t before = std::max(at.byte_a - at.words_a.begin, at.byte_b - at.words_b.begin);
  if (before <= at.byte_a && before <= at.byte_b) {
    at.words_a.begin = at.byte_a - before;
    at.words_b.begin = at.byte_b - before;
  }
  // And over the same text behind.
  const uint32_t behind = std::max(at.words_a.end - end_a, at.words_b.end - end_b);
  if (x.substr(end_a, behind) == y.substr(end_b, behind)) {
    at.words_a.end = end_a + static_cast<uint32_t>(x.substr(end_a, behind).size());
    at.words_b.end = end_b + static_cast<uint32_t>(y.substr(end_b, behind).size());
  }
  return at;
}

uint32_t AlignedTokens(const std::vector<AlignedRun>& runs) {
  uint32_t tokens = 0;
  for (const AlignedRun& run : runs) tokens += run.size;
  return tokens;
}

const Segment& SegmentAtByte(const Context& context, uint32_t byte) {
  const std::vector<Segment>& segments = context.segments();
  const auto after = std::upper_bound(segments.begin(), segments.end(), byte,
                                      [](uint32_t value, const Segment& segment) { return value < segment.bytes.end; });
  return after == segments.end() ? segments.back() : *after;
}

BreakSide DescribeSide(const Context& context, uint32_t byte, Range words, uint32_t excerpt_bytes_max) {
  const std::string_view text = context.text();
  BreakSide side;
  side.segment = SegmentAtByte(context, byte).name;
  side.byte = byte;
  side.line = LineOf(text, byte);
  const size_t newline = byte == 0 ? std::string_view::npos : text.rfind('\n', byte - 1);
  const auto line_begin = static_cast<uint32_t>(newline == std::string_view::npos ? 0 : newline + 1);
  side.column = byte - line_begin + 1;

  const uint32_t before_max = excerpt_bytes_max / 2;
  uint32_t begin = line_begin;
  if (byte - begin > before_max) {
    begin = byte - before_max;
    while (begin < byte && IsContinuation(text[begin])) ++begin;
  }
  const size_t line_end = text.find('\n', byte);
  Range excerpt = {begin, static_cast<uint32_t>(line_end == std::string_view::npos ? text.size() : line_end)};
  if (excerpt.size() < excerpt_bytes_max / 4 && excerpt.end < text.size()) {  // a short line: show what follows
    const size_t next = text.find('\n', excerpt.end + 1);
    excerpt.end = static_cast<uint32_t>(next == std::string_view::npos ? text.size() : next);
  }
  excerpt = Cut(text, excerpt, excerpt_bytes_max);
  side.text = std::string(text.substr(excerpt.begin, excerpt.size()));
  side.text_begin = excerpt.begin;
  const Range differs = Cut(text, words, excerpt_bytes_max);
  side.differs = std::string(text.substr(differs.begin, differs.size()));
  side.differs_begin = differs.begin;
  return side;
}

}  // namespace weir
