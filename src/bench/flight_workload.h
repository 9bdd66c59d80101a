#pragma once
// Single flight under load: many callers miss one key at the same time, again and again. Standard library and Linux only.
//
// The caller whose loader runs waits until all have called and a little longer, so that the others sleep when the value
// comes. What is timed is from the end of the loader to the return of each other caller.

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace weir {

inline constexpr int kFlightCallers = 64;

struct FlightFigures {
  double loads = 0;              // loaders run per flight
  double answered = 0;           // callers per flight that got a value
  std::vector<double> wakes_us;  // ascending
};

// `load(key, loader)` is one caller's single-flight load: true when it got a value. A loader throws when `fails`.
template <typename Load>
FlightFigures RunFlights(uint64_t first_key, size_t count, bool fails, Load load) {
  using Clock = std::chrono::steady_clock;
  struct Flight {
    std::atomic<int> called{0};
    std::atomic<int> loads{0};
    std::atomic<int> answered{0};
    std::atomic<int64_t> finished_ns{0};
  };
  std::vector<Flight> flights(count);
  std::vector<std::vector<double>> wakes(kFlightCallers);
  const auto begin = Clock::now();
  const auto now_ns = [&] { return int64_t{std::chrono::nanoseconds(Clock::now() - begin).count()}; };
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, nullptr, kFlightCallers);

  const auto call = [&](int caller) {
    for (size_t i = 0; i < count; ++i) {
      Flight& flight = flights[i];
      bool loaded = false;
      const std::function<void()> loader = [&] {
        loaded = true;
        if (flight.loads.fetch_add(1) == 0) {
          while (flight.called.load() < kFlightCallers) std::this_thread::yield();
          std::this_thread::sleep_for(std::chrono::milliseconds(3));
        }
        flight.finished_ns.store(now_ns());
        if (fails) throw std::runtime_error("this load fails");
      };
      pthread_barrier_wait(&barrier);
      flight.called.fetch_add(1);
      const bool answered = load(first_key + i, loader);
      const int64_t back_ns = now_ns();
      if (answered) flight.answered.fetch_add(1);
      if (!loaded) wakes[static_cast<size_t>(caller)].push_back(static_cast<double>(back_ns - flight.finished_ns) * 1e-3);
    }
  };
  std::vector<std::thread> threads;
  for (int caller = 0; caller < kFlightCallers; ++caller) threads.emplace_back(call, caller);
  for (std::thread& thread : threads) thread.join();
  pthread_barrier_destroy(&barrier);

  FlightFigures figures;
  for (const Flight& flight : flights) {
    figures.loads += flight.loads;
    figures.answered += flight.answered;
  }
  figures.loads /= static_cast<double>(count);
  figures.answered /= static_cast<double>(count);
  for (const std::vector<double>& one : wakes) figures.wakes_us.insert(figures.wakes_us.end(), one.begin(), one.end());
  std::sort(figures.wakes_us.begin(), figures.wakes_us.end());
  return figures;
}

}  // namespace weir
