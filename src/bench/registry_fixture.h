#pragma once
// What the cases of `weir bench registry` stand on: a folder on a disk, one CPU, memory and time of this process.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "weir/base/result.h"
#include "weir/bench/bench.h"
#include "weir/registry/registry.h"
#include "weir/store/store.h"
#include "weir/tokens/tokenizer.h"

namespace weir {

// A new folder, on a disk if any of the usual places is one; removed with all that is in it.
class DiskFolder {
 public:
  static Result<DiskFolder> Create();
  DiskFolder(DiskFolder&& other) noexcept { std::swap(path_, other.path_); }
  DiskFolder& operator=(DiskFolder&&) = delete;
  ~DiskFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit DiskFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Keeps this thread, and those that it starts meanwhile, on one CPU.
class OneCpu {
 public:
  OneCpu();
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;
  ~OneCpu();

 private:
  std::vector<unsigned char> before_;  // the mask; empty: the system does not say
};

uint64_t ResidentBytes();
double ProcessCpuSeconds();  // of all threads

// A registry and the store below it; without a folder there is no store.
struct BenchRegistry {
  std::unique_ptr<Store> store;
  std::unique_ptr<Registry> registry;
  double open_store_s = 0;
  double open_s = 0;  // of the registry, its store included

  static Result<BenchRegistry> Open(std::shared_ptr<const Tokenizer> tokenizer, const std::filesystem::path& folder);
  BenchRegistry() = default;
  BenchRegistry(BenchRegistry&&) noexcept = default;
  BenchRegistry& operator=(BenchRegistry&& other) noexcept;
  ~BenchRegistry() { registry.reset(); }
};

// How long calls took: on the clock, and in processor time of this thread, which a busy machine does not lengthen.
struct CallTimes {
  std::vector<double> seconds;
  std::vector<double> cpu_seconds;

  void Time(const std::function<void()>& call);
};

// Adds rows of one case; times as METRIC_p50, _p99, _best, _max and _cpu_p50, _cpu_p99.
class RegistryRows {
 public:
  RegistryRows(const BenchSink& sink, std::string bench_case) : sink_(sink), case_(std::move(bench_case)) {}
  void Add(std::string metric, double value, std::string unit, Json::Object extra = {}) const;
  // `scale` turns seconds into the unit.
  void AddTimes(const std::string& metric, CallTimes times, double scale, const std::string& unit,
                Json::Object extra = {}) const;

 private:
  const BenchSink& sink_;
  std::string case_;
};

// Of up to `samples` calls ask(i), fewer once they have taken `seconds_max`; the first error ends it.
Result<CallTimes> TimeCalls(size_t samples, double seconds_max, const std::function<Status(size_t)>& ask);

}  // namespace weir
