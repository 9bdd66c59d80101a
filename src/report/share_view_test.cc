#include "weir/report/share_view.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "byte_tokenizer.h"
#include "page_matrix.h"
#include "weir/base/random.h"
#include "weir/codec/json.h"

namespace weir {
namespace {

// Contexts over the byte tokenizer, and the report about them.
class Fixture {
 public:
  void Add(const std::string& agent, const std::string& text) {
    const std::unique_ptr<Encoder> encoder = tokenizer_.NewEncoder();
    Result<Context> context = Context::Build({agent, text, {}, false}, *encoder, Space{});
    ASSERT_TRUE(context) << context.error().ToString();
    contexts_.push_back(std::make_unique<Context>(*std::move(context)));
    pointers_.push_back(contexts_.back().get());
  }
  ShareView View() {
    Result<ShareReport> report = Share(pointers_);
    EXPECT_TRUE(report) << report.error().ToString();
    report_ = *std::move(report);
    return {report_, pointers_, "bytes", kDefaultBlockSize};
  }

 private:
  testing::ByteTokenizer tokenizer_;
  std::vector<std::unique_ptr<Context>> contexts_;
  std::vector<const Context*> pointers_;
  ShareReport report_;
};

const std::string kShared = "A text that all of them begin with, long enough for some blocks of sixteen tokens. ";

TEST(ShareJson, HasTheFixedShapeInPieces) {
  Fixture fixture;
  fixture.Add("a \"quoted\"", kShared + "one");
  fixture.Add("b\n", kShared + "two");
  fixture.Add("c", "other");
  std::string text;
  WriteShareJson(fixture.View(), "\"more\":1", [&](std::string_view piece) { text += piece; });
  const Result<Json> json = Json::Parse(text);
  ASSERT_TRUE(json) << json.error().ToString();
  EXPECT_EQ(json->Find("agents")->as_array()[0].Find("agent")->as_string(), "a \"quoted\"");
  const Json& pair = json->Find("pairs")->as_array()[0];
  EXPECT_EQ(pair.Find("a")->as_string(), "a \"quoted\"");
  EXPECT_EQ(pair.Find("b")->as_string(), "b\n");
  EXPECT_EQ(pair.Find("prefix_tokens")->as_int(), static_cast<int64_t>(kShared.size()));
  EXPECT_EQ(pair.Find("prefix_blocks")->as_int(), static_cast<int64_t>(kShared.size() / 16));
  EXPECT_EQ(pair.Find("near_blocks")->as_int(), 0);
  EXPECT_TRUE(json->Find("near_note")->is_null());
  EXPECT_EQ(json->Find("pairs")->as_array().size(), 3u);
  EXPECT_EQ(json->Find("totals")->Find("agents")->as_int(), 3);
  EXPECT_EQ(json->Find("more")->as_int(), 1);
}

TEST(ShareDrawing, NamesEveryAgentAndKeepsToTheWidth) {
  Fixture fixture;
  for (int i = 0; i < 5; ++i)
    fixture.Add("agent-" + std::to_string(i), kShared + std::string(20, static_cast<char>('a' + i)));
  const ShareView view = fixture.View();
  for (const size_t width : {70u, 100u, 160u}) {
    const std::string drawn = DrawShare(view, {.color = false, .width = width});
    for (int i = 0; i < 5; ++i) EXPECT_NE(drawn.find("agent-" + std::to_string(i)), std::string::npos);
    EXPECT_EQ(drawn.find('\x1b'), std::string::npos);
    for (size_t begin = 0; begin < drawn.size();) {
      const size_t end = drawn.find('\n', begin);
      const std::string line = drawn.substr(begin, end - begin);
      EXPECT_LE(DisplayWidth(line), std::max<size_t>(width, 76)) << line;
      begin = end + 1;
    }
  }
}

TEST(ShareDrawing, ShowsNearBlocksAsAHintOfTheirOwn) {
  Fixture fixture;
  std::string edited = kShared;
  edited[20] = '#';
  fixture.Add("first", "1" + kShared.substr(1));
  fixture.Add("second", "2" + edited.substr(1));
  const ShareView view = fixture.View();
  ASSERT_GE(view.report.pairs[0].near_blocks.value_or(0), 1u);
  const std::string drawn = DrawShare(view, {});
  EXPECT_NE(drawn.find("Near blocks"), std::string::npos);
  EXPECT_NE(drawn.find("not reusable"), std::string::npos);
}

TEST(ShareDrawing, HostileNamesAndTextsStayText) {
  Fixture fixture;
  fixture.Add("\x1b[31mred", "\x1b]0;x\x07" + kShared);
  fixture.Add("b", "\x1b]0;x\x07" + kShared + "more");
  const std::string drawn = DrawShare(fixture.View(), {});
  EXPECT_EQ(drawn.find('\x1b'), std::string::npos);
  EXPECT_EQ(drawn.find('\x07'), std::string::npos);
}

TEST(SharePage, TextCannotLeaveItsPlace) {
  Fixture fixture;
  const std::string evil = "</script><script>alert(1)</script><!-- & \" ' ";
  fixture.Add(evil, evil + kShared + "one");
  fixture.Add("b", evil + kShared + "two");
  const std::string page = SharePage(fixture.View());
  size_t scripts = 0;
  for (size_t at = page.find("<script"); at != std::string::npos; at = page.find("<script", at + 1)) ++scripts;
  EXPECT_EQ(scripts, 2u);
  EXPECT_EQ(page.find("<!--"), std::string::npos);
  EXPECT_NE(page.find("script-src 'sha256-"), std::string::npos);
}

// The matrix against plain sums over the pairs.
TEST(PageMatrix, CellsAreMeansOfTheirPairs) {
  Random random(3);
  for (const size_t agents : {1u, 2u, 17u, 96u, 97u, 150u}) {
    ShareReport report;
    for (size_t i = 0; i < agents; ++i) {
      AgentShare agent;
      agent.agent = std::to_string(i);
      agent.tokens = 100 + static_cast<uint32_t>(random.Below(900));
      report.agents.push_back(agent);
      report.order.push_back(static_cast<uint32_t>(i));
    }
    for (size_t i = agents; i > 1; --i) std::swap(report.order[i - 1], report.order[random.Below(i)]);
    for (uint32_t a = 0; a < agents; ++a) {
      for (uint32_t b = a + 1; b < agents; ++b) {
        PairShare pair;
        pair.a = a;
        pair.b = b;
        pair.prefix_tokens = static_cast<uint32_t>(random.Below(100));
        if (random.Below(4) > 0) pair.span_tokens = static_cast<uint32_t>(random.Below(100));
        if (random.Below(4) > 0) pair.near_blocks = static_cast<uint32_t>(random.Below(10));
        report.pairs.push_back(pair);
      }
    }
    const PageMatrix matrix = MakePageMatrix(report);
    const size_t bins = matrix.bins.size();
    EXPECT_EQ(bins, std::min<size_t>(agents, kPageBinsMax));
    std::vector<size_t> bin_of(agents, SIZE_MAX);
    for (size_t bin = 0; bin < bins; ++bin) {
      EXPECT_FALSE(matrix.bins[bin].empty());
      for (const uint32_t agent : matrix.bins[bin]) bin_of[agent] = bin;
    }
    for (size_t row = 0; row < bins; ++row) {
      for (size_t column = 0; column < bins; ++column) {
        uint64_t sum = 0;
        uint64_t count = 0;
        uint64_t near_sum = 0;
        uint64_t near_count = 0;
        for (const PairShare& pair : report.pairs) {
          const bool here =
              (bin_of[pair.a] == row && bin_of[pair.b] == column) || (bin_of[pair.a] == column && bin_of[pair.b] == row);
          if (here && pair.near_blocks) near_sum += *pair.near_blocks;
          if (here && pair.near_blocks) ++near_count;
          if (!here || !pair.span_tokens) continue;
          sum += *pair.span_tokens;
          ++count;
        }
        const auto& near_cell = matrix.near_blocks[row * bins + column];
        ASSERT_EQ(near_cell.has_value(), near_count > 0);
        if (near_cell) {
          EXPECT_NEAR(*near_cell, static_cast<double>(near_sum) / static_cast<double>(near_count), 0.51);
        }
        const auto& cell = matrix.span_tokens[row * bins + column];
        ASSERT_EQ(cell.has_value(), count > 0);
        if (cell) {
          EXPECT_NEAR(*cell, static_cast<double>(sum) / static_cast<double>(count), 0.51);
        }
      }
    }
  }
}

}  // namespace
}  // namespace weir
