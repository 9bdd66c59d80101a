#include "weir/http/sse.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <vector>

#include "weir/base/random.h"

namespace weir {
namespace {

std::vector<SseEvent> Parse(const std::string& text, size_t piece_size = SIZE_MAX) {
  SseParser parser;
  std::vector<SseEvent> events;
  for (size_t at = 0; at < text.size(); at += std::min(piece_size, text.size() - at)) {
    const Status status = parser.Feed(text.substr(at, piece_size), [&](const SseEvent& event) { events.push_back(event); });
    EXPECT_TRUE(status.has_value());
  }
  return events;
}

std::string Text(const std::vector<SseEvent>& events) {
  std::string text;
  for (const SseEvent& event : events) {
    text += "[" + event.event + "|" + event.id.value_or("-") + "|" + event.data + "|" +
            (event.retry_ms ? std::to_string(*event.retry_ms) : "-") + "]";
  }
  return text;
}

TEST(Sse, IsWrittenByTheStandard) {
  EXPECT_EQ(FormatSse({.data = "x"}), "data: x\n\n");
  EXPECT_EQ(FormatSse({}), "data: \n\n");
  EXPECT_EQ(FormatSse({.event = "e\nvil: x", .id = "7\r", .data = "a\nb\r\nc\rd", .retry_ms = 10}),
            "event: evil: x\nid: 7\nretry: 10\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(FormatSseComment(), ":\n\n");
  EXPECT_EQ(FormatSseComment("a\nb"), ": a\n: b\n\n");
}

// The standard's own examples, and its corners.
TEST(Sse, IsReadByTheStandard) {
  const std::string examples[][2] = {
      {"data: YHOO\ndata: +2\ndata: 10\n\n", "[|-|YHOO\n+2\n10|-]"},
      {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
       "[|1|first event|-][||second event|-][|| third event|-]"},
      {"data\n\ndata\ndata\n\ndata:", "[|-||-][|-|\n|-]"},
      {"data:test\n\ndata: test\n\n", "[|-|test|-][|-|test|-]"},
      {"\xef\xbb\xbf"
       "data: a\r\rdata: b\r\n\r\n",
       "[|-|a|-][|-|b|-]"},
      {"event: x\n\ndata: y\n\n", "[|-|y|-]"},
      {"event: x\ndata: y\n\ndata: z\n\n", "[x|-|y|-][|-|z|-]"},
      {"retry: 12\nretry: 1x\ndata: y\n\n", "[|-|y|12]"},
      {std::string("id: a\0b\ndata: y\n\n", 17), "[|-|y|-]"},
      {"DATA: x\nunknown: y\n\n", ""},
      {"data: never ended", ""},
  };
  for (const auto& [text, expected] : examples) {
    EXPECT_EQ(Text(Parse(text)), expected) << text;
    EXPECT_EQ(Text(Parse(text, 1)), expected) << text;
  }
}

TEST(Sse, ReadsBackWhatIsWritten) {
  const char* const given = std::getenv("WEIR_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::stoull(given) : 20261124;
  std::cout << "seed " << seed << '\n';
  Random random(seed);
  const std::string alphabet = "ab: \n\xc3\xa4";
  const auto word = [&](size_t length_max, bool has_lines) {
    std::string text;
    for (uint64_t i = random.Below(length_max + 1); i > 0; --i) {
      const char c = alphabet[random.Below(alphabet.size())];
      if (c != '\n' || has_lines) text.push_back(c);
    }
    return text;
  };
  for (int round = 0; round < 500; ++round) {
    std::vector<SseEvent> events;
    std::string text;
    std::optional<std::string> id;
    for (uint64_t i = random.Below(6); i > 0; --i) {
      SseEvent event{.event = word(4, false), .data = word(20, true)};
      if (random.Below(2) == 0) event.id = id = word(3, false);
      text += FormatSse(event);
      if (random.Below(3) == 0) text += FormatSseComment(word(5, true));
      event.id = id;  // the last one holds on
      events.push_back(event);
    }
    ASSERT_EQ(Text(Parse(text)), Text(events));
    ASSERT_EQ(Text(Parse(text, 1 + random.Below(7))), Text(events));
  }
}

TEST(Sse, RefusesEventsWithoutEnd) {
  SseParser parser(100);
  const auto ignore = [](const SseEvent&) {};
  EXPECT_TRUE(parser.Feed("data: " + std::string(80, 'x'), ignore).has_value());
  EXPECT_EQ(parser.Feed(std::string(80, 'x'), ignore).error().code, ErrorCode::kExhausted);
  EXPECT_FALSE(parser.Feed("\n\n", ignore).has_value());
  SseParser lines(100);
  Status status;
  int count = 0;
  while ((status = lines.Feed("data: y\n", ignore)).has_value()) ASSERT_LT(++count, 100);
}

}  // namespace
}  // namespace weir
