#pragma once
// Flight: one load in progress, and those who wait for it.
//
// Linked into its shard while it is in progress (guarded by the shard's lock), owned by reference count, and done once:
// the leader alone lands it. Waiters sleep on a futex; no waiter spins and none is lost when it is cancelled.

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <thread>

#include "weir/base/clock.h"
#include "weir/base/result.h"
#include "weir/pool/pool.h"

namespace weir::pool {

enum class Waited : uint8_t { kLanded, kDeadline, kStopped };

struct Flight {
  Flight(const PoolKey& flown_key, uint64_t hash) : key(flown_key), key_hash(hash) {}

  const PoolKey key;
  const uint64_t key_hash;
  const std::thread::id leader = std::this_thread::get_id();

  // Guarded by the shard's lock.
  Flight* next = nullptr;
  bool retired = false;  // erased or cleared meanwhile: its value must not stay in the pool

  std::atomic<uint32_t> references{1};
  // Bit 0: landed. Above it: counts nudges, so that a waiter that looked before a stop request does not sleep through it.
  std::atomic<uint32_t> progress{0};

  // Written by the leader before it lands, read by waiters afterwards.
  Entry* entry = nullptr;  // pinned by the flight
  std::optional<Error> error;

  void Land();
  Waited Wait(const Clock& clock, TimePoint deadline, const std::stop_token& stop);
};

}  // namespace weir::pool
