#pragma once
// Piece starts in a block of up to 64 bytes, by bit arithmetic on masks of character classes, and the loop over blocks.
//
// Bit i of a mask stands for byte i; a character of several bytes has the bits of its class on all of them. Byte 0 is a
// piece start, so nothing before the block matters. What the block cannot decide it leaves out: the loop goes on from
// the last start it got, and with the scalar scanner when it got none.
//
// Compiled once for each instruction set: before it includes this, a file defines WEIR_BLOCK_ISA, the namespace of its
// copy, and WEIR_BLOCK_TARGET, the attribute of every function here. It passes a class Vector, 64 bytes in registers:
//   static constexpr size_t kBytesMin                   the least that it loads
//   static Vector Load(const char* text, size_t size)   bytes from `size` on are zero
//   uint64_t Equal(int value) const; uint64_t InRange(int first, int count) const; uint64_t Letters() const;
//   uint64_t Wide() const                               bytes beyond ASCII
//   static void Emit(uint64_t bits, uint32_t base, uint32_t* out)   positions of the bits plus base; may write 64 slots

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "pretokenize_fill.h"
#include "pretokenize_scalar.h"

#if !defined(WEIR_BLOCK_ISA) || !defined(WEIR_BLOCK_TARGET)
#error "define WEIR_BLOCK_ISA and WEIR_BLOCK_TARGET first"
#endif

namespace weir::pretokenize::WEIR_BLOCK_ISA {

#define WEIR_INLINED WEIR_BLOCK_TARGET __attribute__((always_inline)) inline

inline constexpr size_t kBlockBytes = 64;

// Classes of the ASCII bytes; those of other characters come from ClassifyWide.
struct BlockMasks {
  uint64_t letter = 0;
  uint64_t number = 0;
  uint64_t space = 0;    // white space, line ends included
  uint64_t newline = 0;  // CR, LF
  uint64_t blank = 0;    // U+0020
  uint64_t apostrophe = 0;
  uint64_t slash = 0;  // kCasedWords only, as the next
  uint64_t upper = 0;
  uint64_t both = 0;  // kCasedWords: letters without case, and marks
  uint64_t cjk = 0;   // kDeepSeek: the word characters of its CJK range
  uint64_t wide = 0;
  uint64_t continuation = 0;  // all but the first byte of each wide character
};

// The bits of `mask` from each seed up to the end of its run. Seeds lie in `mask` and are no neighbours.
WEIR_INLINED uint64_t RunsFrom(uint64_t seeds, uint64_t mask) {
  const uint64_t filled = mask & ~(mask + seeds);  // adding carries through the run
  return filled | (seeds & (filled << 1));         // a second seed in one run left its own bit
}

WEIR_INLINED uint64_t Bit(size_t i) { return i < 64 ? uint64_t{1} << i : 0; }
WEIR_INLINED uint64_t Below(size_t i) { return i < 64 ? (uint64_t{1} << i) - 1 : ~uint64_t{0}; }
WEIR_INLINED size_t LowestBit(uint64_t bits) { return static_cast<size_t>(__builtin_ctzll(bits)); }
WEIR_INLINED size_t HighestBit(uint64_t bits) { return 63 - static_cast<size_t>(__builtin_clzll(bits)); }

template <Rules R, typename Vector>
class Block {
 public:
  // The first `size` bytes of `text` (1 to kBlockBytes), which `bytes` holds. Characters that begin in the block are
  // readable to their end.
  WEIR_INLINED Block(const char* text, size_t size, const Vector& bytes) : text_(text), size_(size), bytes_(bytes) {}

  // The starts that are certain; bit 0 always is.
  WEIR_INLINED uint64_t Starts() {
    ClassifyAscii();
    if (m_.wide != 0) ClassifyWide();
    if (size_ == 0) return 1;
    const uint64_t symbols = ~(m_.letter | m_.number | m_.space | m_.cjk) & Below(size_);
    const uint64_t tails = R.style == Style::kGpt2 ? 0 : RunsFrom(m_.newline & (symbols << 1), m_.newline | m_.slash);
    const uint64_t body = symbols & ~tails;
    const uint64_t spaces = m_.space & ~tails;
    const uint64_t symbol_starts = body & ~(body << 1) & ~(m_.blank << 1);
    uint64_t starts = symbol_starts | LetterStarts(symbol_starts) | NumberStarts() | SpaceStarts(spaces);
    if (R.style == Style::kDeepSeek) starts |= m_.cjk & ~(m_.cjk << 1);
    if (R.contractions) {
      starts = R.style == Style::kCasedWords ? AttachContractions(starts) : CutContractions(starts, symbol_starts);
    }
    return (starts & Below(size_ - SpacesAtEnd(spaces) + 1) & Below(size_)) | 1;
  }

 private:
  using Scan = Scanner<R>;

  // Nothing from the first of `bits` on is decided.
  WEIR_INLINED void StopAt(uint64_t bits) {
    if (bits == 0 || LowestBit(bits) >= size_) return;
    size_ = LowestBit(bits);
    const uint64_t known = Below(size_);
    for (uint64_t* mask : {&m_.letter, &m_.number, &m_.space, &m_.newline, &m_.blank, &m_.apostrophe, &m_.slash, &m_.upper,
                           &m_.both, &m_.cjk, &m_.wide}) {
      *mask &= known;
    }
  }

  // How many bytes of white space the block ends with: what follows decides where they are cut, beyond their first.
  WEIR_INLINED size_t SpacesAtEnd(uint64_t spaces) const {
    const uint64_t others = ~(spaces << (64 - size_));
    return others == 0 ? size_ : static_cast<size_t>(__builtin_clzll(others));
  }

  WEIR_INLINED uint64_t LetterStarts(uint64_t symbol_starts) {
    const uint64_t first = m_.letter & ~(m_.letter << 1);
    if constexpr (R.style == Style::kGpt2) return first & ~(m_.blank << 1);
    // A blank, or a symbol that stands alone, belongs to the word after it.
    const uint64_t after_space = (m_.space & ~m_.newline) << 1;
    if constexpr (R.style == Style::kDeepSeek) {
      // Only between ASCII characters, and the word then ends at the first wide letter.
      const uint64_t after_symbol = (symbol_starts & ~m_.wide) << 1 & ~m_.wide;
      if (m_.wide != 0) {
        const uint64_t leaves = RunsFrom(after_symbol & m_.letter, m_.letter) & m_.wide;
        if (leaves != 0) size_ = LowestBit(leaves);
      }
      return first & ~(after_space | after_symbol);
    }
    uint64_t prefix = symbol_starts;
    if (m_.wide != 0) prefix |= RunsFrom(prefix << 1 & m_.continuation, m_.continuation);
    const uint64_t starts = first & ~(after_space | prefix << 1);
    if constexpr (R.style != Style::kCasedWords) return starts;
    return starts | (m_.upper & (m_.letter & ~m_.upper & ~m_.both) << 1);
  }

  WEIR_INLINED uint64_t NumberStarts() const {
    const uint64_t n = m_.number;
    if constexpr (R.numbers_max == 1) return n;
    uint64_t starts = n & ~(n << 1);
    if constexpr (R.style == Style::kGpt2 && !R.numbers_first) starts &= ~(m_.blank << 1);
    if constexpr (R.numbers_max == 3) {
      const uint64_t fourth = n & n << 1 & n << 2 & n << 3;
      for (uint64_t next = starts << 3 & fourth; next != 0; next = next << 3 & fourth) starts |= next;
    }
    return starts;
  }

  WEIR_INLINED uint64_t SpaceStarts(uint64_t spaces) const {
    const uint64_t first = spaces & ~(spaces << 1);
    const uint64_t fence = R.numbers_first ? (m_.number | m_.cjk) >> 1 : 0;
    const uint64_t last = spaces & ~(spaces >> 1) & ~fence;
    if constexpr (R.style == Style::kGpt2) return first | last;
    const uint64_t lines = m_.newline & spaces;
    const uint64_t blanks = spaces & ~lines;
    uint64_t after_line = blanks & lines << 1;
    // Only after the last line end of the run.
    uint64_t ends = (blanks + after_line) & ~blanks & lines;
    for (; ends != 0; ends &= ends - 1) after_line &= ~Bit(HighestBit(after_line & (Below(LowestBit(ends)))));
    return first | (last & blanks) | after_line;
  }

  // A contraction is a piece of its own: what follows starts another.
  WEIR_INLINED uint64_t CutContractions(uint64_t starts, uint64_t symbol_starts) {
    for (uint64_t rest = m_.apostrophe & symbol_starts & m_.letter >> 1; rest != 0; rest &= rest - 1) {
      const size_t at = LowestBit(rest);
      const char* after = Scan::Contraction(text_ + at, text_ + size_);
      if (after == nullptr) {
        if (at + 3 > size_) size_ = at + 1;  // its last letter may follow
        continue;
      }
      const auto next = static_cast<size_t>(after - text_);
      starts = (starts & (Below(at + 1) | ~Below(next))) | Bit(next);
    }
    return starts;
  }

  // A contraction belongs to the word before it.
  WEIR_INLINED uint64_t AttachContractions(uint64_t starts) {
    const uint64_t undecided = size_ > 2 ? ~Below(size_ - 2) : ~uint64_t{0};
    uint64_t rest = m_.apostrophe & m_.letter << 1 & (m_.letter >> 1 | undecided);
    for (; rest != 0; rest &= rest - 1) {
      const size_t at = LowestBit(rest);
      if ((undecided >> at & 1) != 0) {
        size_ = at;
        break;
      }
      const char* after = Scan::Contraction(text_ + at, text_ + size_);
      if (after == nullptr) continue;
      const auto next = static_cast<size_t>(after - text_);
      starts = (starts & (Below(at) | ~Below(next))) | Bit(next);
      rest &= ~Bit(next);  // an apostrophe there begins a piece
    }
    return starts;
  }

  WEIR_INLINED void ClassifyAscii() {
    m_.letter = bytes_.Letters();
    m_.number = bytes_.InRange('0', 10);
    m_.blank = bytes_.Equal(' ');
    m_.space = m_.blank | bytes_.InRange('\t', 5);
    m_.wide = bytes_.Wide();
    if (R.contractions) m_.apostrophe = bytes_.Equal('\'');
    if (R.style != Style::kGpt2) m_.newline = bytes_.Equal('\n') | bytes_.Equal('\r');
    if (R.style == Style::kCasedWords) {
      m_.slash = bytes_.Equal('/');
      m_.upper = bytes_.InRange('A', 26);
    }
    if (R.style == Style::kDeepSeek) StopAt((bytes_.InRange(0, 0x20) | bytes_.Equal(0x7F)) & ~m_.space);
  }

  // So many wide characters in a block are looked up one by one.
  static constexpr int kFewWide = 4;

  // Puts the wide characters into the masks, up to the first that the bit arithmetic has no rule for.
  WEIR_INLINED void ClassifyWide() {
    m_.continuation = bytes_.InRange(0x80, 0x40);
    const uint64_t first = bytes_.Wide() & ~m_.continuation;
    uint64_t rest = first & Below(size_);
    if (__builtin_popcountll(rest) > kFewWide) rest &= ~(KnownTwoByte() | KnownEastAsian() | KnownSymbols());
    for (; rest != 0; rest &= rest - 1) {
      const size_t at = LowestBit(rest);
      if (!Add(Scan::PeekWide(text_ + at), at)) {
        StopAt(Bit(at));
        break;
      }
    }
    // In a caseless letter before a capital a word may or may not end.
    if (R.style == Style::kCasedWords) StopAt(m_.upper & m_.both << 1);
  }

  // The next three put whole stretches of common scripts into the masks and return the first bytes of what they know.

  // Latin-1 (first byte C3) and Cyrillic (D0, D1).
  WEIR_INLINED uint64_t KnownTwoByte() {
    const uint64_t latin = bytes_.Equal(0xC3) & ~((bytes_.Equal(0x97) | bytes_.Equal(0xB7)) >> 1);  // no letters: U+00D7, F7
    const uint64_t cyrillic = bytes_.InRange(0xD0, 2);
    uint64_t letters = (latin | cyrillic) & m_.continuation >> 1;
    if (letters == 0) return 0;
    if constexpr (R.style == Style::kCasedWords) {
      const uint64_t d0 = bytes_.Equal(0xD0);
      const uint64_t upper = (latin & bytes_.InRange(0x80, 0x1F) >> 1) | (d0 & bytes_.InRange(0x80, 0x30) >> 1);
      letters &= latin | d0 | bytes_.InRange(0x80, 0x20) >> 1;  // D1 A0 and on: case alternates
      m_.upper |= (upper & letters) | (upper & letters) << 1;
    }
    m_.letter |= letters | letters << 1;
    return letters;
  }

  // Ideographs, kana and Hangul syllables: letters without case.
  WEIR_INLINED uint64_t KnownEastAsian() {
    uint64_t cjk = bytes_.InRange(0xE5, 4);           // U+5000 to U+8FFF
    const uint64_t e9 = bytes_.Equal(0xE9);           // U+9000 to U+9FFF, of which DeepSeek's range leaves out a part
    const uint64_t hangul = bytes_.InRange(0xEB, 2);  // U+B000 to U+CFFF
    cjk |= R.style == Style::kDeepSeek ? e9 & bytes_.InRange(0x80, 0x3E) >> 1 : e9;
    if (const uint64_t e3 = bytes_.Equal(0xE3)) {
      const uint64_t third = bytes_.InRange(0x80, 0x17) | bytes_.InRange(0xA1, 0x1F);  // without U+3097 to U+30A0
      cjk |= e3 & bytes_.Equal(0x81) >> 1 & bytes_.InRange(0x81, 0x3F) >> 2;
      cjk |= e3 & bytes_.Equal(0x82) >> 1 & third >> 2;
      cjk |= e3 & bytes_.Equal(0x83) >> 1 & m_.continuation >> 2 & ~(bytes_.Equal(0xBB) >> 2);
    }
    const uint64_t letters = R.style == Style::kDeepSeek ? hangul : hangul | cjk;
    m_.letter |= letters | letters << 1 | letters << 2;
    if (R.style == Style::kDeepSeek) m_.cjk |= cjk | cjk << 1 | cjk << 2;
    if (R.style == Style::kCasedWords) m_.both |= letters | letters << 1 | letters << 2;
    return cjk | hangul;
  }

  // Punctuation and signs, which need no mask.
  WEIR_INLINED uint64_t KnownSymbols() const {
    uint64_t known = 0;
    if (const uint64_t e2 = bytes_.Equal(0xE2)) {
      known |= e2 & bytes_.Equal(0x80) >> 1 & bytes_.InRange(0x90, 0x18) >> 2;  // U+2010 to U+2027
      known |= e2 & bytes_.InRange(0x94, 2) >> 1;                               // U+2500 to U+257F
    }
    if (const uint64_t e3 = bytes_.Equal(0xE3)) {
      // U+3001 to U+3003, U+3008 to U+3011
      known |= e3 & bytes_.Equal(0x80) >> 1 & (bytes_.InRange(0x81, 3) | bytes_.InRange(0x88, 10)) >> 2;
    }
    if (const uint64_t ef = bytes_.Equal(0xEF)) {
      // U+FF01 to U+FF0F, U+FF1A to U+FF20
      known |= ef & bytes_.Equal(0xBC) >> 1 & (bytes_.InRange(0x81, 15) | bytes_.InRange(0x9A, 7)) >> 2;
    }
    return known;
  }

  WEIR_INLINED bool Add(Peeked peeked, size_t at) {
    const uint64_t bytes = Below(peeked.bytes) << at;
    if constexpr (R.style == Style::kDeepSeek) {
      if (Scan::In(Scan::kWord << kCjkBit, peeked.cls)) {
        m_.cjk |= bytes;
        return true;
      }
      if (Scan::In(Scan::kWord, peeked.cls)) m_.letter |= bytes;
      return Scan::In(Scan::kWord | unicode::kPunctuations, peeked.cls);
    }
    if (R.style == Style::kCasedWords && peeked.cls == unicode::kMark) {
      if (at == 0 || (m_.letter >> (at - 1) & 1) == 0) return false;  // may be a first character as well as a letter
      m_.letter |= bytes;
      m_.both |= bytes;
      return true;
    }
    if (Scan::In(Scan::kWord, peeked.cls)) {
      m_.letter |= bytes;
      if (peeked.cls == unicode::kUpper) m_.upper |= bytes;
      if (peeked.cls == unicode::kLetter) m_.both |= bytes;
      return true;
    }
    return Scan::In(Scan::kSymbols, peeked.cls);
  }

  const char* text_;
  size_t size_;
  Vector bytes_;
  BlockMasks m_;
};

// Ends at most this many pieces by the scalar scanner before it tries another block.
inline constexpr size_t kScalarPiecesMax = 8;

template <Rules R, typename Vector>
WEIR_BLOCK_TARGET size_t FillBlocks(std::string_view text, size_t& at, std::span<uint32_t> ends) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* next = begin + at;
  size_t count = 0;
  size_t scalar_pieces = 0;  // the more the less blocks achieve here
  while (count < ends.size() && next != end) {
    const size_t size = std::min<size_t>(static_cast<size_t>(end - next), kBlockBytes);
    uint64_t starts = 0;
    if (size >= Vector::kBytesMin) {
      starts = Block<R, Vector>(next, size, Vector::Load(next, size)).Starts() & ~uint64_t{1};
    }
    if (starts == 0) {
      scalar_pieces = std::min<size_t>(scalar_pieces * 2 + 1, kScalarPiecesMax);
      for (size_t i = 0; i < scalar_pieces && count < ends.size() && next != end; ++i) {
        next = Scanner<R>::PieceEnd(next, end);
        ends[count++] = static_cast<uint32_t>(next - begin);
      }
      continue;
    }
    scalar_pieces = 0;
    const auto base = static_cast<uint32_t>(next - begin);
    if (ends.size() - count >= kBlockBytes) [[likely]] {
      Vector::Emit(starts, base, ends.data() + count);
      count += static_cast<size_t>(__builtin_popcountll(starts));
      next += HighestBit(starts);
    } else {
      for (; starts != 0 && count < ends.size(); starts &= starts - 1) {
        ends[count++] = base + static_cast<uint32_t>(LowestBit(starts));
      }
      next = begin + ends[count - 1];
    }
  }
  at = static_cast<size_t>(next - begin);
  return count;
}

template <typename Vector, int... kIndex>
constexpr std::array<Fill, sizeof...(kIndex)> FillsOf(std::integer_sequence<int, kIndex...>) {
  return {FillBlocks<RulesOf(static_cast<Family>(kIndex)), Vector>...};
}

// Of each family.
template <typename Vector>
inline constexpr auto kFillsOf = FillsOf<Vector>(std::make_integer_sequence<int, kFamilyCount>());

#undef WEIR_INLINED

}  // namespace weir::pretokenize::WEIR_BLOCK_ISA
