#include "weir/codec/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "weir/base/random.h"

namespace weir {
namespace {

TEST(Utf8, FindsTheFirstFault) {
  EXPECT_EQ(FindInvalidUtf8(""), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("gr\u00fc\u00df \u65e5\u672c \U0001F600"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("ab\x80"), 2u);
  EXPECT_EQ(FindInvalidUtf8("\u00e9\xC3"), 2u);        // cut at the end
  EXPECT_EQ(FindInvalidUtf8("a\xE2\x82z"), 1u);        // cut in the middle
  EXPECT_EQ(FindInvalidUtf8("\xC0\x80"), 0u);          // overlong
  EXPECT_EQ(FindInvalidUtf8("\xE0\x9F\xBF"), 0u);      // overlong
  EXPECT_EQ(FindInvalidUtf8("\xED\xA0\x80"), 0u);      // surrogate
  EXPECT_EQ(FindInvalidUtf8("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(FindInvalidUtf8(std::string(1000, 'a') + "\xFF"), 1000u);
}

TEST(Utf8, ReplacesMaximalSubparts) {
  const std::string fffd = "\uFFFD";
  EXPECT_EQ(ReplaceInvalidUtf8("plain \u00e9"), "plain \u00e9");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xF0\x9F\x98z"), "a" + fffd + "z");  // a cut sequence is one
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), fffd + fffd + fffd);
  // The example of Unicode 16, table 3-11.
  EXPECT_EQ(ReplaceInvalidUtf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), fffd + fffd + fffd + fffd + "A");
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            fffd + fffd + fffd + fffd + fffd + fffd + fffd + fffd + "A");
}

// Decodes with 32-bit arithmetic and checks ranges afterwards: another way to the same answer.
size_t NaiveFault(const std::string& bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const unsigned lead = static_cast<unsigned char>(bytes[at]);
    const size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (size == 0 || at + size > bytes.size()) return at;
    uint32_t value = size == 1 ? lead : lead & (0x7Fu >> size);
    for (size_t i = 1; i < size; ++i) {
      const unsigned next = static_cast<unsigned char>(bytes[at + i]);
      if (next >> 6 != 2) return at;
      value = value << 6 | (next & 63);
    }
    static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kLeast[size] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return at;
    at += size;
  }
  return std::string::npos;
}

TEST(Utf8, BlankIsWhatUnicodeCallsWhiteSpace) {
  // From Unicode's PropList.txt.
  const auto is_white = [](char32_t c) {
    return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
  };
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text = " ";
    AppendUtf8(c, text);
    ASSERT_EQ(IsBlankUtf8(text + "\t"), is_white(c) || c == 0) << static_cast<uint32_t>(c);
  }
  EXPECT_TRUE(IsBlankUtf8(""));
  EXPECT_FALSE(IsBlankUtf8("\xE3\x80\x80 a"));
}

TEST(Utf8, EqualsTheNaiveDecoderOnRandomBytes) {
  Random random(3);
  int faults = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string bytes;
    for (uint64_t n = random.Below(24); n > 0; --n) {
      static constexpr uint8_t kEdges[] = {0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                           0xC0, 0xC2, 0xDF, 0xE0, 0xED, 0xF0, 0xF4};
      const uint64_t kind = random.Below(5);
      if (kind == 0) bytes.push_back(static_cast<char>(random.Next()));
      if (kind == 1) bytes.push_back(static_cast<char>(kEdges[random.Below(std::size(kEdges))]));
      if (kind >= 2) {
        uint32_t value = static_cast<uint32_t>(random.Below(0x110000) >> random.Below(14));
        if ((value & ~0x7FFu) == 0xD800) value = 'a';
        AppendUtf8(static_cast<char32_t>(value), bytes);
      }
    }
    const size_t expected = NaiveFault(bytes);
    const std::optional<size_t> found = FindInvalidUtf8(bytes);
    ASSERT_EQ(found.value_or(std::string::npos), expected) << round;
    ASSERT_EQ(IsValidUtf8(bytes), !found);
    const std::string repaired = ReplaceInvalidUtf8(bytes);
    ASSERT_TRUE(IsValidUtf8(repaired));
    if (found) {
      ++faults;
      ASSERT_EQ(repaired.substr(0, *found), bytes.substr(0, *found));
      ASSERT_EQ(repaired.substr(*found, 3), "\uFFFD");
    }
  }
  EXPECT_GT(faults, 20000);
}

}  // namespace
}  // namespace weir
