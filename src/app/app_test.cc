#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "command.h"
#include "line_reader.h"
#include "manual.h"
#include "settings.h"
#include "suggest.h"
#include "token_ids.h"
#include "weir/base/random.h"

namespace weir {
namespace {

// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weir-app-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path Write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

TEST(EditDistance, KnownAnswers) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("share", "share"), 0u);
  EXPECT_EQ(EditDistance("shrae", "share"), 1u);  // neighbours swapped
  EXPECT_EQ(EditDistance("shar", "share"), 1u);
  EXPECT_EQ(EditDistance("Share", "share"), 0u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(EditDistance, IsSymmetricAndBounded) {
  Random random(5);
  for (int round = 0; round < 1000; ++round) {
    std::string a;
    std::string b;
    for (uint64_t i = random.Below(8); i > 0; --i) a += static_cast<char>('a' + random.Below(3));
    for (uint64_t i = random.Below(8); i > 0; --i) b += static_cast<char>('a' + random.Below(3));
    const size_t distance = EditDistance(a, b);
    EXPECT_EQ(distance, EditDistance(b, a));
    EXPECT_LE(distance, std::max(a.size(), b.size()));
    EXPECT_EQ(distance == 0, a == b);
  }
}

TEST(Suggestions, NearOnesOnly) {
  const std::vector<std::string> names = {"share", "explain", "layout"};
  EXPECT_EQ(Nearest("shrae", names), "share");
  EXPECT_EQ(Nearest("lay", names), "layout");  // a beginning
  EXPECT_EQ(Nearest("frobnicate", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(SuggestionHint("xplain", names), "did you mean 'explain'?");
  EXPECT_EQ(SuggestionHint("zzz", names), "one of: share, explain, layout");
}

TEST(Settings, LaterSourcesWin) {
  const Folder folder;
  const auto file = folder.Write("c.toml", "block_size = 32\ncache_tokens = 5\n");
  const Environment environment({{"WEIR_CACHE_TOKENS", "6"}, {"WEIR_COLOR", ""}});
  const Result<Settings> settings = Settings::Load(environment, file, true, {{"color", "never"}});
  ASSERT_TRUE(settings) << settings.error().ToString();
  EXPECT_EQ(settings->Count("block_size"), 32u);
  EXPECT_EQ(settings->Get("block_size").origin, file.string() + ":1");
  EXPECT_EQ(settings->Count("cache_tokens"), 6u);
  EXPECT_EQ(settings->Get("color").origin, "flag --color");
  EXPECT_EQ(settings->Text("tokenizer"), "");
}

TEST(Settings, RefuseWhatTheyDoNotKnow) {
  const Folder folder;
  const Environment none(std::map<std::string, std::string, std::less<>>{});
  for (const char* text : {"blok_size = 1", "block_size = 1.5", "block_size = -1", "color = \"blue\"", "color = 1",
                           "[table]\nx = 1", "block_size = ", "\xff"}) {
    EXPECT_FALSE(Settings::Load(none, folder.Write("c.toml", text), true, {})) << text;
  }
  EXPECT_FALSE(Settings::Load(none, "/absent/c.toml", true, {}));
  EXPECT_TRUE(Settings::Load(none, "/absent/c.toml", false, {}));
}

TEST(Settings, EveryOneIsDocumentedAndItsDefaultIsValid) {
  for (const SettingDoc& doc : SettingDocs()) {
    EXPECT_FALSE(doc.description.empty()) << doc.key;
    EXPECT_TRUE(doc.environment.starts_with("WEIR_")) << doc.key;
    EXPECT_TRUE(doc.default_value.empty() || CheckSetting(doc, doc.default_value).has_value()) << doc.key;
  }
}

using Variables = std::map<std::string, std::string, std::less<>>;

TEST(Environment, FoldersFollowTheVariables) {
  EXPECT_EQ(Environment(Variables{{"HOME", "/h"}}).CacheFolder(), "/h/.cache/weir");
  EXPECT_EQ(Environment(Variables{{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}).CacheFolder(), "/x/weir");
  EXPECT_EQ(Environment(Variables{{"XDG_CACHE_HOME", "/x"}, {"WEIR_CACHE_DIR", "/w"}}).CacheFolder(), "/w");
  EXPECT_EQ(Environment(Variables{{"HOME", "/h"}}).ConfigFile(), "/h/.config/weir/config.toml");
  EXPECT_EQ(Environment(Variables{{"WEIR_CONFIG", ""}, {"HOME", "/h"}}).ConfigFile(), "/h/.config/weir/config.toml");
}

TEST(TokenIds, ReadsListsInAnyForm) {
  const std::vector<TokenId> expected = {1, 22, 4294967295u};
  for (const char* text : {"1,22,4294967295", "[1, 22, 4294967295]\n", "1 22\t4294967295"}) {
    const Result<std::vector<TokenId>> ids = ParseTokenIds(text);
    ASSERT_TRUE(ids);
    EXPECT_EQ(*ids, expected);
  }
  EXPECT_TRUE(ParseTokenIds(" ")->empty());
  for (const char* text : {"1,x", "-1", "4294967296", "1.5", "0x1"}) EXPECT_FALSE(ParseTokenIds(text)) << text;
}

TEST(LineReader, GivesTheLinesOfAnyText) {
  const Folder folder;
  Random random(9);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> lines(random.Below(6));
    std::string text;
    for (std::string& line : lines) {
      line.assign(random.Below(3) == 0 ? random.Below(200'000) : random.Below(5), 'x');
      text += line + '\n';
    }
    const bool open_end = !lines.empty() && !lines.back().empty() && random.Below(2) == 0;
    if (open_end) text.pop_back();
    Result<LineReader> reader = LineReader::Open(folder.Write("lines", text));
    ASSERT_TRUE(reader);
    std::vector<std::string> got;
    while (true) {
      const auto line = reader->Next(1 << 20, [] {});
      ASSERT_TRUE(line);
      if (!*line) break;
      got.emplace_back(**line);
    }
    EXPECT_EQ(got, lines);
  }
  Result<LineReader> reader = LineReader::Open(folder.Write("long", std::string(300'000, 'x')));
  EXPECT_FALSE(reader->Next(100'000, [] {}));
  EXPECT_EQ(LineReader::Open("/absent").error().code, ErrorCode::kNotFound);
}

TEST(Manual, EveryCommandIsWhole) {
  std::set<std::string_view> names;
  for (const CommandDoc& doc : DocumentCommands()) {
    EXPECT_TRUE(names.insert(doc.command->name).second);
    EXPECT_FALSE(doc.command->examples.empty()) << doc.command->name;
    EXPECT_FALSE(doc.command->description.empty()) << doc.command->name;
    for (const CommandExample& example : doc.command->examples) {
      EXPECT_NE(example.command.find("weir "), std::string_view::npos) << example.command;
      EXPECT_NE(example.command.find(std::string("weir ") + std::string(doc.command->name)), std::string_view::npos);
    }
    for (const FlagDoc& flag : doc.flags) EXPECT_FALSE(flag.description.empty()) << FlagUsage(flag);
  }
}

TEST(Manual, ExitCodesRise) {
  int last = -1;
  for (const ExitCodeDoc& doc : ExitCodes()) {
    EXPECT_GT(static_cast<int>(doc.code), last);
    last = static_cast<int>(doc.code);
  }
}

}  // namespace
}  // namespace weir
