#pragma once
// How long readers of an index take while a writer changes it as fast as it can.

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "weir/bench/bench.h"

namespace weir {

// Runs `read` for a second alone, then a second beside `write` on another thread; one row per figure. "find_p100" is wall
// time, so it also holds the turns that the scheduler gives to others; "find_cpu_p100" is the reader's own time, in which
// any waiting in a loop would show, and "waits" counts how often the reader slept (a lock would show there).
template <typename Read, typename Write>
void MeasureReaders(const std::string& bench, const std::string& name, Read&& read, Write&& write, const BenchSink& sink) {
  const auto cpu_now = [] {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  };
  const auto waits_now = [] {
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  };
  for (const bool with_writer : {false, true}) {
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> changes{0};
    std::jthread writer;
    if (with_writer) {
      writer = std::jthread([&] {
        while (!stop.load(std::memory_order_relaxed)) {
          write();
          changes.fetch_add(1, std::memory_order_relaxed);
        }
      });
      while (changes.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
    }
    std::vector<double> wall;
    wall.reserve(4'000'000);
    double cpu_most = 0;
    const uint64_t changes_before = changes.load(std::memory_order_relaxed);
    const long waits_before = waits_now();
    const auto begin = std::chrono::steady_clock::now();
    std::chrono::duration<double> elapsed{0};
    while (elapsed.count() < 1 && wall.size() < wall.capacity()) {
      const double cpu_start = cpu_now();
      const auto start = std::chrono::steady_clock::now();
      read();
      const auto end = std::chrono::steady_clock::now();
      cpu_most = std::max(cpu_most, cpu_now() - cpu_start);
      wall.push_back(std::chrono::duration<double>(end - start).count());
      elapsed = end - begin;
    }
    const long waits = waits_now() - waits_before;
    const auto changed = static_cast<double>(changes.load(std::memory_order_relaxed) - changes_before);
    stop = true;
    std::sort(wall.begin(), wall.end());
    const std::string case_name = name + (with_writer ? ", beside a writer" : ", alone");
    sink({bench, case_name, "find_p50", wall[wall.size() / 2] * 1e6, "us", {}});
    sink({bench, case_name, "find_p99", wall[wall.size() * 99 / 100] * 1e6, "us", {}});
    sink({bench, case_name, "find_p100", wall.back() * 1e6, "us", {}});
    sink({bench, case_name, "find_cpu_p100", cpu_most * 1e6, "us", {}});
    sink({bench, case_name, "waits", static_cast<double>(waits), "times", {}});
    if (with_writer) sink({bench, case_name, "changes", changed / elapsed.count() / 1e3, "k/s", {}});
  }
}

}  // namespace weir
