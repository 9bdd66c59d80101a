// What the writer writes passes the rules of promtool, and the rules find what breaks them.

#include "exposition_lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weir/base/random.h"
#include "weir/metrics/exposition.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ExpositionLint, AcceptsWhateverTheWriterWrites) {
  constexpr uint64_t kSeed = 8;
  Random random(kSeed);
  for (int round = 0; round < 200; ++round) {
    Exposition out(ExpositionForm::kPrometheus);
    out.Counter("weir_requests", "By\nroute.");
    for (uint64_t i = 0; i < 5; ++i) {
      std::string odd(random.Below(6), ' ');
      for (char& c : odd) c = static_cast<char>("\"\\\n{}=, le"[random.Below(10)]);
      out.Sample({{"route", std::to_string(i) + odd}}, random.Next());
    }
    out.GaugeValue("weir_fill_ratio", "Fill.", (random.Unit() - 0.5) * 1e30);
    out.HistogramFamily("weir_wait_seconds", "Waits.");
    for (const char* route : {"a", "b"}) {
      Histogram histogram(RequestSecondsBounds());
      for (uint64_t i = random.Below(50); i > 0; --i) histogram.Observe(random.Unit() * 100);
      out.Sample({{"route", route}}, histogram);
    }
    const std::string text = std::move(out).Finish();
    ASSERT_THAT(LintExposition(text), IsEmpty()) << "seed " << kSeed << ", round " << round << "\n" << text;
  }
}

TEST(ExpositionLint, FindsEachFault) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"# HELP a_total A.\n# TYPE a_total counter\na_total 1", "no line feed"},
      {"# HELP a A.\n# TYPE a counter\na 1\n", "_total"},
      {"# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n", "_total"},
      {"# HELP a\n# TYPE a gauge\na 1\n", "no help"},
      {"# TYPE a gauge\n", "no help before"},
      {"# HELP a A.\n", "no type"},
      {"# HELP aB A.\n# TYPE aB gauge\naB 1\n", "snake_case"},
      {"# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n", "base units"},
      {"# HELP a_gauge A.\n# TYPE a_gauge gauge\na_gauge 1\n", "names of types"},
      {"# HELP a_count A.\n# TYPE a_count gauge\na_count 1\n", "_count"},
      {"# HELP a A.\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"1\"} 2\n", "second time"},
      {"# HELP a A.\n# TYPE a gauge\nb 1\n", "not of the family"},
      {"# HELP a A.\n# TYPE a gauge\na one\n", "no number"},
      {"# HELP a A.\n# TYPE a gauge\na{le=\"1\"} 1\n", "le is for"},
      {"# HELP a_total A.\n# TYPE a_total counter\na_total -1\n", "below 0"},
      {"# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n", "cumulative"},
      {"# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_sum 1\nh_count 2\n", "differ"},
      {"# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum "
       "1\nh_count 1\n",
       "rise"},
  };
  for (const auto& [text, fault] : table) EXPECT_THAT(LintExposition(text), ElementsAre(HasSubstr(fault))) << text;
  EXPECT_THAT(LintExposition("# HELP a A.\n# TYPE a gauge\na 1\n# HELP a A.\n# TYPE a gauge\n"),
              ElementsAre(HasSubstr("second")));
}

}  // namespace
}  // namespace weir
