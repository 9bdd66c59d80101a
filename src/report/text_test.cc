#include "weir/report/text.h"

#include <gtest/gtest.h>

#include <string>

#include "weir/base/random.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

TEST(Text, DisplayWidthCountsColumns) {
  EXPECT_EQ(DisplayWidth(""), 0u);
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("äö"), 2u);
  EXPECT_EQ(DisplayWidth("日本"), 4u);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1u);  // combining acute
  EXPECT_EQ(DisplayWidth("🙂"), 2u);
  EXPECT_EQ(DisplayWidth("\x1b[31mred\x1b[0m"), 3u);
}

TEST(Text, FitWidthNeverExceedsIt) {
  EXPECT_EQ(FitWidth("short", 10), "short");
  EXPECT_EQ(FitWidth("longer", 4), "lon…");
  EXPECT_EQ(FitWidth("日本語", 4), "日…");
  EXPECT_EQ(FitWidth("abc", 0), "");
  Random random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t i = random.Below(20); i > 0; --i) AppendUtf8(static_cast<char32_t>(0x20 + random.Below(0x3100)), text);
    const size_t width = random.Below(12);
    EXPECT_LE(DisplayWidth(FitWidth(text, width)), width) << text;
  }
}

TEST(Text, VisibleLeavesNoControlCharacter) {
  EXPECT_EQ(Visible("a\n\t\r\x1b[2J\x7f"), "a\\n\\t\\r\\x1b[2J\\x7f");
  EXPECT_EQ(Visible("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(Visible("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Visible("\xe2\x80\xae"), "\\u202e");  // right-to-left override
  EXPECT_EQ(Visible("\xc2\x9b"), "\\x9b");        // a C1 control: begins a sequence on some terminals
  Random random(11);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (uint64_t i = random.Below(12); i > 0; --i) bytes += static_cast<char>(random.Below(256));
    const std::string shown = Visible(bytes);
    EXPECT_TRUE(IsValidUtf8(shown));
    for (const char c : shown) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  }
}

TEST(Text, WholeCharactersNeverCutsOne) {
  const std::string text = "a日b🙂c";
  for (size_t begin = 0; begin <= text.size() + 1; ++begin) {
    for (size_t bytes = 0; bytes <= text.size() + 1; ++bytes) {
      const std::string_view cut = WholeCharacters(text, begin, bytes);
      EXPECT_TRUE(IsValidUtf8(cut)) << begin << " " << bytes;
      EXPECT_LE(cut.size(), bytes);
    }
  }
  EXPECT_EQ(WholeCharacters(text, 2, 2), "b");
  EXPECT_EQ(WholeCharacters(text, 0, 100), text);
}

TEST(Text, NumbersForPeople) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Percent(0, 0), "n/a");
  EXPECT_EQ(Percent(0, 7), "0%");
  EXPECT_EQ(Percent(1, 1000), "<1%");
  EXPECT_EQ(Percent(999, 1000), "99%");  // 100% is said of everything only
  EXPECT_EQ(Percent(5, 5), "100%");
  EXPECT_EQ(Counted(1, "agent"), "1 agent");
  EXPECT_EQ(Counted(2000, "agent"), "2,000 agents");
}

TEST(Text, BarKeepsItsWidth) {
  const TextStyle plain;
  for (const double fraction : {-1.0, 0.0, 0.001, 0.3, 0.5, 0.99, 1.0, 7.0}) {
    EXPECT_EQ(DisplayWidth(Bar(plain, Ink::kGreen, fraction, 10)), 10u) << fraction;
  }
  EXPECT_EQ(Bar(plain, Ink::kGreen, 0.5, 4), "██··");
  EXPECT_NE(Bar(plain, Ink::kGreen, 0.0001, 4), "····");  // something is not nothing
}

TEST(Text, WrappedKeepsWords) {
  EXPECT_EQ(Wrapped("one two three", 9), "one two\nthree\n");
  EXPECT_EQ(Wrapped("one two three", 11, 2), "  one two\n  three\n");
  EXPECT_EQ(Wrapped("unbreakable", 4), "unbreakable\n");
  EXPECT_EQ(Wrapped("a\nb", 10), "a\nb\n");
}

TEST(Table, AlignsAndGivesWay) {
  Table table({{"name", Align::kLeft, true}, {"n", Align::kRight}});
  table.AddRow({"alpha", "1"});
  table.AddRow({"日本", "1,000"});
  EXPECT_EQ(table.Draw({}, 2), "  name       n\n  alpha      1\n  日本   1,000\n");
  Table wide({{"name", Align::kLeft, true}, {"n", Align::kRight}});
  wide.AddRow({std::string(200, 'x'), "1"});
  const std::string drawn = wide.Draw({.color = false, .width = 40});
  for (size_t begin = 0; begin < drawn.size();) {
    const size_t end = drawn.find('\n', begin);
    EXPECT_LE(DisplayWidth(std::string_view(drawn).substr(begin, end - begin)), 40u);
    begin = end + 1;
  }
}

TEST(Text, PaintOnlyWithColour) {
  EXPECT_EQ(Paint({}, Ink::kRed, "x"), "x");
  EXPECT_EQ(Paint({.color = true}, Ink::kRed, "x"), "\x1b[31mx\x1b[0m");
  EXPECT_EQ(Paint({.color = true}, Ink::kPlain, "x"), "x");
}

}  // namespace
}  // namespace weir
