#pragma once
// Unicode as Hugging Face `tokenizers` sees it: character classes of Unicode 16, and NFC with data of Unicode 9.
//
// The two versions differ on purpose: the library's regular expressions know Unicode 16, its normaliser Unicode 9, and
// characters added since then pass through NFC unchanged. Thread rule: pure functions over constant tables. Every text
// given here is valid UTF-8.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "unicode_tables.h"

namespace weir::unicode {

// A partition of all code points, as fine as the known split patterns need it.
enum CharClass : uint8_t {
  kOther = 0,        // Cc and Cf without white space, Cn, Co
  kSpace = 1,        // White_Space except kNewline
  kNewline = 2,      // CR and LF
  kUpper = 3,        // Lu, Lt
  kLower = 4,        // Ll
  kLetter = 5,       // Lm, Lo
  kMark = 6,         // Mn, Mc, Me
  kNumber = 7,       // Nd, Nl, No
  kPunctuation = 8,  // P and S
};

// Sets of classes: bit 1 << class.
using ClassSet = uint32_t;
inline constexpr ClassSet kLetters = 1U << kUpper | 1U << kLower | 1U << kLetter;  // \p{L}
inline constexpr ClassSet kMarks = 1U << kMark;                                    // \p{M}
inline constexpr ClassSet kNumbers = 1U << kNumber;                                // \p{N}
inline constexpr ClassSet kNewlines = 1U << kNewline;                              // [\r\n]
inline constexpr ClassSet kSpaces = 1U << kSpace | 1U << kNewline;                 // \s
inline constexpr ClassSet kPunctuations = 1U << kPunctuation;                      // [\p{P}\p{S}]

// The bit that the class tables carry beside the class: the character may not stand in NFC text as it is, may combine
// with one before it, or has a combining class.
inline constexpr uint8_t kNfcNotable = 0x10;
inline constexpr uint8_t kClassMask = 0x0F;

// Class and kNfcNotable. REQUIRES: code_point <= 0x10FFFF.
inline uint8_t ClassByte(uint32_t code_point) {
  if (code_point < kIndexedLimit)
    return kClassPages[kClassIndex[code_point / kPageSize] * kPageSize + code_point % kPageSize];
  return code_point - 0xE0100 < 0xF0 ? kMark : kOther;  // variation selectors
}
inline CharClass ClassOf(uint32_t code_point) { return static_cast<CharClass>(ClassByte(code_point) & kClassMask); }
inline bool IsIn(ClassSet set, CharClass value) { return (set >> value & 1) != 0; }

// The code point at text[at] and its length in bytes. REQUIRES: `at` is the start of a character.
struct Decoded {
  uint32_t code_point;
  uint32_t bytes;
};
inline Decoded Decode(const char* at) {
  const auto byte = [at](int i) { return static_cast<uint32_t>(static_cast<uint8_t>(at[i])); };
  const uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}
void AppendUtf8(uint32_t code_point, std::string& out);

// With the normaliser's data (Unicode 9). The decomposition is canonical and whole, in the order of the data.
uint32_t CanonicalClass(uint32_t code_point);
void AppendDecomposition(uint32_t code_point, std::vector<uint32_t>& out);

// Exactly: NormalizeNfc would return the text unchanged. Several GB/s on text without combining characters.
bool IsNfc(std::string_view text);

// `text` in NFC. origins[i] is the byte of the original that byte i of the text came from, and origins[text.size()] is the
// original's size; it never falls. Of a character that changed, the first byte came from where the character began (a
// composed one: where its first part began) and the others from where the next character of the text begins, so that a
// token which begins inside one stands for no byte of its own.
struct Normalized {
  std::string text;
  std::vector<uint32_t> origins;
};
// REQUIRES: text.size() < 4 GiB.
Normalized NormalizeNfc(std::string_view text);

}  // namespace weir::unicode
