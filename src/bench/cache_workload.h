#pragma once
// The timed loops of a cache comparison, the same for every engine that C++ can call; programs in other languages follow
// them line by line. Standard library and Linux only.
//
// An engine is a class with
//   bool Get(uint64_t key, read)          calls read(const std::byte* value) under a pin or handle; false: a miss
//   void Put(uint64_t key, std::span<const std::byte> value)
//   uint64_t Entries()
//   void ShrinkToHalf()                   gives up half of what it holds, in this call
// used by several threads at once. A value's first word is its key, which every read checks.

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <latch>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cache_operations.h"

namespace weir {

struct CacheCase {
  const char* name;
  uint64_t value_bytes;
  bool read_through;  // a tenth of the keys fits and a miss puts; else all fit and the stream's own puts are made
};
inline constexpr CacheCase kCacheCases[] = {
    {"get95-64", 64, false}, {"get95-1536", 1536, false}, {"rt-64", 64, true}, {"rt-1536", 1536, true}};
inline constexpr uint64_t kCacheShrinkValueBytes = 1536;
inline constexpr uint64_t kCacheShards = 16;

// Entries that an engine is told it may hold. Where all keys must fit, fixed shares of the shards need slack.
inline uint64_t CacheCapacity(const CacheCase& which, uint64_t keys) {
  return which.read_through ? keys / 10 : keys + keys / 10;
}

// Figures leave through it: metric, value, unit.
using CacheFigure = std::function<void(const std::string& metric, double value, const std::string& unit)>;

inline uint64_t ResidentBytes() {
  unsigned long long pages = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
  std::fclose(file);
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

inline double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Reads one word of every cache line; the sum keeps the loads alive.
struct CacheReader {
  uint64_t value_bytes = 0;
  uint64_t sum = 0;
  uint64_t wrong = 0;

  void operator()(uint64_t key, const std::byte* value) {
    uint64_t word = 0;
    std::memcpy(&word, value, sizeof(word));
    wrong += word != key ? 1 : 0;
    for (uint64_t at = 0; at < value_bytes; at += 64) {
      std::memcpy(&word, value + at, sizeof(word));
      sum += word;
    }
    std::memcpy(&word, value + value_bytes - sizeof(word), sizeof(word));  // a value may begin inside a line
    sum += word;
  }
};

struct CacheTally {
  double cpu_seconds = 0;
  uint64_t operations = 0;
  uint64_t gets = 0;
  uint64_t hits = 0;
  uint64_t wrong = 0;

  void Add(const CacheTally& other) {
    cpu_seconds += other.cpu_seconds;
    operations += other.operations;
    gets += other.gets;
    hits += other.hits;
    wrong += other.wrong;
  }
};

// A value of `bytes` bytes for one key after another.
class CacheValue {
 public:
  explicit CacheValue(uint64_t bytes) : bytes_(bytes, std::byte{7}) {}
  std::span<const std::byte> For(uint64_t key) {
    std::memcpy(bytes_.data(), &key, sizeof(key));
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;
};

template <typename Engine>
CacheTally RunOperations(Engine& engine, const CacheCase& which, std::span<const uint64_t> operations) {
  CacheTally tally;
  CacheReader reader{which.value_bytes};
  CacheValue value(which.value_bytes);
  const double start = ThreadSeconds();
  for (const uint64_t operation : operations) {
    const uint64_t key = CacheOperations::KeyOf(operation);
    if (!which.read_through && CacheOperations::IsPut(operation)) {
      engine.Put(key, value.For(key));
      continue;
    }
    ++tally.gets;
    if (engine.Get(key, [&](const std::byte* bytes) { reader(key, bytes); })) {
      ++tally.hits;
    } else if (which.read_through) {
      engine.Put(key, value.For(key));
    }
  }
  tally.cpu_seconds = ThreadSeconds() - start;
  tally.operations = operations.size();
  tally.wrong = reader.wrong;
  asm volatile("" : : "r"(reader.sum) : "memory");
  return tally;
}

// Each stream on a thread of its own, all started together.
template <typename Engine>
CacheTally RunStreams(Engine& engine, const CacheCase& which, std::span<const std::span<const uint64_t>> streams) {
  std::vector<CacheTally> tallies(streams.size());
  std::vector<std::thread> threads;
  std::latch start(static_cast<ptrdiff_t>(streams.size()));
  for (size_t i = 0; i < streams.size(); ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      tallies[i] = RunOperations(engine, which, streams[i]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CacheTally total;
  for (const CacheTally& tally : tallies) total.Add(tally);
  return total;
}

// `make` is called after the first reading of memory. The first third of the first stream warms up.
// Values found under a wrong key are counted in "wrong", which must be 0.
template <typename MakeEngine>
void RunCacheReads(const CacheCase& which, const CacheOperations& operations, MakeEngine make, const CacheFigure& figure) {
  const uint64_t resident_before = ResidentBytes();
  auto engine = make(CacheCapacity(which, operations.fill.size()), which.value_bytes);
  CacheTally total;
  if (!which.read_through) {
    CacheValue value(which.value_bytes);
    for (const uint64_t key : operations.fill) engine->Put(key, value.For(key));
    const auto grown = static_cast<double>(ResidentBytes()) - static_cast<double>(resident_before);
    const auto entries = static_cast<double>(engine->Entries());
    figure("entries", entries, "entries");
    figure("overhead", grown / entries - static_cast<double>(which.value_bytes), "bytes/entry");
  }
  std::span<const uint64_t> streams[CacheOperations::kStreams];
  for (int i = 0; i < CacheOperations::kStreams; ++i) {
    const std::span<const uint64_t> whole = operations.streams[i];
    if (i == 0) total.Add(RunStreams(*engine, which, std::array{whole.first(whole.size() / 3)}));
    streams[i] = whole.subspan(whole.size() / 3);
  }
  for (const size_t threads : {size_t{1}, size_t{2}}) {
    const auto used = std::span(streams).subspan(threads - 1, threads);
    const CacheTally tally = RunStreams(*engine, which, used);
    const std::string suffix = "_t" + std::to_string(threads);
    figure("cpu" + suffix, tally.cpu_seconds * 1e9 / static_cast<double>(tally.operations), "ns/op");
    figure("hit" + suffix, 100.0 * static_cast<double>(tally.hits) / static_cast<double>(tally.gets), "%");
    total.Add(tally);
  }
  if (which.read_through) figure("entries", static_cast<double>(engine->Entries()), "entries");
  figure("wrong", static_cast<double>(total.wrong), "values");
}

// How often the kernel took the processor from this thread. A wait for a lock does not count.
inline long ThreadPreemptions() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

// Times single gets from another thread, and keeps the worst of the phase that is on: of all, and of those during which the
// thread kept its processor, which other work on the machine disturbs less.
class WorstGet {
 public:
  enum Phase : int { kWarm, kQuiet, kShrinking, kPhases };

  void Enter(Phase phase) { phase_.store(phase, std::memory_order_relaxed); }
  void Stop() { stopped_.store(true, std::memory_order_relaxed); }
  double WorstMicroseconds(Phase phase) const { return worst_ns_[phase] * 1e-3; }
  double WorstRunningMicroseconds(Phase phase) const { return worst_running_ns_[phase] * 1e-3; }
  uint64_t gets(Phase phase) const { return gets_[phase]; }
  uint64_t wrong() const { return wrong_; }

  template <typename Engine>
  void Run(Engine& engine, std::span<const uint64_t> keys, uint64_t value_bytes) {
    using Clock = std::chrono::steady_clock;
    CacheReader reader{value_bytes};
    for (uint64_t i = 0; !stopped_.load(std::memory_order_relaxed); ++i) {
      const uint64_t key = keys[i * 0x9e3779b97f4a7c15u % keys.size()];
      const int before = phase_.load(std::memory_order_relaxed);
      const long preempted = ThreadPreemptions();
      const auto start = Clock::now();
      engine.Get(key, [&](const std::byte* bytes) { reader(key, bytes); });
      const auto took = static_cast<double>(std::chrono::nanoseconds(Clock::now() - start).count());
      const int phase = std::max(before, phase_.load(std::memory_order_relaxed));
      worst_ns_[phase] = std::max(worst_ns_[phase], took);
      if (ThreadPreemptions() == preempted) worst_running_ns_[phase] = std::max(worst_running_ns_[phase], took);
      ++gets_[phase];
    }
    wrong_ = reader.wrong;
  }

 private:
  std::atomic<int> phase_{kWarm};
  std::atomic<bool> stopped_{false};
  double worst_ns_[kPhases] = {};
  double worst_running_ns_[kPhases] = {};
  uint64_t gets_[kPhases] = {};
  uint64_t wrong_ = 0;
};

// Fills an engine with half of the keys, uses a random half of those again, and has it give up 50 % while another thread
// reads. `trim` is called afterwards, for engines on malloc.
template <typename MakeEngine>
void RunCacheShrink(const CacheOperations& operations, MakeEngine make, const std::function<void()>& trim,
                    const CacheFigure& figure) {
  constexpr uint64_t kBytes = kCacheShrinkValueBytes;
  constexpr double kMiB = 1 << 20;
  const auto keys = std::span(operations.fill).first(operations.fill.size() / 2);
  auto engine = make(keys.size() + keys.size() / 10, kBytes);
  CacheValue value(kBytes);
  CacheReader reader{kBytes};
  for (const uint64_t key : keys) engine->Put(key, value.For(key));
  for (int pass = 0; pass < 2; ++pass) {
    for (const uint64_t key : keys) {
      if (CacheOperations::InFirstHalf(key)) engine->Get(key, [&](const std::byte* bytes) { reader(key, bytes); });
    }
  }
  WorstGet worst;
  std::thread other([&] { worst.Run(*engine, keys, kBytes); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  worst.Enter(WorstGet::kQuiet);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto entries_before = static_cast<double>(engine->Entries());
  const auto resident_before = static_cast<double>(ResidentBytes());
  const auto start = std::chrono::steady_clock::now();
  worst.Enter(WorstGet::kShrinking);
  engine->ShrinkToHalf();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto resident_after = static_cast<double>(ResidentBytes());
  worst.Stop();
  other.join();
  const auto entries_after = static_cast<double>(engine->Entries());
  const double evicted = (entries_before - entries_after) * static_cast<double>(kBytes);
  figure("time", seconds * 1e3, "ms");
  figure("entries_before", entries_before, "entries");
  figure("entries_after", entries_after, "entries");
  figure("evicted", evicted / kMiB, "MiB");
  figure("rss_before", resident_before / kMiB, "MiB");
  figure("rss_after", resident_after / kMiB, "MiB");
  figure("give_back", evicted > 0 ? 100 * (resident_before - resident_after) / evicted : 0, "%");
  figure("worst_get", worst.WorstMicroseconds(WorstGet::kShrinking), "us");
  figure("worst_get_running", worst.WorstRunningMicroseconds(WorstGet::kShrinking), "us");
  figure("worst_get_quiet", worst.WorstMicroseconds(WorstGet::kQuiet), "us");
  figure("gets_meanwhile", static_cast<double>(worst.gets(WorstGet::kShrinking)), "gets");
  if (trim) {
    trim();
    const double given_back = resident_before - static_cast<double>(ResidentBytes());
    figure("give_back_trim", evicted > 0 ? 100 * given_back / evicted : 0, "%");
  }
  figure("wrong", static_cast<double>(reader.wrong + worst.wrong()), "values");
}

}  // namespace weir
