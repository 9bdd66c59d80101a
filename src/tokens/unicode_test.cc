#include "unicode.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weir::unicode {
namespace {

// As u8"" would be, in a char array.
Normalized Nfc(std::string_view text) { return NormalizeNfc(text); }

TEST(UnicodeClass, Boundaries) {
  EXPECT_EQ(ClassOf('\n'), kNewline);
  EXPECT_EQ(ClassOf('\r'), kNewline);
  for (uint32_t space :
       {0x09, 0x0B, 0x0C, 0x20, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}) {
    EXPECT_EQ(ClassOf(space), kSpace) << space;
  }
  for (uint32_t other : {0x00, 0x1F, 0x7F, 0x180E, 0x200B, 0xFEFF, 0x0378, 0xD800, 0xE000, 0x10FFFF, 0xE00FF, 0xE01F0}) {
    EXPECT_EQ(ClassOf(other), kOther) << other;
  }
  EXPECT_EQ(ClassOf('Z'), kUpper);
  EXPECT_EQ(ClassOf(0x01C5), kUpper) << "title case";
  EXPECT_EQ(ClassOf('z'), kLower);
  EXPECT_EQ(ClassOf(0x02B0), kLetter) << "modifier letter";
  EXPECT_EQ(ClassOf(0x4E2D), kLetter);
  EXPECT_EQ(ClassOf(0x323AF), kLetter) << "last ideograph of plane 3";
  EXPECT_EQ(ClassOf(0x323B0), kOther);
  EXPECT_EQ(ClassOf(0x0301), kMark);
  EXPECT_EQ(ClassOf(0xE0100), kMark);
  EXPECT_EQ(ClassOf(0xE01EF), kMark);
  EXPECT_EQ(ClassOf('7'), kNumber);
  EXPECT_EQ(ClassOf(0x2160), kNumber) << "Roman numeral";
  EXPECT_EQ(ClassOf(0xB2), kNumber) << "superscript two";
  EXPECT_EQ(ClassOf('_'), kPunctuation);
  EXPECT_EQ(ClassOf('$'), kPunctuation);
  EXPECT_EQ(ClassOf(0x1F600), kPunctuation);
}

TEST(UnicodeClass, IsUnicode16) {
  EXPECT_EQ(ClassOf(0x10D40), kNumber) << "Garay digit, new in Unicode 16";
  EXPECT_EQ(ClassOf(0x1CCF0), kNumber);
  EXPECT_EQ(ClassOf(0x16FF4), kOther) << "new in Unicode 17";
}

TEST(UnicodeClass, CountsOfTheCharacterDatabase) {
  size_t counts[9] = {};
  for (uint32_t cp = 0; cp < 0x110000; ++cp) ++counts[ClassOf(cp)];
  EXPECT_EQ(counts[kSpace] + counts[kNewline], 25U);
  EXPECT_EQ(counts[kUpper], 1858U + 31U);
  EXPECT_EQ(counts[kLower], 2258U);
  EXPECT_EQ(counts[kLetter], 404U + 136477U);
  EXPECT_EQ(counts[kMark], 2501U);
  EXPECT_EQ(counts[kNumber], 1911U);
  EXPECT_EQ(counts[kPunctuation], 855U + 8514U);
}

TEST(UnicodeUtf8, DecodeUndoesAppend) {
  for (uint32_t cp = 0; cp < 0x110000; ++cp) {
    if (cp >= 0xD800 && cp < 0xE000) continue;
    std::string text;
    AppendUtf8(cp, text);
    const Decoded decoded = Decode(text.data());
    ASSERT_EQ(decoded.code_point, cp);
    ASSERT_EQ(decoded.bytes, text.size());
  }
}

TEST(Nfc, Composes) {
  EXPECT_EQ(Nfc("e\u0301").text, "\u00e9");
  EXPECT_EQ(Nfc("\u00e9\u0323").text, "\u1eb9\u0301") << "decomposed, ordered, composed anew";
  EXPECT_EQ(Nfc("\u0958").text, "\u0915\u093c") << "composition exclusion";
  EXPECT_EQ(Nfc("\u212b").text, "\u00c5") << "singleton";
  EXPECT_EQ(Nfc("\u1112\u1161\u11ab").text, "\ud55c") << "Hangul";
  EXPECT_EQ(Nfc("\uac00\u11a7").text, "\uac00\u11a7") << "no trailing consonant";
  EXPECT_EQ(Nfc("a\u0315\u0300").text, "\u00e0\u0315") << "not blocked by a lower class";
  EXPECT_EQ(Nfc("").text, "");
}

TEST(Nfc, LeavesWhatUnicode9DidNotKnow) {
  EXPECT_EQ(Nfc("\U000105D2\u0307").text, "\U000105D2\u0307") << "composes since Unicode 16";
  EXPECT_EQ(Nfc("x\u0898\u0334").text, "x\u0898\u0334") << "a combining class since Unicode 14";
}

TEST(Nfc, OriginsFollowTheOriginal) {
  const Normalized unchanged = Nfc("ab\u4e2d");
  EXPECT_EQ(unchanged.origins, (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
  const Normalized composed = Nfc("xe\u0301y");
  EXPECT_EQ(composed.text, "x\u00e9y");
  EXPECT_EQ(composed.origins, (std::vector<uint32_t>{0, 1, 4, 4, 5})) << "the second byte stands for nothing of its own";
  const Normalized split = Nfc("\u0958x");
  EXPECT_EQ(split.origins, (std::vector<uint32_t>{0, 3, 3, 3, 3, 3, 3, 4}));
}

TEST(Nfc, OriginsCoverMarksMovedToTheFront) {
  const Normalized moved = Nfc("\u0361\u032f3");
  EXPECT_EQ(moved.text, "\u032f\u03613");
  EXPECT_EQ(moved.origins.front(), 0u) << "no byte of the original may go uncovered";
  EXPECT_TRUE(std::is_sorted(moved.origins.begin(), moved.origins.end()));
}

// The search for notable characters takes short cuts by first bytes; each character is what it depends on.
TEST(Nfc, EveryCharacterIsJudgedTheSameInABlock) {
  for (uint32_t cp = 0; cp < 0x110000; ++cp) {
    if (cp >= 0xD800 && cp < 0xE000) continue;
    std::string text = "x";
    AppendUtf8(cp, text);
    const bool is_same = NormalizeNfc(text).text == text;
    const std::string block = std::string(cp % 61, 'y') + text + std::string(80, 'z');
    ASSERT_EQ(IsNfc(block), is_same) << std::hex << cp;
    // After a base that composes with it or is reordered with it.
    std::string after = "\u1e69";
    AppendUtf8(cp, after);
    const std::string longer = std::string(cp % 59, 'y') + after + std::string(80, 'z');
    ASSERT_EQ(IsNfc(longer), NormalizeNfc(after).text == after) << std::hex << cp;
  }
}

TEST(Nfc, IsNfcAgreesWithNormalizingInEveryAlignment) {
  const std::string_view cases[] = {"plain",        "e\u0301",      "\u00e9", "\u0301", "\u4e2d\u6587\u3099",
                                    "\u304b\u3099", "\uac00\u11a8", "\u0958"};
  for (std::string_view text : cases) {
    for (size_t before = 0; before < 70; ++before) {
      const std::string padded = std::string(before, 'x') + std::string(text) + std::string(before % 19, '.');
      EXPECT_EQ(IsNfc(padded), NormalizeNfc(padded).text == padded) << text << " after " << before;
    }
  }
}

}  // namespace
}  // namespace weir::unicode
