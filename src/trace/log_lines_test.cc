// Lines of the log in their JSON form, read back by a strict parser.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "weir/base/check.h"
#include "weir/base/file.h"
#include "weir/base/log.h"
#include "weir/base/random.h"
#include "weir/codec/json.h"
#include "weir/codec/utf8.h"

namespace weir {
namespace {

// What `write` sends to standard error.
template <typename Writer>
std::string Captured(const Writer& write) {
  const int saved = ::dup(STDERR_FILENO);
  const int memory = ::memfd_create("log", MFD_CLOEXEC);
  WEIR_CHECK(saved >= 0 && memory >= 0, "no descriptors");
  ::dup2(memory, STDERR_FILENO);
  write();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::string text(static_cast<size_t>(::lseek(memory, 0, SEEK_END)), '\0');
  WEIR_CHECK(::pread(memory, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()), "cannot read back");
  ::close(memory);
  return text;
}

TEST(LogLines, AnyBytesAreOneJsonObject) {
  constexpr uint64_t kSeed = 21;
  Random random(kSeed);
  SetLogFormat(LogFormat::kJson);
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " + std::to_string(round));
    std::vector<std::string> texts(3);
    for (std::string& text : texts) {
      text.resize(random.Below(round % 5 == 0 ? 5000 : 60));
      for (char& c : text) c = static_cast<char>(random.Below(round % 2 == 0 ? 128 : 256));
    }
    const std::string line = Captured([&] {
      const LogScope scope("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
      Log(LogLevel::kError, texts[0], {{"first", texts[1]}, {"time", texts[2]}, {"n", random.Unit() * 1e20}});
    });
    ASSERT_TRUE(line.ends_with('\n'));
    const auto parsed = Json::ParseUnique(line);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().ToString() << "\n" << line;
    EXPECT_EQ(parsed->Find("trace_id")->as_string(), "0af7651916cd43dd8448eb211c80319c");
    EXPECT_EQ(parsed->Find("span_id")->as_string(), "b7ad6b7169203331");
    if (parsed->Find("truncated") != nullptr) continue;
    EXPECT_TRUE(parsed->Find("time_") != nullptr && parsed->Find("n") != nullptr);
    // A broken sequence becomes one mark for each byte here, for each maximal subpart there: compare what is whole.
    if (IsValidUtf8(texts[1])) {
      EXPECT_EQ(parsed->Find("first")->as_string(), texts[1]);
    }
  }
  SetLogFormat(LogFormat::kText);
}

}  // namespace
}  // namespace weir
