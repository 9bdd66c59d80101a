#include "prompt_text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace weir {
namespace {

std::string Joined(const MarkedText& marked) {
  std::string out;
  for (const Segment& segment : marked.segments) {
    out += "[" + segment.name + (segment.fixed ? "!" : "") + "]" +
           marked.text.substr(segment.bytes.begin, segment.bytes.size());
  }
  return out;
}

TEST(PromptText, NoMarkersLeaveTheTextAlone) {
  const MarkedText marked = SplitSegments("a\n---\nb\n----- x\n");
  EXPECT_EQ(marked.text, "a\n---\nb\n----- x\n");
  EXPECT_TRUE(marked.segments.empty());
}

TEST(PromptText, MarkersSplitAndVanish) {
  const MarkedText marked = SplitSegments("--- system fixed\nBe brief.\n--- user-1\r\nHi\n--- notes\nmore");
  EXPECT_EQ(marked.text, "Be brief.\nHi\nmore");
  EXPECT_EQ(Joined(marked), "[system!]Be brief.\n[user-1]Hi\n[notes]more");
  EXPECT_EQ(marked.segments[0].kind, SegmentKind::kSystem);
  EXPECT_EQ(marked.segments[1].kind, SegmentKind::kUser);
  EXPECT_EQ(marked.segments[2].kind, SegmentKind::kText);
}

TEST(PromptText, TextBeforeTheFirstMarkerIsASegment) {
  EXPECT_EQ(Joined(SplitSegments("intro\n--- a\nx\n")), "[text]intro\n[a]x\n");
}

TEST(PromptText, LinesOfDiffsAndProseAreNoMarkers) {
  const std::string diff = "--- a/file.c\n+++ b/file.c\n--- two words\n---  \n --- indented\n--- .hidden\n--- x fixed y\n";
  const MarkedText marked = SplitSegments(diff);
  EXPECT_EQ(marked.text, diff);
  ASSERT_EQ(marked.segments.size(), 1u);
  EXPECT_EQ(marked.segments[0].name, "text");
}

TEST(PromptText, RepeatedNamesGetNumbersAndEmptySegmentsVanish) {
  EXPECT_EQ(Joined(SplitSegments("--- d\n1\n--- d\n2\n--- empty\n--- d\n3\n--- last\n")), "[d]1\n[d 2]2\n[d 3]3\n");
  EXPECT_TRUE(SplitSegments("--- a\n--- b\n").text.empty());
}

TEST(PromptText, KindsOfNames) {
  EXPECT_EQ(KindOfName("developer"), SegmentKind::kSystem);
  EXPECT_EQ(KindOfName("tools"), SegmentKind::kTools);
  EXPECT_EQ(KindOfName("tool_3"), SegmentKind::kToolResult);
  EXPECT_EQ(KindOfName("assistant2"), SegmentKind::kAssistant);
  EXPECT_EQ(KindOfName("users"), SegmentKind::kText);
  EXPECT_EQ(KindOfName("12"), SegmentKind::kText);
}

// Whatever the file: segments tile the text, names differ, and the text is the file without some whole lines.
TEST(PromptText, SegmentsTileTheText) {
  rc::check([] {
    const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
        "--- a\n", "--- b fixed\n", "--- ", "\n", "text", "--- a", "---", "x\n", "--- a/b\n", "\r\n", "--- a\r\n"));
    std::string file;
    for (const std::string& piece : pieces) file += piece;
    const MarkedText marked = SplitSegments(file);
    size_t at = 0;
    std::set<std::string> names;
    for (const Segment& segment : marked.segments) {
      RC_ASSERT(segment.bytes.begin == at);
      RC_ASSERT(segment.bytes.end > at);
      RC_ASSERT(names.insert(segment.name).second);
      at = segment.bytes.end;
    }
    RC_ASSERT(marked.segments.empty() || at == marked.text.size());
    std::string naive;
    for (size_t begin = 0; begin < file.size();) {
      const size_t end = std::min(file.find('\n', begin), file.size() - 1) + 1;
      std::string line = file.substr(begin, end - begin);
      begin = end;
      const std::string bare = line.substr(0, line.find('\n'));
      static const std::regex kMarker(R"(--- [ \t]*[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}([ \t]+fixed)?[ \t]*\r?)");
      if (!std::regex_match(bare, kMarker)) naive += line;
    }
    RC_ASSERT(marked.text == naive);
  });
}

}  // namespace
}  // namespace weir
