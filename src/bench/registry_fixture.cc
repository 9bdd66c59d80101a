#include "registry_fixture.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

namespace weir {

namespace fs = std::filesystem;

namespace {

double Seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

Result<DiskFolder> DiskFolder::Create() {
  std::error_code error;
  fs::path parent = fs::temp_directory_path(error);
  for (const fs::path& place : {parent, fs::path("/var/tmp")}) {
    struct statfs system {};
    if (statfs(place.c_str(), &system) != 0 || system.f_type == TMPFS_MAGIC || access(place.c_str(), W_OK) != 0) continue;
    parent = place;
    break;
  }
  std::string pattern = (parent / "weir-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return Unavailable(fmt::format("cannot make a folder in '{}'", parent.string()));
  return DiskFolder(pattern);
}

DiskFolder::~DiskFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

OneCpu::OneCpu() {
  cpu_set_t all;
  if (sched_getaffinity(0, sizeof(all), &all) != 0) return;
  before_.resize(sizeof(all));
  std::memcpy(before_.data(), &all, sizeof(all));
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (!CPU_ISSET(cpu, &all)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
    return;
  }
}

OneCpu::~OneCpu() {
  if (before_.empty()) return;
  cpu_set_t all;
  std::memcpy(&all, before_.data(), sizeof(all));
  sched_setaffinity(0, sizeof(all), &all);
}

uint64_t ResidentBytes() {
  unsigned long pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return uint64_t{pages} * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

double ProcessCpuSeconds() { return Seconds(CLOCK_PROCESS_CPUTIME_ID); }

Result<BenchRegistry> BenchRegistry::Open(std::shared_ptr<const Tokenizer> tokenizer, const fs::path& folder) {
  BenchRegistry opened;
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  if (!folder.empty()) {
    StoreOptions store;
    store.folder = folder;
    WEIR_ASSIGN(opened.store, OpenStore(store));
    opened.open_store_s = elapsed();
  }
  RegistryOptions options;
  options.tokenizers.push_back({"default", std::move(tokenizer)});
  options.contexts_bytes = uint64_t{8} << 30;
  options.index_bytes = uint64_t{8} << 30;
  options.store = opened.store.get();
  WEIR_ASSIGN(opened.registry, Registry::Open(std::move(options)));
  opened.open_s = elapsed();
  return opened;
}

BenchRegistry& BenchRegistry::operator=(BenchRegistry&& other) noexcept {
  registry = std::move(other.registry);  // before the store that it uses
  store = std::move(other.store);
  open_store_s = other.open_store_s;
  open_s = other.open_s;
  return *this;
}

void RegistryRows::Add(std::string metric, double value, std::string unit, Json::Object extra) const {
  sink_({"registry", case_, std::move(metric), value, std::move(unit), std::move(extra)});
}

void RegistryRows::AddTimes(const std::string& metric, CallTimes times, double scale, const std::string& unit,
                            Json::Object extra) const {
  std::vector<double>& wall = times.seconds;
  std::vector<double>& cpu = times.cpu_seconds;
  if (wall.empty()) return;
  std::ranges::sort(wall);
  std::ranges::sort(cpu);
  extra.insert(extra.begin(), {"samples", Json(uint64_t{wall.size()})});
  const std::pair<const char*, double> figures[] = {
      {"p50", wall[wall.size() / 2]}, {"p99", wall[wall.size() * 99 / 100]}, {"best", wall.front()},
      {"max", wall.back()},           {"cpu_p50", cpu[cpu.size() / 2]},      {"cpu_p99", cpu[cpu.size() * 99 / 100]},
  };
  for (const auto& [name, value] : figures) Add(fmt::format("{}_{}", metric, name), value * scale, unit, extra);
}

void CallTimes::Time(const std::function<void()>& call) {
  const double cpu = Seconds(CLOCK_THREAD_CPUTIME_ID);
  const auto start = std::chrono::steady_clock::now();
  call();
  seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  cpu_seconds.push_back(Seconds(CLOCK_THREAD_CPUTIME_ID) - cpu);
}

Result<CallTimes> TimeCalls(size_t samples, double seconds_max, const std::function<Status(size_t)>& ask) {
  CallTimes times;
  double total = 0;
  for (size_t i = 0; i < samples && total < seconds_max; ++i) {
    Status status;
    times.Time([&] { status = ask(i); });
    WEIR_TRY(std::move(status));
    total += times.seconds.back();
  }
  return times;
}

}  // namespace weir
