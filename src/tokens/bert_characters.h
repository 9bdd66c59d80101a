#pragma once
// CharacterFolder: what becomes of each character of a text on its way to BERT's words.
//
// One walk does what Hugging Face `tokenizers` does in BertNormalizer (clean, set ideographs apart, decompose and strip
// accents, lower case; in this order) and BertPreTokenizer (words end at white space, punctuation stands alone). All steps
// work character by character but one: decomposing puts combining marks in canonical order, which shows where marks remain
// that are not accents. Immutable; any number of threads.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unicode.h"

namespace weir::wordpiece {

struct BertRules {
  bool clean_text = false;
  bool set_ideographs_apart = false;  // handle_chinese_chars
  bool strip_accents = false;
  bool lowercase = false;
  friend bool operator==(const BertRules&, const BertRules&) = default;
};

enum PartKind : uint8_t {
  kLetter,     // goes on with the word
  kBlank,      // ends it
  kSign,       // a word by itself
  kIdeograph,  // the same, with blanks around it in normalised text
};

class CharacterFolder {
 public:
  explicit CharacterFolder(const BertRules& rules);

  // What an ASCII byte is by itself; kMixed for one that vanishes, and for every other byte.
  enum ByteClass : uint8_t { kWordByte, kBlankByte, kSignByte, kMixedByte };
  ByteClass ClassOf(char byte) const { return byte_classes_[static_cast<uint8_t>(byte)]; }
  // Whether kWordByte is the class of letters and digits and of no other byte, as it is where control characters vanish.
  bool words_are_alphanumeric() const { return rules_.clean_text; }
  const BertRules& rules() const { return rules_; }

  // Calls sink(code point, PartKind, origin) for every part of the character at text[at], and perhaps of those that follow;
  // returns where to go on. `origin` is the byte of the text that the part counts from, as the reference counts: never
  // falling, all parts of one character from where it begins. REQUIRES: `at` begins a character and is not the size.
  template <typename Sink>
  size_t Fold(std::string_view text, size_t at, Sink&& sink) const;

 private:
  // Changes of a code point: the kinds of a part that stays as it is, then these, then places in mapped_.
  enum Change : uint16_t { kDropped = kIdeograph + 1, kHangul, kMarks, kFirstMapped };
  struct Part {
    uint32_t code_point = 0;
    PartKind kind = kLetter;
    uint32_t origin = 0;  // of FoldMarks
  };
  struct Mapped {
    uint32_t first = 0;  // in parts_
    uint32_t count = 0;
  };
  static constexpr uint32_t kTabled = unicode::kIndexedLimit;

  uint16_t ChangeOf(uint32_t code_point) const {
    return code_point < kTabled ? changes_[code_point] : ChangeBeyondTable(code_point);
  }
  uint16_t ChangeBeyondTable(uint32_t code_point) const;
  void FillKinds();
  void FillMapped(uint32_t code_point);
  // All steps for one character, whose marks keep their order.
  void AppendFolded(uint32_t code_point, std::vector<Part>& parts) const;
  void AppendLowered(uint32_t code_point, bool is_ideograph, uint32_t origin, std::vector<Part>& parts) const;
  // The run of marks around text[at], put in order; only its parts from there on are new. Returns its end.
  size_t FoldMarks(std::string_view text, size_t at, std::vector<Part>& parts) const;
  bool IsCleaned(uint32_t code_point) const;
  bool BeginsWithMark(uint32_t code_point) const;

  BertRules rules_;
  std::array<ByteClass, 256> byte_classes_{};
  std::vector<uint16_t> changes_;
  std::vector<Mapped> mapped_;
  std::vector<Part> parts_;
};

template <typename Sink>
size_t CharacterFolder::Fold(std::string_view text, size_t at, Sink&& sink) const {
  const unicode::Decoded character = unicode::Decode(text.data() + at);
  const uint32_t code_point = character.code_point;
  const auto origin = static_cast<uint32_t>(at);
  const uint16_t change = ChangeOf(code_point);
  if (change <= kIdeograph) {
    sink(code_point, static_cast<PartKind>(change), origin);
  } else if (change >= kFirstMapped) {
    const Mapped mapped = mapped_[change - kFirstMapped];
    for (uint32_t i = 0; i < mapped.count; ++i) {
      sink(parts_[mapped.first + i].code_point, parts_[mapped.first + i].kind, origin);
    }
  } else if (change == kHangul) {  // by arithmetic: Unicode Standard, section 3.12
    const uint32_t index = code_point - 0xAC00;
    sink(0x1100 + index / 588, kLetter, origin);
    sink(0x1161 + index % 588 / 28, kLetter, origin);
    if (index % 28 != 0) sink(0x11A7 + index % 28, kLetter, origin);
  } else if (change == kMarks) {
    std::vector<Part> parts;  // rare enough to allocate
    at = FoldMarks(text, at, parts);
    for (const Part& part : parts) sink(part.code_point, part.kind, part.origin);
    return at;
  }
  return at + character.bytes;
}

// `text` normalised, without cutting it into words. origins[i] is the byte of the original that byte i counts from;
// origins[text.size()] is the original's size.
unicode::Normalized NormalizeBert(const CharacterFolder& folder, std::string_view text);

}  // namespace weir::wordpiece
