// The exporter against a real collector, one that fails in every way, and none at all.

#include "weir/trace/span_exporter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "collector.h"

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = seconds(20);  // only a test that fails takes it

HttpResponse Answer(int status, HttpHeaders headers = {}) {
  return {.status = status, .headers = std::move(headers), .body = {}};
}

std::unique_ptr<SpanExporter> Start(SpanExporterOptions options) {
  auto exporter = SpanExporter::Create(std::move(options));
  WEIR_CHECK(exporter.has_value(), "{}", exporter ? "" : exporter.error().ToString());
  return *std::move(exporter);
}

void ExpectBalance(const SpanExporterStats& stats) {
  EXPECT_EQ(stats.spans_added,
            stats.spans_queued + stats.spans_in_flight + stats.spans_sent + stats.spans_refused + stats.spans_lost);
}

// Ids of all spans that came; each once.
std::set<std::string> IdsOf(const Collector& collector) {
  std::set<std::string> ids;
  for (const Collector::Received& request : collector.received()) {
    for (const Json& span : SpansOf(request.body)) EXPECT_TRUE(ids.insert(span.Find("spanId")->as_string()).second);
  }
  return ids;
}

TEST(SpanExporter, SendsWhatItIsGiven) {
  const Collector collector;
  SpanExporterOptions options = TestOptions(collector.url());
  options.headers = {{"Api-Key", "k"}, {"content-type", "text/plain"}};
  options.version = "1.2.3";
  const auto exporter = Start(std::move(options));
  EXPECT_EQ(exporter->Add(MakeTestSpan(0)), SpanOutcome::kQueued);
  EXPECT_EQ(exporter->Add(MakeTestSpan(1)), SpanOutcome::kQueued);
  EXPECT_TRUE(exporter->Flush(kLong));
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 1u);
  EXPECT_EQ(received[0].method, "POST");
  EXPECT_EQ(received[0].path, "/v1/traces");
  EXPECT_EQ(received[0].headers.FindAll("Content-Type"), std::vector<std::string_view>{"application/json"});
  EXPECT_EQ(received[0].headers.Find("Api-Key"), "k");
  EXPECT_EQ(IdsOf(collector), (std::set<std::string>{"0000000000000001", "0000000000000002"}));
  EXPECT_NE(received[0].body.find(R"("key":"service.name","value":{"stringValue":"weir-test"})"), std::string::npos);
  EXPECT_NE(received[0].body.find(R"("scope":{"name":"weir","version":"1.2.3"})"), std::string::npos);
  EXPECT_EQ(exporter->stats().spans_sent, 2u);
  ExpectBalance(exporter->stats());
}

TEST(SpanExporter, FullBatchesLeaveAtOnceAndTheRestByTime) {
  const Collector collector;
  SpanExporterOptions options = TestOptions(collector.url());
  options.batch_max = 10;
  {
    const auto exporter = Start(options);
    for (uint64_t i = 0; i < 25; ++i) ASSERT_EQ(exporter->Add(MakeTestSpan(i)), SpanOutcome::kQueued);
    ASSERT_TRUE(ComesTrue([&] { return exporter->stats().spans_sent >= 20; }));
    EXPECT_TRUE(exporter->Flush(kLong));
  }
  EXPECT_EQ(IdsOf(collector).size(), 25u);
  for (const Collector::Received& request : collector.received()) EXPECT_LE(SpansOf(request.body).size(), 10u);

  options.schedule_delay = milliseconds(10);
  const auto exporter = Start(options);
  ASSERT_EQ(exporter->Add(MakeTestSpan(100)), SpanOutcome::kQueued);
  EXPECT_TRUE(ComesTrue([&] { return exporter->stats().spans_sent == 1; }));
}

TEST(SpanExporter, SendsNothingUnasked) {
  const Collector collector;
  {
    const auto exporter = Start(TestOptions(collector.url()));
    EXPECT_TRUE(exporter->Flush(kLong));
    EXPECT_TRUE(exporter->Shutdown(kLong));
  }
  EXPECT_TRUE(collector.received().empty());
}

TEST(SpanExporter, TriesAgainWhereTheSpecificationSaysSo) {
  const Collector collector([](size_t number) {
    constexpr int kStatus[] = {429, 502, 503, 504};
    return Answer(number < 4 ? kStatus[number] : 200);
  });
  const auto exporter = Start(TestOptions(collector.url()));
  exporter->Add(MakeTestSpan(0));
  EXPECT_TRUE(exporter->Flush(kLong));
  const SpanExporterStats stats = exporter->stats();
  EXPECT_EQ(stats.spans_sent, 1u);
  EXPECT_EQ(stats.requests, 5u);
  EXPECT_EQ(stats.requests_failed, 4u);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 5u);
  for (const Collector::Received& request : received) EXPECT_EQ(request.body, received[0].body);
}

TEST(SpanExporter, GivesUpAtOnceWhereItMust) {
  for (const int status : {302, 400, 401, 404, 413, 500}) {
    const Collector collector([&](size_t) { return Answer(status, {{"Retry-After", "1"}}); });
    const auto exporter = Start(TestOptions(collector.url()));
    exporter->Add(MakeTestSpan(0));
    EXPECT_TRUE(exporter->Flush(kLong));
    EXPECT_EQ(exporter->stats().spans_lost, 1u) << status;
    EXPECT_EQ(collector.received().size(), 1u) << status;
    ExpectBalance(exporter->stats());
  }
}

TEST(SpanExporter, ObeysRetryAfter) {
  const Collector collector([](size_t number) { return number == 0 ? Answer(429, {{"Retry-After", "1"}}) : Answer(200); });
  const auto exporter = Start(TestOptions(collector.url()));
  exporter->Add(MakeTestSpan(0));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_sent, 1u);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 2u);
  EXPECT_GE(received[1].at - received[0].at, milliseconds(990));
}

TEST(SpanExporter, RetryAfterHoldsForLaterBatchesToo) {
  const Collector collector([](size_t number) { return number == 0 ? Answer(503, {{"Retry-After", "1"}}) : Answer(200); });
  SpanExporterOptions options = TestOptions(collector.url());
  options.export_timeout = milliseconds(500);  // the first batch cannot wait that long
  const auto exporter = Start(options);
  exporter->Add(MakeTestSpan(0));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_lost, 1u);
  exporter->Add(MakeTestSpan(1));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_sent, 1u);
  const auto received = collector.received();
  ASSERT_EQ(received.size(), 2u);
  EXPECT_GE(received[1].at - received[0].at, milliseconds(990));
}

TEST(SpanExporter, OutlivesACollectorThatIsDown) {
  uint16_t port = 0;
  HttpUrl url;
  {
    const Collector gone;
    port = gone.port();
    url = gone.url();
  }
  SpanExporterOptions options = TestOptions(url);
  options.export_timeout = milliseconds(100);
  const auto exporter = Start(options);
  exporter->Add(MakeTestSpan(0));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_lost, 1u);
  EXPECT_GT(exporter->stats().requests, 1u);
  const Collector back([](size_t) { return Answer(200); }, port);
  exporter->Add(MakeTestSpan(1));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_sent, 1u);
  ExpectBalance(exporter->stats());
}

TEST(SpanExporter, DoesNotWaitForASlowCollector) {
  const Collector collector([](size_t) { return Answer(0); });
  SpanExporterOptions options = TestOptions(collector.url());
  options.attempt_timeout = milliseconds(30);
  options.export_timeout = milliseconds(100);
  const auto exporter = Start(options);
  exporter->Add(MakeTestSpan(0));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_lost, 1u);
  EXPECT_GE(exporter->stats().requests, 1u);
}

TEST(SpanExporter, AFullQueueDropsAndCounts) {
  Collector collector([](size_t number) { return Answer(number == 0 ? 0 : 200); });
  SpanExporterOptions options = TestOptions(collector.url());
  options.queue_max = 4;
  options.batch_max = 2;
  const auto exporter = Start(options);
  uint64_t number = 0;
  for (int i = 0; i < 2; ++i) ASSERT_EQ(exporter->Add(MakeTestSpan(number++)), SpanOutcome::kQueued);
  ASSERT_TRUE(collector.WaitFor(1));  // the first batch is out and hangs
  for (int i = 0; i < 4; ++i) ASSERT_EQ(exporter->Add(MakeTestSpan(number++)), SpanOutcome::kQueued);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(exporter->Add(MakeTestSpan(number++)), SpanOutcome::kFull);
  SpanExporterStats stats = exporter->stats();
  EXPECT_EQ(stats.spans_full, 3u);
  EXPECT_EQ(stats.spans_queued, 4u);
  EXPECT_EQ(stats.spans_in_flight, 2u);
  ExpectBalance(stats);
  EXPECT_FALSE(exporter->Flush(milliseconds(1)));
  collector.LetGo();
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_sent, 6u);
  EXPECT_EQ(exporter->Add(MakeTestSpan(number++)), SpanOutcome::kQueued);
}

TEST(SpanExporter, RefusesWhatIsNoSpan) {
  const Collector collector;
  const auto exporter = Start(TestOptions(collector.url()));
  Span span = MakeTestSpan(0);
  span.trace_id = "short";
  EXPECT_EQ(exporter->Add(span), SpanOutcome::kInvalid);
  EXPECT_EQ(exporter->stats().spans_invalid, 1u);
  EXPECT_EQ(exporter->stats().spans_added, 0u);
}

TEST(SpanExporter, CountsWhatTheCollectorRefuses) {
  const Collector collector([](size_t number) {
    HttpResponse response = Answer(200);
    // More than it got, the second time: a collector's numbers are not believed.
    response.body =
        number == 0 ? R"({"partialSuccess":{"rejectedSpans":"2"}})" : R"({"partialSuccess":{"rejectedSpans":9}})";
    return response;
  });
  const auto exporter = Start(TestOptions(collector.url()));
  for (uint64_t i = 0; i < 5; ++i) exporter->Add(MakeTestSpan(i));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_sent, 3u);
  EXPECT_EQ(exporter->stats().spans_refused, 2u);
  exporter->Add(MakeTestSpan(7));
  EXPECT_TRUE(exporter->Flush(kLong));
  EXPECT_EQ(exporter->stats().spans_refused, 3u);
  EXPECT_EQ(collector.received().size(), 2u);
  ExpectBalance(exporter->stats());
}

TEST(SpanExporter, ShutdownSendsWhatIsLeft) {
  const Collector collector;
  SpanExporterOptions options = TestOptions(collector.url());
  options.batch_max = 4;
  const auto exporter = Start(options);
  for (uint64_t i = 0; i < 11; ++i) exporter->Add(MakeTestSpan(i));
  EXPECT_TRUE(exporter->Shutdown(kLong));
  EXPECT_EQ(IdsOf(collector).size(), 11u);
  EXPECT_EQ(exporter->Add(MakeTestSpan(99)), SpanOutcome::kClosed);
  EXPECT_EQ(exporter->stats().spans_closed, 1u);
  EXPECT_TRUE(exporter->Shutdown(kLong));
  EXPECT_TRUE(exporter->Flush(kLong));
  ExpectBalance(exporter->stats());
}

TEST(SpanExporter, ShutdownKeepsItsDeadline) {
  // It hangs in a request, or it was told to come back in an hour.
  for (const int status : {0, 503}) {
    const Collector collector([&](size_t) { return Answer(status, {{"Retry-After", "3600"}}); });
    SpanExporterOptions options = TestOptions(collector.url());
    options.attempt_timeout = std::chrono::hours(2);
    options.export_timeout = std::chrono::hours(2);
    options.batch_max = 2;
    const auto exporter = Start(options);
    for (uint64_t i = 0; i < 5; ++i) exporter->Add(MakeTestSpan(i));
    ASSERT_TRUE(collector.WaitFor(1));
    const auto start = std::chrono::steady_clock::now();
    EXPECT_FALSE(exporter->Shutdown(milliseconds(20)));
    EXPECT_LT(std::chrono::steady_clock::now() - start, kLong);
    EXPECT_EQ(exporter->stats().spans_lost, 5u) << status;
    EXPECT_FALSE(exporter->Shutdown(kLong)) << "what was lost stays lost";
    ExpectBalance(exporter->stats());
  }
}

TEST(SpanExporter, ManyThreadsLoseNothing) {
  constexpr uint64_t kThreads = 4;
  constexpr uint64_t kEach = 500;
  const Collector collector;
  SpanExporterOptions options = TestOptions(collector.url());
  options.batch_max = 64;
  const auto exporter = Start(options);
  std::atomic<uint64_t> queued{0};
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t i = 0; i < kEach; ++i) {
        if (exporter->Add(MakeTestSpan(thread * kEach + i)) == SpanOutcome::kQueued) ++queued;
        if (i % 100 == 0) exporter->Flush(kLong);
      }
    });
  }
  std::thread watcher([&] {
    while (!is_over) ExpectBalance(exporter->stats());
  });
  for (std::thread& thread : threads) thread.join();
  is_over = true;
  watcher.join();
  EXPECT_TRUE(exporter->Shutdown(kLong));
  EXPECT_EQ(queued, kThreads * kEach);
  EXPECT_EQ(exporter->stats().spans_sent, queued);
  EXPECT_EQ(IdsOf(collector).size(), queued);
}

TEST(SpanExporter, RefusesOptionsByName) {
  const HttpUrl url = *ParseHttpUrl("http://127.0.0.1:1/v1/traces");
  const auto message = [&](const auto& change) {
    SpanExporterOptions options = TestOptions(url);
    change(options);
    const auto exporter = SpanExporter::Create(options);
    return exporter ? std::string("accepted") : exporter.error().message;
  };
  EXPECT_NE(message([](auto& o) { o.endpoint = {}; }).find("endpoint"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.queue_max = 0; }).find("queue_max"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.batch_max = o.queue_max + 1; }).find("batch_max"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.schedule_delay = {}; }).find("schedule_delay"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.export_timeout = Duration::max(); }).find("export_timeout"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.certificate_authorities = "no-such-file.pem"; }), "accepted");
  EXPECT_EQ(message([](auto&) {}), "accepted");
}

}  // namespace
}  // namespace weir
