// The system refuses memory: at each request in turn, of pages and of the heap. A typed answer, nothing lost, and the pool
// works again afterwards.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "pool_cases.h"
#include "weir/pool/pool.h"

namespace {

// Counts down on this thread; at zero the next allocation is refused once.
thread_local long heap_requests_left = -1;
bool RefuseHeap() { return heap_requests_left >= 0 && heap_requests_left-- == 0; }

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  if (RefuseHeap()) throw std::bad_alloc();
  if (void* at = std::malloc(size)) return at;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return RefuseHeap() ? nullptr : std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* at) noexcept { std::free(at); }
[[gnu::noinline]] void operator delete(void* at, std::size_t) noexcept { std::free(at); }

namespace weir {
namespace {

PoolOptions Options() {
  PoolOptions options;
  options.budget_bytes = 3u << 20;
  options.extent_bytes = 64u << 10;
  options.shards = 2;
  return options;
}

// A bit of everything that takes memory. Counts the answers that were refusals.
int Exercise(Pool& pool) {
  int refused = 0;
  const auto note = [&](const InsertOutcome& outcome) {
    EXPECT_TRUE(outcome.stored() || outcome.status == InsertStatus::kNoMemory || outcome.status == InsertStatus::kExhausted)
        << StatusName(outcome.status);
    refused += !outcome.stored();
  };
  for (uint64_t i = 0; i < 3000; ++i) {
    note(pool.Insert(KeyOf(i), ValueOf(i, 20 + i % 900), {.refetch_us = static_cast<double>(i % 5)}));
    if (i % 100 == 0) note(pool.Insert(KeyOf(10'000 + i), ValueOf(i, 40'000)));
    if (i % 97 == 0) note(pool.Insert(KeyOf(20'000 + i), Resource(std::make_unique<int>(1), 1000)));
    if (i % 50 == 0) {
      const Result<Loaded> loaded = pool.LoadOrShare(KeyOf(30'000 + i), [&](Filler& filler) -> Status {
        WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(200));
        std::memcpy(room.data(), ValueOf(30'000 + i, 200).data(), 200);
        return {};
      });
      refused += !loaded;
      EXPECT_TRUE(!loaded || Holds(loaded->pin, 30'000 + i, 200));
    }
    if (i % 700 == 699) pool.Reclaim(1u << 19, TimePoint::max());
  }
  return refused;
}

void ExpectWhole(Pool& pool) {
  pool.CheckInvariants();
  for (uint64_t i = 0; i < 3000; ++i) {
    const Pin pin = pool.Get(KeyOf(i));
    EXPECT_TRUE(!pin || Holds(pin, i, 20 + i % 900)) << i;
  }
  EXPECT_EQ(pool.Stats().pins, 0u);
}

TEST(PoolRefusalTest, PagesAtEachRequestInTurn) {
  uint64_t requests = 0;
  {
    RefusingPages counting;
    auto pool = std::move(pool::CreateOn(counting, Options())).value();
    EXPECT_EQ(Exercise(*pool), 0);
    requests = counting.requests();
  }
  ASSERT_GT(requests, 50u);
  for (uint64_t at = 0; at < requests; at += 1 + at / 60) {
    for (const uint64_t count : {uint64_t{1}, uint64_t{1} << 40}) {
      RefusingPages pages;
      pages.RefuseNext(at, count);
      auto made = pool::CreateOn(pages, Options());
      if (!made) {
        EXPECT_EQ(made.error().code, ErrorCode::kUnavailable);
        continue;
      }
      auto pool = std::move(made).value();
      Exercise(*pool);
      ExpectWhole(*pool);
      pages.RefuseNone();
      pool->Clear();
      EXPECT_EQ(Exercise(*pool), 0) << "after " << at;
      ExpectWhole(*pool);
      pool.reset();
      EXPECT_EQ(pages.held_bytes(), 0u);
    }
  }
}

TEST(PoolRefusalTest, TheHeapAtEachRequestInTurn) {
  for (long at = 0; at < 12; ++at) {
    auto pool = MakePool(Options());
    const Loader loader = [](Filler& filler) -> Status {
      WEIR_ASSIGN(const std::span<std::byte> room, filler.Bytes(200));
      std::memset(room.data(), 7, room.size());
      return {};
    };
    const Loader failing = [](Filler&) -> Status { throw std::runtime_error("a text that is too long to fit in place"); };
    for (const Loader* each : {&loader, &failing}) {
      heap_requests_left = at;
      const Result<Loaded> loaded = pool->LoadOrShare(KeyOf(1), *each);
      const bool was_refused = heap_requests_left < 0;
      heap_requests_left = -1;
      EXPECT_TRUE(loaded.has_value() || each == &failing || was_refused);
      EXPECT_EQ(pool->Stats().loading, 0u);
      pool->CheckInvariants();
      pool->Erase(KeyOf(1));
      // The key is not poisoned.
      EXPECT_TRUE(pool->LoadOrShare(KeyOf(1), loader).has_value());
      pool->Erase(KeyOf(1));
    }
    heap_requests_left = at;
    const InsertOutcome outcome = pool->Insert(KeyOf(2), std::span<const std::byte>());
    heap_requests_left = -1;
    EXPECT_TRUE(outcome.stored() || outcome.status == InsertStatus::kNoMemory);
    pool->CheckInvariants();
  }
}

}  // namespace
}  // namespace weir
