// Log lines as bytes, and as they leave the process: standard error is a pipe here.

#include "weir/base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <limits>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "log_line.h"
#include "weir/base/check.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using internal::FormatLogLine;
using internal::LogLine;

constexpr std::string_view kTraceId = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kSpanId = "b7ad6b7169203331";

// Standard error goes into a pipe while this lives; level and format are the defaults again at its end.
class CapturedStderr {
 public:
  CapturedStderr() : saved_(::dup(STDERR_FILENO)) {
    WEIR_CHECK(::pipe2(ends_, O_CLOEXEC) == 0, "no pipe");
    ::dup2(ends_[1], STDERR_FILENO);
    ::close(ends_[1]);
    // Lines that were dropped before are reported in front of the next one: not in the middle of a test.
    Log(LogLevel::kError, "the test begins");
    char piece[2 * kLogLineBytesMax];
    WEIR_CHECK(::read(ends_[0], piece, sizeof piece) > 0, "nothing came");
  }
  ~CapturedStderr() {
    Restore();
    ::close(ends_[0]);
    SetLogLevel(LogLevel::kWarning);
    SetLogFormat(LogFormat::kText);
  }
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

  // Everything until all writers are gone: call Restore() first, or from another thread.
  std::string ReadToEnd() {
    std::string all;
    char piece[4096];
    for (ssize_t size = 0; (size = ::read(ends_[0], piece, sizeof piece)) > 0;) all.append(piece, static_cast<size_t>(size));
    return all;
  }
  void Restore() {
    if (saved_ < 0) return;
    ::dup2(saved_, STDERR_FILENO);
    ::close(std::exchange(saved_, -1));
  }
  std::string Finish() {
    Restore();
    return ReadToEnd();
  }
  int reading_end() const { return ends_[0]; }
  void CloseReadingEnd() { ::close(std::exchange(ends_[0], -1)); }

 private:
  int saved_;
  int ends_[2] = {-1, -1};
};

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  size_t start = 0;
  for (size_t end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
    lines.push_back(text.substr(start, end - start));
  }
  EXPECT_EQ(start, text.size()) << "the last line has no end";
  return lines;
}

LogLine Line(std::string_view text, std::span<const LogField> fields = {}) {
  return {
      .unix_ms = 1769850487123, .level = LogLevel::kWarning, .text = text, .fields = fields, .trace_id = {}, .span_id = {}};
}

TEST(LogLine, TextForm) {
  EXPECT_EQ(FormatLogLine(Line("pool full"), LogFormat::kText), "2026-01-31T09:08:07.123Z warning pool full\n");
  const std::vector<LogField> fields = {{"bytes", uint64_t{18446744073709551615u}},
                                        {"delta", -3},
                                        {"ratio", 0.5},
                                        {"full", true},
                                        {"name", "two words"},
                                        {"plain", "kv-1"},
                                        {"empty", ""},
                                        {"odd", "a=\"b\\\""}};
  LogLine line = Line("x", fields);
  line.trace_id = kTraceId;
  line.span_id = kSpanId;
  EXPECT_EQ(
      FormatLogLine(line, LogFormat::kText),
      "2026-01-31T09:08:07.123Z warning x bytes=18446744073709551615 delta=-3 ratio=0.5 full=true name=\"two words\" "
      "plain=kv-1 empty=\"\" odd=\"a=\\\"b\\\\\\\"\" trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331\n");
}

TEST(LogLine, JsonForm) {
  const std::vector<LogField> fields = {
      {"n", 7},      {"nan", std::nan("")}, {"inf", std::numeric_limits<double>::infinity()}, {"text", "\"quoted\" \\ \x01"},
      {"no", false}, {"level", "mine"}};
  LogLine line = Line("two\nlines", fields);
  line.trace_id = kTraceId;
  EXPECT_EQ(FormatLogLine(line, LogFormat::kJson),
            "{\"time\":\"2026-01-31T09:08:07.123Z\",\"level\":\"warning\",\"message\":\"two\\nlines\",\"n\":7,\"nan\":null,"
            "\"inf\":null,\"text\":\"\\\"quoted\\\" \\\\ \\u0001\",\"no\":false,\"level_\":\"mine\","
            "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}\n");
}

TEST(LogLine, NothingForgesALine) {
  const std::string text = "a\nb\rc\x1b[31m\x7f\xc2\x9b\xe2\x82\xac";
  EXPECT_EQ(FormatLogLine(Line(text), LogFormat::kText),
            "2026-01-31T09:08:07.123Z warning a\\nb\\rc\\u001b[31m\\u007f\\u009b\xe2\x82\xac\n");
  const std::vector<LogField> fields = {{"k", "v\n2026-01-31T09:08:07.123Z error forged"}};
  EXPECT_EQ(LinesOf(FormatLogLine(Line("x", fields), LogFormat::kText)).size(), 1u);
}

TEST(LogLine, BrokenUtf8IsReplaced) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"\xff", "\xEF\xBF\xBD"},
      {"\xc0\xaf", "\xEF\xBF\xBD\xEF\xBF\xBD"},                  // overlong
      {"a\xe2\x82", "a\xEF\xBF\xBD\xEF\xBF\xBD"},                // cut
      {"\xed\xa0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // surrogate
      {"\xf4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
  };
  for (const auto& [bytes, text] : table) {
    EXPECT_EQ(FormatLogLine(Line(bytes), LogFormat::kText), "2026-01-31T09:08:07.123Z warning " + text + "\n");
  }
}

TEST(LogLine, IsBoundedWholeAndSaysThatItWasCut) {
  Random random(11);
  for (int round = 0; round < 2000; ++round) {
    // Bytes of every kind, many of which grow when escaped.
    std::vector<std::string> texts(1 + random.Below(20));
    for (std::string& text : texts) {
      text.resize(random.Below(round % 3 == 0 ? 6000 : 100));
      for (char& c : text) c = static_cast<char>(random.Below(round % 2 == 0 ? 256 : 32));
    }
    std::vector<LogField> fields;
    for (const std::string& text : texts) fields.push_back({"key", text});
    LogLine line = Line(texts.front(), fields);
    line.trace_id = kTraceId;
    line.span_id = kSpanId;
    for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
      const std::string bytes = FormatLogLine(line, format);
      ASSERT_LE(bytes.size(), kLogLineBytesMax);
      ASSERT_EQ(LinesOf(bytes).size(), 1u) << "seed 11, round " << round;
      ASSERT_NE(bytes.find(kTraceId), std::string::npos);
      for (std::string_view rest = bytes; !rest.empty();) {
        const size_t size = internal::Utf8SequenceSize(rest);
        ASSERT_GT(size, 0u) << "seed 11, round " << round;
        rest.remove_prefix(size);
      }
      if (texts.front().size() > 3000) {
        ASSERT_NE(bytes.find("truncated"), std::string::npos);
      }
    }
  }
  EXPECT_EQ(FormatLogLine(Line("short"), LogFormat::kJson).find("truncated"), std::string::npos);
}

TEST(Log, WritesFromItsLevelOn) {
  CapturedStderr captured;
  Log(LogLevel::kInfo, "too low");
  Log(LogLevel::kWarning, "first");
  SetLogLevel(LogLevel::kDebug);
  Log(LogLevel::kDebug, "second", {{"one", 1}});
  SetLogFormat(LogFormat::kJson);
  Log(LogLevel::kError, "third", {{"one", 1}, {"two", "2"}});
  EXPECT_FALSE(IsLogged(LogLevel::kOff));
  SetLogLevel(LogLevel::kOff);
  Log(LogLevel::kError, "off");
  Log(LogLevel::kOff, "off");
  const std::vector<std::string> lines = LinesOf(captured.Finish());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(std::regex_match(lines[0], std::regex("20[0-9-]{8}T[0-9:]{8}\\.[0-9]{3}Z warning first"))) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("debug second one=1")) << lines[1];
  EXPECT_TRUE(lines[2].ends_with(",\"level\":\"error\",\"message\":\"third\",\"one\":1,\"two\":\"2\"}")) << lines[2];
}

TEST(Log, ScopesNestAndBelongToTheirThread) {
  CapturedStderr captured;
  const std::string other_trace(32, 'e');
  {
    const LogScope outer(kTraceId, kSpanId);
    Log(LogLevel::kError, "outer");
    {
      const LogScope inner(other_trace, "not hexadecimal!");
      Log(LogLevel::kError, "inner");
      std::thread([] { Log(LogLevel::kError, "elsewhere"); }).join();
    }
    Log(LogLevel::kError, "outer again");
  }
  Log(LogLevel::kError, "none");
  EXPECT_EQ(LogScope::Current(), nullptr);
  const std::vector<std::string> lines = LinesOf(captured.Finish());
  ASSERT_EQ(lines.size(), 5u);
  const std::string ids = " trace_id=" + std::string(kTraceId) + " span_id=" + std::string(kSpanId);
  EXPECT_TRUE(lines[0].ends_with("outer" + ids)) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("inner trace_id=" + other_trace)) << lines[1];
  EXPECT_TRUE(lines[2].ends_with("elsewhere")) << lines[2];
  EXPECT_TRUE(lines[3].ends_with("again" + ids)) << lines[3];
  EXPECT_TRUE(lines[4].ends_with("none")) << lines[4];
}

TEST(Log, LinesOfThreadsDoNotMix) {
  constexpr int kThreads = 4;
  constexpr int kLines = 500;
  CapturedStderr captured;
  const uint64_t dropped_before = LogLinesDropped();
  std::string all;
  std::thread reader([&] { all = captured.ReadToEnd(); });
  std::vector<std::thread> writers;
  for (int thread = 0; thread < kThreads; ++thread) {
    writers.emplace_back([thread] {
      const std::string long_text(static_cast<size_t>(1500 + thread), static_cast<char>('a' + thread));
      for (int i = 0; i < kLines; ++i) Log(LogLevel::kError, long_text, {{"thread", thread}, {"i", i}});
    });
  }
  for (std::thread& writer : writers) writer.join();
  captured.Restore();
  reader.join();
  std::set<std::pair<int, int>> seen;
  const std::regex note(".* warning log: standard error did not take all lines lines=[0-9]+");
  for (const std::string& line : LinesOf(all)) {
    if (std::regex_match(line, note)) continue;
    const size_t at = line.find(" thread=");
    ASSERT_NE(at, std::string::npos) << line;
    const std::string text = line.substr(at);
    int thread = -1;
    int index = -1;
    ASSERT_EQ(std::sscanf(text.c_str(), " thread=%d i=%d", &thread, &index), 2) << line;
    const std::string expected(static_cast<size_t>(1500 + thread), static_cast<char>('a' + thread));
    ASSERT_TRUE(line.substr(0, at).ends_with(" error " + expected)) << line;
    ASSERT_TRUE(seen.emplace(thread, index).second) << line;
  }
  EXPECT_EQ(seen.size() + (LogLinesDropped() - dropped_before), size_t{kThreads} * kLines);
}

TEST(Log, DropsInsteadOfBlockingOnAFullPipe) {
  CapturedStderr captured;
  const uint64_t before = LogLinesDropped();
  const int room = ::fcntl(captured.reading_end(), F_GETPIPE_SZ);
  ASSERT_GT(room, 0);
  const std::string text(2000, 'x');
  const int lines = room / 1000;  // twice what fits
  for (int i = 0; i < lines; ++i) Log(LogLevel::kError, text);
  const uint64_t dropped = LogLinesDropped() - before;
  EXPECT_GT(dropped, 0u);
  std::string taken(static_cast<size_t>(room), '\0');
  const ssize_t size = ::read(captured.reading_end(), taken.data(), taken.size());
  ASSERT_GT(size, 0);
  taken.resize(static_cast<size_t>(size));
  EXPECT_EQ(LinesOf(taken).size() + dropped, static_cast<size_t>(lines));
  Log(LogLevel::kError, "there is room again");
  const std::vector<std::string> after = LinesOf(captured.Finish());
  ASSERT_EQ(after.size(), 2u);
  EXPECT_TRUE(after[0].ends_with("lines=" + std::to_string(dropped))) << after[0];
  EXPECT_TRUE(after[1].ends_with("there is room again"));
}

TEST(Log, AReaderThatIsGoneEndsNothing) {
  CapturedStderr captured;
  const uint64_t before = LogLinesDropped();
  captured.CloseReadingEnd();
  Log(LogLevel::kError, "nobody reads this");
  captured.Restore();
  EXPECT_EQ(LogLinesDropped(), before + 1);
}

}  // namespace
}  // namespace weir
