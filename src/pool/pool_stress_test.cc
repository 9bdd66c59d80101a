// Many threads at once: no reader ever sees bytes that are not its key's, nothing leaks, and the figures add up at rest.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <latch>
#include <random>
#include <thread>
#include <vector>

#include "pool_cases.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kStepsPerThread = 4'000;
#else
constexpr int kStepsPerThread = 40'000;
#endif
constexpr int kThreads = 6;
constexpr uint64_t kKeys = 4'000;

uint64_t Seed() {
  const char* set = std::getenv("WEIR_TEST_SEED");
  return set != nullptr ? std::strtoull(set, nullptr, 10) : std::random_device()();
}

// The value says its key, its size and its version in its first bytes, and every further byte follows from these.
struct Head {
  uint64_t key;
  uint32_t size;
  uint32_t version;
};
void Write(std::span<std::byte> room, uint64_t key, uint32_t version) {
  const Head head{key, static_cast<uint32_t>(room.size()), version};
  std::memcpy(room.data(), &head, sizeof(head));
  for (size_t i = sizeof(head); i < room.size(); ++i) room[i] = static_cast<std::byte>(key * 31 + version * 7 + i);
}
bool IsWhole(std::span<const std::byte> bytes, uint64_t key) {
  Head head{};
  if (bytes.size() < sizeof(head)) return false;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.key != key || head.size != bytes.size()) return false;
  for (size_t i = sizeof(head); i < bytes.size(); ++i) {
    if (bytes[i] != static_cast<std::byte>(key * 31 + head.version * 7 + i)) return false;
  }
  return true;
}

class Worker {
 public:
  Worker(Pool& pool, uint64_t budget_bytes, uint64_t seed, std::atomic<uint64_t>& wrong)
      : pool_(pool), budget_bytes_(budget_bytes), random_(seed), wrong_(wrong) {}

  void Run() {
    for (int step = 0; step < kStepsPerThread; ++step) Step();
    pins_.clear();
  }

 private:
  size_t Size() { return sizeof(Head) + (random_() % 64 == 0 ? random_() % 30'000 : random_() % 700); }
  void Expect(bool right) {
    if (!right) wrong_.fetch_add(1);
  }
  void Use(Pin pin, uint64_t key) {
    Expect(pin.key() == KeyOf(key) && IsWhole(pin.bytes(), key));
    if (random_() % 8 == 0) pins_.emplace_back(std::move(pin), key);
    if (pins_.size() > 24) {
      const size_t i = random_() % pins_.size();
      Expect(IsWhole(pins_[i].first.bytes(), pins_[i].second));
      pins_.erase(pins_.begin() + static_cast<long>(i));
    }
  }
  void Step() {
    const uint64_t wide = random_() % kKeys;
    const uint64_t key = random_() % 3 != 0 ? wide % 100 : wide;
    const uint64_t kind = random_() % 1000;
    if (kind < 600) {
      if (Pin pin = pool_.Get(KeyOf(key))) Use(std::move(pin), key);
    } else if (kind < 750) {
      std::vector<std::byte> value(Size());
      Write(value, key, static_cast<uint32_t>(random_()));
      InsertOutcome outcome = pool_.Insert(KeyOf(key), value, {.refetch_us = static_cast<double>(random_() % 1000)});
      if (outcome.stored()) Use(std::move(outcome.pin), key);
    } else if (kind < 950) {
      Load(key);
    } else if (kind < 980) {
      pool_.Erase(KeyOf(key));
    } else if (kind < 990) {
      pool_.SetCost(KeyOf(key), {.refetch_us = static_cast<double>(random_() % 100)});
    } else if (kind < 994) {
      pool_.Reclaim(random_() % (1u << 20), TimePoint::max());
    } else if (kind < 996) {
      pool_.SetBudget(budget_bytes_ / 4 * (3 + random_() % 3));
    } else if (kind < 998) {
      pool_.SetPolicy(static_cast<EvictionPolicy>(random_() % 4));
    } else {
      if (random_() % 10 == 0) pool_.Clear();
      pool_.Stats();
      pool_.PricePerByte();
      pool_.CountPinned();
    }
  }
  void Load(uint64_t key) {
    const uint64_t fate = random_() % 10;
    const size_t size = Size();
    std::stop_source stop;
    LoadOptions options;
    options.bytes_expected = fate % 2 == 0 ? size : 0;
    options.stop = stop.get_token();
    if (fate == 3) options.deadline = SteadyClock().Now() + std::chrono::microseconds(random_() % 200);
    if (fate == 4) stop.request_stop();
    Result<Loaded> loaded = pool_.LoadOrShare(
        KeyOf(key),
        [&](Filler& filler) -> Status {
          if (fate == 5) return NotFound("absent");
          if (fate == 6) throw std::runtime_error("broken");
          WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(size));
          if (fate == 7) std::this_thread::yield();
          Write(room, key, static_cast<uint32_t>(fate));
          if (fate == 8) throw 3;
          return {};
        },
        options);
    if (loaded) Use(std::move(loaded->pin), key);
  }

  Pool& pool_;
  const uint64_t budget_bytes_;
  std::mt19937_64 random_;
  std::atomic<uint64_t>& wrong_;
  std::vector<std::pair<Pin, uint64_t>> pins_;
};

TEST(PoolStressTest, ManyThreadsDoEverythingAtOnce) {
  const uint64_t seed = Seed();
  std::printf("seed %llu (set WEIR_TEST_SEED to repeat)\n", static_cast<unsigned long long>(seed));
  for (uint64_t phase = 0; phase < 3; ++phase) {
    RefusingPages pages;
    std::atomic<uint64_t> wrong{0};
    std::atomic<uint64_t> told{0};
    PoolOptions options;
    // The last phase has room for the sampler.
    options.budget_bytes = phase == 2 ? 12u << 20 : 2u << 20;
    const uint64_t budget_bytes = options.budget_bytes;
    options.shards = 1u << phase;
    options.extent_bytes = 64u << 10;
    if (phase != 0) {
      options.sink = [&](const Evicted& evicted) {
        if (!IsWhole(evicted.bytes, evicted.key.low)) wrong.fetch_add(1);
        if (told.fetch_add(1) % 100 == 0) throw 1;
      };
    }
    auto pool = std::move(pool::CreateOn(pages, std::move(options))).value();
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back(
          [&, t] { Worker(*pool, budget_bytes, seed + phase * 100 + static_cast<uint64_t>(t), wrong).Run(); });
    }
    threads.clear();
    EXPECT_EQ(wrong.load(), 0u);
    const PoolStats stats = pool->Stats();
    EXPECT_EQ(stats.pins, 0u);
    EXPECT_EQ(stats.loading, 0u);
    EXPECT_EQ(stats.detached_bytes, 0u);
    EXPECT_EQ(stats.entries, stats.inserts - stats.erased - stats.evictions);
    EXPECT_EQ(stats.mapped_bytes, pages.held_bytes());
    EXPECT_GT(stats.evictions, 0u);
    EXPECT_GT(stats.load_failures, 0u);
    pool->CheckInvariants();
    pool.reset();
    EXPECT_EQ(pages.held_bytes(), 0u);
  }
}

// A key that stays is never missed, however much its entry is moved and its index rebuilt.
TEST(PoolStressTest, WhatStaysIsAlwaysFound) {
  PoolOptions options;
  options.budget_bytes = 8u << 20;
  options.extent_bytes = 64u << 10;
  options.shards = 2;
  auto pool = MakePool(std::move(options));
  constexpr uint64_t kStaying = 500;
  const auto value_of = [](uint64_t key) {
    std::vector<std::byte> value(100);
    Write(value, key, 1);
    return value;
  };
  // Between entries that go, so that each extent holds some of them.
  for (uint64_t i = 0; i < kStaying; ++i) {
    pool->Insert(KeyOf(i), value_of(i), {.keep = Keep::kAlways});
    for (uint64_t j = 0; j < 20; ++j) pool->Insert(KeyOf(100'000 + i * 20 + j), value_of(100'000 + i * 20 + j));
  }
  std::atomic<bool> done{false};
  std::atomic<uint64_t> missed{0};
  std::atomic<uint64_t> looked{0};
  std::vector<std::jthread> readers;
  for (uint64_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937_64 random(t);
      while (!done.load(std::memory_order_relaxed)) {
        const uint64_t key = random() % kStaying;
        const Pin pin = pool->Get(KeyOf(key));
        if (!pin || !IsWhole(pin.bytes(), key)) missed.fetch_add(1);
        looked.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  const int rounds = kStepsPerThread / 400;
  for (int round = 0; round < rounds; ++round) {
    pool->Reclaim(1u << 30, TimePoint::max());
    for (uint64_t j = 0; j < 4'000; ++j) {
      const uint64_t key = 200'000 + static_cast<uint64_t>(round) * 4'000 + j;
      pool->Insert(KeyOf(key), value_of(key));
    }
    // Replaced as well: the new value is the same.
    for (uint64_t i = 0; i < kStaying; i += 3) pool->Insert(KeyOf(i), value_of(i), {.keep = Keep::kAlways});
  }
  done = true;
  readers.clear();
  EXPECT_EQ(missed.load(), 0u) << "of " << looked.load();
  EXPECT_GT(looked.load(), 0u);
  EXPECT_GT(pool->Stats().moved, 0u);
  pool->CheckInvariants();
}

}  // namespace
}  // namespace weir
