#include "weir/metrics/exposition.h"

#include <gtest/gtest.h>

#include <thread>

namespace weir {
namespace {

TEST(Exposition, PrometheusText) {
  Exposition out(ExpositionForm::kPrometheus);
  out.Counter("weir_requests", "Requests by outcome.");
  out.Sample({{"code", "200"}}, uint64_t{7});
  out.Sample({{"code", "5\"\\\n0"}}, uint64_t{1});
  out.GaugeValue("weir_pool_bytes", "Bytes held.\nTwo lines \\ \"quoted\".", 1.5);
  EXPECT_EQ(std::move(out).Finish(),
            "# HELP weir_requests_total Requests by outcome.\n"
            "# TYPE weir_requests_total counter\n"
            "weir_requests_total{code=\"200\"} 7\n"
            "weir_requests_total{code=\"5\\\"\\\\\\n0\"} 1\n"
            "# HELP weir_pool_bytes Bytes held.\\nTwo lines \\\\ \"quoted\".\n"
            "# TYPE weir_pool_bytes gauge\n"
            "weir_pool_bytes 1.5\n");
}

TEST(Exposition, OpenMetricsNamesFamiliesWithoutSuffixAndEnds) {
  Exposition out(ExpositionForm::kOpenMetrics);
  out.CounterValue("weir_requests", "Requests.", 7);
  EXPECT_EQ(std::move(out).Finish(),
            "# HELP weir_requests Requests.\n# TYPE weir_requests counter\nweir_requests_total 7\n# EOF\n");
}

TEST(Exposition, HistogramBucketsAreCumulative) {
  Histogram histogram{0.5, 1};
  for (const double value : {0.1, 0.5, 0.7, 1.0, 3.0}) histogram.Observe(value);
  Exposition out(ExpositionForm::kPrometheus);
  out.HistogramFamily("t_seconds", "T.");
  out.Sample({{"route", "a"}}, histogram);
  EXPECT_EQ(std::move(out).Finish(),
            "# HELP t_seconds T.\n# TYPE t_seconds histogram\n"
            "t_seconds_bucket{route=\"a\",le=\"0.5\"} 2\n"
            "t_seconds_bucket{route=\"a\",le=\"1.0\"} 4\n"
            "t_seconds_bucket{route=\"a\",le=\"+Inf\"} 5\n"
            "t_seconds_sum{route=\"a\"} 5.3\n"
            "t_seconds_count{route=\"a\"} 5\n");
}

TEST(Exposition, ObservationsOfManyThreadsAllCount) {
  Histogram histogram(RequestSecondsBounds());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) histogram.Observe(0.001 * (i % 7));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.Read().count, 40'000u);
}

TEST(Exposition, FormFollowsTheAcceptHeader) {
  EXPECT_EQ(ExpositionFormOf("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), ExpositionForm::kOpenMetrics);
  EXPECT_EQ(ExpositionFormOf("text/plain"), ExpositionForm::kPrometheus);
  EXPECT_EQ(ExpositionFormOf(""), ExpositionForm::kPrometheus);
}

}  // namespace
}  // namespace weir
