// The page that monitoring systems scrape, by the rules that they check.

#include <map>
#include <sstream>

#include "api_fixture.h"

namespace weir {
namespace {

struct Page {
  std::map<std::string, std::string> types{};  // by family
  std::set<std::string> helped{};
  std::vector<std::string> samples{};  // name and labels
};

bool IsName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// The family of a sample: without the suffix that its type gives it.
std::string FamilyOf(std::string name, const Page& page) {
  for (const std::string_view suffix : {"_bucket", "_sum", "_count", "_total"}) {
    if (!name.ends_with(suffix)) continue;
    const std::string family = name.substr(0, name.size() - suffix.size());
    if (page.types.contains(family)) return family;
  }
  return name;
}

Page Read(const std::string& text) {
  Page page;
  std::istringstream lines(text);
  std::set<std::string> closed;
  std::string current;
  for (std::string line; std::getline(lines, line);) {
    SCOPED_TRACE(line);
    if (line == "# EOF") continue;
    std::istringstream words(line);
    std::string first, second, name, rest;
    if (line.starts_with('#')) {
      words >> first >> second >> name;
      std::getline(words, rest);
      EXPECT_GT(rest.size(), 1u);
      if (second == "HELP") {
        EXPECT_TRUE(page.helped.insert(name).second) << "HELP twice";
      } else {
        EXPECT_EQ(second, "TYPE");
        EXPECT_TRUE(page.types.emplace(name, rest.substr(1)).second) << "TYPE twice";
      }
      continue;
    }
    const size_t space = line.rfind(' ');
    const std::string key = line.substr(0, space);
    const std::string sample = key.substr(0, key.find('{'));
    EXPECT_TRUE(IsName(sample));
    EXPECT_NO_THROW(static_cast<void>(std::stod(line.substr(space + 1))));
    EXPECT_EQ(std::ranges::count(page.samples, key), 0) << "a sample twice";
    page.samples.push_back(key);
    const std::string family = FamilyOf(sample, page);
    EXPECT_TRUE(page.types.contains(family) && page.helped.contains(family)) << "no TYPE or HELP before it";
    if (family != current) {
      EXPECT_TRUE(closed.insert(family).second) << "a family in two places";
    }
    current = family;
  }
  return page;
}

class MetricsPageTest : public testing::ApiTest {
 protected:
  void SetUp() override {
    Open();
    Serve({.http_stats = [] { return HttpServerStats(); }});
    Register("a", std::string(64, 's'));
    Post("/v1/embeddings", Json::Object{{"model", "fake-model"}, {"input", "x"}});
    Get("/v1/contexts/a");
    Get("/v1/contexts/b");
    Get("/v1/status");
  }
};

TEST_F(MetricsPageTest, FollowsTheRulesOfTheTextFormat) {
  const testing::ApiAnswer answer = Get("/metrics");
  EXPECT_TRUE(answer.Header("Content-Type").starts_with("text/plain; version=0.0.4")) << answer.Header("Content-Type");
  EXPECT_TRUE(answer.body.ends_with('\n'));
  EXPECT_EQ(answer.body.find("# EOF"), std::string::npos);
  const Page page = Read(answer.body);
  EXPECT_GT(page.samples.size(), 80u);
  for (const auto& [name, type] : page.types) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(name.starts_with("weir_") || name.starts_with("process_"));
    EXPECT_EQ(name.ends_with("_total"), type == "counter");
    for (const char* unit : {"_ms", "_milliseconds", "_kb", "_mb", "_percent"}) EXPECT_FALSE(name.ends_with(unit));
  }
}

TEST_F(MetricsPageTest, OpenMetricsEndsWithItsMark) {
  const testing::ApiAnswer answer = Get("/metrics", {{"Accept", "application/openmetrics-text; version=1.0.0"}});
  EXPECT_TRUE(answer.Header("Content-Type").starts_with("application/openmetrics-text")) << answer.Header("Content-Type");
  EXPECT_TRUE(answer.body.ends_with("\n# EOF\n"));
  EXPECT_EQ(answer.body.find("# EOF"), answer.body.size() - 6);
  for (const auto& [name, type] : Read(answer.body).types) EXPECT_FALSE(name.ends_with("_total")) << name;
}

TEST_F(MetricsPageTest, CountsRequestsByRouteAndNothingElseOfThem) {
  const std::string text = Get("/metrics").body;
  const auto count = [&](const std::string& sample) { return text.find("\n" + sample + "\n") != std::string::npos; };
  EXPECT_TRUE(count(R"(weir_http_requests_total{method="GET",route="/v1/contexts/{agent}",status="2xx"} 1)")) << text;
  EXPECT_TRUE(count(R"(weir_http_requests_total{method="GET",route="/v1/contexts/{agent}",status="4xx"} 1)"));
  EXPECT_TRUE(count(R"(weir_http_requests_total{method="POST",route="/v1/contexts",status="2xx"} 1)"));
  EXPECT_TRUE(count(R"(weir_embedding_texts_total{result="computed"} 2)")) << "the context's, and the text's";
}

TEST_F(MetricsPageTest, IsThereBeforeTheDaemonIsReadyAndAfterItFailed) {
  Create(Options());
  Read(Get("/metrics").body);
  ServiceOptions options = Options();
  options.data = "/dev/null/data";
  Create(std::move(options));
  EXPECT_FALSE(service_->Open());
  Read(Get("/metrics").body);
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Get("/v1/status").status, 503);
}

}  // namespace
}  // namespace weir
