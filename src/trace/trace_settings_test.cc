// The standard environment variables, one by one.

#include "weir/trace/trace_settings.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace weir {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

TraceSettings Read(const Variables& variables) {
  return ReadTraceSettings(
      [&](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      },
      "1.2.3");
}

// With an endpoint, so that the rest is read.
TraceSettings ReadOn(Variables variables) {
  variables.emplace("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
  return Read(variables);
}

std::string ResourceOf(const TraceSettings& settings, std::string_view key) {
  for (const SpanAttribute& attribute : settings.exporter.resource) {
    if (attribute.key == key) return std::get<std::string>(attribute.value);
  }
  return "(none)";
}

TEST(TraceSettings, OffUnlessThereIsAnEndpoint) {
  EXPECT_FALSE(Read({}).is_on);
  EXPECT_TRUE(Read({}).warnings.empty());
  EXPECT_FALSE(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", " "}}).is_on);
  EXPECT_FALSE(Read({{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://x"}}).is_on);
  const TraceSettings otlp = Read({{"OTEL_TRACES_EXPORTER", "otlp"}});
  EXPECT_FALSE(otlp.is_on);
  EXPECT_EQ(otlp.warnings.size(), 1u);
  EXPECT_TRUE(ReadOn({}).is_on);
  EXPECT_TRUE(ReadOn({}).warnings.empty());
}

TEST(TraceSettings, Endpoints) {
  struct Row {
    Variables variables;
    std::string authority;
    std::string path;
    bool tls = false;
  };
  const std::string all = "OTEL_EXPORTER_OTLP_ENDPOINT";
  const std::string traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  const std::vector<Row> table = {
      {{{all, "http://c:4318"}}, "c:4318", "/v1/traces"},
      {{{all, "http://c:4318/"}}, "c:4318", "/v1/traces"},
      {{{all, "https://c/base/"}}, "c", "/base/v1/traces", true},
      {{{all, "http://c/base?x=1"}}, "c", "/base/v1/traces"},
      {{{traces, "http://t:1/own"}}, "t:1", "/own"},
      {{{traces, "http://t:1"}}, "t:1", "/"},
      {{{all, "http://c:4318"}, {traces, "http://t:1/own/"}}, "t:1", "/own/"},
      {{{all, "http://c:4318"}, {traces, ""}}, "c:4318", "/v1/traces"},
      {{{all, "http://[::1]:4318"}}, "[::1]:4318", "/v1/traces"},
  };
  for (const Row& row : table) {
    const TraceSettings settings = Read(row.variables);
    SCOPED_TRACE(row.authority + row.path);
    EXPECT_TRUE(settings.is_on) << settings.why_off;
    EXPECT_EQ(settings.exporter.endpoint.target.Authority(), row.authority);
    EXPECT_EQ(settings.exporter.endpoint.path, row.path);
    EXPECT_EQ(settings.exporter.endpoint.target.tls, row.tls);
    EXPECT_TRUE(settings.exporter.Validate());
  }
  for (const char* bad : {"collector:4318", "ftp://c", "http://", "http://user:hunter2@c", "c", "http://c:99999"}) {
    const TraceSettings settings = Read({{all, bad}});
    EXPECT_FALSE(settings.is_on) << bad;
    ASSERT_EQ(settings.warnings.size(), 1u) << bad;
    EXPECT_NE(settings.warnings[0].find(all), std::string::npos);
    EXPECT_EQ(settings.warnings[0].find("hunter2"), std::string::npos);
    EXPECT_EQ(settings.why_off.find("hunter2"), std::string::npos);
  }
}

TEST(TraceSettings, WhatSwitchesOff) {
  EXPECT_FALSE(ReadOn({{"OTEL_SDK_DISABLED", "TRUE"}}).is_on);
  EXPECT_TRUE(ReadOn({{"OTEL_SDK_DISABLED", "false"}}).is_on);
  EXPECT_TRUE(ReadOn({{"OTEL_SDK_DISABLED", "1"}}).is_on);
  EXPECT_EQ(ReadOn({{"OTEL_SDK_DISABLED", "1"}}).warnings.size(), 1u);
  EXPECT_FALSE(ReadOn({{"OTEL_TRACES_EXPORTER", "none"}}).is_on);
  EXPECT_TRUE(ReadOn({{"OTEL_TRACES_EXPORTER", "otlp"}}).is_on);
  EXPECT_TRUE(ReadOn({{"OTEL_TRACES_EXPORTER", "console, otlp"}}).is_on);
  EXPECT_EQ(ReadOn({{"OTEL_TRACES_EXPORTER", "console, otlp"}}).warnings.size(), 1u);
  EXPECT_FALSE(ReadOn({{"OTEL_TRACES_EXPORTER", "zipkin"}}).is_on);
}

TEST(TraceSettings, Protocols) {
  const std::string name = "OTEL_EXPORTER_OTLP_PROTOCOL";
  EXPECT_TRUE(ReadOn({{name, "http/json"}}).warnings.empty());
  const TraceSettings protobuf = ReadOn({{name, "http/protobuf"}});
  EXPECT_TRUE(protobuf.is_on);
  ASSERT_EQ(protobuf.warnings.size(), 1u);
  EXPECT_NE(protobuf.warnings[0].find("http/json"), std::string::npos);
  const TraceSettings grpc = ReadOn({{name, "grpc"}});
  EXPECT_FALSE(grpc.is_on);
  ASSERT_EQ(grpc.warnings.size(), 1u);
  EXPECT_NE(grpc.warnings[0].find("4318"), std::string::npos);
  EXPECT_TRUE(ReadOn({{name, "grpc"}, {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"}}).is_on);
  EXPECT_EQ(Read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"}}).warnings.size(), 1u);
}

TEST(TraceSettings, Headers) {
  const TraceSettings settings = ReadOn({{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=k%20y , x-two = a=b ,"}});
  EXPECT_TRUE(settings.warnings.empty());
  EXPECT_EQ(settings.exporter.headers.size(), 2u);
  EXPECT_EQ(settings.exporter.headers.Find("api-key"), "k y");
  EXPECT_EQ(settings.exporter.headers.Find("x-two"), "a=b");
  const TraceSettings own = ReadOn({{"OTEL_EXPORTER_OTLP_HEADERS", "a=1"}, {"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"}});
  EXPECT_FALSE(own.exporter.headers.Has("a"));
  EXPECT_EQ(own.exporter.headers.Find("b"), "2");
  // Nothing of a value may come back, and nothing may forge a field.
  for (const char* bad : {"x=hunter2%", "hunter2", "=hunter2", "x=hunter2%0d%0aEvil: 1", "x y=hunter2"}) {
    const TraceSettings refused = ReadOn({{"OTEL_EXPORTER_OTLP_HEADERS", bad}});
    EXPECT_TRUE(refused.is_on) << bad;
    EXPECT_TRUE(refused.exporter.headers.empty()) << bad;
    ASSERT_EQ(refused.warnings.size(), 1u) << bad;
    EXPECT_EQ(refused.warnings[0].find("hunter2"), std::string::npos) << bad;
  }
}

TEST(TraceSettings, Resource) {
  EXPECT_EQ(ResourceOf(ReadOn({}), "service.name"), "weir");
  EXPECT_EQ(ResourceOf(ReadOn({}), "service.version"), "1.2.3");
  const Variables both = {{"OTEL_SERVICE_NAME", "mine"}, {"OTEL_RESOURCE_ATTRIBUTES", "service.name=other,zone=eu%2C1"}};
  EXPECT_EQ(ResourceOf(ReadOn(both), "service.name"), "mine");
  EXPECT_EQ(ResourceOf(ReadOn(both), "zone"), "eu,1");
  EXPECT_EQ(ResourceOf(ReadOn({{"OTEL_RESOURCE_ATTRIBUTES", "service.name=other"}}), "service.name"), "other");
  const TraceSettings bad = ReadOn({{"OTEL_RESOURCE_ATTRIBUTES", "good=1,bad"}});
  EXPECT_EQ(ResourceOf(bad, "good"), "(none)");
  EXPECT_EQ(bad.warnings.size(), 1u);
}

TEST(TraceSettings, Samplers) {
  struct Row {
    std::string name;
    std::string argument;
    double share;
    bool is_parent_based;
    size_t warnings;
  };
  const std::vector<Row> table = {
      {"", "", 1, true, 0},
      {"always_on", "", 1, false, 0},
      {"always_off", "", 0, false, 0},
      {"traceidratio", "0.25", 0.25, false, 0},
      {"traceidratio", "", 1, false, 0},
      {"traceidratio", "2", 1, false, 1},
      {"traceidratio", "-0.1", 1, false, 1},
      {"traceidratio", "nan", 1, false, 1},
      {"traceidratio", "0.5x", 1, false, 1},
      {"parentbased_always_on", "", 1, true, 0},
      {"parentbased_always_off", "", 0, true, 0},
      {"ParentBased_TraceIdRatio", "0", 0, true, 0},
      {"parentbased_traceidratio", "1e-3", 0.001, true, 0},
      {"jaeger_remote", "", 1, true, 1},
      {"parentbased_", "", 1, true, 1},
  };
  for (const Row& row : table) {
    const TraceSettings settings = ReadOn({{"OTEL_TRACES_SAMPLER", row.name}, {"OTEL_TRACES_SAMPLER_ARG", row.argument}});
    SCOPED_TRACE(row.name + " " + row.argument);
    EXPECT_EQ(settings.sampler.share(), row.share);
    EXPECT_EQ(settings.sampler.is_parent_based(), row.is_parent_based);
    EXPECT_EQ(settings.warnings.size(), row.warnings);
  }
}

TEST(TraceSettings, Limits) {
  using std::chrono::milliseconds;
  const SpanExporterOptions defaults = ReadOn({}).exporter;
  EXPECT_EQ(defaults.queue_max, 2048u);
  EXPECT_EQ(defaults.batch_max, 512u);
  EXPECT_EQ(defaults.schedule_delay, milliseconds(5000));
  EXPECT_EQ(defaults.export_timeout, milliseconds(30000));
  EXPECT_EQ(defaults.attempt_timeout, milliseconds(10000));
  const SpanExporterOptions set = ReadOn({{"OTEL_BSP_SCHEDULE_DELAY", "10"},
                                          {"OTEL_BSP_EXPORT_TIMEOUT", "20"},
                                          {"OTEL_BSP_MAX_QUEUE_SIZE", "30"},
                                          {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "15"},
                                          {"OTEL_EXPORTER_OTLP_TIMEOUT", "50"},
                                          {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "60"},
                                          {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"}})
                                      .exporter;
  EXPECT_EQ(set.schedule_delay, milliseconds(10));
  EXPECT_EQ(set.export_timeout, milliseconds(20));
  EXPECT_EQ(set.queue_max, 30u);
  EXPECT_EQ(set.batch_max, 15u);
  EXPECT_EQ(set.attempt_timeout, milliseconds(60));
  EXPECT_EQ(set.certificate_authorities, "/ca.pem");
  for (const char* bad : {"0", "-1", "x", "1.5", "99999999999999999999"}) {
    const TraceSettings settings = ReadOn({{"OTEL_BSP_MAX_QUEUE_SIZE", bad}, {"OTEL_BSP_SCHEDULE_DELAY", bad}});
    EXPECT_EQ(settings.exporter.queue_max, 2048u) << bad;
    EXPECT_EQ(settings.exporter.schedule_delay, milliseconds(5000)) << bad;
    EXPECT_EQ(settings.warnings.size(), 2u) << bad;
  }
  // A small queue takes the batch with it; only a batch that was asked for is worth a warning.
  const TraceSettings small = ReadOn({{"OTEL_BSP_MAX_QUEUE_SIZE", "8"}});
  EXPECT_EQ(small.exporter.batch_max, 8u);
  EXPECT_TRUE(small.warnings.empty());
  EXPECT_EQ(ReadOn({{"OTEL_BSP_MAX_QUEUE_SIZE", "8"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9"}}).warnings.size(), 1u);
  EXPECT_EQ(ReadOn({{"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"}}).warnings.size(), 1u);
  EXPECT_TRUE(ReadOn({{"OTEL_EXPORTER_OTLP_COMPRESSION", "none"}}).warnings.empty());
}

}  // namespace
}  // namespace weir
