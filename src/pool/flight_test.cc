// Single flight: who loads, who waits, and what each of them is told when things go wrong.

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "pool_cases.h"
#include "weir/pool/pool.h"

namespace weir {
namespace {

Status Fill(Filler& filler, uint64_t number, size_t size) {
  WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(size));
  std::memcpy(room.data(), ValueOf(number, size).data(), size);
  return {};
}

// One load that waits for a gate, and `followers` callers that are known to wait for it.
struct Held {
  Pool& pool;
  std::latch gate{1};
  std::vector<std::jthread> threads{};
  std::vector<Result<Loaded>> results{};
  std::atomic<int> loads{0};

  // `load` runs after the gate opened. Followers that do not stay may have left when this returns.
  void Start(int followers, const Loader& load, LoadOptions follower_options = {}, bool stay = true) {
    for (int i = 0; i <= followers; ++i) results.emplace_back(Error{});
    std::latch loading(1);
    threads.emplace_back([&, load] {
      results[0] = pool.LoadOrShare(KeyOf(1), [&](Filler& filler) {
        ++loads;
        loading.count_down();
        gate.wait();
        return load(filler);
      });
    });
    loading.wait();
    for (int i = 1; i <= followers; ++i) {
      threads.emplace_back([&, i, load, follower_options] {
        results[static_cast<size_t>(i)] = pool.LoadOrShare(
            KeyOf(1), [&](Filler& filler) { return ++loads, load(filler); }, follower_options);
      });
    }
    while (stay && pool.Stats().waiting < static_cast<uint64_t>(followers)) std::this_thread::yield();
  }
  void Finish() {
    gate.count_down();
    threads.clear();
  }
};

TEST(FlightTest, OneLoadsAndAllShare) {
  auto pool = MakePool(Small());
  Held held{*pool};
  held.Start(64, [](Filler& filler) { return Fill(filler, 1, 1000); });
  EXPECT_EQ(pool->Stats().loading, 1u);
  held.Finish();
  EXPECT_EQ(held.loads.load(), 1);
  int computed = 0;
  for (Result<Loaded>& result : held.results) {
    ASSERT_TRUE(result.has_value());
    computed += result->by == LoadedBy::kComputed;
    EXPECT_TRUE(Holds(result->pin, 1, 1000));
  }
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(pool->Stats().pins, 65u);
  held.results.clear();
  EXPECT_EQ(pool->Stats().pins, 0u);
  EXPECT_EQ(pool->Stats().loads, 1u);
  EXPECT_EQ(pool->LoadOrShare(KeyOf(1), [](Filler&) -> Status { return NotFound("not asked"); })->by, LoadedBy::kHit);
  pool->CheckInvariants();
}

TEST(FlightTest, AnErrorOrAThrowReachesAllAndTheNextCallLoadsAgain) {
  const std::vector<std::pair<Loader, std::string>> failures = {
      {[](Filler&) -> Status { return NotFound("no such text"); }, "no such text"},
      {[](Filler& filler) -> Status {
         return Fill(filler, 1, 100).has_value() ? Status(NotFound("after filling")) : Status();
       },
       "after filling"},
      {[](Filler&) -> Status { throw std::runtime_error("broken"); }, "a loader threw: broken"},
      {[](Filler&) -> Status { throw 7; }, "a loader threw"},
      {[](Filler&) -> Status { return {}; }, "a loader succeeded without a value"},
      {[](Filler& filler) -> Status { return Fill(filler, 1, 64u << 20); }, "the value can never fit pool pool"},
      {[](Filler& filler) -> Status {
         WEIR_TRY(Fill(filler, 1, 10));
         return Fill(filler, 1, 10);
       },
       "a loader asked twice for room"},
      {[](Filler& filler) -> Status {
         filler.SetCost({.refetch_us = -3});
         return Fill(filler, 1, 10);
       },
       "a cost must be finite and not negative"},
  };
  for (const auto& [failure, text] : failures) {
    auto pool = MakePool(Small());
    Held held{*pool};
    held.Start(3, failure);
    held.Finish();
    EXPECT_EQ(held.loads.load(), 1);
    for (const Result<Loaded>& result : held.results) {
      ASSERT_FALSE(result.has_value()) << text;
      EXPECT_EQ(result.error().message, text);
    }
    EXPECT_EQ(pool->Stats().entries, 0u);
    EXPECT_EQ(pool->Stats().loading, 0u);
    EXPECT_EQ(pool->Stats().load_failures, 1u);
    pool->CheckInvariants();
    const Result<Loaded> again = pool->LoadOrShare(KeyOf(1), [](Filler& filler) { return Fill(filler, 1, 100); });
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->by, LoadedBy::kComputed);
  }
}

TEST(FlightTest, AWaiterLeavesAtItsDeadlineOrWhenStopped) {
  auto pool = MakePool(Small());
  Held held{*pool};
  const SteadyClock clock;
  held.Start(
      2, [](Filler& filler) { return Fill(filler, 1, 100); }, {.deadline = clock.Now() + std::chrono::milliseconds(5)},
      /*stay=*/false);
  // Both time out while the load still waits for the gate.
  held.threads[1].join();
  held.threads[2].join();
  EXPECT_EQ(held.results[1].error().code, ErrorCode::kDeadline);
  std::stop_source stop;
  Result<Loaded> stopped = Error{};
  std::jthread waiter(
      [&] { stopped = pool->LoadOrShare(KeyOf(1), [](Filler&) -> Status { return {}; }, {.stop = stop.get_token()}); });
  while (pool->Stats().waiting < 1) std::this_thread::yield();
  stop.request_stop();
  waiter.join();
  EXPECT_EQ(stopped.error().code, ErrorCode::kUnavailable);
  held.Finish();
  EXPECT_TRUE(held.results[0].has_value());
  EXPECT_TRUE(pool->Contains(KeyOf(1)));
  held.results.clear();
  pool->CheckInvariants();
}

TEST(FlightTest, WhatIsClearedDuringAFlightDoesNotComeBack) {
  for (const bool clear : {true, false}) {
    auto pool = MakePool(Small());
    Held held{*pool};
    held.Start(2, [](Filler& filler) { return Fill(filler, 1, 100); });
    clear ? static_cast<void>(pool->Clear()) : static_cast<void>(pool->Erase(KeyOf(1)));
    // A caller after the clear starts a load of its own.
    const Result<Loaded> fresh = pool->LoadOrShare(KeyOf(1), [](Filler& filler) { return Fill(filler, 1, 50); });
    EXPECT_TRUE(Holds(fresh->pin, 1, 50));
    held.Finish();
    for (Result<Loaded>& result : held.results) EXPECT_TRUE(Holds(result->pin, 1, 100));
    EXPECT_TRUE(Holds(pool->Get(KeyOf(1)), 1, 50));
    EXPECT_GT(pool->Stats().detached_bytes, 0u);
    held.results.clear();
    EXPECT_EQ(pool->Stats().detached_bytes, 0u);
    pool->CheckInvariants();
  }
}

TEST(FlightTest, AnInsertDuringAFlightWins) {
  auto pool = MakePool(Small());
  Held held{*pool};
  held.Start(1, [](Filler& filler) { return Fill(filler, 1, 100); });
  pool->Insert(KeyOf(1), ValueOf(1, 70, 9));
  held.Finish();
  EXPECT_TRUE(Holds(held.results[0]->pin, 1, 100));
  EXPECT_TRUE(Holds(pool->Get(KeyOf(1)), 1, 70, 9));
  held.results.clear();
  pool->CheckInvariants();
}

TEST(FlightTest, RoomIsTakenBeforeTheLoaderRuns) {
  auto pool = MakePool(Small());
  bool ran = false;
  const auto load = [&](Filler& filler) { return ran = true, Fill(filler, 1, 100); };
  EXPECT_EQ(pool->LoadOrShare(KeyOf(1), load, {.bytes_expected = 64u << 20}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(ran);
  // More or less than expected is taken anew.
  EXPECT_TRUE(Holds(pool->LoadOrShare(KeyOf(1), load, {.bytes_expected = 100})->pin, 1, 100));
  EXPECT_TRUE(Holds(pool->LoadOrShare(KeyOf(2), load, {.bytes_expected = 4000})->pin, 1, 100));
  // A loader that gives up returns what was reserved.
  EXPECT_FALSE(pool->LoadOrShare(KeyOf(3), [](Filler&) -> Status { return NotFound(""); }, {.bytes_expected = 300'000}));
  pool->CheckInvariants();
}

TEST(FlightTest, ALoaderMayUseThePoolButNotItsOwnKey) {
  auto pool = MakePool(Small());
  const auto outer = pool->LoadOrShare(KeyOf(1), [&](Filler& filler) -> Status {
    const auto own = pool->LoadOrShare(KeyOf(1), [](Filler&) -> Status { return {}; });
    EXPECT_EQ(own.error().code, ErrorCode::kInvalidArgument);
    const auto other = pool->LoadOrShare(KeyOf(2), [](Filler& inner) { return Fill(inner, 2, 30); });
    EXPECT_TRUE(Holds(other->pin, 2, 30));
    return Fill(filler, 1, 30);
  });
  EXPECT_TRUE(outer.has_value());
  pool->CheckInvariants();
}

TEST(FlightTest, LoadersThatWaitForEachOtherAreTold) {
  auto pool = MakePool(Small());
  std::latch both(2);
  std::atomic<int> told{0};
  const auto load = [&](uint64_t own, uint64_t other) {
    return pool->LoadOrShare(KeyOf(own), [&, own, other](Filler& filler) -> Status {
      both.arrive_and_wait();
      const auto inner = pool->LoadOrShare(KeyOf(other), [&, other](Filler& again) { return Fill(again, other, 20); });
      if (!inner) told += inner.error().code == ErrorCode::kInvalidArgument;
      return Fill(filler, own, 20);
    });
  };
  std::jthread one([&] { EXPECT_TRUE(load(1, 2).has_value()); });
  EXPECT_TRUE(load(2, 1).has_value());
  one.join();
  EXPECT_EQ(told.load(), 1);
  pool->CheckInvariants();
}

TEST(FlightTest, AStaleLoadDoesNotComeBack) {
  auto pool = MakePool(Small());
  Held held{*pool};
  held.Start(1, [](Filler& filler) { return Fill(filler, 1, 100); });
  pool->Insert(KeyOf(1), ValueOf(1, 70, 9));
  pool->EraseUnpinned(KeyOf(1));
  held.Finish();
  EXPECT_TRUE(Holds(held.results[1]->pin, 1, 100));
  EXPECT_FALSE(pool->Contains(KeyOf(1)));
}

TEST(FlightTest, AResourceCanBeLoaded) {
  auto pool = MakePool(Small());
  const auto loaded = pool->LoadOrShare(KeyOf(1), [](Filler& filler) {
    filler.SetCost({.refetch_us = 5000});
    return filler.Adopt(Resource(std::make_unique<int>(42), 1000));
  });
  EXPECT_EQ(loaded->pin.resource<int>(), 42);
  EXPECT_EQ(pool->Stats().resource_bytes, 1000u);
  pool->CheckInvariants();
}

}  // namespace
}  // namespace weir
