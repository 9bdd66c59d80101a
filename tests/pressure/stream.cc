#include "stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "weir/base/bytes.h"
#include "weir/base/random.h"
#include "weir/broker/broker.h"
#include "weir/pool/pool.h"
#include "weir/sensors/host_sensor.h"

namespace weir::pressure {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kSeed = 20'240'601;
// Memory that is not a pool's and grows while the pools are full, so that they have to make room for it.
constexpr uint64_t kOtherBytes = 40 * kMiB;

// What a program that cannot go on does.
template <typename T>
T Must(Result<T> result) {
  if (!result) {
    fmt::print("FAIL {}\n", result.error().ToString());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// What one pool is fed with: a skewed choice among more keys than fit.
struct Feed {
  const char* name;
  uint64_t keys;
  uint64_t size_min;
  uint64_t size_max;
  size_t pins;        // held at any time
  double us_per_kib;  // what it takes to have a value back
  bool by_loader;     // through LoadOrShare instead of Get and Insert
};
constexpr std::array<Feed, 2> kFeeds = {{
    {"contexts", 80'000, 200, 8'000, 64, 40, false},
    {"kv", 600, 16'000, 900'000, 8, 20, true},
}};

struct Outcome {
  uint64_t streamed_bytes = 0;
  uint64_t streamed_values = 0;
  uint64_t read_bytes = 0;
  uint64_t wrong_values = 0;
  uint64_t refused = 0;
};

// A key's value: words that differ from key to key and from place to place.
uint64_t SizeOf(const Feed& feed, uint64_t key) {
  return feed.size_min + Random(key * 2 + 1).Below(feed.size_max - feed.size_min + 1);
}
Cost CostOf(const Feed& feed, uint64_t size) { return {.refetch_us = feed.us_per_kib * static_cast<double>(size) / 1024}; }
void Write(uint64_t key, std::span<std::byte> value) {
  uint64_t word = Random(key).Next();
  for (size_t at = 0; at < value.size(); at += sizeof(word), word += 0x9E3779B97F4A7C15u) {
    std::memcpy(value.data() + at, &word, std::min(sizeof(word), value.size() - at));
  }
}
bool IsRight(const Feed& feed, uint64_t key, std::span<const std::byte> value) {
  if (value.size() != SizeOf(feed, key)) return false;
  uint64_t word = Random(key).Next();
  for (size_t at = 0; at < value.size(); at += sizeof(word), word += 0x9E3779B97F4A7C15u) {
    if (std::memcmp(value.data() + at, &word, std::min(sizeof(word), value.size() - at)) != 0) return false;
  }
  return true;
}

class Streamer {
 public:
  Streamer(const Feed& feed, Pool& pool, uint64_t seed) : feed_(feed), pool_(pool), random_(seed), held_(feed.pins) {}

  void Run(uint64_t bytes, std::atomic<uint64_t>& streamed) {
    while (outcome_.streamed_bytes < bytes) {
      const double skewed = random_.Unit();
      const auto key = static_cast<uint64_t>(static_cast<double>(feed_.keys) * skewed * skewed);
      const uint64_t before = outcome_.streamed_bytes;
      Pin pin = feed_.by_loader ? Load(key) : GetOrInsert(key);
      streamed.fetch_add(outcome_.streamed_bytes - before, std::memory_order_relaxed);
      if (!pin) continue;
      Check(key, pin);
      if (random_.Below(8) == 0) Hold(key, std::move(pin));
    }
  }

  // Every pin that is held must still show its value.
  void CheckHeld() {
    for (const Held& held : held_) {
      if (held.pin) Check(held.key, held.pin);
    }
  }
  void Release() { held_.clear(); }
  const Outcome& outcome() const { return outcome_; }

 private:
  struct Held {
    uint64_t key = 0;
    Pin pin;
  };

  Pin GetOrInsert(uint64_t key) {
    if (Pin pin = pool_.Get({feed_.keys, key})) return pin;
    buffer_.resize(SizeOf(feed_, key));
    Write(key, buffer_);
    InsertOutcome stored = pool_.Insert({feed_.keys, key}, buffer_, CostOf(feed_, buffer_.size()));
    Count(buffer_.size());
    if (!stored.stored()) ++outcome_.refused;
    return std::move(stored.pin);
  }

  Pin Load(uint64_t key) {
    const uint64_t size = SizeOf(feed_, key);
    const Loader loader = [&](Filler& filler) -> Status {
      Count(size);
      WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(size));
      Write(key, room);
      filler.SetCost(CostOf(feed_, size));
      return {};
    };
    LoadOptions options;
    options.bytes_expected = size;
    Result<Loaded> loaded = pool_.LoadOrShare({feed_.keys, key}, loader, options);
    if (loaded) return std::move(loaded->pin);
    ++outcome_.refused;
    return {};
  }

  void Count(uint64_t bytes) {
    outcome_.streamed_bytes += bytes;
    ++outcome_.streamed_values;
  }

  void Check(uint64_t key, const Pin& pin) {
    outcome_.read_bytes += pin.bytes().size();
    if (!IsRight(feed_, key, pin.bytes())) ++outcome_.wrong_values;
  }

  void Hold(uint64_t key, Pin pin) {
    Held& held = held_[random_.Below(held_.size())];
    if (held.pin) Check(held.key, held.pin);
    held = {key, std::move(pin)};
  }

  const Feed& feed_;
  Pool& pool_;
  Random random_;
  std::vector<Held> held_;
  std::vector<std::byte> buffer_;
  Outcome outcome_;
};

// What the control group counts now; where there is none, what this process has resident.
uint64_t KernelBytes(Sensor& sensor) {
  const Headroom headroom = sensor.Read();
  for (const MemoryBound& bound : headroom.bounds) {
    if (bound.source.starts_with("cgroup")) return bound.used_bytes;
  }
  return ResidentBytes().value_or(0);
}

// The rest of a process: grows beside the streams, at most one piece at a time.
class OtherMemory {
 public:
  void Follow(uint64_t streamed, uint64_t total) {
    const auto wanted = static_cast<uint64_t>(static_cast<double>(kOtherBytes) * 1.25 * static_cast<double>(streamed) /
                                              static_cast<double>(total));
    if (bytes_ < std::min(wanted, kOtherBytes)) Grow();
  }
  uint64_t bytes() const { return bytes_; }

 private:
  void Grow() {
    pieces_.emplace_back(kPiece, 'x');
    bytes_ += kPiece;
  }

  static constexpr uint64_t kPiece = kMiB / 2;
  std::vector<std::string> pieces_;
  uint64_t bytes_ = 0;
};

void PrintPool(const PoolStats& stats, const Outcome& outcome) {
  fmt::print(
      "pool {}: streamed {} in {} values, read {}; {} entries of {} in {}; hits {}, evicted {}, moved {}, refused {}\n",
      stats.name, FormatByteSize(outcome.streamed_bytes), outcome.streamed_values, FormatByteSize(outcome.read_bytes),
      stats.entries, FormatByteSize(stats.entry_bytes), FormatByteSize(stats.mapped_bytes), stats.hits, stats.evictions,
      stats.moved, outcome.refused);
}

void PrintBroker(const BrokerStats& stats) {
  fmt::print("broker: {} ticks, {} of them woken by the kernel; {} passes took {} entries, {} back as the pools say\n",
             stats.ticks, stats.event_wakes, stats.passes, stats.entries, FormatByteSize(stats.bytes_released));
}

BrokerOptions OptionsOf(Pace pace) {
  BrokerOptions options;
  if (pace != Pace::kQuick) return options;
  options.period = std::chrono::milliseconds(50);
  options.period_pressed = std::chrono::milliseconds(10);
  options.period_emergency = std::chrono::milliseconds(5);
  return options;
}

// The pools under one broker, and the work on them. Members go in the right order: what reads first, pools after it.
class Scene {
 public:
  explicit Scene(Pace pace) : kernel_before_(KernelBytes(own_sensor_)) {
    broker_ = Must(Broker::Create(sensor_, OptionsOf(pace)));
    for (const Feed& feed : kFeeds) {
      PoolOptions options;
      options.name = feed.name;
      options.budget_bytes = 256 * kMiB;  // more than the group may have: what holds the pools back is the broker
      options.extent_bytes = 128 << 10;   // small: of the budget little may be left
      pools_.push_back(Must(Pool::Create(std::move(options))));
      if (pace != Pace::kUnmanaged) registrations_.push_back(Must(broker_->Register(*pools_.back())));
      streamers_.push_back(std::make_unique<Streamer>(feed, *pools_.back(), kSeed + streamers_.size()));
    }
  }

  void Run(uint64_t bytes) {
    broker_->Tick();  // from here on the budgets follow the memory that is left
    Must(broker_->Start());
    std::atomic<uint64_t> streamed{0};
    std::atomic<size_t> running{streamers_.size()};
    std::vector<std::thread> threads;
    for (const auto& streamer : streamers_) {
      threads.emplace_back([&, one = streamer.get()] {
        one->Run(bytes / kFeeds.size(), streamed);
        running.fetch_sub(1);
        own_sensor_.Interrupt();
      });
    }
    while (running.load() > 0) {
      other_.Follow(streamed.load(std::memory_order_relaxed), bytes);
      (void)own_sensor_.WaitForEvent(std::chrono::milliseconds(5));
    }
    for (std::thread& thread : threads) thread.join();
    broker_->Stop();
  }

  // Prints the figures, empties the pools. The number of values that were not what was put in.
  uint64_t Finish() {
    uint64_t wrong = 0;
    uint64_t pool_bytes = 0;
    for (size_t i = 0; i < pools_.size(); ++i) {
      streamers_[i]->CheckHeld();
      pools_[i]->CheckInvariants();
      PrintPool(pools_[i]->Stats(), streamers_[i]->outcome());
      pool_bytes += pools_[i]->Stats().mapped_bytes;
      wrong += streamers_[i]->outcome().wrong_values;
    }
    PrintBroker(broker_->Stats());
    const uint64_t kernel_after = KernelBytes(own_sensor_);
    fmt::print("memory: pools say {}, the rest of the program {}; the kernel counts {} more than before them\n",
               FormatByteSize(pool_bytes), FormatByteSize(other_.bytes()),
               FormatByteSize(kernel_after - std::min(kernel_after, kernel_before_)));
    Empty(kernel_after);
    return wrong;
  }

 private:
  void Empty(uint64_t kernel_before) {
    streamers_.clear();
    registrations_.clear();
    uint64_t given_back = 0;
    for (const auto& pool : pools_) {
      const uint64_t mapped_before = pool->Stats().mapped_bytes;
      pool->Clear();
      pool->Reclaim(UINT64_MAX, TimePoint::max());
      given_back += mapped_before - pool->Stats().mapped_bytes;
    }
    const uint64_t kernel_after = KernelBytes(own_sensor_);
    fmt::print("memory: emptied, the pools say {} given back; the kernel counts {} less\n", FormatByteSize(given_back),
               FormatByteSize(kernel_before - std::min(kernel_before, kernel_after)));
  }

  HostSensor sensor_{{.with_devices = false}};
  HostSensor own_sensor_{{.with_devices = false}};  // the broker's thread uses the other
  uint64_t kernel_before_;
  OtherMemory other_;
  std::unique_ptr<Broker> broker_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<Registration> registrations_;
  std::vector<std::unique_ptr<Streamer>> streamers_;
};

}  // namespace

std::optional<Pace> PaceOf(std::string_view name) {
  for (const Pace pace : {Pace::kOrdinary, Pace::kQuick, Pace::kUnmanaged}) {
    if (name == NameOf(pace)) return pace;
  }
  return std::nullopt;
}

std::string_view NameOf(Pace pace) {
  return pace == Pace::kOrdinary ? "ordinary" : pace == Pace::kQuick ? "quick" : "unmanaged";
}

bool Stream(uint64_t bytes, Pace pace) {
  Scene scene(pace);
  scene.Run(bytes);
  const uint64_t wrong = scene.Finish();
  fmt::print("data: {} values were wrong\n", wrong);
  return wrong == 0;
}

}  // namespace weir::pressure
