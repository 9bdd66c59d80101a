#pragma once
// Benchmarks inside the product: `weir bench NAME` runs one on this machine and prints what it measured.
//
// A benchmark measures a whole public operation with its real inputs and adds one row per figure. It decides its own
// sizes and rounds, so that two machines run the same work. Thread rule: one benchmark at a time, on the caller's thread.

#include <chrono>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weir/base/result.h"
#include "weir/codec/json.h"

namespace weir {

struct BenchOptions {
  std::filesystem::path tokenizer;     // a tokenizer.json; empty: benchmarks that need one say so (not_found)
  std::vector<std::string> arguments;  // what followed the name, for example a trace file
};

// One measured figure.
struct BenchRow {
  std::string bench;
  std::string bench_case;  // "case" in JSON
  std::string metric;      // "cold", "find_p50", ...
  double value = 0;
  std::string unit;    // "MB/s", "ns/token", "us", "bytes/block", ...
  Json::Object extra;  // sizes and settings that the figure depends on
};

// {"bench","case","metric","value","unit",...extra}
Json ToJson(const BenchRow& row);

// Called once per figure, as soon as it is measured.
using BenchSink = std::function<void(const BenchRow&)>;

struct Bench {
  std::string_view name;
  std::string_view summary;
  Status (*run)(const BenchOptions& options, const BenchSink& sink);
};

// All benchmarks, sorted by name; static storage.
std::span<const Bench> AllBenches();

// Wall seconds of each of `rounds` runs of `work`, ascending: front() is the best, [size/2] the median.
std::vector<double> TimeRounds(int rounds, const std::function<void()>& work);

// Keeps the optimiser from dropping a result.
template <typename T>
void KeepResult(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

// Each benchmark lives in its own file; registry.cc lists them.
Status BenchBlockKeys(const BenchOptions& options, const BenchSink& sink);
Status BenchTokenize(const BenchOptions& options, const BenchSink& sink);
Status BenchBlocks(const BenchOptions& options, const BenchSink& sink);
Status BenchEmbed(const BenchOptions& options, const BenchSink& sink);
Status BenchEmbedHits(const BenchOptions& options, const BenchSink& sink);
Status BenchHttp(const BenchOptions& options, const BenchSink& sink);
Status BenchNear(const BenchOptions& options, const BenchSink& sink);
Status BenchPool(const BenchOptions& options, const BenchSink& sink);
Status BenchPoolHitRatio(const BenchOptions& options, const BenchSink& sink);
Status BenchPrompts(const BenchOptions& options, const BenchSink& sink);
Status BenchRegistryRoom(const BenchOptions& options, const BenchSink& sink);
Status BenchShare(const BenchOptions& options, const BenchSink& sink);
Status BenchSpans(const BenchOptions& options, const BenchSink& sink);
Status BenchVectors(const BenchOptions& options, const BenchSink& sink);

}  // namespace weir
