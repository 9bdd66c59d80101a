#include "weir/indexer/chunks.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "weir/base/check.h"

namespace weir {
namespace {

constexpr uint32_t kIndentMost = 60;  // columns; deeper lines are alike
constexpr uint32_t kTabColumns = 4;
constexpr size_t kComparedBytes = 64;  // of equally strong places

// Places from weak to strong.
constexpr uint32_t kToken = 0;
constexpr uint32_t kWord = 1;
constexpr uint32_t kSentence = 2;
constexpr uint32_t kCloser = 3;
constexpr uint32_t kLine = 4;  // plus up to kIndentMost
constexpr uint32_t kHeading = kLine + kIndentMost + 1;
constexpr uint32_t kAfterBlank = kHeading + 1;  // is added to those of lines

// Where a chunk may start.
struct Place {
  uint32_t begin = 0;   // bytes
  uint32_t tokens = 0;  // of the text before it
  uint32_t strength = 0;
};

bool IsWhite(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v'; }

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

uint32_t StrengthOfLine(std::string_view line, bool after_blank) {
  uint32_t columns = 0;
  size_t at = 0;
  for (; at < line.size() && IsWhite(line[at]); ++at) columns += line[at] == '\t' ? kTabColumns : 1;
  const std::string_view words = line.substr(at);
  const std::string_view marks = words.substr(0, std::min(words.find_first_not_of('#'), words.size()));
  uint32_t strength = kLine + kIndentMost - std::min(columns, kIndentMost);
  if (columns == 0 && !marks.empty() && marks.size() <= 6 && words.substr(marks.size()).starts_with(' ')) {
    strength = kHeading;
  }
  if (!words.empty() && std::string_view("})]").find(words[0]) != std::string_view::npos) strength = kCloser;
  return strength + (after_blank ? kAfterBlank : 0);
}

// All places of a text, ascending.
class Places {
 public:
  Places(std::string_view text, const std::vector<uint32_t>& token_begins, uint32_t tokens_max)
      : text_(text), token_begins_(token_begins), tokens_long_(std::max(1u, tokens_max / 8)) {
    bool after_blank = false;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
      const std::string_view line = text.substr(begin, end - begin);
      if (std::ranges::all_of(line, IsWhite)) {
        after_blank = true;
      } else {
        Add(begin, StrengthOfLine(line, after_blank));
        if (TokensBefore(end) - places_.back().tokens > tokens_long_) CutLine(begin, end);
        after_blank = false;
      }
      begin = end;
    }
  }

  const std::vector<Place>& places() const { return places_; }

  uint32_t TokensBefore(size_t byte) {
    while (token_ < token_begins_.size() && token_begins_[token_] < byte) ++token_;
    return static_cast<uint32_t>(token_);
  }

 private:
  // REQUIRES: no place behind it was asked for.
  void Add(size_t begin, uint32_t strength) {
    if (!places_.empty() && places_.back().begin == begin) return;
    token_ = token_at_last_;
    const uint32_t tokens = TokensBefore(begin);
    token_at_last_ = token_;
    places_.push_back({static_cast<uint32_t>(begin), tokens, strength});
  }

  void CutLine(size_t begin, size_t end) {
    size_t at = begin;
    bool is_first = true;  // it is the line's own place
    bool ends_sentence = false;
    while (at < end) {
      while (at < end && IsWhite(text_[at])) ++at;
      if (at == end) return;
      const size_t word = at;
      while (at < end && !IsWhite(text_[at])) ++at;
      if (!is_first) Add(word, ends_sentence ? kSentence : kWord);
      is_first = false;
      ends_sentence = std::string_view(".!?;").find(text_[at - 1]) != std::string_view::npos;
      CutWord(word, at);
    }
  }

  void CutWord(size_t begin, size_t end) {
    token_ = token_at_last_;
    const uint32_t first = TokensBefore(begin);
    const uint32_t last = TokensBefore(end);
    if (last - first <= tokens_long_) return;
    for (uint32_t token = first; token < last; ++token) {
      const uint32_t byte = token_begins_[token];
      // A token may begin inside a character; several may share a place.
      if (byte > begin && byte < end && !IsContinuation(text_[byte])) Add(byte, kToken);
    }
  }

  const std::string_view text_;
  const std::vector<uint32_t>& token_begins_;
  const uint32_t tokens_long_;
  size_t token_ = 0;
  size_t token_at_last_ = 0;
  std::vector<Place> places_;
};

// Whether a chunk rather starts at `a`.
bool IsBetter(std::string_view text, const Place& a, const Place& b) {
  if (a.strength != b.strength) return a.strength > b.strength;
  return text.substr(a.begin, kComparedBytes) < text.substr(b.begin, kComparedBytes);
}

// The place at which the chunk from places[start] on ends; places.size(): the text's end. REQUIRES: limit >= 1.
size_t EndOf(std::string_view text, const std::vector<Place>& places, uint32_t tokens, size_t start, uint32_t limit) {
  const uint32_t before = places[start].tokens;
  if (tokens - before <= limit) return places.size();
  size_t best = 0;
  size_t next = start + 1;
  for (; next < places.size() && places[next].tokens - before <= limit; ++next) {
    if (places[next].tokens - before < limit / 4) continue;
    if (best == 0 || IsBetter(text, places[next], places[best])) best = next;
  }
  // No place in the wanted range: the last one before it, or the next one at all.
  if (best != 0) return best;
  return std::max(next - 1, start + 1);
}

class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}
  // The line of that byte. REQUIRES: bytes never fall.
  uint32_t LineOf(size_t byte) {
    line_ += static_cast<uint32_t>(
        std::count(text_.begin() + static_cast<ptrdiff_t>(at_), text_.begin() + static_cast<ptrdiff_t>(byte), '\n'));
    at_ = byte;
    return line_;
  }

 private:
  const std::string_view text_;
  size_t at_ = 0;
  uint32_t line_ = 1;
};

}  // namespace

Result<std::vector<Chunk>> CutChunks(std::string_view text, Encoder& encoder, uint32_t tokens_max) {
  WEIR_CHECK(tokens_max >= kChunkTokensLeast, "{} tokens", tokens_max);
  Encoding encoding;
  WEIR_TRY(encoder.Encode("", {.add_special_tokens = true}, encoding));
  const auto special = static_cast<uint32_t>(encoding.ids.size());
  if (special + kChunkTokensLeast / 2 > tokens_max) return InvalidArgument("the tokenizer adds too many special tokens");
  const uint32_t limit = tokens_max - special;
  WEIR_TRY(encoder.Encode(text, {}, encoding));
  const auto tokens = static_cast<uint32_t>(encoding.ids.size());
  const Places found(text, encoding.begins, tokens_max);
  const std::vector<Place>& places = found.places();

  std::vector<Chunk> chunks;
  LineCounter lines(text);
  for (size_t start = 0; start < places.size();) {
    // A piece on its own may have other tokens than as part of the whole, if few: then it is made smaller.
    uint32_t allowed = limit;
    Chunk chunk;
    size_t next = start;
    while (true) {
      next = EndOf(text, places, tokens, start, allowed);
      chunk.begin = places[start].begin;
      chunk.end = next == places.size() ? static_cast<uint32_t>(text.size()) : places[next].begin;
      while (chunk.end > chunk.begin && IsWhite(text[chunk.end - 1])) --chunk.end;
      WEIR_TRY(encoder.Encode(text.substr(chunk.begin, chunk.end - chunk.begin), {}, encoding));
      if (encoding.ids.size() <= limit) break;
      if (next == start + 1) {
        return InvalidArgument(fmt::format("byte {} begins a piece of {} tokens that cannot be cut to {}", chunk.begin,
                                           encoding.ids.size(), limit));
      }
      allowed -= std::max(1u, allowed / 8);
    }
    chunk.first_line = lines.LineOf(chunk.begin);
    chunk.last_line = lines.LineOf(chunk.end - 1);
    chunks.push_back(chunk);
    start = next;
  }
  return chunks;
}

}  // namespace weir
