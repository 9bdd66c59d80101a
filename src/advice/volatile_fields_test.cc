#include "volatile_fields.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "shared_blocks.h"
#include "volatile_lines.h"
#include "weir/base/random.h"

namespace weir {
namespace {

// Fields as "t<2026-11-24>", "i<...>", "n<...>", the rest unchanged.
std::string Marked(std::string_view text) {
  std::string out;
  size_t from = 0;
  for (const VolatileField& field : FindVolatileFields(text)) {
    out += text.substr(from, field.begin - from);
    out += field.kind == VolatileKind::kTimestamp ? "t<" : field.kind == VolatileKind::kId ? "i<" : "n<";
    out += text.substr(field.begin, field.end - field.begin);
    out += '>';
    from = field.end;
  }
  return out + std::string(text.substr(from));
}

TEST(VolatileFields, WholeFieldsAreTimestamps) {
  for (const char* text : {"2026-11-24",
                           "2026/11/24",
                           "2026-11-24T07:03:24Z",
                           "2026-11-24 07:03:24",
                           "2026-11-24T07:03:24.123456+02:00",
                           "2026-11-24T07:03:24-0500",
                           "2026-11-24 07:03 UTC",
                           "24.11.2026",
                           "24/11/2026",
                           "11/24/26",
                           "11/24/2026, 7:03:24 PM",
                           "Tue, 24 Nov 2026 07:03:24 +0000",
                           "Tue, 24 Nov 2026 07:03:24 GMT",
                           "Tue Nov 24 07:03:24 UTC 2026",
                           "Tue Nov 24 07:03:24 2026",
                           "Mon Nov  2 07:03:24 2026",
                           "24 Nov 2026",
                           "24-Nov-2026",
                           "24 November 2026",
                           "November 24, 2026",
                           "November 24th, 2026",
                           "Nov. 24, 2026",
                           "November 2026",
                           "Tuesday, November 24, 2026",
                           "Tuesday, November 24, 2026 at 10:32 AM",
                           "10:32 AM",
                           "10:32",
                           "7:03:24 p.m.",
                           "10:32:05.250",
                           "9 pm",
                           "1700000000",
                           "1700000000123",
                           "1700000000.25",
                           "1700000000123456789",
                           "20261124T070324Z"}) {
    EXPECT_EQ(Marked(text), "t<" + std::string(text) + ">");
    EXPECT_EQ(Marked("at (" + std::string(text) + ")."), "at (t<" + std::string(text) + ">).");
  }
}

TEST(VolatileFields, WholeFieldsAreIds) {
  for (const char* text :
       {"6f1e2d3c-aaaa-4bbb-8ccc-123456789abc", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "8f3a2b1c", "9e107d9d372bb6826bd81d3542a419d6",
        "0xdeadbeef01", "req_8f3a2b1c9d", "call_abc123def456", "chatcmpl-9xK2mQ7tRw4v", "123456789012345678"}) {
    EXPECT_EQ(Marked(text), "i<" + std::string(text) + ">");
  }
}

TEST(VolatileFields, LookAlikesAreNot) {
  EXPECT_EQ(Marked("utf-8 sha256 gpt-4o-mini"), "utf-n<8> shan<256> gpt-n<4>o-mini");
  EXPECT_EQ(Marked("version 1.2.3"), "version n<1.2.3>");
  EXPECT_EQ(Marked("2026-13-24"), "n<2026>-n<13>-n<24>");
  EXPECT_EQ(Marked("25:99"), "n<25>:n<99>");
  EXPECT_EQ(Marked("fe80:12:34:ab"), "fen<80>:n<12>:n<34>:ab");
  EXPECT_EQ(Marked("deadbeef defaced"), "deadbeef defaced") << "words of hexadecimal letters are words";
  EXPECT_EQ(Marked("internationalization"), "internationalization");
  EXPECT_EQ(Marked("may the march be long"), "may the march be long");
  EXPECT_EQ(Marked("phone 5550000000"), "phone n<5550000000>") << "not in the range of Unix time";
  EXPECT_EQ(Marked("price 1,024.50 and 7"), "price n<1,024.50> and n<7>");
  EXPECT_EQ(Marked("step3 of x7y"), "stepn<3> of xn<7>y");
  EXPECT_EQ(Marked(""), "");
}

TEST(VolatileFields, AreRisingDisjointAndInsideTheText) {
  const std::string alphabet = "0123456789abcdefTZ:-/., NovMonPM\xC3\xA9\n_x";
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    std::string text;
    for (uint64_t i = random.Below(60); i > 0; --i) text += alphabet[random.Below(alphabet.size())];
    uint32_t end = 0;
    for (const VolatileField& field : FindVolatileFields(text)) {
      ASSERT_GE(field.begin, end) << "seed " << seed;
      ASSERT_GT(field.end, field.begin) << "seed " << seed;
      end = field.end;
    }
    ASSERT_LE(end, text.size()) << "seed " << seed;
  }
}

TEST(VolatileFields, MaskIsEqualForOtherValues) {
  EXPECT_EQ(MaskVolatileFields("Turn 3, 2026-11-24, id 8f3a2b1c"), MaskVolatileFields("Turn 12, 2025-01-02, id 77a02b1c9e"));
  EXPECT_NE(MaskVolatileFields("Turn 3"), MaskVolatileFields("Step 3"));
  EXPECT_TRUE(IsCalendarName("Tuesday") && IsCalendarName("nov") && !IsCalendarName("Tuesdays"));
}

VolatileLines::Split SplitOf(const std::vector<std::string>& texts, size_t i = 0) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return VolatileLines(views).Apply(texts[i]);
}

TEST(VolatileLines, LinesThatDifferInFieldsOnlyMove) {
  const auto split =
      SplitOf({"You are A.\nNow: 2026-11-24 10:00\nBe brief.\n", "You are A.\nNow: 2026-11-25 11:30\nBe brief.\n"});
  EXPECT_EQ(split.stable, "You are A.\nBe brief.\n");
  EXPECT_EQ(split.volatiles, "Now: 2026-11-24 10:00\n");
}

TEST(VolatileLines, SentencesMoveOutOfALine) {
  const auto split =
      SplitOf({"You are A. The date is 2026-11-24. Be brief.", "You are A. The date is 2026-11-25. Be brief."});
  EXPECT_EQ(split.stable, "You are A. Be brief.");
  EXPECT_EQ(split.volatiles, "The date is 2026-11-24.\n");
  const auto last =
      SplitOf({"You are A. Today is 2026-11-24.\nBe brief.\n", "You are A. Today is 2026-11-25.\nBe brief.\n"});
  EXPECT_EQ(last.stable, "You are A.\nBe brief.\n");
  EXPECT_EQ(last.volatiles, "Today is 2026-11-24.\n");
}

TEST(VolatileLines, WhatIsTheSameEverywhereStays) {
  EXPECT_EQ(SplitOf({"Founded on 1998-05-01.\nx\n", "Founded on 1998-05-01.\ny\n"}).volatiles, "");
  EXPECT_EQ(SplitOf({"Founded on 1998-05-01.\n"}).volatiles, "") << "one text alone shows nothing";
}

TEST(VolatileLines, TablesCodeAndJsonStay) {
  EXPECT_EQ(SplitOf({"row 2026-01-01 5\nrow 2026-01-02 6\n", "row 2026-02-01 7\nrow 2026-02-02 8\n"}).volatiles, "");
  EXPECT_EQ(SplitOf({"```\nstart 2026-01-01\n```\n", "```\nstart 2026-02-01\n```\n"}).volatiles, "");
  EXPECT_EQ(SplitOf({"{\"at\": \"2026-01-01\"}\n", "{\"at\": \"2026-02-01\"}\n"}).volatiles, "");
  EXPECT_EQ(SplitOf({"2026-01-01\n", "2026-02-01\n"}).volatiles, "") << "no word says what it is";
}

TEST(VolatileLines, NothingIsLost) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::vector<std::string> texts(2);
    for (uint64_t i = 2 + random.Below(8); i > 0; --i) {
      const uint64_t kind = random.Below(4);
      for (std::string& text : texts) {
        if (kind == 0) text += "Line " + std::string(1 + i, 'x') + " at 10:" + std::to_string(10 + random.Below(50)) + "\n";
        if (kind == 1) text += "Same words. Turn " + std::to_string(random.Below(90)) + " now. More words.\n";
        if (kind == 2) text += "Plain text\n";
        if (kind == 3) text += "\n";
      }
    }
    const auto split = SplitOf(texts);
    const auto letters = [](std::string text) {
      std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
      std::sort(text.begin(), text.end());
      return text;
    };
    ASSERT_EQ(letters(split.stable + split.volatiles), letters(texts[0])) << "seed " << seed;
  }
}

using Blocks = std::vector<std::string_view>;

TEST(SharedBlocks, ParagraphsSectionsAndFencesAreBlocks) {
  EXPECT_EQ(BlocksOf("a\nb\n\n\nc\n"), (Blocks{"a\nb", "c"}));
  EXPECT_EQ(BlocksOf("x\n# H\n\np\n\nq\n## I\nr"), (Blocks{"x", "# H\n\np\n\nq", "## I\nr"}));
  EXPECT_EQ(BlocksOf("Rules:\n\n- a\n\nend"), (Blocks{"Rules:\n\n- a", "end"}));
  EXPECT_EQ(BlocksOf("```\na\n\n# b\n```\n\nc"), (Blocks{"```\na\n\n# b\n```", "c"}));
  EXPECT_EQ(BlocksOf("\n \n"), Blocks{});
}

TEST(SharedBlocks, WhatMostHaveComesFirst) {
  const std::vector<std::string_view> texts = {"I am one.\n\nAll.\n\nSome.\n", "All.\n\nI am two.\n\nSome.\n", "All.\n"};
  const SharedBlocks blocks(texts);
  EXPECT_EQ(blocks.Apply(texts[0]), "All.\n\nSome.\n\nI am one.\n");
  EXPECT_EQ(blocks.Apply(texts[1]), "All.\n\nSome.\n\nI am two.\n");
  EXPECT_EQ(blocks.Apply(texts[2]), texts[2]);
}

}  // namespace
}  // namespace weir
