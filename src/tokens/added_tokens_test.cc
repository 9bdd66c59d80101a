#include "added_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "testing/bpe_samples.h"
#include "weir/base/random.h"

namespace weir::bpe {
namespace {

using weir::testing::BpeSample;
using weir::testing::EncodeText;
using weir::testing::LoadText;

using Matches = std::vector<std::tuple<size_t, size_t, uint32_t>>;

Matches FindAll(const AddedTokenFinder& finder, std::string_view text) {
  Matches matches;
  AddedTokenFinder::Walk walk(finder, text);
  while (const auto match = walk.Next()) matches.emplace_back(match->begin, match->end, match->id);
  return matches;
}

// Leftmost, then longest, by trying every pattern everywhere.
Matches FindAllPlainly(const std::vector<AddedTokenFinder::Pattern>& patterns, std::string_view text) {
  Matches matches;
  for (size_t at = 0; at < text.size();) {
    const AddedTokenFinder::Pattern* best = nullptr;
    for (const auto& pattern : patterns) {
      if (text.substr(at).starts_with(pattern.text) && (best == nullptr || pattern.text.size() > best->text.size()))
        best = &pattern;
    }
    if (best == nullptr) {
      ++at;
      continue;
    }
    matches.emplace_back(at, at + best->text.size(), best->id);
    at += best->text.size();
  }
  return matches;
}

TEST(AddedTokenFinder, FindsWhatTheNaiveSearchFinds) {
  const uint64_t seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed()) + 5u;
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < 200; ++round) {
    // Few first bytes are searched for in blocks, many one by one.
    const uint64_t letters = round % 3 == 0 ? 8 : 3;
    std::vector<AddedTokenFinder::Pattern> patterns;
    std::set<std::string> seen;
    for (uint32_t id = 0; id < 1 + random.Below(20); ++id) {
      std::string text;
      for (size_t n = 1 + random.Below(5); n > 0; --n) text += static_cast<char>('a' + random.Below(letters));
      if (seen.insert(text).second) patterns.push_back({text, id});
    }
    std::string text;
    for (size_t n = random.Below(400); n > 0; --n) text += static_cast<char>('a' + random.Below(letters + 2));
    const AddedTokenFinder finder(patterns);
    ASSERT_EQ(FindAll(finder, text), FindAllPlainly(patterns, text)) << text;

    const size_t tail = finder.FindOpenTail(text, 0);
    size_t plain_tail = 0;
    const auto is_open = [&](size_t at) {
      return std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
        return pattern.text.size() > text.size() - at && pattern.text.starts_with(text.substr(at));
      });
    };
    while (plain_tail < text.size() && !is_open(plain_tail)) ++plain_tail;
    ASSERT_EQ(tail, plain_tail) << text;
  }
}

TEST(AddedTokenFinder, TakesWhiteSpaceAlong) {
  const AddedTokenFinder finder({{"<l>", 1, true, false}, {"<r>", 2, false, true}, {"<b>", 3, true, true}});
  EXPECT_EQ(FindAll(finder, "a \xE3\x80\x80<l> b"), (Matches{{1, 8, 1}}));
  EXPECT_EQ(FindAll(finder,
                    "a <r> \n\xC2\x85"
                    "b"),
            (Matches{{2, 9, 2}}));
  EXPECT_EQ(FindAll(finder, " <r>  <l> "), (Matches{{1, 6, 2}, {6, 9, 1}}));
  EXPECT_EQ(FindAll(finder, "\t<b>\t<b>"), (Matches{{0, 5, 3}, {5, 8, 3}}));
}

TEST(AddedTokenFinder, SingleWordsTouchNoWordCharacter) {
  const AddedTokenFinder finder({{"cat", 1, false, false, true}});
  EXPECT_EQ(FindAll(finder, "cat (cat) cat"), (Matches{{0, 3, 1}, {5, 8, 1}, {10, 13, 1}}));
  EXPECT_TRUE(FindAll(finder,
                      "cats concat cat_ 1cat cat\xC3\xA9 \xE4\xBD\xA0"
                      "cat cat\xE2\x80\x8D")
                  .empty());
  EXPECT_EQ(FindAll(finder, "cat\xC2\xB2").size(), 1u);  // superscript two is no word character
}

TEST(AddedTokens, TakeTheVocabularysIdOrTheNextFreeOne) {
  BpeSample sample;
  sample.AddWord("<known>");
  sample.AddToken("<new>");
  sample.AddToken("<known>");
  sample.AddToken("<newer>");
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(EncodeText(*tokenizer, "<known><new><newer>").ids, (std::vector<TokenId>{256, 257, 258}));
  EXPECT_EQ(tokenizer->vocab_size(), 259u);
  EXPECT_EQ(tokenizer->IdOf("<newer>"), 258u);
  EXPECT_EQ(*tokenizer->Decode(std::vector<TokenId>{257, 65, 256}), "<new>A<known>");
}

TEST(AddedTokens, NormalizedOnesAreFoundInNormalisedText) {
  BpeSample sample;
  sample.normalizer = *Json::Parse(R"({"type":"NFC"})");
  sample.AddToken("caf\xC3\xA9", "normalized");
  sample.AddToken("th\xC3\xA9");
  const auto tokenizer = LoadText(sample.Text());
  EXPECT_EQ(EncodeText(*tokenizer, "cafe\xCC\x81").ids, (std::vector<TokenId>{256}));
  EXPECT_EQ(EncodeText(*tokenizer, "the\xCC\x81").ids, (std::vector<TokenId>{'t', 'h', 0xC3, 0xA9}));
  EXPECT_EQ(EncodeText(*tokenizer, "the\xCC\x81").begins, (std::vector<uint32_t>{0, 1, 2, 5}));
}

}  // namespace
}  // namespace weir::bpe
