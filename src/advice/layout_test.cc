#include "weir/advice/layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "layout_pieces.h"
#include "testing/word_tokenizer.h"
#include "weir/advice/cache_simulator.h"
#include "weir/base/random.h"

namespace weir {
namespace {

using testing::WordEncoder;

LayoutPiece Piece(std::string name, std::string text, SegmentKind kind = SegmentKind::kText, bool fixed = false) {
  LayoutPiece piece;
  piece.name = std::move(name);
  piece.text = std::move(text);
  piece.kind = kind;
  piece.fixed = fixed;
  return piece;
}

std::string Lines(uint64_t seed, size_t words) {
  Random random(seed);
  std::string text;
  for (size_t i = 0; i < words; ++i) {
    text += "w";
    for (uint64_t word = random.Below(5000) + 1; word > 0; word /= 26) text += static_cast<char>('a' + word % 26);
    text += i % 9 == 8 ? "\n" : " ";
  }
  while (text.ends_with(' ')) text.pop_back();
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

// Reusable tokens of prompts, by the public simulator on their really encoded texts.
uint64_t Reusable(const std::vector<std::string>& prompts, uint64_t cache_tokens, size_t block_size) {
  CacheSimulator cache(cache_tokens / block_size, block_size);
  WordEncoder encoder;
  for (const std::string& prompt : prompts) {
    Encoding encoding;
    EXPECT_TRUE(encoder.Encode(prompt, {}, encoding).has_value());
    std::vector<BlockKey> keys;
    AppendBlockKeys(encoding.ids, block_size, RootKey(Space(), block_size), keys);
    cache.Run(keys, encoding.ids.size());
  }
  return cache.counters().cached_tokens;
}

std::string Joined(const std::vector<LayoutPiece>& pieces) {
  std::string text;
  for (const LayoutPiece& piece : pieces) text += piece.text;
  return text;
}

LayoutReport Laid(const std::vector<LayoutCall>& calls, const LayoutOptions& options = {}) {
  WordEncoder encoder;
  Result<LayoutReport> report = Layout(calls, encoder, options);
  EXPECT_TRUE(report.has_value()) << (report ? "" : report.error().ToString());
  // What it says is what its proposal measures.
  std::vector<std::string> prompts;
  for (const std::vector<LayoutPiece>& pieces : report->proposal) prompts.push_back(Joined(pieces));
  EXPECT_EQ(Reusable(prompts, options.cache_tokens, options.block_size), report->reusable_after);
  std::vector<std::string> recorded;
  for (const LayoutCall& call : calls) recorded.push_back(Joined(call.pieces));
  EXPECT_EQ(Reusable(recorded, options.cache_tokens, options.block_size), report->reusable_before);
  EXPECT_GE(report->reusable_after, report->reusable_before);
  EXPECT_EQ(report->improves, report->reusable_after > report->reusable_before);
  return *report;
}

// Calls over `classes` classes; each class has few contents, so that some are shared.
std::vector<LayoutCall> RandomCalls(Random& random, size_t classes, bool tied) {
  std::vector<LayoutCall> calls;
  const size_t n = 2 + random.Below(4);
  std::vector<uint64_t> variants;
  for (size_t i = 0; i < classes; ++i) variants.push_back(1 + random.Below(4));
  const uint64_t base = random.Next();
  for (size_t c = 0; c < n; ++c) {
    LayoutCall call;
    call.agent = "agent" + std::to_string(c);
    for (size_t i = 0; i < classes; ++i) {
      if (random.Below(8) == 0 && !call.pieces.empty()) continue;
      const uint64_t seed = base + i * 100 + random.Below(variants[i]);
      LayoutPiece piece = Piece("part" + std::to_string(i), Lines(seed, 3 + seed % 40));
      if (tied) {
        if (i == 1) piece.kind = SegmentKind::kSystem;
        if (i == 2) piece.kind = SegmentKind::kTools;
        if (i == 3) piece.kind = SegmentKind::kUser;
        if (i == 4 && base % 3 == 0) piece.fixed = true;
        if (i == 5 && call.pieces[0].name == "part0") piece.after = {"part0"};
      }
      call.pieces.push_back(std::move(piece));
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

// The best of all orders of the class names, by rendering and simulating each. Orders that break a tie are left out.
uint64_t BruteForce(const std::vector<LayoutCall>& calls, size_t classes, uint64_t cache_tokens, size_t block_size) {
  std::vector<size_t> rank(classes);
  std::iota(rank.begin(), rank.end(), size_t{0});
  uint64_t best = 0;
  do {
    std::vector<std::string> prompts;
    bool allowed = true;
    for (const LayoutCall& call : calls) {
      std::vector<size_t> order(call.pieces.size());
      std::iota(order.begin(), order.end(), size_t{0});
      std::sort(order.begin(), order.end(), [&](size_t x, size_t y) {
        return rank[static_cast<size_t>(call.pieces[x].name.back() - '0')] <
               rank[static_cast<size_t>(call.pieces[y].name.back() - '0')];
      });
      for (size_t i = 0; i < order.size(); ++i) {
        for (size_t j = i + 1; j < order.size(); ++j) {
          if (order[i] < order[j]) continue;
          const LayoutPiece& first = call.pieces[order[j]];
          const LayoutPiece& second = call.pieces[order[i]];
          const auto is = [&](SegmentKind k, SegmentKind l) { return first.kind == k && second.kind == l; };
          if (first.fixed || second.fixed || is(SegmentKind::kSystem, SegmentKind::kUser) ||
              is(SegmentKind::kTools, SegmentKind::kUser) ||
              std::find(second.after.begin(), second.after.end(), first.name) != second.after.end()) {
            allowed = false;
          }
        }
      }
      std::string prompt;
      for (const size_t i : order) prompt += call.pieces[i].text;
      prompts.push_back(std::move(prompt));
    }
    if (allowed) best = std::max(best, Reusable(prompts, cache_tokens, block_size));
  } while (std::next_permutation(rank.begin(), rank.end()));
  return best;
}

TEST(Layout, FindsTheBestOrderOfFreePieces) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const size_t classes = 2 + random.Below(4);
    const std::vector<LayoutCall> calls = RandomCalls(random, classes, false);
    LayoutOptions options;
    options.normalisations.clear();
    options.block_size = 1 + random.Below(8);
    if (random.Below(2) == 0) options.cache_tokens = 100 + random.Below(400);
    const LayoutReport report = Laid(calls, options);
    EXPECT_EQ(report.search, LayoutSearch::kExact);
    EXPECT_EQ(report.reusable_after, BruteForce(calls, classes, options.cache_tokens, options.block_size));
  }
}

TEST(Layout, FindsTheBestOfSevenPieces) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed + 900);
    const std::vector<LayoutCall> calls = RandomCalls(random, 7, false);
    LayoutOptions options;
    options.normalisations.clear();
    options.block_size = 4;
    const LayoutReport report = Laid(calls, options);
    EXPECT_EQ(report.search, LayoutSearch::kExact);
    EXPECT_EQ(report.reusable_after, BruteForce(calls, 7, options.cache_tokens, options.block_size));
  }
}

TEST(Layout, KeepsTiesAndIsAtLeastAsGoodAsAnyGlobalOrder) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed + 5000);
    const size_t classes = 6;
    const std::vector<LayoutCall> calls = RandomCalls(random, classes, true);
    LayoutOptions options;
    options.normalisations.clear();
    options.block_size = 4;
    const LayoutReport report = Laid(calls, options);
    EXPECT_GE(report.reusable_after, BruteForce(calls, classes, options.cache_tokens, options.block_size));
    for (size_t c = 0; c < calls.size(); ++c) {
      const auto place = [&](const std::string& name) {
        const auto& pieces = report.proposal[c];
        return std::find_if(pieces.begin(), pieces.end(), [&](const LayoutPiece& p) { return p.name == name; }) -
               pieces.begin();
      };
      ASSERT_EQ(report.proposal[c].size(), calls[c].pieces.size());
      for (size_t i = 0; i < calls[c].pieces.size(); ++i) {
        for (size_t j = i + 1; j < calls[c].pieces.size(); ++j) {
          const LayoutPiece& x = calls[c].pieces[i];
          const LayoutPiece& y = calls[c].pieces[j];
          const bool tied = x.fixed || y.fixed || (x.kind != SegmentKind::kText && y.kind == SegmentKind::kUser) ||
                            std::find(y.after.begin(), y.after.end(), x.name) != y.after.end();
          if (tied) {
            EXPECT_LT(place(x.name), place(y.name));
          }
        }
      }
    }
  }
}

TEST(Layout, ManyPiecesAreSearchedGreedilyAndNeverGetWorse) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed + 70);
    std::vector<LayoutCall> calls = RandomCalls(random, 10, false);
    // What is shared by all stands last in the recording.
    for (LayoutCall& call : calls) call.pieces.push_back(Piece("shared", Lines(1, 80)));
    LayoutOptions options;
    options.normalisations.clear();
    options.block_size = 4;
    const LayoutReport report = Laid(calls, options);
    EXPECT_EQ(report.search, LayoutSearch::kGreedy);
    EXPECT_GE(report.reusable_after, report.reusable_before);
    EXPECT_GE(report.reusable_after, (calls.size() - 1) * 76);
  }
}

TEST(Layout, SharedTextGoesInFrontAndVolatileLinesBehind) {
  std::vector<LayoutCall> calls;
  for (int i = 0; i < 5; ++i) {
    LayoutCall call;
    call.agent = "agent" + std::to_string(i);
    call.pieces.push_back(Piece("rules", "Time: 2026-11-24T07:0" + std::to_string(i) + ":24Z\n" + Lines(1, 300)));
    call.pieces.push_back(Piece("question", Lines(100 + static_cast<uint64_t>(i), 20)));
    calls.push_back(std::move(call));
  }
  const LayoutReport report = Laid(calls);
  ASSERT_TRUE(report.improves);
  EXPECT_EQ(report.reusable_before, 0u);
  EXPECT_GE(report.reusable_after, 4u * 300);
  EXPECT_EQ(report.order[0], "rules");
  const auto gain = std::find_if(report.normalisations.begin(), report.normalisations.end(),
                                 [](const NormalisationGain& g) { return g.normalisation == Normalisation::kVolatileLast; });
  ASSERT_NE(gain, report.normalisations.end());
  EXPECT_TRUE(gain->applied);
  EXPECT_EQ(gain->pieces, 5u);
  EXPECT_GT(gain->gain_alone, 0);
  EXPECT_EQ(gain->gain_in_proposal.value(), static_cast<int64_t>(report.reusable_after));
  ASSERT_TRUE(report.example_call.has_value());
  EXPECT_EQ(report.example_prompt.find(Lines(1, 300)), 0u);
  EXPECT_NE(report.example_prompt.find("Time: 2026-11-24T07:0"), std::string::npos);
  size_t bytes_before = 0;
  for (const LayoutPiece& piece : calls[*report.example_call].pieces) bytes_before += piece.text.size();
  EXPECT_EQ(report.example_prompt.size(), bytes_before) << "nothing was lost or added";
}

TEST(Layout, EachNormalisationIsMeasured) {
  const std::string one =
      R"({"type":"function","function":{"name":"alpha","description":"First of all the tools there are","parameters":{}}})";
  const std::string two =
      R"({"type":"function","function":{"name":"beta","description":"Second of all the tools there are","parameters":{}}})";
  const std::string two_turned =
      R"({"function":{"parameters":{},"description":"Second of all the tools there are","name":"beta"},"type":"function"})";
  struct Case {
    Normalisation normalisation;
    std::string a;
    std::string b;
    SegmentKind kind;
  };
  const std::vector<Case> cases = {
      {Normalisation::kToolOrder, "[" + one + "," + two + "]\n", "[" + two + "," + one + "]\n", SegmentKind::kTools},
      {Normalisation::kJsonKeys, "[" + two + "]\n", "[" + two_turned + "]\n", SegmentKind::kTools},
      {Normalisation::kTrailingBlanks, "You answer.  \n", "You answer.\n", SegmentKind::kText},
      {Normalisation::kUnicodeForm, "Cafe\xCC\x81 ouvert.\n", "Caf\xC3\xA9 ouvert.\n", SegmentKind::kText},
      {Normalisation::kTrailingBlanks, "You answer.\r\n", "You answer.\n", SegmentKind::kText},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(NormalisationName(c.normalisation));
    std::vector<LayoutCall> calls = {{"a", {Piece("head", c.a + Lines(1, 90), c.kind, true)}},
                                     {"b", {Piece("head", c.b + Lines(1, 90), c.kind, true)}}};
    const LayoutReport report = Laid(calls);
    EXPECT_TRUE(report.improves);
    EXPECT_GE(report.reusable_after, 80u);
    for (const NormalisationGain& gain : report.normalisations) {
      EXPECT_EQ(gain.applied, gain.normalisation == c.normalisation) << NormalisationName(gain.normalisation);
    }
    LayoutOptions without;
    std::erase(without.normalisations, c.normalisation);
    EXPECT_LT(Laid(calls, without).reusable_after, report.reusable_after);
    calls[0].pieces[0].verbatim = calls[1].pieces[0].verbatim = true;
    EXPECT_FALSE(Laid(calls).improves) << "verbatim text was changed";
  }
}

TEST(Layout, JsonInProseIsSortedOnlyWhereItVaries) {
  const std::string form = R"(Reply as {"reasoning":"...","answer":"..."} always.)"
                           "\n";
  std::vector<LayoutCall> calls = {{"a",
                                    {Piece("t", form +
                                                    R"(Data {"x":1,"y":2} here.)"
                                                    "\n" +
                                                    Lines(1, 60))}},
                                   {"b",
                                    {Piece("t", form +
                                                    R"(Data {"y":2,"x":1} here.)"
                                                    "\n" +
                                                    Lines(1, 60))}}};
  const LayoutReport report = Laid(calls);
  EXPECT_TRUE(report.improves);
  EXPECT_EQ(report.proposal[0][0].text.find(form), 0u) << "the form of the reply keeps its order";
  EXPECT_EQ(report.proposal[0][0].text, report.proposal[1][0].text);
}

TEST(Layout, SharedParagraphsAreMeasuredButMovedOnlyOnRequest) {
  std::vector<LayoutCall> calls;
  for (const char* role : {"retriever", "critic", "writer"}) {
    calls.push_back(
        {role, {Piece("system", "You are the " + std::string(role) + ".\n\n" + Lines(1, 200), SegmentKind::kSystem)}});
  }
  const LayoutReport report = Laid(calls);
  EXPECT_FALSE(report.improves);
  const NormalisationGain& gain = report.normalisations.back();
  EXPECT_EQ(gain.normalisation, Normalisation::kSharedFirst);
  EXPECT_TRUE(gain.measured_only && !gain.applied);
  EXPECT_GE(gain.gain_alone, 2 * 190);
  EXPECT_NE(report.note.find("would gain " + std::to_string(gain.gain_alone)), std::string::npos) << report.note;
  LayoutOptions options;
  options.normalisations = {Normalisation::kSharedFirst};
  const LayoutReport asked = Laid(calls, options);
  EXPECT_EQ(asked.reusable_after, static_cast<uint64_t>(gain.gain_alone));
  EXPECT_EQ(asked.normalisations.size(), 1u);
}

TEST(Layout, SaysSoWhenNothingHelps) {
  const std::vector<LayoutCall> calls = {{"a", {Piece("t", Lines(1, 60)), Piece("u", Lines(2, 60))}},
                                         {"b", {Piece("t", Lines(3, 60)), Piece("u", Lines(4, 60))}}};
  const LayoutReport report = Laid(calls);
  EXPECT_FALSE(report.improves);
  EXPECT_FALSE(report.note.empty());
  EXPECT_FALSE(report.example_call.has_value());
  for (size_t c = 0; c < calls.size(); ++c) {
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(report.proposal[c][i].text, calls[c].pieces[i].text);
  }
  EXPECT_FALSE(Laid({calls[0]}).improves);
}

TEST(Layout, PromptsLargerThanTheCacheAreCounted) {
  std::vector<LayoutCall> calls = {{"a", {Piece("t", Lines(1, 100))}}, {"b", {Piece("t", Lines(1, 100))}}};
  LayoutOptions options;
  options.cache_tokens = 64;
  const LayoutReport report = Laid(calls, options);
  EXPECT_EQ(report.refused_calls, 2u);
  EXPECT_EQ(report.reusable_after, 0u);
  EXPECT_NE(report.note.find("larger than the cache"), std::string::npos);
}

TEST(Layout, MovedPiecesDoNotRunTogether) {
  std::vector<LayoutCall> calls;
  for (uint64_t i = 0; i < 3; ++i) {
    std::string shared = Lines(1, 100);
    shared.pop_back();  // the last piece of a file without a final newline
    calls.push_back({"a" + std::to_string(i), {Piece("own", Lines(10 + i, 30)), Piece("shared", shared)}});
  }
  const LayoutReport report = Laid(calls);
  ASSERT_TRUE(report.improves);
  EXPECT_EQ(report.order, (std::vector<std::string>{"shared", "own"}));
  EXPECT_TRUE(report.proposal[1][0].text.ends_with('\n'));
  EXPECT_GT(report.gain_of_order, 0);
}

TEST(Layout, TheSameInputGivesTheSameReport) {
  Random random(42);
  const std::vector<LayoutCall> calls = RandomCalls(random, 6, true);
  const LayoutReport first = Laid(calls);
  const LayoutReport second = Laid(calls);
  EXPECT_EQ(first.order, second.order);
  EXPECT_EQ(first.reusable_after, second.reusable_after);
  EXPECT_EQ(first.example_prompt, second.example_prompt);
  EXPECT_EQ(first.orders_tried, second.orders_tried);
}

TEST(Layout, RefusesBrokenInput) {
  WordEncoder encoder;
  EXPECT_FALSE(Layout({}, encoder).has_value());
  std::vector<LayoutCall> calls = {{"a", {}}};
  EXPECT_FALSE(Layout(calls, encoder).has_value());
  calls = {{"a", {Piece("t", "x"), Piece("t", "y")}}};
  EXPECT_FALSE(Layout(calls, encoder).has_value());
  calls = {{"a", {Piece("t", "x"), Piece("u", "y")}}};
  calls[0].pieces[0].after = {"u"};
  const auto early = Layout(calls, encoder);
  ASSERT_FALSE(early.has_value());
  EXPECT_NE(early.error().message.find("must follow"), std::string::npos);
  calls[0].pieces[0].after = {"z"};
  EXPECT_FALSE(Layout(calls, encoder).has_value());
  calls[0].pieces[0].after.clear();
  LayoutOptions options;
  options.renderer = [](size_t, std::span<const LayoutPiece>) -> Result<std::string> { return InvalidArgument("no"); };
  const auto refused = Layout(calls, encoder, options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("agent 'a'"), std::string::npos);
}

}  // namespace
}  // namespace weir
