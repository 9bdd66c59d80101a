#include "added_tokens.h"

#include <algorithm>
#include <bit>

#include "unicode.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weir::bpe {
namespace {

// Unicode's White_Space, as the regular expression \s has it: its length at text[at], or 0.
size_t WhiteSpaceAt(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<uint8_t>(text[at + i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return lead == 0x20 || (lead >= 0x09 && lead <= 0x0d) ? 1 : 0;
  if (lead == 0xc2) return byte(1) == 0x85 || byte(1) == 0xa0 ? 2 : 0;
  if (lead == 0xe1) return byte(1) == 0x9a && byte(2) == 0x80 ? 3 : 0;
  if (lead == 0xe3) return byte(1) == 0x80 && byte(2) == 0x80 ? 3 : 0;
  if (lead != 0xe2) return 0;
  if (byte(1) == 0x81) return byte(2) == 0x9f ? 3 : 0;
  const bool space =
      byte(1) == 0x80 && ((byte(2) >= 0x80 && byte(2) <= 0x8a) || (byte(2) >= 0xa8 && byte(2) <= 0xa9) || byte(2) == 0xaf);
  return space ? 3 : 0;
}

size_t SkipWhiteSpace(std::string_view text, size_t at) {
  while (const size_t length = WhiteSpaceAt(text, at)) at += length;
  return at;
}

size_t SkipWhiteSpaceBack(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    size_t start = at - 1;
    while (start > limit && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) --start;
    if (WhiteSpaceAt(text.substr(0, at), start) != at - start) break;
    at = start;
  }
  return at;
}

// The regular expression \w: alphabetic characters, marks, decimal digits, connectors and join controls (Unicode
// Technical Standard 18, annex C). Alphabetic is letters, letter numbers and a few marks and symbols.
unicode::CodePointSet WordCharacters() {
  unicode::CodePointSet set;
  for (const char* category : {"L", "M", "Nd", "Nl", "Pc"}) set = set.Union(*unicode::CategorySet(category));
  set = set.Union({0x200c, 0x200d});
  set = set.Union({0x24b6, 0x24e9});                                                                 // circled letters
  for (const uint32_t first : {0x1f130u, 0x1f150u, 0x1f170u}) set = set.Union({first, first + 25});  // squared letters
  return set;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<Pattern> patterns) : patterns_(std::move(patterns)) {
  std::sort(patterns_.begin(), patterns_.end(), [](const Pattern& a, const Pattern& b) { return a.text < b.text; });
  nodes_.emplace_back();
  AddNode(0, 0, patterns_.size(), 0);
  for (uint32_t i = 0; i < nodes_[0].edge_count; ++i) {
    const Edge& edge = edges_[nodes_[0].first_edge + i];
    roots_[edge.byte] = edge.node;
    first_bytes_.push_back(edge.byte);
  }
  for (const Pattern& pattern : patterns_) {
    const size_t first = size_t{static_cast<uint8_t>(pattern.text[0])} << 8;
    if (pattern.text.size() > 1) {
      begins_.set(first | static_cast<uint8_t>(pattern.text[1]));
    } else {
      for (size_t second = 0; second < 256; ++second) begins_.set(first | second);
    }
    longest_ = std::max(longest_, pattern.text.size());
    looks_around_ |= pattern.left_strip || pattern.right_strip || pattern.single_word;
    if (pattern.single_word && word_characters_.empty()) word_characters_ = WordCharacters();
  }
}

// Fills in `node` for the patterns [first, last), which share `depth` bytes.
void AddedTokenFinder::AddNode(uint32_t node, size_t first, size_t last, size_t depth) {
  if (first < last && patterns_[first].text.size() == depth) nodes_[node].pattern = static_cast<uint32_t>(first++);
  std::vector<std::pair<size_t, size_t>> groups;
  for (size_t i = first; i < last;) {
    const char byte = patterns_[i].text[depth];
    size_t end = i;
    while (end < last && patterns_[end].text[depth] == byte) ++end;
    groups.emplace_back(i, end);
    i = end;
  }
  nodes_[node].first_edge = static_cast<uint32_t>(edges_.size());
  nodes_[node].edge_count = static_cast<uint32_t>(groups.size());
  for (const auto& [begin, end] : groups) {
    edges_.push_back({static_cast<uint8_t>(patterns_[begin].text[depth]), static_cast<uint32_t>(nodes_.size())});
    nodes_.emplace_back();
  }
  const uint32_t edge = nodes_[node].first_edge;
  for (size_t i = 0; i < groups.size(); ++i) AddNode(edges_[edge + i].node, groups[i].first, groups[i].second, depth + 1);
}

const AddedTokenFinder::Edge* AddedTokenFinder::Follow(uint32_t node, uint8_t byte) const {
  const Edge* const begin = edges_.data() + nodes_[node].first_edge;
  const Edge* const end = begin + nodes_[node].edge_count;
  const Edge* const edge = std::lower_bound(begin, end, byte, [](const Edge& e, uint8_t b) { return e.byte < b; });
  return edge != end && edge->byte == byte ? edge : nullptr;
}

size_t AddedTokenFinder::FindCandidate(std::string_view text, size_t from) const {
  const auto begins_at = [&](size_t at) {
    return at + 1 < text.size()
               ? begins_.test(size_t{static_cast<uint8_t>(text[at])} << 8 | static_cast<uint8_t>(text[at + 1]))
               : roots_[static_cast<uint8_t>(text[at])] != 0;
  };
  size_t at = from;
#if defined(__SSE2__)
  if (first_bytes_.size() <= 4) {
    __m128i wanted[4];
    for (size_t i = 0; i < 4; ++i)
      wanted[i] = _mm_set1_epi8(static_cast<char>(first_bytes_[std::min(i, first_bytes_.size() - 1)]));
    for (; at + 64 <= text.size(); at += 64) {
      uint64_t hits = 0;
      for (size_t block = 0; block < 4; ++block) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at + block * 16));
        __m128i equal = _mm_cmpeq_epi8(bytes, wanted[0]);
        for (size_t i = 1; i < first_bytes_.size(); ++i) equal = _mm_or_si128(equal, _mm_cmpeq_epi8(bytes, wanted[i]));
        hits |= uint64_t{static_cast<unsigned>(_mm_movemask_epi8(equal))} << (block * 16);
      }
      for (; hits != 0; hits &= hits - 1) {
        const size_t hit = at + static_cast<size_t>(std::countr_zero(hits));
        if (begins_at(hit)) return hit;
      }
    }
  }
#endif
  for (; at < text.size(); ++at) {
    if (roots_[static_cast<uint8_t>(text[at])] != 0 && begins_at(at)) return at;
  }
  return text.size();
}

uint32_t AddedTokenFinder::LongestAt(std::string_view text, size_t at) const {
  uint32_t node = roots_[static_cast<uint8_t>(text[at])];
  uint32_t found = UINT32_MAX;
  while (node != 0) {
    if (nodes_[node].pattern != UINT32_MAX) found = nodes_[node].pattern;
    if (++at == text.size()) break;
    const Edge* const edge = Follow(node, static_cast<uint8_t>(text[at]));
    node = edge == nullptr ? 0 : edge->node;
  }
  return found;
}

bool AddedTokenFinder::TouchesWord(std::string_view text, size_t begin, size_t end) const {
  if (end < text.size() && word_characters_.Contains(unicode::Decode(text.data() + end).code_point)) return true;
  if (begin == 0) return false;
  size_t start = begin - 1;
  while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xc0) == 0x80) --start;
  return word_characters_.Contains(unicode::Decode(text.data() + start).code_point);
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::Walk::Next() {
  if (finder_->empty()) return std::nullopt;
  while (true) {
    search_ = finder_->FindCandidate(text_, search_);
    if (search_ >= text_.size()) return std::nullopt;
    const uint32_t found = finder_->LongestAt(text_, search_);
    if (found == UINT32_MAX) {
      ++search_;
      continue;
    }
    const Pattern& pattern = finder_->patterns_[found];
    Match match{search_, search_ + pattern.text.size(), pattern.id};
    search_ = match.end;
    if (pattern.single_word && finder_->TouchesWord(text_, match.begin, match.end)) continue;
    if (pattern.left_strip) match.begin = SkipWhiteSpaceBack(text_, match.begin, std::min(taken_, match.begin));
    if (pattern.right_strip) match.end = SkipWhiteSpace(text_, match.end);
    match.begin = std::max(match.begin, taken_);
    match.end = std::max(match.end, match.begin);
    taken_ = match.end;
    return match;
  }
}

size_t AddedTokenFinder::FindOpenTail(std::string_view text, size_t from) const {
  if (empty()) return text.size();
  size_t at = std::max(from, text.size() > longest_ ? text.size() - longest_ : 0);
  for (; at < text.size(); ++at) {
    uint32_t node = roots_[static_cast<uint8_t>(text[at])];
    size_t next = at + 1;
    while (node != 0 && next < text.size()) {
      const Edge* const edge = Follow(node, static_cast<uint8_t>(text[next++]));
      node = edge == nullptr ? 0 : edge->node;
    }
    if (node != 0 && nodes_[node].edge_count > 0) return at;
  }
  return text.size();
}

}  // namespace weir::bpe
