#include "weir/indexer/chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include "byte_tokenizer.h"
#include "weir/base/random.h"

namespace weir {
namespace {

constexpr uint32_t kTokens = 200;  // a byte is a token here

std::vector<Chunk> Cut(std::string_view text, uint32_t tokens = kTokens) {
  const testing::ByteTokenizer tokenizer;
  const std::unique_ptr<Encoder> encoder = tokenizer.NewEncoder();
  const Result<std::vector<Chunk>> chunks = CutChunks(text, *encoder, tokens);
  EXPECT_TRUE(chunks) << (chunks ? "" : chunks.error().ToString());
  return chunks ? *chunks : std::vector<Chunk>();
}

std::string_view TextOf(std::string_view text, const Chunk& chunk) {
  return text.substr(chunk.begin, chunk.end - chunk.begin);
}

// What must hold of every cutting.
void Check(std::string_view text, const std::vector<Chunk>& chunks, uint32_t tokens) {
  size_t at = 0;
  const auto is_blank = [](std::string_view part) {
    return part.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
  };
  for (const Chunk& chunk : chunks) {
    ASSERT_LE(at, chunk.begin);
    ASSERT_LT(chunk.begin, chunk.end);
    ASSERT_TRUE(is_blank(text.substr(at, chunk.begin - at)));
    ASSERT_LE(chunk.end - chunk.begin, tokens);
    ASSERT_EQ(chunk.first_line, 1 + std::count(text.begin(), text.begin() + chunk.begin, '\n'));
    ASSERT_EQ(chunk.last_line, 1 + std::count(text.begin(), text.begin() + chunk.end - 1, '\n'));
    at = chunk.end;
  }
  ASSERT_TRUE(is_blank(text.substr(at)));
}

TEST(Chunks, AShortTextIsOne) {
  EXPECT_EQ(Cut("one\ntwo\n"), (std::vector<Chunk>{{0, 7, 1, 2}}));
  EXPECT_EQ(Cut("\n\n  one\n\n"), (std::vector<Chunk>{{2, 7, 3, 3}}));
  EXPECT_TRUE(Cut("").empty());
  EXPECT_TRUE(Cut(" \n\t\n").empty());
}

TEST(Chunks, CutsStandAtBlankLinesOfLittleIndentation) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const std::string n = std::to_string(i);
    text += "void F" + n + "() {\n  first" + n + "();\n\n  if (yes) {\n    second" + n + "();\n  }\n}\n\n";
  }
  const std::vector<Chunk> chunks = Cut(text, 100);
  ASSERT_EQ(chunks.size(), 4u);
  for (const Chunk& chunk : chunks) EXPECT_TRUE(TextOf(text, chunk).starts_with("void F"));
}

TEST(Chunks, HeadingsOpenChunks) {
  std::string text;
  for (int i = 0; i < 6; ++i) text += "## Part\n\nSome words of this part.\n\nSome more words of it.\n\n";
  for (const Chunk& chunk : Cut(text, 100)) EXPECT_TRUE(TextOf(text, chunk).starts_with("## Part"));
}

TEST(Chunks, LongLinesAreCutAtWordsAndLongWordsAnywhere) {
  std::string line;
  for (int i = 0; i < 200; ++i) line += "word" + std::to_string(i) + (i % 9 == 0 ? ". " : " ");
  const std::vector<Chunk> words = Cut(line);
  Check(line, words, kTokens);
  for (const Chunk& chunk : words) EXPECT_TRUE(TextOf(line, chunk).starts_with("word"));
  const std::string blob(10'000, 'x');
  const std::vector<Chunk> pieces = Cut(blob);
  Check(blob, pieces, kTokens);
  EXPECT_LE(pieces.size(), 10'000u / (kTokens / 4));
  std::string wide;
  for (int i = 0; i < 1000; ++i) wide += "\u00e9\u4e2d";
  Check(wide, Cut(wide), kTokens);
  for (const Chunk& chunk : Cut(wide)) EXPECT_NE(wide[chunk.begin] & 0xc0, 0x80);
}

TEST(Chunks, WhatIsNotUtf8IsRefused) {
  const testing::ByteTokenizer tokenizer;
  EXPECT_EQ(CutChunks("a\xff", *tokenizer.NewEncoder(), kTokens).error().code, ErrorCode::kInvalidArgument);
}

// Lines as programs and prose have them.
std::string RandomLine(Random& random, uint64_t& depth) {
  if (random.Below(6) == 0) return "\n";
  if (random.Below(4) == 0 && depth < 4) ++depth;
  if (random.Below(4) == 0 && depth > 0) return std::string(--depth * 2, ' ') + "}\n";
  if (random.Below(20) == 0) depth = 0;
  std::string line(depth * 2, ' ');
  for (uint64_t words = 1 + random.Below(8); words > 0; --words) {
    for (uint64_t n = 1 + random.Below(7); n > 0; --n) line += static_cast<char>('a' + random.Below(26));
    line += words > 1 ? " " : ";";
  }
  return line + "\n";
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

std::multiset<std::string> TextsOf(const std::string& text) {
  std::multiset<std::string> texts;
  for (const Chunk& chunk : Cut(text)) texts.emplace(TextOf(text, chunk));
  return texts;
}

// Edits a text of `lines` at one place and returns how many chunks of the new text are new.
size_t NewChunks(std::vector<std::string> lines, Random& random, const std::function<std::string()>& line) {
  const std::multiset<std::string> before = TextsOf(Joined(lines));
  const auto at = lines.begin() + static_cast<ptrdiff_t>(random.Below(lines.size()));
  switch (random.Below(3)) {
    case 0: lines.insert(at, line()); break;
    case 1: lines.erase(at); break;
    default: *at = line(); break;
  }
  const std::string text = Joined(lines);
  Check(text, Cut(text), kTokens);
  std::multiset<std::string> after = TextsOf(text);
  for (const std::string& one : before) {
    if (const auto same = after.find(one); same != after.end()) after.erase(same);
  }
  return after.size();
}

struct Spread {
  double mean = 0;
  size_t p99 = 0;
};

Spread SpreadOf(std::vector<size_t> counts) {
  std::ranges::sort(counts);
  Spread spread;
  for (const size_t count : counts) spread.mean += static_cast<double>(count) / static_cast<double>(counts.size());
  spread.p99 = counts[counts.size() * 99 / 100];
  return spread;
}

TEST(Chunks, AnEditChangesTheChunksAroundItAlone) {
  const uint64_t seed = 20'260'302;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  std::vector<size_t> counts;
  size_t chunks = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> lines;
    uint64_t depth = 0;
    for (int i = 0; i < 400; ++i) lines.push_back(RandomLine(random, depth));
    chunks += Cut(Joined(lines)).size();
    counts.push_back(NewChunks(lines, random, [&] { return RandomLine(random, depth); }));
  }
  const Spread spread = SpreadOf(counts);
  EXPECT_GT(chunks / 300, 40u);
  EXPECT_LT(spread.mean, 2);
  EXPECT_LE(spread.p99, 6u);
}

// Tables and lists have no structure to cut at: the text itself decides.
TEST(Chunks, EditsOfTextsWithoutStructureStayLocalToo) {
  const uint64_t seed = 20'260'303;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  const auto row = [&] { return std::to_string(random.Below(1'000'000)) + "," + std::to_string(random.Below(1000)) + "\n"; };
  std::vector<size_t> counts;
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> lines;
    for (int i = 0; i < 1000; ++i) lines.push_back(row());
    counts.push_back(NewChunks(lines, random, row));
  }
  const Spread spread = SpreadOf(counts);
  EXPECT_LT(spread.mean, 2);
  EXPECT_LE(spread.p99, 6u);
}

TEST(Chunks, RandomBytesOfTextKeepTheRules) {
  const uint64_t seed = 20'260'304;
  Random random(seed);
  for (int round = 0; round < 500; ++round) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed << ", round " << round);
    static constexpr const char* kParts[] = {"a",    "bc", " ", "  ", "\t",     "\n",     "\n\n",
                                             "\r\n", ".",  "}", "# ", "\u00e9", "\u4e2d", "xxxxxxxxxxxxxxxx"};
    std::string text;
    for (uint64_t i = random.Below(600); i > 0; --i) text += kParts[random.Below(std::size(kParts))];
    const auto tokens = static_cast<uint32_t>(kChunkTokensLeast + random.Below(100));
    Check(text, Cut(text, tokens), tokens);
  }
}

}  // namespace
}  // namespace weir
