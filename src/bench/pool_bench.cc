// The pool on the cache workload that bench/peers/cache gives to every other engine: reads, overhead, giving half back
// under reads, and single flight.

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include <climits>
#include <map>
#include <memory>

#include "cache_workload.h"
#include "flight_workload.h"
#include "weir/base/random.h"
#include "weir/bench/bench.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

constexpr uint64_t kKeys = 1'000'000;
// Room for whatever an entry costs beside its value, where a limit on entries or none is meant to bind.
constexpr uint64_t kSlackBytes = 256;

struct Settings {
  std::vector<std::string> cases;
  int rounds = 3;
  uint64_t operations = 3'000'000;
};

// The rounds of one case, folded: times at their best, everything else at its median.
class Figures {
 public:
  void Add(const std::string& metric, double value, const std::string& unit) {
    Figure& figure = figures_[metric];
    if (figure.values.empty()) order_.push_back(metric);
    figure.unit = unit;
    figure.values.push_back(value);
  }

  void Emit(const std::string& bench_case, const Json::Object& extra, const BenchSink& sink) {
    for (const std::string& metric : order_) {
      Figure& figure = figures_[metric];
      std::sort(figure.values.begin(), figure.values.end());
      const bool is_time = figure.unit == "ns/op" || figure.unit == "us" || figure.unit == "ms";
      const double value = is_time ? figure.values.front() : figure.values[figure.values.size() / 2];
      sink({"pool", bench_case, metric, value, figure.unit, extra});
    }
  }

 private:
  struct Figure {
    std::string unit;
    std::vector<double> values;
  };
  std::map<std::string, Figure> figures_;
  std::vector<std::string> order_;
};

class PoolEngine {
 public:
  explicit PoolEngine(std::unique_ptr<Pool> pool) : pool_(std::move(pool)) {}

  template <typename Read>
  bool Get(uint64_t key, Read read) {
    const Pin pin = pool_->Get({0, key});
    if (!pin) return false;
    read(pin.bytes().data());
    return true;
  }
  void Put(uint64_t key, std::span<const std::byte> value) { pool_->Insert({0, key}, value); }
  uint64_t Entries() const { return pool_->Stats().entries; }
  void ShrinkToHalf() { reclaimed_ = pool_->Reclaim(pool_->Stats().used_bytes() / 2, TimePoint::max()); }

  const Reclaimed& reclaimed() const { return reclaimed_; }
  PoolStats Stats() const { return pool_->Stats(); }

 private:
  std::unique_ptr<Pool> pool_;
  Reclaimed reclaimed_;
};

Result<std::unique_ptr<Pool>> NewPool(uint64_t budget_bytes, uint64_t entries_max) {
  PoolOptions options;
  options.name = "bench";
  options.budget_bytes = budget_bytes;
  options.entries_max = entries_max;
  options.shards = kCacheShards;
  options.sizes = ValueSizes::kAlike;
  return Pool::Create(std::move(options));
}

// The bytes that a pool takes for `entries` values, as it counts them itself.
Result<uint64_t> BytesFor(uint64_t entries, uint64_t value_bytes, const CacheOperations& operations) {
  WEIR_ASSIGN(const auto pool, NewPool(entries * (value_bytes + kSlackBytes), entries));
  CacheValue value(value_bytes);
  for (const uint64_t key : std::span(operations.fill).first(entries)) pool->Insert({0, key}, value.For(key));
  return pool->Stats().used_bytes();
}

Status CheckNothingWrong(const std::string& metric, double value) {
  if (metric == "wrong" && value != 0) return Error{ErrorCode::kInternal, "the pool handed out a wrong value", ""};
  return {};
}

// `by_budget`: the limit is the bytes that a tenth of the keys takes, instead of a number of entries.
Status RunReads(const CacheCase& which, bool by_budget, const CacheOperations& operations, Figures& figures) {
  const uint64_t capacity = CacheCapacity(which, operations.fill.size());
  uint64_t budget_bytes = capacity * (which.value_bytes + kSlackBytes);
  if (by_budget) {
    WEIR_ASSIGN(budget_bytes, BytesFor(capacity, which.value_bytes, operations));
  }
  WEIR_ASSIGN(auto pool, NewPool(budget_bytes, which.read_through && !by_budget ? capacity : 0));
  PoolEngine* engine = nullptr;
  Status status;
  const auto make = [&](uint64_t, uint64_t) {
    auto made = std::make_unique<PoolEngine>(std::move(pool));
    engine = made.get();
    return made;
  };
  RunCacheReads(which, operations, make, [&](const std::string& metric, double value, const std::string& unit) {
    if (auto checked = CheckNothingWrong(metric, value); !checked) status = checked;
    figures.Add(metric, value, unit);
    if (metric != "overhead") return;
    const PoolStats stats = engine->Stats();
    const double counted = static_cast<double>(stats.used_bytes()) / static_cast<double>(stats.entries);
    figures.Add("overhead_counted", counted - static_cast<double>(which.value_bytes), unit);
  });
  return status;
}

Status RunShrink(const CacheOperations& operations, Figures& figures) {
  const uint64_t entries = operations.fill.size() / 2;
  WEIR_ASSIGN(auto pool, NewPool(entries * (kCacheShrinkValueBytes + kSlackBytes), 0));
  PoolEngine* engine = nullptr;
  Status status;
  const auto make = [&](uint64_t, uint64_t) {
    auto made = std::make_unique<PoolEngine>(std::move(pool));
    engine = made.get();
    return made;
  };
  RunCacheShrink(operations, make, {}, [&](const std::string& metric, double value, const std::string& unit) {
    if (auto checked = CheckNothingWrong(metric, value); !checked) status = checked;
    figures.Add(metric, value, unit);
    if (metric != "evicted") return;
    constexpr double kMiB = 1 << 20;
    figures.Add("released", static_cast<double>(engine->reclaimed().bytes_released) / kMiB, unit);
    figures.Add("accounted", static_cast<double>(engine->reclaimed().bytes_accounted) / kMiB, unit);
    figures.Add("moved", static_cast<double>(engine->Stats().moved), "entries");
  });
  return status;
}

void AddWakes(const FlightFigures& flown, const std::string& name, Figures& figures) {
  const auto& wakes = flown.wakes_us;
  if (wakes.empty()) return;
  figures.Add(name + "_p50", wakes[wakes.size() / 2], "us");
  figures.Add(name + "_p99", wakes[wakes.size() * 99 / 100], "us");
}

// What the kernel alone needs to wake the callers: the first one loads, the others sleep on a futex of the flight.
void RunBareFutex(size_t flights, Figures& figures) {
  std::vector<std::atomic<uint32_t>> states(flights);  // 0: nobody came yet, 1: loading, 2: loaded
  const auto futex = [](std::atomic<uint32_t>& state, int operation, uint32_t value) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&state), operation, value, nullptr, nullptr, 0);
  };
  const FlightFigures flown = RunFlights(0, flights, false, [&](uint64_t key, const std::function<void()>& loader) {
    std::atomic<uint32_t>& state = states[key];
    uint32_t expected = 0;
    if (state.compare_exchange_strong(expected, 1)) {
      loader();
      state.store(2);
      futex(state, FUTEX_WAKE_PRIVATE, INT_MAX);
    }
    while (state.load() == 1) futex(state, FUTEX_WAIT_PRIVATE, 1);
    return true;
  });
  AddWakes(flown, "futex", figures);
}

Status RunFlight(Figures& figures) {
  constexpr size_t kFlights = 100;
  constexpr size_t kFailing = 10;
  WEIR_ASSIGN(const auto pool, NewPool(64ull << 20, 0));
  const auto load = [&](uint64_t key, const std::function<void()>& loader) {
    const auto fill = [&](Filler& filler) -> Status {
      loader();
      WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(64));
      std::memset(room.data(), 7, room.size());
      return {};
    };
    return pool->LoadOrShare({1, key}, fill).has_value();
  };
  const FlightFigures flown = RunFlights(0, kFlights, false, load);
  figures.Add("loads", flown.loads, "loads/flight");
  figures.Add("answered", flown.answered, "callers/flight");
  AddWakes(flown, "wake", figures);
  const FlightFigures failed = RunFlights(kFlights, kFailing, true, load);
  figures.Add("failed_loads", failed.loads, "loads/flight");
  figures.Add("failed_callers", kFlightCallers - failed.answered, "callers/flight");
  RunBareFutex(kFlights, figures);
  return {};
}

struct PoolCase {
  std::string name;
  uint64_t value_bytes;
  std::function<Status(const CacheOperations& operations, Figures& figures)> run;
};

std::vector<PoolCase> PoolCases() {
  std::vector<PoolCase> cases;
  for (const CacheCase& which : kCacheCases) {
    for (const bool by_budget : {false, true}) {
      if (by_budget && !which.read_through) continue;
      cases.push_back({fmt::format("{}{}", which.name, by_budget ? "-budget" : ""), which.value_bytes,
                       [which, by_budget](const CacheOperations& operations, Figures& figures) {
                         return RunReads(which, by_budget, operations, figures);
                       }});
    }
  }
  cases.push_back({"shrink", kCacheShrinkValueBytes, RunShrink});
  cases.push_back({"flight", 64, [](const CacheOperations&, Figures& figures) { return RunFlight(figures); }});
  return cases;
}

Result<Settings> ReadSettings(const std::vector<std::string>& arguments, const std::vector<PoolCase>& cases) {
  Settings settings;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const bool is_case = std::any_of(cases.begin(), cases.end(), [&](const PoolCase& one) { return one.name == argument; });
    if (is_case) {
      settings.cases.push_back(argument);
      continue;
    }
    char* end = nullptr;
    const std::string number = equals == std::string::npos ? "" : argument.substr(equals + 1);
    const uint64_t value = std::strtoull(number.c_str(), &end, 10);
    const bool is_number = !number.empty() && *end == '\0' && number[0] != '-';
    if (name == "rounds" && is_number && value >= 1 && value <= 100) {
      settings.rounds = static_cast<int>(value);
    } else if (name == "operations" && is_number && value >= 1000 && value <= 100'000'000) {
      settings.operations = value;
    } else {
      std::string names;
      for (const PoolCase& one : cases) names += " " + one.name;
      return InvalidArgument(fmt::format("pool does not take '{}'", argument),
                             fmt::format("give rounds=N (1..100), operations=N (1000..100000000), or cases:{}", names));
    }
  }
  return settings;
}

}  // namespace

// Arguments: cases (default: all), rounds=N, operations=N (of each stream).
Status BenchPool(const BenchOptions& options, const BenchSink& sink) {
  const std::vector<PoolCase> cases = PoolCases();
  WEIR_ASSIGN(const Settings settings, ReadSettings(options.arguments, cases));
  const CacheOperations operations = CacheOperations::Make(kKeys, settings.operations);
  for (const PoolCase& one : cases) {
    const auto& wanted = settings.cases;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), one.name) == wanted.end()) continue;
    Figures figures;
    for (int round = 0; round < settings.rounds; ++round) WEIR_TRY(one.run(operations, figures));
    figures.Emit(one.name,
                 {{"value_bytes", Json(one.value_bytes)},
                  {"keys", Json(kKeys)},
                  {"operations", Json(settings.operations)},
                  {"shards", Json(kCacheShards)},
                  {"rounds", Json(uint64_t{static_cast<uint64_t>(settings.rounds)})},
                  {"digest", Json(fmt::format("{:016x}", operations.digest))}},
                 sink);
  }
  return {};
}

}  // namespace weir
