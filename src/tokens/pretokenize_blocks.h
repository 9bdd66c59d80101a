#pragma once
// Piece starts in a block of up to 64 bytes, by bit arithmetic on masks of character classes.
//
// Bit i of a mask stands for byte i; a character of several bytes has the bits of its class on all of them. Byte 0 is a
// piece start, so nothing before the block matters. What the block cannot decide it leaves out: the caller goes on from
// the last start it got, and with the scalar scanner when it got none. Inlined into code for several instruction sets.

#include <cstddef>
#include <cstdint>

#include "pretokenize_scalar.h"

namespace weir::pretokenize {

#define WEIR_ALWAYS_INLINE [[gnu::always_inline]] inline

inline constexpr size_t kBlockBytes = 64;

// Classes of the ASCII bytes. Bytes of other characters are in `wide` and the last three only.
struct BlockMasks {
  uint64_t letter = 0;
  uint64_t number = 0;
  uint64_t space = 0;    // white space, line ends included
  uint64_t newline = 0;  // CR, LF
  uint64_t blank = 0;    // U+0020
  uint64_t apostrophe = 0;
  uint64_t slash = 0;    // kCasedWords only
  uint64_t upper = 0;    // kCasedWords only
  uint64_t control = 0;  // kDeepSeek only
  uint64_t wide = 0;
  uint64_t continuation = 0;   // all but the first byte of each character
  uint64_t ideograph = 0;      // first bytes E5 to E8: U+5000 to U+8FFF, letters in DeepSeek's CJK range
  uint64_t plain_letters = 0;  // first bytes E9, EB, EC, D0 and D1, with which every character is a letter
};

// The bits of `mask` from each seed up to the end of its run. Seeds lie in `mask` and are no neighbours.
WEIR_ALWAYS_INLINE uint64_t RunsFrom(uint64_t seeds, uint64_t mask) {
  const uint64_t filled = mask & ~(mask + seeds);  // adding carries through the run
  return filled | (seeds & (filled << 1));         // a second seed in one run left its own bit
}

WEIR_ALWAYS_INLINE uint64_t Bit(size_t i) { return i < 64 ? uint64_t{1} << i : 0; }
WEIR_ALWAYS_INLINE uint64_t Below(size_t i) { return i < 64 ? (uint64_t{1} << i) - 1 : ~uint64_t{0}; }
WEIR_ALWAYS_INLINE size_t LowestBit(uint64_t bits) { return static_cast<size_t>(__builtin_ctzll(bits)); }
WEIR_ALWAYS_INLINE size_t HighestBit(uint64_t bits) { return 63 - static_cast<size_t>(__builtin_clzll(bits)); }

template <Rules R>
class Block {
 public:
  // `masks` classifies the first `size` bytes of `text` (1 to kBlockBytes) and is zero from there on. Characters that
  // begin in the block are readable to their end.
  WEIR_ALWAYS_INLINE Block(const char* text, size_t size, const BlockMasks& masks) : text_(text), size_(size), m_(masks) {}

  // The starts that are certain; bit 0 always is.
  WEIR_ALWAYS_INLINE uint64_t Starts() {
    if (R.style == Style::kDeepSeek) StopAt(m_.control);
    if (m_.wide != 0) ClassifyWide();
    if (size_ == 0) return 1;
    const uint64_t symbols = ~(m_.letter | m_.number | m_.space | cjk_) & Below(size_);
    const uint64_t tails = R.style == Style::kGpt2 ? 0 : RunsFrom(m_.newline & (symbols << 1), m_.newline | m_.slash);
    const uint64_t body = symbols & ~tails;
    const uint64_t spaces = m_.space & ~tails;
    const uint64_t symbol_starts = body & ~(body << 1) & ~(m_.blank << 1);
    uint64_t starts = symbol_starts | LetterStarts(symbol_starts) | NumberStarts() | SpaceStarts(spaces);
    if (R.style == Style::kDeepSeek) starts |= cjk_ & ~(cjk_ << 1);
    if (R.contractions) {
      starts = R.style == Style::kCasedWords ? AttachContractions(starts) : CutContractions(starts, symbol_starts);
    }
    return (starts & Below(size_ - SpacesAtEnd(spaces) + 1) & Below(size_)) | 1;
  }

 private:
  using Scan = Scanner<R>;

  // Nothing from the first of `bits` on is decided.
  WEIR_ALWAYS_INLINE void StopAt(uint64_t bits) {
    if (bits == 0 || LowestBit(bits) >= size_) return;
    size_ = LowestBit(bits);
    const uint64_t known = Below(size_);
    for (uint64_t* mask : {&m_.letter, &m_.number, &m_.space, &m_.newline, &m_.blank, &m_.apostrophe, &m_.slash, &m_.upper,
                           &m_.wide, &both_, &cjk_}) {
      *mask &= known;
    }
  }

  // How many bytes of white space the block ends with: what follows decides where they are cut, beyond their first.
  WEIR_ALWAYS_INLINE size_t SpacesAtEnd(uint64_t spaces) const {
    const uint64_t others = ~(spaces << (64 - size_));
    return others == 0 ? size_ : static_cast<size_t>(__builtin_clzll(others));
  }

  WEIR_ALWAYS_INLINE uint64_t LetterStarts(uint64_t symbol_starts) {
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
    return starts | (m_.upper & (m_.letter & ~m_.upper & ~both_) << 1);
  }

  WEIR_ALWAYS_INLINE uint64_t NumberStarts() const {
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

  WEIR_ALWAYS_INLINE uint64_t SpaceStarts(uint64_t spaces) const {
    const uint64_t first = spaces & ~(spaces << 1);
    const uint64_t fence = R.numbers_first ? (m_.number | cjk_) >> 1 : 0;
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
  WEIR_ALWAYS_INLINE uint64_t CutContractions(uint64_t starts, uint64_t symbol_starts) {
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
  WEIR_ALWAYS_INLINE uint64_t AttachContractions(uint64_t starts) {
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

  // Puts the wide characters into the masks, up to the first that the bit arithmetic has no rule for.
  WEIR_ALWAYS_INLINE void ClassifyWide() {
    const bool known_case = R.style == Style::kCasedWords;
    const uint64_t known = m_.ideograph | (known_case || R.style == Style::kDeepSeek ? 0 : m_.plain_letters);
    const uint64_t first = m_.wide & ~m_.continuation;
    AddIdeographs();
    for (uint64_t rest = first & ~known; rest != 0; rest &= rest - 1) {
      const size_t at = LowestBit(rest);
      const Peeked peeked = Scan::PeekWide(text_ + at);
      if (!Add(peeked, at)) {
        StopAt(Bit(at));
        break;
      }
    }
    // In a caseless letter before a capital a word may or may not end.
    if (known_case) StopAt(m_.upper & both_ << 1);
  }

  WEIR_ALWAYS_INLINE void AddIdeographs() {
    const uint64_t three = m_.ideograph | m_.ideograph << 1 | m_.ideograph << 2;
    if constexpr (R.style == Style::kDeepSeek) {
      cjk_ |= three;
    } else {
      m_.letter |= three;
    }
    if constexpr (R.style == Style::kCasedWords) {
      both_ |= three;
    } else if constexpr (R.style != Style::kDeepSeek) {
      const uint64_t more = m_.plain_letters | m_.plain_letters << 1;
      m_.letter |= more | (more << 1 & m_.continuation);
    }
  }

  WEIR_ALWAYS_INLINE bool Add(Peeked peeked, size_t at) {
    const uint64_t bytes = Below(peeked.bytes) << at;
    if constexpr (R.style == Style::kDeepSeek) {
      if (Scan::In(Scan::kWord << kCjkBit, peeked.cls)) {
        cjk_ |= bytes;
        return true;
      }
      if (Scan::In(Scan::kWord, peeked.cls)) m_.letter |= bytes;
      return Scan::In(Scan::kWord | unicode::kPunctuations, peeked.cls);
    }
    if (R.style == Style::kCasedWords && peeked.cls == unicode::kMark) {
      if (at == 0 || (m_.letter >> (at - 1) & 1) == 0) return false;  // may be a first character as well as a letter
      m_.letter |= bytes;
      both_ |= bytes;
      return true;
    }
    if (Scan::In(Scan::kWord, peeked.cls)) {
      m_.letter |= bytes;
      if (peeked.cls == unicode::kUpper) m_.upper |= bytes;
      if (peeked.cls == unicode::kLetter) both_ |= bytes;
      return true;
    }
    return Scan::In(Scan::kSymbols, peeked.cls);
  }

  const char* text_;
  size_t size_;
  BlockMasks m_;
  uint64_t both_ = 0;  // kCasedWords: letters without case, and marks
  uint64_t cjk_ = 0;   // kDeepSeek: the word characters of its CJK range
};

#undef WEIR_ALWAYS_INLINE

}  // namespace weir::pretokenize
