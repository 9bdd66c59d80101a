// Spans, what servers say of requests, and which traces are kept.

#include "weir/trace/span.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "retry.h"
#include "weir/base/random.h"
#include "weir/trace/sampler.h"

namespace weir {
namespace {

ServedRequest Served(int status) {
  ServedRequest request;
  request.method = "PUT";
  request.route = "/v1/contexts/{agent}";
  request.status = status;
  request.request_bytes = 10;
  request.response_bytes = 20;
  request.server_address = "127.0.0.1";
  request.server_port = 7077;
  request.trace_id = "0af7651916cd43dd8448eb211c80319c";
  request.span_id = "b7ad6b7169203331";
  request.start_unix_ns = 5;
  request.end_unix_ns = 9;
  return request;
}

TEST(ServerSpan, FollowsTheConventions) {
  const Span span = MakeServerSpan(Served(201));
  EXPECT_TRUE(span.IsValid());
  EXPECT_EQ(span.name, "PUT /v1/contexts/{agent}");
  EXPECT_EQ(span.kind, SpanKind::kServer);
  EXPECT_EQ(span.status, SpanStatus::kUnset);
  EXPECT_FALSE(span.is_parent_remote);
  const std::vector<SpanAttribute> expected = {
      {"http.request.method", std::string("PUT")},  {"http.route", std::string("/v1/contexts/{agent}")},
      {"http.response.status_code", int64_t{201}},  {"url.scheme", std::string("http")},
      {"server.address", std::string("127.0.0.1")}, {"server.port", int64_t{7077}},
      {"http.request.body.size", int64_t{10}},      {"http.response.body.size", int64_t{20}}};
  EXPECT_EQ(span.attributes, expected);
}

TEST(ServerSpan, OurFailuresAreErrorsAndTheCallersAreNot) {
  EXPECT_EQ(MakeServerSpan(Served(404)).status, SpanStatus::kUnset);
  const Span failed = MakeServerSpan(Served(503));
  EXPECT_EQ(failed.status, SpanStatus::kError);
  const SpanAttribute type{"error.type", std::string("503")};
  EXPECT_NE(std::find(failed.attributes.begin(), failed.attributes.end(), type), failed.attributes.end());
}

TEST(ServerSpan, ACallersMethodIsNoText) {
  ServedRequest request = Served(501);
  request.method = "SECRET";
  request.route = {};
  request.parent_span_id = "00f067aa0ba902b7";
  const Span span = MakeServerSpan(request);
  EXPECT_EQ(span.name, "HTTP");
  EXPECT_TRUE(span.is_parent_remote);
  EXPECT_EQ(std::get<std::string>(span.attributes.front().value), "_OTHER");
  for (const SpanAttribute& attribute : span.attributes) {
    const auto* text = std::get_if<std::string>(&attribute.value);
    EXPECT_TRUE(text == nullptr || text->find("SECRET") == std::string::npos) << attribute.key;
    EXPECT_NE(attribute.key, "http.route");
  }
}

TEST(Span, KnowsItsRules) {
  Span good = MakeServerSpan(Served(200));
  ASSERT_TRUE(good.IsValid());
  const auto broken = [&](const auto& change) {
    Span span = good;
    change(span);
    return !span.IsValid();
  };
  EXPECT_TRUE(broken([](Span& s) { s.trace_id = std::string(32, '0'); }));
  EXPECT_TRUE(broken([](Span& s) { s.trace_id.pop_back(); }));
  EXPECT_TRUE(broken([](Span& s) { s.trace_id[3] = 'g'; }));
  EXPECT_TRUE(broken([](Span& s) { s.span_id = std::string(16, '0'); }));
  EXPECT_TRUE(broken([](Span& s) { s.span_id.clear(); }));
  EXPECT_TRUE(broken([](Span& s) { s.parent_span_id = "12"; }));
  EXPECT_TRUE(broken([](Span& s) { s.end_unix_ns = s.start_unix_ns - 1; }));
  EXPECT_TRUE(broken([](Span& s) { s.attributes.resize(Span::kAttributesMax + 1); }));
}

TEST(SpanSampler, FollowsTheParentIfItIsToldTo) {
  const std::string id = "0af7651916cd43dd8448eb211c80319c";
  for (const double share : {0.0, 1.0}) {
    EXPECT_EQ(SpanSampler(share, true).Keeps(id, std::nullopt), share == 1);
    EXPECT_TRUE(SpanSampler(share, true).Keeps(id, true));
    EXPECT_FALSE(SpanSampler(share, true).Keeps(id, false));
    EXPECT_EQ(SpanSampler(share, false).Keeps(id, true), share == 1);
    EXPECT_EQ(SpanSampler(share, false).Keeps(id, false), share == 1);
  }
  EXPECT_TRUE(SpanSampler().Keeps(id, std::nullopt));
  EXPECT_FALSE(SpanSampler().Keeps(id, false));
}

TEST(SpanSampler, KeepsTheShareAndNestsSmallerShares) {
  constexpr uint64_t kSeed = 3;
  constexpr int kTraces = 20'000;
  Random random(kSeed);
  int kept = 0;
  for (int i = 0; i < kTraces; ++i) {
    const std::string id = fmt::format("{:016x}{:016x}", random.Next(), random.Next());
    const bool at_quarter = SpanSampler(0.25, true).Keeps(id, std::nullopt);
    kept += at_quarter ? 1 : 0;
    // What a sparse sampler keeps, a generous one keeps too: traces across processes stay whole.
    ASSERT_LE(at_quarter, SpanSampler(0.5, false).Keeps(id, std::nullopt)) << "seed " << kSeed;
    ASSERT_EQ(at_quarter, SpanSampler(0.25, true).Keeps(id, std::nullopt));
  }
  EXPECT_NEAR(kept, kTraces / 4, 4 * 62);  // four standard deviations
  // The border: half of the numbers.
  EXPECT_TRUE(SpanSampler(0.5, true).Keeps("00000000000000007fffffffffffffff", std::nullopt));
  EXPECT_FALSE(SpanSampler(0.5, true).Keeps("00000000000000008000000000000000", std::nullopt));
  EXPECT_FALSE(SpanSampler(0.5, true).Keeps("nothing", std::nullopt));
  EXPECT_EQ(SpanSampler(7, true).share(), 1);
  EXPECT_EQ(SpanSampler(-1, true).share(), 0);
}

TEST(Retry, StatusesAndPauses) {
  for (const int status : {429, 502, 503, 504}) EXPECT_TRUE(trace::IsRetryable(status));
  for (const int status : {301, 400, 401, 404, 408, 413, 500, 501}) EXPECT_FALSE(trace::IsRetryable(status));
  using std::chrono::seconds;
  EXPECT_EQ(trace::ParseRetryAfter("120", 0), Duration(seconds(120)));
  EXPECT_EQ(trace::ParseRetryAfter("0", 0), Duration(seconds(0)));
  EXPECT_EQ(trace::ParseRetryAfter("99999999999999999999999", 0), Duration(seconds(366LL * 24 * 3600)));
  EXPECT_EQ(trace::ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 - 30), Duration(seconds(30)));
  EXPECT_EQ(trace::ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", 784111777 + 30), Duration(seconds(0)));
  for (const char* bad : {"", "-1", "1.5", "soon", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49:37 GMT x"}) {
    EXPECT_EQ(trace::ParseRetryAfter(bad, 0), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace weir
