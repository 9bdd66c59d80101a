#pragma once
// The scalar scanners: where the piece that begins at a byte ends, for each known pattern.
//
// They decide on every byte that the wider code does not, so they are the definition; the tests hold them against a
// regular expression engine. Text is valid UTF-8; pointers stand on character starts.

#include <cstdint>

#include "pretokenize_rules.h"
#include "unicode.h"

namespace weir::pretokenize {

using unicode::ClassSet;

// Beside the classes of unicode.h: the end of the text, which is in no set of them.
inline constexpr uint32_t kEnd = 15;
// Added to the class of a character of the CJK range that DeepSeek's pattern cuts out.
inline constexpr uint32_t kCjkBit = 16;
inline constexpr ClassSet kEndSet = 1U << kEnd;

struct Peeked {
  uint32_t cls;
  uint32_t bytes;
};

// [\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]
inline bool IsDeepSeekCjk(uint32_t code_point) {
  return code_point - 0x4E00 <= 0x9FA5 - 0x4E00 || code_point - 0x3040 <= 0x30FF - 0x3040;
}

inline uint32_t AsciiClass(uint8_t byte) { return unicode::kClassPages[byte] & unicode::kClassMask; }

// Numbers since Unicode 17, which the Digits step (not a regular expression) knows already; elsewhere they are kOther.
inline constexpr uint32_t kNewNumber = 9;
inline bool IsNewNumber(uint32_t code_point) { return code_point - 0x11DE0 < 10 || code_point - 0x16FF4 < 3; }

template <Rules R>
struct Scanner {
  static constexpr bool kCjk = R.style == Style::kDeepSeek;
  static constexpr bool kDigitsStep = R.style == Style::kGpt2 && R.numbers_first;
  static constexpr ClassSet kWord = unicode::kLetters | (R.marks_in_words ? unicode::kMarks : 0);
  // Classes of the punctuation rule: all but white space, word characters and numbers.
  static constexpr ClassSet kSymbols = 0x1FF & ~(unicode::kSpaces | kWord | unicode::kNumbers);
  // What ends an enclosing piece, as the end of the text does: white space before it does not leave its last blank.
  static constexpr ClassSet kFenceSet = kEndSet | (R.numbers_first ? unicode::kNumbers | 1U << kNewNumber : 0);

  static Peeked PeekWide(const char* at) {
    const unicode::Decoded decoded = unicode::Decode(at);
    uint32_t cls = unicode::ClassOf(decoded.code_point);
    if (kCjk && IsDeepSeekCjk(decoded.code_point)) cls |= kCjkBit;
    if (kDigitsStep && IsNewNumber(decoded.code_point)) cls = kNewNumber;
    return {cls, decoded.bytes};
  }

  static Peeked Peek(const char* at, const char* end) {
    if (at == end) return {kEnd, 0};
    const auto byte = static_cast<uint8_t>(*at);
    if (byte < 0x80) return {AsciiClass(byte), 1};
    return PeekWide(at);
  }
  static bool In(ClassSet set, uint32_t cls) { return (set >> cls & 1) != 0; }

  // The first character from `at` on that is not in `set`. `set` holds kCjkBit classes where they matter.
  static const char* Run(ClassSet set, const char* at, const char* end) {
    while (at != end) {
      const auto byte = static_cast<uint8_t>(*at);
      if (byte < 0x80) {
        if (!In(set, AsciiClass(byte))) return at;
        ++at;
      } else {
        const Peeked next = PeekWide(at);
        if (!In(set, next.cls)) return at;
        at += next.bytes;
      }
    }
    return at;
  }

  // Up to numbers_max characters.
  static const char* Numbers(const char* at, const char* end) {
    if constexpr (R.numbers_max == 0) return Run(unicode::kNumbers, at, end);
    for (int taken = 0; taken < R.numbers_max; ++taken) {
      const Peeked next = Peek(at, end);
      if (next.cls != unicode::kNumber) break;
      at += next.bytes;
    }
    return at;
  }

  // The end of the contraction whose apostrophe is at `at`, or null. Letters fold as Unicode's simple folding says, so
  // the long s counts as s.
  static const char* Contraction(const char* at, const char* end) {
    constexpr uint8_t kFold = R.style == Style::kGpt2 ? 0 : 0x20;
    const auto letter = [&](int i) { return end - at > i ? static_cast<uint8_t>(at[i]) | kFold : 0; };
    switch (letter(1)) {
      case 's':
      case 't':
      case 'm':
      case 'd': return at + 2;
      case 'r':
      case 'v': return letter(2) == 'e' ? at + 3 : nullptr;
      case 'l': return letter(2) == 'l' ? at + 3 : nullptr;
      case 0xC5 | kFold:  // U+017F is C5 BF
        return R.style != Style::kGpt2 && end - at > 2 && static_cast<uint8_t>(at[1]) == 0xC5 &&
                       static_cast<uint8_t>(at[2]) == 0xBF
                   ? at + 3
                   : nullptr;
      default: return nullptr;
    }
  }

  // The rules for white space, which begins at `at`: \s*[\r\n]+|\s+(?!\S)|\s+ (without the first in kGpt2).
  static const char* Blanks(const char* at, const char* end) {
    const char* last = at;             // start of the last blank
    const char* after_line = nullptr;  // after the last line end
    const char* next = at;
    Peeked peeked = Peek(next, end);
    while (In(unicode::kSpaces, peeked.cls)) {
      last = next;
      next += peeked.bytes;
      if (peeked.cls == unicode::kNewline) after_line = next;
      peeked = Peek(next, end);
    }
    if (R.style != Style::kGpt2 && after_line != nullptr) return after_line;
    if (In(kFenceSet, peeked.cls) || (kCjk && (peeked.cls & kCjkBit) != 0) || last == at) return next;
    return last;
  }

  static const char* Tail(const char* at, const char* end) {
    if constexpr (R.style == Style::kGpt2) return at;
    while (at != end && (*at == '\r' || *at == '\n' || (R.style == Style::kCasedWords && *at == '/'))) ++at;
    return at;
  }

  static const char* Gpt2(const char* at, const char* end) {
    if (*at == '\'') {
      if (const char* after = Contraction(at, end)) return after;
    }
    const Peeked first = Peek(at, end);
    const char* body = *at == ' ' ? at + 1 : at;
    const Peeked next = body == at ? first : Peek(body, end);
    if (In(kWord, next.cls)) return Run(kWord, body + next.bytes, end);
    if (In(kSymbols, next.cls)) return Run(kSymbols, body + next.bytes, end);
    if (next.cls == unicode::kNumber && (body == at || !R.numbers_first)) return Numbers(body, end);
    if (kDigitsStep && first.cls == kNewNumber) {
      return R.numbers_max == 1 ? at + first.bytes : Run(1U << kNewNumber, at, end);
    }
    return Blanks(at, end);
  }

  static const char* Words(const char* at, const char* end) {
    if (R.contractions && *at == '\'') {
      if (const char* after = Contraction(at, end)) return after;
    }
    const Peeked first = Peek(at, end);
    if (In(kWord, first.cls)) return Run(kWord, at + first.bytes, end);
    if (first.cls == unicode::kNumber) return Numbers(at, end);
    const char* body = at + first.bytes;
    const Peeked next = Peek(body, end);
    if (first.cls != unicode::kNewline && In(kWord, next.cls)) return Run(kWord, body + next.bytes, end);
    if (In(kSymbols, first.cls)) return Tail(Run(kSymbols, body, end), end);
    if (*at == ' ' && In(kSymbols, next.cls)) return Tail(Run(kSymbols, body + next.bytes, end), end);
    return Blanks(at, end);
  }

  // [Lu Lt Lm Lo M]*[Ll Lm Lo M]+ or else [Lu Lt Lm Lo M]+[Ll Lm Lo M]* from `at` on: `mixed` is the end by the first, null
  // when it does not match; `upper` the end of the leading run, `at` when empty.
  struct CasedEnds {
    const char* mixed;
    const char* upper;
  };
  static constexpr ClassSet kBoth = 1U << unicode::kLetter | 1U << unicode::kMark;
  static CasedEnds CasedWord(const char* at, const char* end) {
    constexpr ClassSet kHead = kBoth | 1U << unicode::kUpper;
    constexpr ClassSet kTail = kBoth | 1U << unicode::kLower;
    const char* after_both = nullptr;
    Peeked next = Peek(at, end);
    while (In(kHead, next.cls)) {
      at += next.bytes;
      if (In(kBoth, next.cls)) after_both = at;
      next = Peek(at, end);
    }
    if (next.cls == unicode::kLower) return {Run(kTail, at + next.bytes, end), at};
    // The run gives characters back until one can stand for the second part: the last that is in both.
    return {after_both, at};
  }

  static const char* WithContraction(const char* at, const char* end) {
    if (!R.contractions || at == end || *at != '\'') return at;
    const char* after = Contraction(at, end);
    return after != nullptr ? after : at;
  }

  static const char* CasedWords(const char* at, const char* end) {
    const Peeked first = Peek(at, end);
    if (first.cls == unicode::kNumber) return Numbers(at, end);
    const char* body = at + first.bytes;
    if (first.cls != unicode::kNewline) {
      const char* word = In(unicode::kLetters, first.cls) ? at : body;
      const CasedEnds ends = CasedWord(word, end);
      if (ends.mixed != nullptr) return WithContraction(ends.mixed, end);
      // A mark is a letter of both cases as well as a possible first character, and the engine prefers a match of the
      // first rule without it to one of the second rule with it.
      if (first.cls == unicode::kMark) return WithContraction(body, end);
      if (ends.upper != word) return WithContraction(ends.upper, end);
    }
    if (In(kSymbols, first.cls)) return Tail(Run(kSymbols, body, end), end);
    if (*at == ' ') {
      const Peeked next = Peek(body, end);
      if (In(kSymbols, next.cls)) return Tail(Run(kSymbols, body + next.bytes, end), end);
    }
    return Blanks(at, end);
  }

  static bool IsAsciiLetter(char c) { return static_cast<uint8_t>((c | 0x20) - 'a') < 26; }
  static bool IsAsciiPunctuation(char c) { return c > ' ' && c < 0x7F && !IsAsciiLetter(c) && (c < '0' || c > '9'); }

  static const char* DeepSeek(const char* at, const char* end) {
    if (IsAsciiPunctuation(*at) && end - at > 1 && IsAsciiLetter(at[1])) {
      at += 2;
      while (at != end && IsAsciiLetter(*at)) ++at;
      return at;
    }
    const Peeked first = Peek(at, end);
    if (first.cls == unicode::kNumber) return Numbers(at, end);
    // Classes on this side of the border of the CJK range; the other side is another piece.
    const uint32_t shift = first.cls & kCjkBit;
    const uint32_t cls = first.cls & ~kCjkBit;
    const ClassSet words = kWord << shift;
    const ClassSet symbols = unicode::kPunctuations << shift;
    if (In(kWord, cls)) return Run(words, at + first.bytes, end);
    const char* body = at + first.bytes;
    const Peeked next = Peek(body, end);
    if (cls != unicode::kNewline && cls != unicode::kPunctuation && In(words, next.cls)) {
      return Run(words, body + next.bytes, end);
    }
    if (cls == unicode::kPunctuation || (*at == ' ' && In(symbols, next.cls))) {
      const char* after = Run(symbols, body, end);
      return shift == 0 ? Tail(after, end) : after;
    }
    if (cls != unicode::kOther) return Blanks(at, end);
    return Unmatched(shift, body, end);
  }

  // DeepSeek's pattern has no rule for control, format and unassigned characters unless a word follows: a run of them
  // up to where a rule matches again is one piece.
  static const char* Unmatched(uint32_t shift, const char* at, const char* end) {
    const ClassSet words = kWord << shift;
    while (true) {
      const Peeked next = Peek(at, end);
      if (next.cls != (unicode::kOther | shift)) return at;
      if (In(words, Peek(at + next.bytes, end).cls)) return at;
      at += next.bytes;
    }
  }

  // REQUIRES: at != end.
  static const char* PieceEnd(const char* at, const char* end) {
    if constexpr (R.style == Style::kGpt2) return Gpt2(at, end);
    if constexpr (R.style == Style::kWords) return Words(at, end);
    if constexpr (R.style == Style::kCasedWords) return CasedWords(at, end);
    return DeepSeek(at, end);
  }
};

}  // namespace weir::pretokenize
