// Canonical composition (Unicode Standard Annex 15). Text is taken in segments: a character that may change, or change
// its neighbours (kNfcNotable), together with the inert one before it; everything between passes through untouched.

#include <algorithm>
#include <cstring>
#include <span>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "unicode.h"

namespace weir::unicode {
namespace {

// Hangul syllables are composed by arithmetic (Unicode Standard, section 3.12).
constexpr uint32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr uint32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr uint32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

uint32_t CombiningClass(uint32_t code_point) {
  if (code_point < kCombiningRanges[0].first) return 0;
  const std::span ranges(kCombiningRanges, kCombiningRangeCount);
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), code_point,
                                      [](uint32_t value, const CombiningRange& range) { return value < range.first; });
  const CombiningRange& range = *(after - 1);
  return code_point <= range.last ? range.combining_class : 0;
}

const Decomposition* FindDecomposition(uint32_t code_point) {
  const std::span all(kDecompositions, kDecompositionCount);
  const auto found = std::lower_bound(all.begin(), all.end(), code_point,
                                      [](const Decomposition& entry, uint32_t value) { return entry.code_point < value; });
  return found != all.end() && found->code_point == code_point ? &*found : nullptr;
}

// 0: the pair does not compose.
uint32_t Compose(uint32_t first, uint32_t second) {
  if (first - kLeads < kLeadCount && second - kVowels < kVowelCount) {
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  }
  if (first - kSyllables < kSyllableCount && (first - kSyllables) % kTailCount == 0 && second > kTails &&
      second - kTails < kTailCount) {
    return first + (second - kTails);
  }
  const std::span all(kCompositions, kCompositionCount);
  const auto found = std::lower_bound(all.begin(), all.end(), Composition{first, second, 0},
                                      [](const Composition& a, const Composition& b) {
                                        return a.first != b.first ? a.first < b.first : a.second < b.second;
                                      });
  return found != all.end() && found->first == first && found->second == second ? found->composed : 0;
}

struct Part {
  uint32_t code_point;
  uint32_t combining_class;
  uint32_t origin;  // where its character begins; for all but the first part of one, where that ends
};

// One scratch for all segments of a text.
class Segment {
 public:
  // Replaces the parts by those of `text`, which begins at `offset` of the original, in composed canonical form.
  void Normalize(std::string_view text, uint32_t offset) {
    parts_.clear();
    for (size_t at = 0; at < text.size();) {
      const Decoded decoded = Decode(text.data() + at);
      first_part_ = true;
      Decompose(decoded.code_point, offset + static_cast<uint32_t>(at), offset + static_cast<uint32_t>(at) + decoded.bytes);
      at += decoded.bytes;
    }
    Order();
    Recompose();
  }
  const std::vector<Part>& parts() const { return parts_; }

  bool Equals(std::string_view text) const {
    size_t at = 0;
    for (const Part& part : parts_) {
      if (at >= text.size()) return false;
      const Decoded decoded = Decode(text.data() + at);
      if (decoded.code_point != part.code_point) return false;
      at += decoded.bytes;
    }
    return at == text.size();
  }

 private:
  void Append(uint32_t code_point, uint32_t begin, uint32_t end) {
    parts_.push_back({code_point, CombiningClass(code_point), first_part_ ? begin : end});
    first_part_ = false;
  }

  // Depth is at most 4: the longest chain of canonical decompositions.
  void Decompose(uint32_t code_point, uint32_t begin, uint32_t end) {
    if (code_point - kSyllables < kSyllableCount) {
      const uint32_t index = code_point - kSyllables;
      Append(kLeads + index / (kVowelCount * kTailCount), begin, end);
      Append(kVowels + index % (kVowelCount * kTailCount) / kTailCount, begin, end);
      if (index % kTailCount != 0) Append(kTails + index % kTailCount, begin, end);
      return;
    }
    const Decomposition* entry = FindDecomposition(code_point);
    if (entry == nullptr) return Append(code_point, begin, end);
    Decompose(entry->first, begin, end);
    if (entry->second != 0) Decompose(entry->second, begin, end);
  }

  // Canonical ordering: stable by combining class between starters.
  void Order() {
    for (auto from = parts_.begin(); from != parts_.end();) {
      if (from->combining_class == 0) {
        ++from;
        continue;
      }
      const auto to = std::find_if(from, parts_.end(), [](const Part& part) { return part.combining_class == 0; });
      std::stable_sort(from, to, [](const Part& a, const Part& b) { return a.combining_class < b.combining_class; });
      from = to;
    }
  }

  void Recompose() {
    constexpr size_t kNone = SIZE_MAX;
    size_t starter = kNone;  // index of the last starter kept
    size_t kept = 0;
    for (const Part part : parts_) {
      // Blocked when a kept part between has a class that is not lower; neighbours of the starter never are.
      const bool adjacent = starter != kNone && kept == starter + 1;
      const bool blocked = !adjacent && (starter == kNone || parts_[kept - 1].combining_class >= part.combining_class);
      if (!blocked) {
        if (const uint32_t composed = Compose(parts_[starter].code_point, part.code_point)) {
          parts_[starter].code_point = composed;
          continue;
        }
      }
      if (part.combining_class == 0) starter = kept;
      parts_[kept++] = part;
    }
    parts_.resize(kept);
  }

  std::vector<Part> parts_;
  bool first_part_ = true;
};

bool IsNotable(const char* at) { return (ClassByte(Decode(at).code_point) & kNfcNotable) != 0; }

// No character with these first bytes is notable: below U+0300, U+03C0 to U+047F, U+4000 to U+9FFF, U+B000 to U+CFFF.
bool IsInertLead(uint8_t byte) {
  return byte < 0xCC || (byte >= 0xCF && byte <= 0xD1) || (byte >= 0xE4 && byte <= 0xE9) || byte == 0xEB || byte == 0xEC;
}

#if defined(__SSE2__)
// 64 bytes of text. Bit i of a mask stands for byte i.
class Bytes64 {
 public:
  explicit Bytes64(const char* text) {
    for (int i = 0; i < 4; ++i) parts_[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text) + i);
  }
  bool IsAscii() const {
    return _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(parts_[0], parts_[1]), _mm_or_si128(parts_[2], parts_[3]))) == 0;
  }
  uint64_t Equal(int value) const { return InRange(value, 1); }
  uint64_t InRange(int first, int count) const {
    const __m128i lowest = _mm_set1_epi8(static_cast<char>(first)), span = _mm_set1_epi8(static_cast<char>(count - 1));
    uint64_t out = 0;
    for (int i = 0; i < 4; ++i) {
      const __m128i from_first = _mm_sub_epi8(parts_[i], lowest);
      const __m128i inside = _mm_cmpeq_epi8(_mm_min_epu8(from_first, span), from_first);
      out |= static_cast<uint64_t>(static_cast<uint16_t>(_mm_movemask_epi8(inside))) << (16 * i);
    }
    return out;
  }

 private:
  __m128i parts_[4];
};

// The first bytes of characters that may be notable: all that are, and few others in common scripts.
uint64_t Suspects(const Bytes64& bytes) {
  uint64_t suspects =
      bytes.InRange(0xCC, 0x34) & ~bytes.InRange(0xCF, 3) & ~bytes.InRange(0xE4, 6) & ~bytes.InRange(0xEB, 2);
  if (__builtin_popcountll(suspects) <= 4) return suspects;
  if (const uint64_t e3 = suspects & bytes.Equal(0xE3)) {  // kana: all but U+3099 and U+309A, which end in 82 99 and 82 9A
    const uint64_t second = bytes.InRange(0x81, 3) >> 1;
    const uint64_t third = (bytes.InRange(0x80, 0x40) & ~bytes.InRange(0x99, 2)) >> 2;
    suspects &= ~(e3 & second & third);
    suspects &= ~(e3 & bytes.Equal(0x80) >> 1 & bytes.InRange(0x80, 0x20) >> 2);  // U+3000 to U+301F
  }
  if (const uint64_t e2 = suspects & bytes.Equal(0xE2)) {  // U+2002 to U+203F, U+2500 to U+257F
    suspects &= ~(e2 & bytes.Equal(0x80) >> 1 & bytes.InRange(0x82, 0x3E) >> 2);
    suspects &= ~(e2 & bytes.InRange(0x94, 2) >> 1);
  }
  if (const uint64_t wide = suspects & bytes.InRange(0xEF, 2)) {  // U+FF00 to U+FFFF, U+1F000 to U+1FFFF
    suspects &= ~(wide & bytes.Equal(0xEF) & bytes.InRange(0xBC, 4) >> 1);
    suspects &= ~(wide & bytes.Equal(0xF0) & bytes.Equal(0x9F) >> 1);
  }
  return suspects;
}
#endif

// The start of the first notable character at or after `at`, or text.size(). `at` is the start of a character.
size_t FindNotable(std::string_view text, size_t at) {
#if defined(__SSE2__)
  for (; text.size() - at >= 64; at += 64) {
    const Bytes64 bytes(text.data() + at);
    if (bytes.IsAscii()) continue;
    for (uint64_t suspects = Suspects(bytes); suspects != 0; suspects &= suspects - 1) {
      const size_t candidate = at + static_cast<size_t>(__builtin_ctzll(suspects));
      if (IsNotable(text.data() + candidate)) return candidate;
    }
  }
#endif
  for (; at < text.size(); ++at) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (!IsInertLead(byte) && IsNotable(text.data() + at)) return at;
  }
  return at;
}

// The start of the character before `at`, or `floor` when that is `at`.
size_t CharacterBefore(std::string_view text, size_t at, size_t floor) {
  if (at == floor) return at;
  do {
    --at;
  } while ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  return at;
}

size_t EndOfNotables(std::string_view text, size_t at) {
  while (at < text.size() && IsNotable(text.data() + at)) at += Decode(text.data() + at).bytes;
  return at;
}

// Segments in order: the text between them is as it should be.
template <typename Visit>
void ForEachSegment(std::string_view text, const Visit& visit) {
  for (size_t done = 0;;) {
    const size_t notable = FindNotable(text, done);
    if (notable == text.size()) return;
    const size_t begin = CharacterBefore(text, notable, done);
    done = EndOfNotables(text, notable);
    if (!visit(begin, done)) return;
  }
}

void AppendUnchanged(std::string_view text, size_t begin, size_t end, Normalized& out) {
  out.text.append(text.substr(begin, end - begin));
  for (size_t at = begin; at < end; ++at) out.origins.push_back(static_cast<uint32_t>(at));
}

// The first part comes from `begin` even where a mark that stood later was moved to the front: no byte goes uncovered.
void AppendChanged(const std::vector<Part>& parts, uint32_t begin, uint32_t end, Normalized& out) {
  uint32_t floor = begin;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) floor = std::max(floor, parts[i].origin);
    const uint32_t next = i + 1 < parts.size() ? std::max(floor, parts[i + 1].origin) : end;
    const size_t before = out.text.size();
    AppendUtf8(parts[i].code_point, out.text);
    out.origins.push_back(floor);
    out.origins.insert(out.origins.end(), out.text.size() - before - 1, next);
  }
}

}  // namespace

uint32_t CanonicalClass(uint32_t code_point) { return CombiningClass(code_point); }

void AppendDecomposition(uint32_t code_point, std::vector<uint32_t>& out) {
  if (const uint32_t index = code_point - kSyllables; index < kSyllableCount) {
    out.push_back(kLeads + index / (kVowelCount * kTailCount));
    out.push_back(kVowels + index % (kVowelCount * kTailCount) / kTailCount);
    if (index % kTailCount != 0) out.push_back(kTails + index % kTailCount);
    return;
  }
  const Decomposition* entry = FindDecomposition(code_point);
  if (entry == nullptr) return out.push_back(code_point);
  AppendDecomposition(entry->first, out);
  if (entry->second != 0) AppendDecomposition(entry->second, out);
}

bool IsNfc(std::string_view text) {
  bool same = true;
  Segment segment;
  ForEachSegment(text, [&](size_t begin, size_t end) {
    const std::string_view original = text.substr(begin, end - begin);
    segment.Normalize(original, 0);
    same = segment.Equals(original);
    return same;
  });
  return same;
}

Normalized NormalizeNfc(std::string_view text) {
  Normalized out;
  out.text.reserve(text.size());
  out.origins.reserve(text.size() + 1);
  size_t done = 0;
  Segment segment;
  ForEachSegment(text, [&](size_t begin, size_t end) {
    AppendUnchanged(text, done, begin, out);
    done = end;
    const std::string_view original = text.substr(begin, end - begin);
    segment.Normalize(original, static_cast<uint32_t>(begin));
    if (segment.Equals(original)) {
      AppendUnchanged(text, begin, end, out);
    } else {
      AppendChanged(segment.parts(), static_cast<uint32_t>(begin), static_cast<uint32_t>(end), out);
    }
    return true;
  });
  AppendUnchanged(text, done, text.size(), out);
  out.origins.push_back(static_cast<uint32_t>(text.size()));
  return out;
}

}  // namespace weir::unicode
